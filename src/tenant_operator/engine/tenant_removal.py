"""Taking a tenant out of groups: out of DNS, drained, then its rule, tasks, service, target groups, clusters."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from tenant_operator.api import Cell, Tenant, Tier
from tenant_operator.aws import compute
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.inventory import Family
from tenant_operator.desired import routing, tags
from tenant_operator.desired.placed import GroupSite
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    FixedResponse,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Resource,
    Service,
    TaskDefinition,
)
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.conditions import timestamp
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.infra_group_removal import DRAINED, DRAINING, drain_left, drain_seconds
from tenant_operator.engine.settings import DNS_TTL_SECONDS
from tenant_operator.engine.tenant_records import tenant_records
from tenant_operator.engine.visit import Visit
from tenant_operator.plan.diff import plan
from tenant_operator.plan.leaving import leave
from tenant_operator.plan.stage import Progress

FAMILIES = (Family.LOAD_BALANCING, Family.RULES, Family.CLUSTERS)


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A group in which a tenant has something."""

    group: str
    cell: Cell
    site: Site


async def remove(engine: Engine, visit: Visit, tenant: Tenant) -> None:
    """One step of taking a tenant down, or of leaving it behind (`Retain`).

    Raises:
        AwsError: AWS could not be asked.
    """
    tier = engine.cache.tier(tenant.spec.tier_ref.name)
    unknown = not visit.previous.get("placements") and not visit.previous.get("aws")
    if unknown and (tier is None or not await _any_presence(engine, visit, tier, tenant)):
        visit.release()
        return
    if tier is None:
        visit.conditions.false(
            "Ready",
            "TierNotFound",
            f"Tier {tenant.spec.tier_ref.name!r} is gone, so nothing can be cleaned up; create it again, or let this object go "
            'with the annotation tenant-operator.dev/orphan: "true"',
        )
        visit.look_again(60.0)
        return
    present, unreachable = await _presence(engine, visit, tier, tenant)
    if tenant.spec.deletion_policy == "Retain":
        await _retain(engine, visit, tier, tenant, present, unreachable)
        return
    if not await _out_of_dns(engine, visit, tier, tenant):
        return
    errors = list(unreachable)
    for presence in present:
        errors += await _leave(engine, visit, tier, tenant, presence)
    left, still = await _presence(engine, visit, tier, tenant)
    if not left and not still:
        visit.release()
        return
    _say(visit, errors, [presence.group for presence in left])


async def leave_others(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, wanted: Sequence[str]
) -> list[str]:
    """Take a tenant out of the groups in which it should not live any more; returns those where something is left.

    Of the cells in which its status does not place it, what is known counts: nobody waits for the accounts of others. What a
    lost status has left there is found once those have been read.
    """
    placed_in = {placement.get("cell", "") for placement in visit.previous.get("placements") or ()}
    present, _ = await _presence(engine, visit, tier, tenant, placed_in)
    others = [presence for presence in present if presence.group not in wanted]
    for presence in others:
        try:
            if tier.mode == "PerTenant" and not await _may_leave(engine, visit, tier, tenant, presence):
                continue
        except AwsError as error:
            visit.fail("EndpointReady", error)
            continue
        errors = await _leave(engine, visit, tier, tenant, presence)
        visit.failed = visit.failed or bool(errors)
    return [presence.group for presence in others]


async def _may_leave(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, presence: Presence) -> bool:
    """Whether the tenant's name has not led to a group for as long as clients may remember it.

    The clock starts with the first look that finds no record, and anew whenever there is one: after a start, nothing
    is known of the zone before it is read.

    Raises:
        AwsError: the zone could not be asked.
    """
    zone = await engine.clouds.zone(tier, visit.priority)
    endpoint = tier.spec.endpoint.name.lower()
    await zone.view.load_records(zone.caller, zone.id, endpoint, max_age=engine.settings.sweep_seconds)
    leading = {record.name for record in tenant_records(engine, zone, routing.host_of(tier, tenant))}
    is_led_to = any(name.endswith(f"/{presence.group}") for name in leading)
    group = engine.cache.infra_group(presence.group)
    seconds = DNS_TTL_SECONDS if group is None else drain_seconds(engine, group)
    free = [] if is_led_to else [presence.group]
    if engine.settled(visit.key, free, seconds, f"leaving {presence.group}"):
        return True
    visit.look_again(min(seconds, 15.0))
    return False


async def _any_presence(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant) -> bool:
    present, unreachable = await _presence(engine, visit, tier, tenant)
    return bool(present) or bool(unreachable)


