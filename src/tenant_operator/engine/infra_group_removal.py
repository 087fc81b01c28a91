"""Taking an infra group down: its records, the drain, its tenants, then everything, children before parents."""

from __future__ import annotations

import dataclasses
import datetime as dt

from tenant_operator.api import InfraGroup, Tenant
from tenant_operator.aws.errors import Category
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.resources import Live, LoadBalancer, Resource
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.conditions import timestamp
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.records import group_weight, records_of_group
from tenant_operator.engine.settings import DNS_TTL_SECONDS, SINCE_STEP_SECONDS
from tenant_operator.engine.summary import named
from tenant_operator.engine.visit import Visit
from tenant_operator.plan.diff import plan

DRAINED = "Drained"
DRAINING = "Draining"
NO_WEIGHT = "NoWeight"


async def remove(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    """One step of taking the group down.

    Raises:
        AwsError: AWS could not be asked.
    """
    held = _held(engine, design)
    visit.conditions.keep("NetworkReady", "PrivateLinkReady", "LoadBalancerReady", "CapacityAvailable")
    if held is not None:
        visit.conditions.keep("EndpointReady")
        visit.conditions.false("Ready", *held)
        visit.look_again(30.0)
        return
    if not await _out_of_dns(engine, visit, design):
        return
    tenants = site.view.tenants_in(design.name)
    if tenants:
        names = ", ".join(sorted(tenants)[:5])
        visit.conditions.false(
            "Ready", "Evicting", f"{len(tenants)} tenants are leaving this infra group: {names}"
        )
        for tenant in engine.cache.tenants_of(design.tier.metadata.name):
            if tenant.tenant_id in tenants:
                engine.queue.add(object_key(tenant))
        visit.look_again(5.0)
        return
    await _dismantle(engine, visit, design, site)


def _held(engine: Engine, design: GroupDesign) -> tuple[str, str] | None:
    """What forbids to take the group down: tenants that could not be reached any more."""
    group, tier = design.group, design.tier
    tenants = [t for t in engine.cache.tenants_of(tier.metadata.name) if not t.metadata.deletion_timestamp]
    if tier.mode == "Shared":
        others = [
            other
            for other in engine.cache.groups_of_tier(tier.metadata.name)
            if other.metadata.name != group.metadata.name
            and group_weight(engine, other)
            and not other.metadata.deletion_timestamp
        ]
        if tenants and not others and group_weight(engine, group):
            return (
                "LastServingGroup",
                (
                    f"it is the last infra group to which the tier's name leads, and {len(tenants)} tenants are there "
                    f"({named(tenants)}); add another infra group, or delete the tenants first"
                ),
            )
        return None
    pinned = [tenant for tenant in tenants if group.metadata.name in (tenant.pinned_groups or ())]
    if pinned:
        return (
            "PinnedTenants",
            f"tenants are pinned to it: {named(pinned)}; take it out of their placement.infraGroups first",
        )
    staying = [tenant for tenant in tenants if _stays(engine, tenant, group)]
    if staying:
        return (
            "TenantsPlaced",
            f"{len(staying)} tenants are still placed here: {named(staying)}; they move as soon as another infra group has room",
        )
    return None


def _stays(engine: Engine, tenant: Tenant, group: InfraGroup) -> bool:
    return group.metadata.name in engine.summary().placements_of(tenant)


async def _out_of_dns(engine: Engine, visit: Visit, design: GroupDesign) -> bool:
    """Whether nobody can be sent here any more: the records are gone, and so is what resolvers and clients remember."""
    zone = await engine.clouds.zone(design.tier, visit.priority)
    name = design.tier.spec.endpoint.name.lower()
    await zone.view.load_records(zone.caller, zone.id, name, max_age=visit.trust)
    records = records_of_group(engine, zone, design.name)
    since = visit.conditions.since("EndpointReady", DRAINING)
    since = since or visit.conditions.since("EndpointReady", NO_WEIGHT)
    if records:
        await engine.clouds.apply_records(zone, (), records, {})
        engine.remember(visit.key).pop("weighting", None)
        since = engine.today()
    elif since is None:
        if visit.conditions.get("EndpointReady").get("reason") == DRAINED or not visit.previous.get("weight"):
            visit.fields["weight"] = 0
            visit.conditions.false("EndpointReady", DRAINED, "the tier's name does not lead here")
            return True
        since = engine.today()
    visit.fields["weight"] = 0
    left = drain_left(engine, drain_seconds(engine, design.group), since)
    if left > 0:
        visit.conditions.false(
            "EndpointReady",
            DRAINING,
            f"out of DNS since {timestamp(since)}; waiting for resolvers and clients that still come",
        )
        visit.conditions.false("Ready", DRAINING, "waiting until nobody is sent here any more")
        visit.look_again(left + 0.5)
        return False
    visit.conditions.false("EndpointReady", DRAINED, "nobody is sent here any more")
    return True


def drain_seconds(engine: Engine, group: InfraGroup) -> float:
    """How long after its last record a load balancer may still be asked.

    DNS answers live 60 s, and a client may keep its connection for clientKeepAliveSeconds. After that the load balancer
    takes one request more before it closes the connection, and only the idle time-out bounds when that comes
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html).
    """
    if engine.settings.drain_seconds is not None:
        return engine.settings.drain_seconds
    balancer = group.spec.load_balancer
    return DNS_TTL_SECONDS + balancer.client_keep_alive_seconds + balancer.idle_timeout_seconds


def drain_left(engine: Engine, seconds: float, since: dt.datetime) -> float:
    """Seconds that are left of a drain of so many seconds; `since` may have been written to the second."""
    return seconds + SINCE_STEP_SECONDS - (engine.today() - since).total_seconds()


async def _dismantle(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    world = site.view.world(design.name)
    mine = [
        live for live in world.values() if live.tags.get("tenant-operator.dev/infra-group") == design.name
    ]
    unlocked = [
        _unlocked(live)
        for live in mine
        if isinstance(live.spec, LoadBalancer) and live.spec.deletion_protection
    ]
    todo = plan(unlocked, world, installation=engine.settings.installation)
    if not todo:
        todo = plan((), world, installation=engine.settings.installation, removals=mine)
    outcome = await engine.clouds.executor(site).apply(todo)
    for family in ("network", "endpoints", "load balancing"):
        site.view.forget(family)
    if not todo:
        visit.release()
        return
    blocking = outcome.error
    if blocking is not None and blocking.category not in (Category.IN_USE, Category.NOT_FOUND):
        visit.conditions.false("Ready", "DeletionFailed", blocking.advice)
        visit.failed = True
        return
    stuck = next(iter(sorted(error.advice for error in outcome.failed.values())), "")
    left = len(mine) - len(outcome.done)
    visit.conditions.false("Ready", "Deleting", stuck or f"{max(left, 0)} AWS resources are left")
    visit.look_again(5.0)


def _unlocked(live: Live) -> Resource:
    spec = live.spec
    assert isinstance(spec, LoadBalancer)
    return Resource(
        address=live.address, spec=dataclasses.replace(spec, deletion_protection=False), tags=live.tags
    )
