"""Tags of rules and event buses.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-tagging.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.events.state import DEFAULT, EventsState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_TAGS = 50

behaviours = Behaviours("events")


def put(state: EventsState, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
    """Add tags.

    Raises:
        AwsFailure: too many, or reserved keys.
    """
    added = {tag["Key"]: tag["Value"] for tag in tags}
    if any(key.lower().startswith("aws:") for key in added):
        raise AwsFailure("ValidationException", "Tag keys beginning with aws: are reserved.")
    found = {**state.tags.get(arn, {}), **added}
    if len(found) > MAX_TAGS:
        raise AwsFailure("ValidationException", f"A resource has at most {MAX_TAGS} tags.")
    if found:
        state.tags[arn] = found


def _tagged(sim: Simulation, call: Call) -> tuple[EventsState, str]:
    state, arn = sim.state(EventsState, call.account, call.region), call.parameters["ResourceARN"]
    known = {bus.arn for bus in state.buses.values()}
    known |= {rule.arn for bus in state.buses.values() for rule in bus.rules.values()}
    if arn not in known and not arn.endswith(f":event-bus/{DEFAULT}"):
        raise AwsFailure("ResourceNotFoundException", f"{arn} does not exist.")
    return state, arn


@behaviours.answers("TagResource")
def _tag(sim: Simulation, call: Call) -> None:
    state, arn = _tagged(sim, call)
    put(state, arn, call.parameters["Tags"])


@behaviours.answers("UntagResource")
def _untag(sim: Simulation, call: Call) -> None:
    state, arn = _tagged(sim, call)
    for key in call.parameters["TagKeys"]:
        state.tags.get(arn, {}).pop(key, None)


@behaviours.answers("ListTagsForResource")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, arn = _tagged(sim, call)
    return {"Tags": [{"Key": key, "Value": value} for key, value in sorted(state.tags.get(arn, {}).items())]}
