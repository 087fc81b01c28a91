"""Listener rules: create, describe, modify, reorder, delete.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2 import rule_checks, tags
from tenant_operator.sandbox.aws.services.elbv2.paging import limit_named, page
from tenant_operator.sandbox.aws.services.elbv2.quotas import RULES
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, Listener, Rule
from tenant_operator.sandbox.aws.services.elbv2.usage import change_actions, publish
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("CreateRule")
def _create_rule(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Not idempotent: the same call again answers PriorityInUse."""
    return {"Rules": [_create(sim, _state(sim, call), call).describe()]}


@behaviours.answers("DescribeRules")
def _describe_rules(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """In order of evaluation, the default rule last."""
    shown, marker = page(_selected(_state(sim, call), call.parameters), call.parameters)
    return {"Rules": [rule.describe() for rule in shown], "NextMarker": marker}


@behaviours.answers("ModifyRule")
def _modify_rule(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Every list given replaces the old one whole; one left out stays; ResetTransforms removes them."""
    return {"Rules": [_modify(sim, _state(sim, call), call.parameters).describe()]}


@behaviours.answers("DeleteRule")
def _delete_rule(sim: Simulation, call: Call) -> None:
    listener, rule = _state(sim, call).rule(call.parameters["RuleArn"])
    if rule.priority is None:
        raise AwsFailure("OperationNotPermitted", f"Default rule '{rule.arn}' cannot be deleted")
    change_actions(sim, _state(sim, call), listener.load_balancer, old=rule.actions)
    del listener.rules[rule.priority]
    del _state(sim, call).rules[rule.arn]
    _state(sim, call).tags.pop(rule.arn, None)
    publish(sim, listener)


@behaviours.answers("SetRulePriorities")
def _set_rule_priorities(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Judged on the resulting order, so that a swap works; all or nothing."""
    changed = _set_priorities(sim, _state(sim, call), call.parameters["RulePriorities"])
    return {"Rules": [rule.describe() for rule in changed]}


def _selected(state: ElbState, parameters: Mapping[str, Any]) -> Sequence[Rule]:
    arns = parameters.get("RuleArns", [])
    limit_named("RuleArns", arns)
    if arns and "ListenerArn" in parameters:
        raise AwsFailure(
            "ValidationError",
            "You must specify either listener ARN or rule ARNs, not both",
        )
    if arns:
        return [state.rule(arn)[1] for arn in arns]
    if "ListenerArn" not in parameters:
        raise AwsFailure("ValidationError", "You must specify either listener ARN or rule ARNs")
    return state.listener(parameters["ListenerArn"]).in_order()


def _create(sim: Simulation, state: ElbState, call: Call) -> Rule:
    parameters = call.parameters
    listener = state.listener(parameters["ListenerArn"])
    priority = rule_checks.priority(parameters["Priority"])
    conditions = rule_checks.conditions(parameters["Conditions"])
    actions = rule_checks.actions(parameters["Actions"])
    transforms = rule_checks.transforms(parameters.get("Transforms", []))
    tags.check_new(parameters.get("Tags", []))
    if priority in listener.rules:
        raise AwsFailure("PriorityInUse", f"Priority '{priority}' is currently in use")
    limit = RULES.of(sim, call)
    if listener.load_balancer.rule_count() >= limit:
        raise AwsFailure(
            "TooManyRules",
            f"You've reached the limit on the number of rules per load balancer: {limit}",
        )
    change_actions(sim, state, listener.load_balancer, new=actions)
    arn = f"{listener.arn.replace(':listener/', ':listener-rule/')}/{sim.hex_id(16)}"
    made = Rule(arn, priority, conditions, actions, transforms)
    listener.rules[priority] = made
    state.rules[arn] = (listener, made)
    tags.put(state, arn, parameters.get("Tags", []))
    publish(sim, listener)
    return made


def _modify(sim: Simulation, state: ElbState, parameters: Mapping[str, Any]) -> Rule:
    listener, rule = state.rule(parameters["RuleArn"])
    if rule.priority is None:
        raise AwsFailure("OperationNotPermitted", f"Default rule '{rule.arn}' cannot be modified")
    reset = bool(parameters.get("ResetTransforms"))
    if reset and "Transforms" in parameters:
        raise AwsFailure("ValidationError", "You cannot specify both Transforms and ResetTransforms")
    changed = rule
    if "Conditions" in parameters:
        changed = replace(changed, conditions=rule_checks.conditions(parameters["Conditions"]))
    if "Actions" in parameters:
        changed = replace(changed, actions=rule_checks.actions(parameters["Actions"]))
    if "Transforms" in parameters:
        changed = replace(changed, transforms=rule_checks.transforms(parameters["Transforms"]))
    if reset:
        changed = replace(changed, transforms=())
    change_actions(sim, state, listener.load_balancer, old=rule.actions, new=changed.actions)
    listener.rules[rule.priority] = changed
    state.rules[rule.arn] = (listener, changed)
    publish(sim, listener)
    return changed


def _set_priorities(sim: Simulation, state: ElbState, pairs: Sequence[Mapping[str, Any]]) -> list[Rule]:
    wanted: dict[str, int] = {}
    listeners: dict[str, Listener] = {}
    for pair in pairs:
        listener, rule = state.rule(pair["RuleArn"])
        if rule.is_default:
            raise AwsFailure(
                "OperationNotPermitted",
                f"Default rule '{rule.arn}' cannot have a priority",
            )
        if rule.arn in wanted:
            raise AwsFailure("ValidationError", f"Rule '{rule.arn}' is specified more than once")
        wanted[rule.arn] = rule_checks.priority(pair["Priority"])
        listeners[listener.arn] = listener
    orders = [(listener, _resulting_order(listener, wanted)) for listener in listeners.values()]
    for listener, order in orders:
        listener.rules = order
        for rule in order.values():
            state.rules[rule.arn] = (listener, rule)
        publish(sim, listener)
    return [state.rules[arn][1] for arn in wanted]


def _resulting_order(listener: Listener, wanted: Mapping[str, int]) -> dict[int, Rule]:
    order: dict[int, Rule] = {}
    for current, rule in listener.rules.items():
        priority = wanted.get(rule.arn, current)
        if priority in order:
            raise AwsFailure("PriorityInUse", f"Priority '{priority}' is currently in use")
        order[priority] = replace(rule, priority=priority)
    return order
