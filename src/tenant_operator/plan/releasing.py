"""Cluster, task definition and service of each slot; a release goes to one cluster of one group at a time."""

from __future__ import annotations

import dataclasses

from tenant_operator.desired.resources import Address, Resource, Service
from tenant_operator.plan.change import Wait
from tenant_operator.plan.draft import Draft
from tenant_operator.plan.risk import RESTARTING_FIELDS
from tenant_operator.plan.stacks import Stack


def add_compute(draft: Draft, stack: Stack, holder: Address) -> None:
    """Cluster, task definition and service of a slot whose target group is (about to be) attached."""
    slot = stack.slot
    assert slot is not None
    draft.desired.append(slot.cluster)
    service = dataclasses.replace(slot.service, after=(*slot.service.after, holder))
    if stack.live_service is None:
        draft.desired += [slot.task_definition, service]
        return
    if draft.release_due(stack) and not _may_release(draft, stack):
        _hold_release(draft, stack, service)
        return
    draft.desired += [slot.task_definition, service]


def _hold_release(draft: Draft, stack: Stack, service: Resource) -> None:
    """Everything but the release: what would restart tasks stays as it is."""
    live = stack.live_service
    assert live is not None
    assert isinstance(service.spec, Service)
    kept = {name: getattr(live.spec, name) for name in RESTARTING_FIELDS}
    draft.desired.append(dataclasses.replace(service, spec=dataclasses.replace(service.spec, **kept)))


def _may_release(draft: Draft, stack: Stack) -> bool:
    assert stack.slot is not None
    if draft.tenancy.revision == draft.progress.failed_revision:
        draft.rolled_back = True
        return False
    if draft.rolling(stack) or not draft.progress.may_release:
        return False
    due = [
        s for s in draft.stacks if s.slot is not None and s.live_service is not None and draft.release_due(s)
    ]
    others_roll = any(draft.rolling(other) for other in draft.stacks if other.slot is not None)
    return not others_roll and due[0] is stack and not _soaking(draft, stack)


def _soaking(draft: Draft, stack: Stack) -> bool:
    """Whether the last cluster that took the release must be watched for longer; says so."""
    progress = draft.progress
    if not progress.soak_seconds:
        return False
    released = sum(draft.whole(other) for other in draft.stacks if other.slot is not None)
    if not progress.soaking and released <= progress.clusters_before:
        return False
    message = f"cluster {stack.index}: the success before it is watched for {progress.soak_seconds:.0f} s"
    draft.waits.append(
        Wait(reason="Soaking", message=message, seconds=progress.soak_seconds, address=stack.service)
    )
    return True
