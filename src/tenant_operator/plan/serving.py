"""One tenant in one infra group: the next safe state between what exists and what should, as a pure function.

The end state is data (`Tenancy`). Getting there in one leap would lose requests, so `stage` answers with the part of it
that may be made true *now*, given what is observed, and with the waits that hold the rest back. The engine makes that
true (through `plan.diff`), looks again, and asks again, until the stage is the end state. Order is always: make the new
path whole and healthy → switch → let it settle → drain the old → remove it.

| what is seen                                | the rule                                  | the services                       |
|---------------------------------------------|-------------------------------------------|------------------------------------|
| no rule yet                                 | forwards to every cluster, equally        | made once the rule is there        |
| a further cluster, or a cluster's successor | weight 0 until healthy, then its share    | made once the rule is there        |
| a cluster without a running task            | weight 0, but only while another has some | untouched                          |
| a cluster that is not wanted any more       | weight 0 once another is healthy          | after the rule settled: zero, gone |
| suspended                                   | 503                                       | to zero once the 503 settled       |
| resumed                                     | 503; a standby rule holds the groups      | up; then forward, standby removed  |
| a new release                               | untouched                                 | one cluster of one group at a time |
"""

from __future__ import annotations

from tenant_operator.desired.resources import FixedResponse, Forward, Ref, World
from tenant_operator.desired.tenancy import SUSPENDED_ANSWER, Tenancy
from tenant_operator.plan.change import Wait
from tenant_operator.plan.draft import Draft, live_id, rule_spec, service_of, targets
from tenant_operator.plan.releasing import add_compute
from tenant_operator.plan.retiring import remove_duplicates, retire
from tenant_operator.plan.stacks import Stack, stacks_of
from tenant_operator.plan.stage import POLL_SECONDS, Progress, Stage
from tenant_operator.plan.standby import remove_standby, standby
from tenant_operator.plan.suspending import suspend
from tenant_operator.plan.weights import rule_action


def stage(tenancy: Tenancy, world: World, progress: Progress) -> Stage:
    """The next safe state of a tenant in a group that should serve it.

    `world` holds at least the tenant's own resources in the group, and those that they refer to.
    """
    stacks = stacks_of(tenancy, world)
    rule = world.get(tenancy.rule.address)
    draft = Draft(tenancy, world, progress, stacks, rule)
    wanted = [stack for stack in draft.stacks if stack.slot is not None]
    if draft.tenancy.suspended:
        suspend(draft, wanted)
    else:
        _serve(draft, wanted)
    remove_duplicates(draft)
    live_action = None if draft.rule is None else rule_spec(draft.rule).action
    programmed = draft.rule is not None and _says_what_it_should(draft, live_action)
    joined = draft.joined()
    ready = programmed and not draft.unknown and not draft.rolled_back
    if not draft.tenancy.suspended:
        ready = ready and all(draft.whole(stack) and stack.target_group in joined for stack in wanted)
    if ready and not draft.tenancy.suspended and draft.progress.verify:
        ready = _proved(draft, wanted)
    return Stage(
        desired=tuple(draft.desired),
        removals=tuple(draft.removals),
        waits=tuple(draft.waits),
        refusals=tuple(draft.refusals),
        unknown=frozenset(draft.unknown),
        settling=frozenset(draft.settling),
        programmed=programmed,
        ready=ready,
        whole=draft.tenancy.suspended or all(draft.whole(stack) for stack in wanted),
        released=sum(draft.whole(stack) for stack in wanted),
        releasing=any(draft.release_due(stack) or draft.rolling(stack) for stack in wanted),
        failures=tuple(stack.service for stack in wanted if stack.failed and stack.service is not None),
        rolled_back=draft.rolled_back,
        running=sum(stack.running for stack in draft.stacks),
        wanted=0
        if draft.tenancy.suspended
        else sum(service_of(s.slot).desired_count for s in wanted if s.slot),
    )


def _serve(draft: Draft, wanted: list[Stack]) -> None:
    action = rule_action(draft, wanted)
    rule = draft.rule_with(action)
    resuming = isinstance(action, FixedResponse)
    holder = standby(draft, wanted) if resuming else rule
    attached = set(targets(holder)) | (set() if resuming else set(targets(rule)))
    for stack in wanted:
        assert stack.slot is not None
        draft.desired.append(stack.slot.target_group)
        if Ref(stack.target_group) in attached or live_id(stack) in attached:
            add_compute(draft, stack, holder.address)
    draft.desired.append(rule)
    if resuming:
        draft.desired.append(holder)
    else:
        remove_standby(draft)
    for stack in wanted:
        _watch(draft, stack)
    for stack in draft.stacks:
        if stack.slot is None:
            retire(draft, stack, unweighted=draft.weight(stack) == 0 and draft.weight_in(action, stack) == 0)


def _proved(draft: Draft, wanted: list[Stack]) -> bool:
    """Whether every cluster's targets were seen healthy; what is missing is waited for."""
    sick = [stack for stack in wanted if not draft.healthy(stack)]
    if sick and not draft.unknown:
        message = f"cluster {sick[0].index}: waiting for its targets to turn healthy"
        draft.waits.append(
            Wait(reason="TargetsNotHealthy", message=message, seconds=POLL_SECONDS, address=sick[0].service)
        )
    return not sick


def _watch(draft: Draft, stack: Stack) -> None:
    assert stack.slot is not None
    cluster = stack.slot.index
    if draft.rolling(stack) or (stack.state is not None and stack.state.status == "DRAINING"):
        message = f"cluster {cluster}: {stack.running} of {service_of(stack.slot).desired_count} tasks run"
        draft.waits.append(
            Wait(reason="RollingOut", message=message, seconds=POLL_SECONDS, address=stack.service)
        )
    elif stack.live_service is not None and not draft.complete(stack):
        message = f"cluster {cluster}: no task runs; {'' if stack.state is None else stack.state.event}"
        draft.waits.append(
            Wait(reason="NoTaskRuns", message=message, seconds=3 * POLL_SECONDS, address=stack.service)
        )
    elif draft.complete(stack) and draft.weight(stack) == 0 and not draft.healthy(stack):
        message = f"cluster {cluster}: waiting for its targets to turn healthy"
        draft.waits.append(
            Wait(reason="TargetsNotHealthy", message=message, seconds=POLL_SECONDS, address=stack.service)
        )


def _says_what_it_should(draft: Draft, action: object) -> bool:
    if draft.tenancy.suspended:
        return action == SUSPENDED_ANSWER
    return isinstance(action, Forward) and any(action.weights().values())
