"""Which target groups a tenant's rule forwards to, with which weights: only where requests are answered."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tenant_operator.desired.resources import Address, FixedResponse, Forward, Ref, World, lookup_in, resolve
from tenant_operator.desired.tenancy import SUSPENDED_ANSWER
from tenant_operator.plan.change import Wait
from tenant_operator.plan.draft import Draft, rule_spec
from tenant_operator.plan.stacks import Stack

TARGET_GROUPS_PER_ACTION = 5
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html (not adjustable)"""


def rule_action(draft: Draft, wanted: list[Stack]) -> Forward | FixedResponse:
    """What the tenant's rule should do now: forward with weights, or still answer 503 while it resumes."""
    live = None if draft.rule is None else rule_spec(draft.rule).action
    if live is None:
        return _forward({stack.target_group: draft.share(stack) for stack in wanted}, draft.world)
    if not isinstance(live, Forward):
        return _resumed(draft, wanted)
    weights = {
        stack.target_group: _next_weight(draft, stack) for stack in draft.stacks if _in_rule(draft, stack)
    }
    if not any(weights.values()):
        keep = {s.target_group: draft.share(s) for s in draft.stacks if draft.weight(s) > 0 and s.live_group}
        weights.update(keep or {stack.target_group: draft.share(stack) for stack in wanted})
    return _forward(_within_action(draft, weights), draft.world)


def _resumed(draft: Draft, wanted: list[Stack]) -> Forward | FixedResponse:
    """503 until every cluster is healthy, or has failed while another is healthy."""
    whole = [stack for stack in wanted if draft.healthy(stack)]
    if whole and all(stack in whole or stack.failed for stack in wanted):
        return _forward({s.target_group: draft.share(s) if s in whole else 0 for s in wanted}, draft.world)
    return SUSPENDED_ANSWER


def _in_rule(draft: Draft, stack: Stack) -> bool:
    """A left-over target group stays in the rule until its service is gone."""
    if stack.slot is not None:
        return True
    return stack.live_group is not None and (stack.live_service is not None or draft.weight(stack) > 0)


def _next_weight(draft: Draft, stack: Stack) -> int:
    others = [other for other in draft.stacks if other is not stack and _carries(draft, other)]
    if stack.slot is None:
        successor = [s for s in draft.stacks if s.slot is not None and s.index == stack.index]
        replaced = all(_carries(draft, s) for s in successor) and bool(others)
        return 0 if draft.weight(stack) == 0 or replaced else draft.share(stack)
    if draft.weight(stack) > 0:
        return draft.share(stack) if stack.running or not others else 0
    return draft.share(stack) if draft.healthy(stack) else 0


def _carries(draft: Draft, stack: Stack) -> bool:
    """Requests sent there are answered: it is weighted and runs, or it is healthy and about to be weighted."""
    if stack.live_service is None or not stack.running:
        return False
    return draft.weight(stack) > 0 or (stack.slot is not None and draft.healthy(stack))


def _within_action(draft: Draft, weights: dict[Address, int]) -> dict[Address, int]:
    """At most five target groups: successors wait outside until there is room."""
    if len(weights) <= TARGET_GROUPS_PER_ACTION:
        return weights
    new = [a for a, weight in weights.items() if weight == 0 and not draft.is_attached(a)]
    surplus = new[TARGET_GROUPS_PER_ACTION - len(weights) :]
    draft.waits.append(
        Wait(
            reason="TargetGroupsPerAction",
            message="a listener rule forwards to five target groups at most, so five clusters leave no room to put "
            "a changed port beside the old one: set clusters to 4 first, and back to 5 afterwards",
            seconds=60.0,
        )
    )
    return {a: weight for a, weight in weights.items() if a not in surplus}


def _forward(weights: Mapping[Address, int], world: World) -> Forward:
    """The weights in lowest terms; one target group alone always has the weight 1."""
    lookup = lookup_in(world)
    divisor = math.gcd(*weights.values()) or 1
    if len(weights) == 1:
        divisor = max(weights.values()) or 1
    targets = [
        (resolve(Ref(address), lookup), min(999, weight // divisor)) for address, weight in weights.items()
    ]
    return Forward(tuple(targets))