async def _presence(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, anew: Container[str] | None = None
) -> tuple[list[Presence], list[AwsError]]:
    """The groups in which the ownership tags name this very tenant, and why some accounts of its cannot be asked.

    `anew` names the cells that are asked, at the visit's pace; None: all of the tier's. Of the others it is told what is
    known already.
    """
    found: list[Presence] = []
    unreachable: list[AwsError] = []
    placed = engine.summary().placements_of(tenant)
    cells = engine.cache.cells_of(tier.metadata.name)
    asked = [cell for cell in cells if anew is None or cell.metadata.name in anew]
    answers = await asyncio.gather(*(_ask(engine, visit, tier, cell) for cell in asked))
    errors = {
        cell.metadata.name: error for cell, error in zip(asked, answers, strict=True) if error is not None
    }
    for cell in cells:
        error = errors.get(cell.metadata.name)
        if error is not None:
            if _begun_groups(engine, cell) & set(placed):
                unreachable.append(error)
            continue
        site = engine.clouds.known_site(cell, tier.spec.region, visit.priority)
        if site is None:
            continue
        for group in sorted(site.view.groups_of(tier.metadata.name, tenant.tenant_id)):
            lives = site.view.of_tenant(group, tenant.tenant_id).values()
            if any(
                _is_owner(live, tenant) and live.tags.get(tags.CELL, cell.metadata.name) == cell.metadata.name
                for live in lives
            ):
                found.append(Presence(group=group, cell=cell, site=site))
    return found, unreachable


async def _ask(engine: Engine, visit: Visit, tier: Tier, cell: Cell) -> AwsError | None:
    """See to it that what is known of a cell is as young as the visit wants it; why it cannot be."""
    try:
        site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
        await site.view.load(site.caller, *FAMILIES, max_age=visit.trust)
    except AwsError as error:
        return error
    return None


def _begun_groups(engine: Engine, cell: Cell) -> set[str]:
    """A cell's infra groups, without those that were never begun: they hold nothing."""
    return {
        group.metadata.name
        for group in engine.cache.groups_of_cell(cell.metadata.name)
        if "aws" in engine.cache.status(object_key(group))
    }


def _is_owner(live: Live, tenant: Tenant) -> bool:
    owner = tags.owner_of(live.tags)
    mine = ("Tenant", tenant.metadata.namespace or "", tenant.metadata.name)
    return owner is not None and owner.key == mine and not tags.is_released(live.tags)


async def _out_of_dns(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant) -> bool:
    """Whether the tenant's own name leads nowhere any more, and nobody remembers that it did."""
    if tier.mode != "PerTenant":
        return True
    zone = await engine.clouds.zone(tier, visit.priority)
    endpoint = tier.spec.endpoint.name.lower()
    await zone.view.load_records(zone.caller, zone.id, endpoint, max_age=visit.trust)
    records = tenant_records(engine, zone, routing.host_of(tier, tenant))
    since = visit.conditions.since("EndpointReady", DRAINING)
    if records:
        if since is None:  # whoever goes on after a crash must know that there were records
            _say_draining(visit, engine.today())
            await engine.checkpoint(visit, tenant)
        await engine.clouds.apply_records(zone, (), list(records.values()), {})
        since = engine.today()
    elif since is None:
        visit.conditions.false("EndpointReady", DRAINED, "the name leads nowhere")
        return True
    groups = [
        group for name in engine.summary().placements_of(tenant) if (group := engine.cache.infra_group(name))
    ]
    longest = max((drain_seconds(engine, group) for group in groups), default=DNS_TTL_SECONDS)
    assert since is not None
    left = drain_left(engine, longest, since)
    if left <= 0:
        visit.conditions.false("EndpointReady", DRAINED, "the name leads nowhere")
        return True
    _say_draining(visit, since)
    visit.look_again(left + 0.5)
    return False


def _say_draining(visit: Visit, since: dt.datetime) -> None:
    visit.conditions.keep("Accepted", "Placed", "ComputeReady", "RoutingReady", "ObservabilityReady")
    visit.conditions.false(
        "EndpointReady", DRAINING, f"out of DNS since {timestamp(since)}; waiting for clients that still come"
    )
    visit.conditions.false("Ready", DRAINING, "being deleted: waiting until nobody is sent here any more")


async def _leave(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, presence: Presence
) -> list[AwsError]:
    """As many steps of leaving a group as can be made now."""
    wanted = _bare(engine, tier, tenant, presence)
    site, name = presence.site, presence.group
    targets: dict[Address, int] = {}
    executor = engine.clouds.executor(site, _families(engine, visit, site, name, tenant.tenant_id))
    await _look(site, name, tenant.tenant_id)
    errors: list[AwsError] = []
    for _ in range(8):
        world = {**site.view.world(name, tenant.tenant_id), **executor.definitions}
        step = leave(wanted, world, Progress(draining_targets=targets))
        for address in step.unknown:
            live = world.get(address)
            targets[address] = (
                0 if live is None else sum((await compute.read_target_health(site.caller, live.id)).values())
            )
        if step.unknown:
            continue
        todo = plan(step.desired, world, installation=engine.settings.installation, removals=step.removals)
        outcome = await executor.apply(todo)
        gone = {a.address for a in outcome.done if a.address.type == TaskDefinition.__name__}
        engine.remember(visit.key).setdefault("deregistered", set()).update(gone)
        errors = list(outcome.failed.values())
        visit.wait(step.waits)
        if errors or not outcome.done:
            break
    if any(error.category is not Category.IN_USE for error in errors):
        return errors
    if errors:
        visit.look_again(5.0)
    return []


