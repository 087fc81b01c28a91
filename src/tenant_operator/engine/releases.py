"""Which revision a tenant is to run now: the one that its spec comes to, or, until its turn comes, the one that it has.

A change that the tenant's own author made passes; one that comes from the tier's workload waits for the tier's rollout
(`engine.waves`). What is decided is in the status before anything is done in AWS, so that a crash loses no count.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.aws import compute
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired.resources import Cluster, Live, Service, TaskDefinition
from tenant_operator.desired.workload import Workload, as_released, own_revision
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.conditions import timestamp
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.serving import FAMILIES
from tenant_operator.engine.visit import Visit
from tenant_operator.engine.waves import may_go


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a tenant is to run now."""

    workload: Workload
    waits_for: str = ""
    """The revision that it will run once it is its turn; empty where nothing is held back."""


async def take_turn(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, workload: Workload, groups: Sequence[InfraGroup]
) -> Turn | None:
    """What the tenant is to run now, which is taken note of; None: Kubernetes did not take the note, so nothing may start.

    Raises:
        AwsError: what the tenant runs could not be read, so that nothing can be said to be held.
    """
    own = own_revision(tenant.workload)
    granted = str(visit.previous.get("revision", ""))
    release = dict(visit.previous.get("release") or _unrecorded(visit, own))
    if granted == workload.revision:
        _note(visit, granted, {**release, "ownRevision": own})
        return Turn(workload=workload)
    cause = _cause(engine, tier, tenant, granted, release, own)
    if not cause:
        held = await _as_it_runs(engine, visit, tier, tenant, workload, granted, groups)
        if held is not None:
            _note(visit, held.revision, release)
            return Turn(workload=held, waits_for=workload.revision)
        cause = "Idle"
    started = timestamp(engine.today())
    _note(visit, workload.revision, {"cause": cause, "ownRevision": own, "startedAt": started})
    engine.remember(visit.key)["let go"] = workload.revision
    if granted and cause != "Created" and not await _written(engine, visit, tenant):
        _note(visit, granted, release)
        return None
    return Turn(workload=workload)


def note_progress(engine: Engine, visit: Visit, turn: Turn, *, complete: bool) -> None:
    """Say when a release was complete, and that one waits for its turn.

    `complete`: whether every cluster runs what the turn says.
    """
    release: dict[str, Any] = visit.fields["release"]
    if complete and "completedAt" not in release:
        visit.fields["release"] = {**release, "completedAt": timestamp(engine.today())}
    if turn.waits_for and visit.conditions.is_true("ComputeReady"):
        visit.conditions.true(
            "ComputeReady",
            "WaitingForRollout",
            f"runs revision {turn.workload.revision}; revision {turn.waits_for} waits for its turn in the tier's rollout",
        )


def _unrecorded(visit: Visit, own: str) -> dict[str, Any]:
    """The release of a tenant of which no release was ever recorded: a new one's, or one's of an earlier version."""
    said = visit.previous_condition("Ready")
    release = {"cause": "Created", "ownRevision": own}
    return {**release, "completedAt": said["lastTransitionTime"]} if said.get("status") == "True" else release


def _cause(
    engine: Engine, tier: Tier, tenant: Tenant, granted: str, release: dict[str, Any], own: str
) -> str:
    """Why the tenant may go to its new revision now; empty while it may not."""
    if not granted or (release["cause"] == "Created" and "completedAt" not in release):
        return "Created"
    if tenant.spec.suspended:
        return "Idle"
    if own != release.get("ownRevision", own):
        return "Edited"
    return "Tier" if may_go(engine, tier, tenant) else ""


def _note(visit: Visit, revision: str, release: dict[str, Any]) -> None:
    visit.fields["revision"] = revision
    visit.fields["release"] = release


async def _written(engine: Engine, visit: Visit, tenant: Tenant) -> bool:
    """Whether Kubernetes has the note that the tenant was let go; where it has not, nobody was."""
    visit.conditions.keep(
        "Ready", "Placed", "ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady"
    )
    visit.reconciling("RollingOut", f"takes revision {visit.fields['revision']}")
    await engine.checkpoint(visit, tenant)
    if visit.failed:
        engine.cache.assume_status(visit.key, dict(visit.previous))
    return not visit.failed


async def _as_it_runs(
    engine: Engine,
    visit: Visit,
    tier: Tier,
    tenant: Tenant,
    workload: Workload,
    granted: str,
    groups: Iterable[InfraGroup],
) -> Workload | None:
    """The workload as the tenant was last let go to it, from the task definitions of its services; None: nothing runs.

    Where a service runs something else (somebody changed it, or ECS rolled it back), the revision that was granted is
    looked for among the family's; where that is not there or has failed, what runs is what stays.
    """
    found: Workload | None = None
    error: AwsError | None = None
    for group in groups:
        cell = engine.cache.cell(group.spec.cell_ref.name)
        if cell is None:
            continue
        try:
            site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
            for service in await _services(visit, site, group.metadata.name, tenant.tenant_id):
                async for released in _candidates(engine, visit, site, service, workload):
                    if released.revision == granted:
                        return released
                    found = found or released
        except AwsError as refused:
            error = refused
    if found is None and error is not None:
        raise error
    return found


async def _candidates(
    engine: Engine, visit: Visit, site: Site, service: Live, workload: Workload
) -> AsyncIterator[Workload]:
    """What a service runs; then, unless ECS has just gone back to that, what is left of its family's revisions."""
    spec = service.spec
    assert isinstance(spec, Service)
    arns = [str(spec.task_definition)]
    yield await _released(engine, site, workload, arns[0], spec)
    if visit.previous.get("failedRevision") == visit.previous.get("revision"):
        return
    for arn in await compute.newest_task_definitions(site.caller, service.address.name.partition("/")[0]):
        if arn not in arns:
            yield await _released(engine, site, workload, arn, spec)


async def _released(engine: Engine, site: Site, workload: Workload, arn: str, service: Service) -> Workload:
    definition = await compute.read_task_definition(site.caller, arn, engine.definitions)
    assert isinstance(definition.spec, TaskDefinition)
    return as_released(workload, definition.spec, spot=service.spot)


async def _services(visit: Visit, site: Site, group: str, tenant: str) -> list[Live]:
    """The tenant's services in a group, as old as a sweep at most; the first cluster's first."""
    max_age = visit.trust
    await site.view.load(site.caller, *FAMILIES, max_age=max_age)
    clusters = [
        live for live in site.view.of_tenant(group, tenant).values() if live.address.type == Cluster.__name__
    ]
    await site.view.load_services(site.caller, clusters, max_age=max_age)
    found = [live for live in site.view.of_tenant(group, tenant).values() if isinstance(live.spec, Service)]
    active = [live for live in found if live.attributes["state"].status == "ACTIVE"]
    return sorted(active, key=lambda live: live.address)
