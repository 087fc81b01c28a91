"""PutEvents, and trying a pattern out.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws import resource_policies
from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.resource_policies import Requester
from tenant_operator.sandbox.aws.services.events import buses, delivery, patterns
from tenant_operator.sandbox.aws.services.events.buses import invalid
from tenant_operator.sandbox.aws.services.events.state import DEFAULT, EventsState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MOST_ENTRIES = 10
MAX_BYTES = 1_048_576  # of all entries of a call

behaviours = Behaviours("events")


@behaviours.answers("PutEvents")
def _put_events(sim: Simulation, call: Call) -> Mapping[str, Any]:
    entries = call.parameters["Entries"]
    if not 1 <= len(entries) <= MOST_ENTRIES:
        raise invalid(f"Between 1 and {MOST_ENTRIES} events can be put at once.")
    if sum(len(str(entry.get(name, ""))) for entry in entries for name in ("Detail", "Source")) > MAX_BYTES:
        raise invalid("Total size of the entries in the request is over the limit.")
    results = [_put_one(sim, call, entry) for entry in entries]
    return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}


def _put_one(sim: Simulation, call: Call, entry: Mapping[str, Any]) -> dict[str, str]:
    try:
        account, region, bus = _bus(sim, call, entry)
        detail = _checked(entry)
    except AwsFailure as error:
        return {"ErrorCode": error.code, "ErrorMessage": error.message}
    event = delivery.envelope(
        sim,
        call.account,
        region,
        entry["Source"],
        entry["DetailType"],
        detail,
        entry.get("Resources") or (),
        entry.get("Time"),
    )
    delivery.put(sim, account, region, bus, event)
    return {"EventId": event["id"]}


def _bus(sim: Simulation, call: Call, entry: Mapping[str, Any]) -> tuple[str, str, Any]:
    name = entry.get("EventBusName") or DEFAULT
    if not name.startswith("arn:"):
        return call.account, call.region, buses.used(sim, call, name)
    found = buses.by_arn(sim, name)
    if found is None:
        raise buses.not_found(f"Event bus {name} does not exist.")
    account, _, bus = found
    if account != call.account and not resource_policies.allows(
        buses.policy_of(bus), "events:PutEvents", bus.arn, Requester.of(call.principal)
    ):
        message = f"User: {call.principal.arn} is not authorized to perform: events:PutEvents on resource: {bus.arn}"
        raise AwsFailure("AccessDeniedException", message)
    return found


def _checked(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            raise AwsFailure(
                "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
            )
    if entry["Source"].startswith("aws."):
        raise AwsFailure("NotAuthorizedForSourceException", "Not authorized for the source.")
    try:
        detail: Any = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        raise AwsFailure("MalformedDetail", "Detail is malformed.")
    return detail


@behaviours.answers("TestEventPattern")
def _test_pattern(_: Simulation, call: Call) -> Mapping[str, Any]:
    try:
        pattern = patterns.parse(call.parameters["EventPattern"])
    except patterns.InvalidPattern as error:
        message = f"Event pattern is not valid. Reason: {error}"
        raise AwsFailure("InvalidEventPatternException", message) from error
    try:
        event: Any = json.loads(call.parameters["Event"])
    except ValueError as error:
        raise invalid("Parameter Event is not valid.") from error
    needed = {"id", "account", "source", "time", "region", "resources", "detail-type"}
    if not isinstance(event, dict) or not needed <= event.keys():
        raise invalid(f"Parameter Event is not valid. Reason: it needs {', '.join(sorted(needed))}.")
    return {"Result": patterns.matches(pattern, event)}


@behaviours.controls("GET", "events/failures")
def _failures(sim: Simulation, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Deliveries that failed, of an account and Region: what CloudWatch counts in FailedInvocations."""
    state = sim.state(EventsState, str(asked["account"]), str(asked["region"]))
    return {"failures": list(state.failures)}