async def _look(site: Site, group: str, tenant: str) -> None:
    """The services' states, as they are now."""
    mine = site.view.of_tenant(group, tenant)
    clusters = [live for live in mine.values() if live.address.type == Cluster.__name__]
    await site.view.load_services(site.caller, clusters, max_age=0)


def _families(engine: Engine, visit: Visit, site: Site, group: str, tenant: str) -> dict[Address, Live]:
    """A stand-in for each cluster's task-definition family: deleting it deregisters every revision that there is."""
    done = engine.remember(visit.key).get("deregistered", set())
    found = {}
    for live in site.view.of_tenant(group, tenant).values():
        if live.address.type != Cluster.__name__:
            continue
        address = dataclasses.replace(live.address, type=TaskDefinition.__name__)
        if address not in done:
            found[address] = Live(address=address, id=address.name, spec=FAMILY, tags=live.tags)
    return found


FAMILY = TaskDefinition(
    image="", cpu=0, memory=0, architecture="X86_64", port=0, task_role="", execution_role="", log_group="", log_region="",
    log_stream_prefix="",
)  # fmt: skip
"""What stands for "whatever revisions the family has"."""


def _bare(engine: Engine, tier: Tier, tenant: Tenant, presence: Presence) -> Tenancy:
    """A tenancy that wants nothing: enough to tell what is the tenant's."""

    def address(kind: type) -> Address:
        return Address(
            account=presence.site.caller.account, region=tier.spec.region, type=kind.__name__, name=""
        )

    site = GroupSite(
        installation=engine.settings.installation,
        tier=tier.metadata.name,
        cell=presence.cell.metadata.name,
        infra_group=presence.group,
        partition=presence.site.caller.partition,
        account=presence.site.caller.account,
        region=tier.spec.region,
        vpc="",
        workload_subnets=(),
        workload_security_groups=(),
        listener=address(Listener),
        load_balancer=address(LoadBalancer),
    )
    rule = Resource(
        address=address(ListenerRule), spec=ListenerRule(listener="", action=FixedResponse(status=404))
    )
    owner = tags.Owner(
        kind="Tenant",
        namespace=tenant.metadata.namespace or "",
        name=tenant.metadata.name,
        uid=tenant.metadata.uid,
    )
    return Tenancy(
        site=site, tenant=tenant.tenant_id, owner=owner, revision="", rule=rule, standby=rule, slots=()
    )


async def _retain(
    engine: Engine,
    visit: Visit,
    tier: Tier,
    tenant: Tenant,
    present: Sequence[Presence],
    unreachable: Sequence[AwsError],
) -> None:
    """Everything stays as it is, tagged as released, but out of DNS."""
    if unreachable:
        _say(visit, list(unreachable), [])
        return
    if tier.mode == "PerTenant":
        zone = await engine.clouds.zone(tier, visit.priority)
        await zone.view.load_records(
            zone.caller, zone.id, tier.spec.endpoint.name.lower(), max_age=visit.trust
        )
        records = tenant_records(engine, zone, routing.host_of(tier, tenant))
        await engine.clouds.apply_records(zone, (), list(records.values()), {})
    for presence in present:
        await _look(presence.site, presence.group, tenant.tenant_id)
        lives = presence.site.view.of_tenant(presence.group, tenant.tenant_id)
        # Task definitions first: they alone would not tell a restarted operator that something is left to be tagged.
        for part in (await _definitions(engine, presence.site, lives), lives):
            error = await _release(engine, presence.site, tenant, part)
            if error is not None:
                visit.fail("Ready", error)
                return
    visit.release()


async def _definitions(engine: Engine, site: Site, lives: Mapping[Address, Live]) -> dict[Address, Live]:
    """The task definitions that a tenant's services run."""
    arns = [str(live.spec.task_definition) for live in lives.values() if isinstance(live.spec, Service)]
    found = [await compute.read_task_definition(site.caller, arn, engine.definitions) for arn in arns]
    return {live.address: live for live in found}


async def _release(
    engine: Engine, site: Site, tenant: Tenant, lives: Mapping[Address, Live]
) -> AwsError | None:
    """Tag what a tenant owns as released; returns what AWS refused."""
    wanted = [
        Resource(address=a, spec=live.spec, tags={**live.tags, tags.RELEASED: "true"})
        for a, live in lives.items()
        if _is_owner(live, tenant)
    ]
    executor = engine.clouds.executor(site)
    outcome = await executor.apply(plan(wanted, lives, installation=engine.settings.installation))
    engine.definitions.update({live.id: live for live in executor.definitions.values()})
    return outcome.error


def _say(visit: Visit, errors: Sequence[AwsError], left: Sequence[str]) -> None:
    visit.conditions.keep(
        "Accepted", "Placed", "ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady"
    )
    if errors:
        visit.conditions.false("Ready", "DeletionFailed", errors[0].advice)
        visit.failed = True
        return
    visit.conditions.false("Ready", "Deleting", f"leaving {', '.join(left)}")
    visit.look_again(3.0)
