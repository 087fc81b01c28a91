"""Rules, with the quotas of a bus.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.services.events import buses, paging, patterns, tags
from tenant_operator.sandbox.aws.services.events.buses import invalid, not_found
from tenant_operator.sandbox.aws.services.events.state import DEFAULT, Bus, EventsState, Rule
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_RULES = ("L-244521F2", 300)  # a bus
MAX_WILDCARD_RULES = 30  # a bus; cannot be raised
MAX_PATTERN = ("L-664C5505", 2048)  # characters
STATES = ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")

behaviours = Behaviours("events")


def used(sim: Simulation, call: Call, name: str) -> Rule:
    """A rule of the bus that the call names.

    Raises:
        AwsFailure: ResourceNotFoundException.
    """
    bus = buses.used(sim, call, call.parameters.get("EventBusName"))
    rule = bus.rules.get(name)
    if rule is None:
        raise not_found(f"Rule {name} does not exist on EventBus {bus.name}.")
    return rule


@behaviours.answers("PutRule")
def _put(sim: Simulation, call: Call) -> Mapping[str, Any]:
    values = call.parameters
    bus = buses.used(sim, call, values.get("EventBusName"))
    if values.get("ScheduleExpression"):
        raise not_simulated("events", call.action, "schedules are not simulated")
    if not _NAME.fullmatch(values["Name"]):
        raise invalid(f"Value '{values['Name']}' at 'name' failed to satisfy constraint: [\\.\\-_A-Za-z0-9]+")
    if not values.get("EventPattern"):
        raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if values.get("State", "ENABLED") not in STATES:
        raise invalid(f"State must be one of {', '.join(STATES)}.")
    pattern = _pattern(values["EventPattern"])
    found = bus.rules.get(values["Name"])
    _check_limits(sim, call, bus, pattern)
    rule = Rule(
        values["Name"],
        _arn(call, bus, values["Name"]),
        bus.name,
        values["EventPattern"],
        pattern,
        values.get("Description") or "",
        values.get("State") or "ENABLED",
        values.get("RoleArn") or "",
        found.targets if found else {},
    )
    if found is None:  # tags of a rule that is there already are left as they are
        tags.put(sim.state(EventsState, call.account, call.region), rule.arn, values.get("Tags") or [])
    bus.rules[rule.name] = rule
    return {"RuleArn": rule.arn}


def _check_limits(sim: Simulation, call: Call, bus: Bus, pattern: patterns.Pattern) -> None:
    others = [rule for rule in bus.rules.values() if rule.name != call.parameters["Name"]]
    wild = sum(patterns.has_wildcards(rule.pattern) for rule in others)
    if (
        len(others) >= sim.quota(call.account, call.region, *MAX_RULES)
        or len(call.parameters["EventPattern"]) > sim.quota(call.account, call.region, *MAX_PATTERN)
        or (wild >= MAX_WILDCARD_RULES and patterns.has_wildcards(pattern))
    ):
        raise AwsFailure(
            "LimitExceededException", "The requested resource exceeds the maximum number allowed."
        )


def _arn(call: Call, bus: Bus, name: str) -> str:
    path = name if bus.name == DEFAULT else f"{bus.name}/{name}"
    return f"arn:{call.partition}:events:{call.region}:{call.account}:rule/{path}"


def _pattern(text: str) -> patterns.Pattern:
    try:
        return patterns.parse(text)
    except patterns.InvalidPattern as error:
        message = f"Event pattern is not valid. Reason: {error}"
        raise AwsFailure("InvalidEventPatternException", message) from error


@behaviours.answers("DescribeRule")
def _describe(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return {**_shown(used(sim, call, call.parameters["Name"])), "CreatedBy": call.account}


@behaviours.answers("ListRules")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    bus = buses.used(sim, call, call.parameters.get("EventBusName"))
    prefix = call.parameters.get("NamePrefix") or ""
    page, token = paging.page(call, [name for name in sorted(bus.rules) if name.startswith(prefix)])
    return {"Rules": [_shown(bus.rules[name]) for name in page], **token}


def _shown(rule: Rule) -> dict[str, Any]:
    found = {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.pattern_text,
        "State": rule.state,
        "EventBusName": rule.bus,
    }
    given = {"Description": rule.description, "RoleArn": rule.role_arn}
    return {**found, **{name: value for name, value in given.items() if value}}


@behaviours.answers("ListRuleNamesByTarget")
def _list_by_target(sim: Simulation, call: Call) -> Mapping[str, Any]:
    bus, arn = buses.used(sim, call, call.parameters.get("EventBusName")), call.parameters["TargetArn"]
    names = sorted(
        rule.name
        for rule in bus.rules.values()
        if any(target["Arn"] == arn for target in rule.targets.values())
    )
    page, token = paging.page(call, names)
    return {"RuleNames": page, **token}


@behaviours.answers("DeleteRule")
def _delete(sim: Simulation, call: Call) -> None:
    bus = buses.used(sim, call, call.parameters.get("EventBusName"))
    rule = bus.rules.get(call.parameters["Name"])
    if rule is None:  # deleting what is not there is no error
        return
    if rule.targets:
        raise invalid("Rule can't be deleted since it has targets.")
    sim.state(EventsState, call.account, call.region).tags.pop(rule.arn, None)
    del bus.rules[rule.name]


@behaviours.answers("EnableRule")
def _enable(sim: Simulation, call: Call) -> None:
    used(sim, call, call.parameters["Name"]).state = "ENABLED"


@behaviours.answers("DisableRule")
def _disable(sim: Simulation, call: Call) -> None:
    used(sim, call, call.parameters["Name"]).state = "DISABLED"
