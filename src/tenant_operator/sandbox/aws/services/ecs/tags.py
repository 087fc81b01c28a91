"""Tags of clusters, services, task definitions and tasks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ecs.state import EcsState, invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_TAGS = 50

behaviours = Behaviours("ecs")


def _state(sim: Simulation, call: Call) -> EcsState:
    found = sim.state(EcsState, call.account, call.region)
    _check_exists(found, call.parameters["resourceArn"])
    return found


@behaviours.answers("TagResource")
def _tag_resource(sim: Simulation, call: Call) -> None:
    found, arn, tags = _state(sim, call), call.parameters["resourceArn"], call.parameters["tags"]
    check(tags)
    if len(found.tags.get(arn, {}).keys() | {tag["key"] for tag in tags}) > MAX_TAGS:
        raise invalid(f"The maximum number of tags per resource is {MAX_TAGS}.")
    put(found, arn, tags)


@behaviours.answers("UntagResource")
def _untag_resource(sim: Simulation, call: Call) -> None:
    tags = _state(sim, call).tags.get(call.parameters["resourceArn"], {})
    for key in call.parameters["tagKeys"]:
        tags.pop(key, None)


@behaviours.answers("ListTagsForResource")
def _list_tags_for_resource(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return {"tags": shown(_state(sim, call), call.parameters["resourceArn"])}


def check(tags: Sequence[Mapping[str, str]]) -> None:
    """Raises AwsFailure: too many, a key twice, a reserved key, or one that is too long."""
    keys = [tag.get("key", "") for tag in tags]
    if len(keys) > MAX_TAGS:
        raise invalid(f"The maximum number of tags per resource is {MAX_TAGS}.")
    if len(keys) != len(set(keys)):
        raise invalid("Tag keys must be unique.")
    for tag in tags:
        key, value = tag.get("key", ""), tag.get("value", "")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise invalid(f"Tag {key!r}: a key has 1 to 128 characters, a value at most 256.")
        if key.lower().startswith("aws:"):
            raise invalid("Tag keys beginning with aws: are reserved.")


def put(state: EcsState, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
    """Set tags, keeping the others."""
    if tags:
        state.tags.setdefault(arn, {}).update({tag["key"]: tag.get("value", "") for tag in tags})


def shown(state: EcsState, arn: str) -> list[dict[str, str]]:
    """Tags as Describe shows them."""
    return [{"key": key, "value": value} for key, value in state.tags.get(arn, {}).items()]


def _check_exists(state: EcsState, arn: str) -> None:
    parts = arn.split(":", 5)[-1].split("/")
    match parts[0], parts[1:]:
        case "cluster", [name]:
            exists = name in state.clusters
        case "service", [cluster, name]:
            exists = cluster in state.clusters and name in state.clusters[cluster].services
        case "task-definition", [name]:
            exists = state.definition(name) is not None
        case _:
            raise invalid(
                f"Long arn format must be used for tagging operations; {arn} is not one the sandbox tags"
            )
    if not exists:
        raise AwsFailure("ResourceNotFoundException", "The specified resource is not found.")
