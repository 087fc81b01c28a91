"""From a bus by its rules to their targets, with what each target's owner has to have allowed.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tenant_operator.sandbox.aws import resource_policies
from tenant_operator.sandbox.aws.resource_policies import Requester
from tenant_operator.sandbox.aws.services.events import buses, patterns, roles
from tenant_operator.sandbox.aws.services.events.state import Bus, EventsState, Rule
from tenant_operator.sandbox.aws.services.sqs import access, messages
from tenant_operator.sandbox.aws.services.sqs.state import Queue
from tenant_operator.sandbox.aws.simulation import Simulation

SERVICE = "events.amazonaws.com"
Event = Mapping[str, Any]


class _Undelivered(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def envelope(
    sim: Simulation,
    account: str,
    region: str,
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str] = (),
    time: datetime | None = None,
) -> Event:
    """An event as EventBridge hands it to targets.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
    """
    return {
        "version": "0",
        "id": str(uuid.UUID(int=sim.rng.getrandbits(128), version=4)),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": (time or sim.timestamp()).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": list(resources),
        "detail": detail,
    }


def is_heard(sim: Simulation, account: str, region: str) -> bool:
    """Whether some rule of the account's default bus takes events: an event for nobody need not be made."""
    state = sim.state(EventsState, account, region)
    bus = state.buses.get("default")
    return bus is not None and any(rule.enabled and rule.targets for rule in bus.rules.values())


def put_on_default_bus(sim: Simulation, account: str, region: str, event: Event) -> None:
    """What AWS services do with their events."""
    put(sim, account, region, buses.default_bus(sim, account, region), event)


def put(
    sim: Simulation, account: str, region: str, bus: Bus, event: Event, *, from_other_bus: bool = False
) -> None:
    """Take an event to the targets of all rules that match, a moment later.

    An event that came from another bus is not sent on to a third one.
    """
    for rule in bus.rules.values():
        if not rule.enabled or not patterns.matches(rule.pattern, event):
            continue
        for target in rule.targets.values():
            if from_other_bus and ":event-bus/" in target["Arn"]:
                continue
            deliver = functools.partial(_deliver, sim, account, region, rule, target, event)
            sim.after(sim.durations.event_delivery, deliver)


def _deliver(
    sim: Simulation, account: str, region: str, rule: Rule, target: Mapping[str, Any], event: Event
) -> None:
    try:
        if ":event-bus/" in target["Arn"]:
            _to_bus(sim, account, rule, target, event)
        else:
            _to_queue(sim, account, rule, target, event)
    except _Undelivered as error:
        _give_up(sim, account, region, rule, target, event, error)


def _to_bus(sim: Simulation, account: str, rule: Rule, target: Mapping[str, Any], event: Event) -> None:
    """The bus's policy names this account, or the role that the target has been given."""
    found = buses.by_arn(sim, target["Arn"])
    if found is None:
        raise _Undelivered("RESOURCE_NOT_FOUND", f"{target['Arn']} does not exist.")
    owner, region, bus = found
    requester = _requester(sim, account, rule, target, "events:PutEvents", service=False)
    own_by_role = owner == account and target.get("RoleArn")
    if not own_by_role and not resource_policies.allows(
        buses.policy_of(bus), "events:PutEvents", bus.arn, requester
    ):
        raise _Undelivered("NO_PERMISSIONS", f"Not authorized to perform events:PutEvents on {bus.arn}.")
    put(sim, owner, region, bus, event, from_other_bus=True)


def _to_queue(sim: Simulation, account: str, rule: Rule, target: Mapping[str, Any], event: Event) -> None:
    """The queue's policy names EventBridge and this rule, or the role that another account's queue needs.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-cross-account.html
    """
    queue = access.by_arn(sim, target["Arn"])
    if queue is None:
        raise _Undelivered("RESOURCE_NOT_FOUND", f"{target['Arn']} does not exist.")
    if queue.account != account and not target.get("RoleArn"):
        raise _Undelivered("NO_PERMISSIONS", "A queue of another account needs a role.")
    requester = _requester(sim, account, rule, target, "sqs:SendMessage", service=True)
    own_by_role = queue.account == account and target.get("RoleArn")
    if not own_by_role and not _may_send(queue, requester):
        raise _Undelivered("NO_PERMISSIONS", f"Not authorized to perform sqs:SendMessage on {queue.arn}.")
    messages.send(sim, queue, {"MessageBody": _text(target, event)}, "AIDAIENQZJOLO23YVJ4VO")


def _may_send(queue: Queue, requester: Requester) -> bool:
    return resource_policies.allows(
        queue.attributes.get("Policy", ""), "sqs:SendMessage", queue.arn, requester
    )


def _requester(
    sim: Simulation, account: str, rule: Rule, target: Mapping[str, Any], action: str, *, service: bool
) -> Requester:
    """Whom the target's owner sees: the target's role, EventBridge itself (for a queue), or the rule's account."""
    partition = rule.arn.split(":")[1]
    context = {"aws:sourcearn": rule.arn, "aws:sourceaccount": account}
    if role_arn := target.get("RoleArn"):
        if not roles.may(sim, account, role_arn, action, target["Arn"]):
            raise _Undelivered("NO_PERMISSIONS", f"{role_arn} cannot be assumed, or does not allow {action}.")
        names = frozenset({role_arn, account, f"arn:{partition}:iam::{account}:root"})
        return Requester(names, context={**context, "aws:principalarn": role_arn})
    if service:
        return Requester.of_service(SERVICE, rule.arn, account)
    return Requester(frozenset({account, f"arn:{partition}:iam::{account}:root"}), context=context)


def _text(target: Mapping[str, Any], event: Event) -> str:
    if constant := target.get("Input"):
        return str(constant)
    found: Any = event
    for name in (target.get("InputPath") or "$").split(".")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return json.dumps(found, separators=(",", ":"))


def _give_up(
    sim: Simulation,
    account: str,
    region: str,
    rule: Rule,
    target: Mapping[str, Any],
    event: Event,
    error: _Undelivered,
) -> None:
    """A missing permission or target is not retried: the event goes to the target's dead-letter queue, or is lost."""
    failure = {"rule": rule.arn, "target": target["Arn"], "code": error.code, "message": str(error)}
    sim.state(EventsState, account, region).failures.append(failure)
    queue = access.by_arn(sim, (target.get("DeadLetterConfig") or {}).get("Arn") or "")
    if queue is None or not _may_send(queue, Requester.of_service(SERVICE, rule.arn, account)):
        return
    told = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": error.code,
        "ERROR_MESSAGE": str(error),
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    body = json.dumps(event, separators=(",", ":"))
    messages.send(sim, queue, {"MessageBody": body, "MessageAttributes": attributes}, "AIDAIENQZJOLO23YVJ4VO")
