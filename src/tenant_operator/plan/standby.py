"""The standby rule: it ties a resuming tenant's target groups to the load balancer while its own rule answers 503."""

from __future__ import annotations

from tenant_operator.desired.resources import Forward, Ref, Resource
from tenant_operator.plan.draft import Draft, answering, rule_spec
from tenant_operator.plan.stacks import Stack


def standby(draft: Draft, wanted: list[Stack]) -> Resource:
    """Holds the target groups at the load balancer while the tenant's own rule still answers 503."""
    action = Forward(tuple((Ref(stack.target_group), 0) for stack in wanted))
    return answering(draft.tenancy.standby, action)


def remove_standby(draft: Draft) -> None:
    """The standby rule goes once the tenant's own rule forwards, or the tenant is suspended again."""
    live = draft.world.get(draft.tenancy.standby.address)
    if live is None:
        return
    action = None if draft.rule is None else rule_spec(draft.rule).action
    if draft.tenancy.suspended or isinstance(action, Forward):
        draft.removals.append(live)
