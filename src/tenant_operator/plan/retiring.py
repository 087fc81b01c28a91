"""Taking away what an earlier spec left in a group, once the rule sends it nothing."""

from __future__ import annotations

import dataclasses

from tenant_operator.desired.resources import ListenerRule, Service
from tenant_operator.plan.change import Wait
from tenant_operator.plan.draft import Draft
from tenant_operator.plan.stacks import Stack, removal_steps


def retire(draft: Draft, stack: Stack, *, unweighted: bool) -> None:
    """A left-over stack: once the rule sends it nothing and that has settled, zero → gone → its target group."""
    if not unweighted:
        return
    name = f"retired {stack.target_group.name}"
    if stack.live_service is not None:
        draft.settling.add(name)
        if name not in draft.progress.settled:
            draft.waits.append(
                Wait(
                    reason="Settling",
                    message="waiting for the rule to be in force",
                    seconds=draft.progress.settle_seconds,
                )
            )
            return
    steps = removal_steps(stack, draft.progress)
    draft.desired += steps.desired
    draft.removals += steps.removals
    draft.waits += steps.waits
    draft.unknown |= steps.unknown
    if (
        stack.live_service is None
        and stack.live_group is not None
        and not draft.is_attached(stack.target_group)
    ):
        draft.removals.append(stack.live_group)
    _remove_empty_clusters(draft)


def _remove_empty_clusters(draft: Draft) -> None:
    wanted = {slot.cluster.address for slot in draft.tenancy.slots}
    services = {
        str(live.spec.cluster)
        for _, live in draft.tenancy.mine(draft.world, Service)
        if isinstance(live.spec, Service)
    }
    for address, live in draft.tenancy.leftover_clusters(draft.world, wanted):
        if live.id not in services and live not in draft.removals:
            draft.removals.append(live)
            definition = draft.world.get(dataclasses.replace(address, type="TaskDefinition"))
            if definition is not None:
                draft.removals.append(definition)


def remove_duplicates(draft: Draft) -> None:
    """A second rule of ours with the same purpose, left by an answer that never came."""
    known = {draft.tenancy.rule.address, draft.tenancy.standby.address}
    if draft.rule is not None:
        draft.removals += [
            live for address, live in draft.tenancy.mine(draft.world, ListenerRule) if address not in known
        ]
