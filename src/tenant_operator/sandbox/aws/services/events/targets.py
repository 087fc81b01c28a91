"""The targets of rules.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.services.events import paging, rules
from tenant_operator.sandbox.aws.services.events.buses import invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_TARGETS = 5  # a rule
MOST_ENTRIES = 10  # a call
_SIMULATED = ("sqs", "events")
_RETRY_RANGES = {"MaximumRetryAttempts": (0, 185), "MaximumEventAgeInSeconds": (60, 86_400)}

behaviours = Behaviours("events")


@behaviours.answers("PutTargets")
def _put(sim: Simulation, call: Call) -> Mapping[str, Any]:
    rule, entries = rules.used(sim, call, call.parameters["Rule"]), call.parameters["Targets"]
    if not 1 <= len(entries) <= MOST_ENTRIES:
        raise invalid(f"Between 1 and {MOST_ENTRIES} targets can be put at once.")
    for target in entries:
        _check(call, target)
    if len(rule.targets.keys() | {target["Id"] for target in entries}) > MAX_TARGETS:
        raise AwsFailure(
            "LimitExceededException", "The requested resource exceeds the maximum number allowed."
        )
    for target in entries:
        rule.targets[target["Id"]] = _with_kept_role(rule.targets.get(target["Id"]), target)
    return {"FailedEntryCount": 0, "FailedEntries": []}


def _with_kept_role(before: Mapping[str, Any] | None, target: Mapping[str, Any]) -> Mapping[str, Any]:
    """A bus's role is not removed by putting the same target without it."""
    keeps = before is not None and before["Arn"] == target["Arn"] and ":event-bus/" in target["Arn"]
    if before is not None and keeps and before.get("RoleArn") and not target.get("RoleArn"):
        return {**target, "RoleArn": before["RoleArn"]}
    return target


def _check(call: Call, target: Mapping[str, Any]) -> None:
    parts = str(target["Arn"]).split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise invalid(
            f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in correct format."
        )
    if parts[2] not in _SIMULATED:
        raise not_simulated("events", call.action, f"targets of the service {parts[2]} are not simulated")
    if target.get("InputTransformer"):
        raise not_simulated("events", call.action, "input transformers are not simulated")
    if target.get("Input") and target.get("InputPath"):
        raise invalid("Only one of Input, InputPath, or InputTransformer must be provided.")
    if parts[2] == "events" and (target.get("Input") or target.get("InputPath")):
        raise invalid("Input, InputPath and InputTransformer are not available for an event bus.")
    if parts[2] == "sqs" and parts[3] != call.region:
        raise invalid(f"Parameter {target['Arn']} is not valid. Reason: It is in another Region.")
    if constant := target.get("Input"):
        _check_json(constant)
    for name, (lowest, highest) in _RETRY_RANGES.items():
        value = (target.get("RetryPolicy") or {}).get(name)
        if value is not None and not lowest <= value <= highest:
            raise invalid(f"{name} must be between {lowest} and {highest}.")


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise invalid("JSON syntax error in input for target.") from error


@behaviours.answers("RemoveTargets")
def _remove(sim: Simulation, call: Call) -> Mapping[str, Any]:
    rule = rules.used(sim, call, call.parameters["Rule"])
    for target_id in call.parameters["Ids"]:
        rule.targets.pop(target_id, None)
    return {"FailedEntryCount": 0, "FailedEntries": []}


@behaviours.answers("ListTargetsByRule")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    rule = rules.used(sim, call, call.parameters["Rule"])
    page, token = paging.page(call, sorted(rule.targets))
    return {"Targets": [rule.targets[target_id] for target_id in page], **token}
