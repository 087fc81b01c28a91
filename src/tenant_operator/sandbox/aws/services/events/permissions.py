"""Who else may put events on a bus.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus-perms.html
"""

from __future__ import annotations

import json
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.events import buses
from tenant_operator.sandbox.aws.services.events.buses import invalid, not_found
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_POLICY = 10_240  # bytes

behaviours = Behaviours("events")


@behaviours.answers("PutPermission")
def _put(sim: Simulation, call: Call) -> None:
    bus = buses.used(sim, call, call.parameters.get("EventBusName"))
    if policy := call.parameters.get("Policy"):
        statements = _statements(policy)
    else:
        statement = _statement(call, bus.arn)
        others = [found for found in bus.statements if found.get("Sid") != statement["Sid"]]
        statements = [*others, statement]
    if len(json.dumps(statements)) > MAX_POLICY:
        raise AwsFailure("PolicyLengthExceededException", f"The policy is longer than {MAX_POLICY} bytes.")
    bus.statements = statements


def _statements(policy: str) -> list[dict[str, Any]]:
    try:
        document: Any = json.loads(policy)
        statements = document["Statement"]
    except (ValueError, KeyError, TypeError) as error:
        raise invalid("The policy is not a JSON document with statements.") from error
    found = statements if isinstance(statements, list) else [statements]
    if any(not {"Effect", "Principal", "Action", "Resource"} <= statement.keys() for statement in found):
        raise invalid("Effect, Principal, Action and Resource are required in each statement.")
    return found


def _statement(call: Call, bus_arn: str) -> dict[str, Any]:
    values = call.parameters
    missing = [name for name in ("Action", "Principal", "StatementId") if not values.get(name)]
    if missing:
        raise invalid(f"Parameter(s) {', '.join(missing)} must be specified.")
    if values["Action"] != "events:PutEvents":
        raise invalid("Provided value in parameter 'action' is not supported.")
    principal = values["Principal"]
    if principal != "*" and not (principal.isdigit() and len(principal) == 12):
        raise invalid("Principal must be an account id of twelve digits, or *.")
    statement: dict[str, Any] = {
        "Sid": values["StatementId"],
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:{call.partition}:iam::{principal}:root"},
        "Action": values["Action"],
        "Resource": bus_arn,
    }
    if condition := values.get("Condition"):
        statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return statement


@behaviours.answers("RemovePermission")
def _remove(sim: Simulation, call: Call) -> None:
    bus = buses.used(sim, call, call.parameters.get("EventBusName"))
    if call.parameters.get("RemoveAllPermissions"):
        bus.statements = []
        return
    wanted = call.parameters.get("StatementId")
    others = [statement for statement in bus.statements if statement.get("Sid") != wanted]
    if len(others) == len(bus.statements):
        raise not_found("Statement with the provided id does not exist.")
    bus.statements = others
