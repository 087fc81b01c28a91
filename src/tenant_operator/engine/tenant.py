"""A visit to a Tenant: accepted, placed, then made true in each of its groups, then named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.desired import acceptance, routing
from tenant_operator.desired import workload as workloads
from tenant_operator.desired.workload import Workload
from tenant_operator.engine import sparing, tenant_removal
from tenant_operator.engine.capacity import size_of
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.placing import place
from tenant_operator.engine.releases import note_progress, take_turn
from tenant_operator.engine.reserving import reserve
from tenant_operator.engine.serving import Serving, holds_anything
from tenant_operator.engine.settings import CAPACITY_RETRY_SECONDS
from tenant_operator.engine.tenant_records import converge_records
from tenant_operator.engine.tenant_report import report
from tenant_operator.engine.turns import serve_in_turn
from tenant_operator.engine.visit import Notice, Visit
from tenant_operator.engine.weighting import reachable_groups, weighted_groups
from tenant_operator.placement.choice import Choice


async def reconcile(engine: Engine, visit: Visit, tenant: Tenant) -> None:
    """Accept → place → take its turn → serve in every group → records → report."""
    visit.fields["tenantId"] = tenant.tenant_id
    tier = engine.cache.tier(tenant.spec.tier_ref.name)
    if tenant.metadata.deletion_timestamp:
        if tenant.spec.paused and visit.previous.get("placements"):
            visit.pause()
        else:
            await tenant_removal.remove(engine, visit, tenant)
        return
    if tier is None:
        name = tenant.spec.tier_ref.name
        refuse(visit, "TierNotFound", f"there is no Tier {name!r}; create it, or correct tierRef")
        return
    if tenant.spec.paused or tier.spec.paused:
        visit.pause()
        return
    workload = workloads.merged(tier.spec.workload, tenant.workload)
    if not await _accept(engine, visit, tier, tenant, workload):
        return
    size = size_of(tier, tenant, workload)
    choice = place(engine.cache, tier, tenant, size, partial(_weighted, engine, tier))
    groups = [group for name in choice.groups if (group := engine.cache.infra_group(name)) is not None]
    _describe(engine, visit, tier, tenant, groups)
    if not _placed(engine, visit, choice, tenant):
        return
    turn = await take_turn(engine, visit, tier, tenant, workload, groups)
    if turn is None:
        return
    workload = turn.workload
    visit.fields["effective"] = _effective(workload)
    kept = await reserve(engine, visit, tier, tenant, groups, size_of(tier, tenant, workload))
    if kept is None:
        return
    sparing.begin(visit, tier)
    results = await serve_in_turn(engine, visit, tier, tenant, workload, groups, kept)
    leaving = await tenant_removal.leave_others(engine, visit, tier, tenant, choice.groups)
    await converge_records(engine, visit, tier, tenant, results)
    sparing.tell(engine, visit, complete=all(result.error is None for result in results))
    required, unserved = _required(engine, tier, results)
    report(engine, visit, tier, tenant, workload, results, required, unserved, leaving)
    note_progress(engine, visit, turn, complete=all(result.released for result in results))


def refuse(visit: Visit, reason: str, message: str) -> None:
    """The tenant is not accepted: it keeps what it has, and gets no change."""
    visit.conditions.keep(
        "Placed", "ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady", "Drifted"
    )
    visit.conditions.false("Accepted", reason, message)
    visit.conditions.false("Ready", reason, message)
    visit.stall(reason, message)
    if visit.previous.get("observedGeneration") != visit.generation:
        visit.notices.append(Notice(reason, message, warning=True))


async def _accept(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, workload: Workload) -> bool:
    if tier.metadata.deletion_timestamp and not visit.previous.get("placements"):
        refuse(visit, "TierDeleting", f"tier {tier.metadata.name} is being deleted and takes no new tenants")
        return False
    labels = engine.cache.namespace_labels(tenant.metadata.namespace or "")
    if tier.spec.allowed_tenants.namespace_selector is not None and labels is None:
        visit.conditions.keep(
            "Accepted",
            "Placed",
            "ComputeReady",
            "RoutingReady",
            "EndpointReady",
            "ObservabilityReady",
            "Ready",
        )
        visit.reconciling("NamespaceNotSeen", "waiting for the namespace's labels")
        visit.look_again(1.0)
        return False
    for objection in acceptance.objections(
        tier,
        tenant,
        workload,
        namespace_labels=labels,
        operator_namespace=engine.settings.operator_namespace,
    ):
        refuse(visit, objection.reason, objection.message)
        return False
    rivals = acceptance.conflicting(tier, tenant, engine.cache.rivals_of(tenant))
    if rivals:
        holder = await _holder(engine, visit, tier, tenant, rivals)
        if holder is not tenant:
            name = f"{holder.metadata.namespace}/{holder.metadata.name}"
            what = "tenantId" if holder.tenant_id == tenant.tenant_id else "route"
            refuse(
                visit,
                "Conflict",
                f"tenant {name} holds this {what}; choose another, or delete that tenant first",
            )
            return False
    visit.conditions.true("Accepted", "Accepted", "the tier takes this tenant")
    return True


async def _holder(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, rivals: Sequence[Tenant]
) -> Tenant:
    """Who holds: whom the ownership tags in AWS name; then the older; then by name. One that is going holds what it has."""
    candidates = [tenant, *rivals]
    there = [rival for rival in candidates if await holds_anything(engine, visit, tier, rival)]
    if there:
        return acceptance.holder(there, None)
    staying = [rival for rival in candidates if not rival.metadata.deletion_timestamp]
    return acceptance.holder(staying or candidates, None)


def _describe(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, groups: list[InfraGroup]) -> None:
    visit.fields["endpoint"] = routing.url(
        tier, tenant, groups or engine.cache.groups_of_tier(tier.metadata.name)
    )


def _effective(workload: Workload) -> dict[str, Any]:
    return {
        "image": workload.image,
        "cpu": workload.cpu,
        "memory": workload.memory,
        "replicas": workload.replicas,
    }


def _placed(engine: Engine, visit: Visit, choice: Choice, tenant: Tenant) -> bool:
    if not choice.complete:
        visit.conditions.false("Placed", choice.reason, choice.message)
        visit.look_again(CAPACITY_RETRY_SECONDS)
        if not choice.groups:
            visit.conditions.keep("ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady")
            visit.conditions.false("Ready", choice.reason, choice.message)
            visit.reconciling(choice.reason, choice.message)
            return False
        return True
    visit.conditions.true("Placed", "Placed", f"in {', '.join(choice.groups)}")
    before = engine.summary().placements_of(tenant)
    if sorted(before) != list(choice.groups):
        visit.notices.append(Notice("Placed", f"placed in {', '.join(choice.groups)}"))
    return True


def _required(engine: Engine, tier: Tier, results: Sequence[Serving]) -> tuple[list[Serving], list[str]]:
    """What decides about Ready: the groups to which the name leads, or led a moment ago (or all, where it is none).

    The second part names groups that got weight while this visit went on and that it has not looked at: nothing may be
    awaited between this and the status, or the tier's name could lead to a group that lacks a Ready tenant.
    """
    if tier.mode == "PerTenant":
        return list(results), []
    reachable = {
        g.metadata.name for g in reachable_groups(engine, engine.cache.groups_of_tier(tier.metadata.name))
    }
    served = {result.group.metadata.name for result in results}
    required = [result for result in results if result.group.metadata.name in reachable]
    return required or list(results), sorted(reachable - served)


def _weighted(engine: Engine, tier: Tier) -> set[str]:
    """The names of the groups to which the tier's name leads, or is about to."""
    groups = engine.cache.groups_of_tier(tier.metadata.name)
    return {group.metadata.name for group in weighted_groups(engine, groups)}
