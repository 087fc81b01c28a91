"""A suspended tenant in a group: the rule answers 503, then the tasks go to zero; nothing is deleted."""

from __future__ import annotations

import dataclasses

from tenant_operator.desired.resources import Service
from tenant_operator.desired.tenancy import SUSPENDED_ANSWER
from tenant_operator.plan.change import Wait
from tenant_operator.plan.draft import Draft, rule_spec
from tenant_operator.plan.retiring import retire
from tenant_operator.plan.stacks import Stack
from tenant_operator.plan.stage import POLL_SECONDS
from tenant_operator.plan.standby import remove_standby

SETTLING = "suspended"


def suspend(draft: Draft, wanted: list[Stack]) -> None:
    """The rule says 503; once that is in force everywhere, the tasks may go to zero.

    A target group that no rule forwards to drains nothing: its tasks are told to stop at once, and a load balancer that
    still forwards by the old rule would answer 502, and cut what is under way.
    """
    draft.desired.append(draft.rule_with(SUSPENDED_ANSWER))
    answered = draft.rule is not None and rule_spec(draft.rule).action == SUSPENDED_ANSWER
    in_force = answered and _is_in_force(draft, wanted)
    for stack in wanted:
        _keep(draft, stack, desired_count=0 if in_force else None)
    remove_standby(draft)
    if in_force and any(stack.running for stack in wanted):
        draft.waits.append(
            Wait(reason="Stopping", message="waiting for the tasks to stop", seconds=POLL_SECONDS)
        )
    for stack in draft.stacks:
        if stack.slot is None:
            retire(draft, stack, unweighted=answered)


def _is_in_force(draft: Draft, wanted: list[Stack]) -> bool:
    """Whether the 503 has been there for long enough; asked only while there is something to stop."""
    if not any(_desired_count(stack) for stack in wanted):
        return True
    draft.settling.add(SETTLING)
    if SETTLING in draft.progress.settled:
        return True
    seconds = draft.progress.settle_seconds
    draft.waits.append(Wait(reason="Settling", message="waiting for the 503 to be in force", seconds=seconds))
    return False


def _desired_count(stack: Stack) -> int:
    spec = None if stack.live_service is None else stack.live_service.spec
    return spec.desired_count if isinstance(spec, Service) else 0


def _keep(draft: Draft, stack: Stack, desired_count: int | None) -> None:
    """What there is of a slot stays as it is, but for its tags and the number of its tasks."""
    assert stack.slot is not None
    for resource in (stack.slot.target_group, stack.slot.cluster):
        if resource.address in draft.world:
            draft.desired.append(resource)
    if stack.live_service is None:
        return
    spec = stack.live_service.spec
    assert isinstance(spec, Service)
    count = spec.desired_count if desired_count is None else desired_count
    draft.desired.append(
        dataclasses.replace(stack.slot.service, spec=dataclasses.replace(spec, desired_count=count))
    )
