"""A visit to an InfraGroup: its network, endpoints and load balancer, and its weight in the tier's name."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from tenant_operator.api import Cell, InfraGroup, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.inventory import Family
from tenant_operator.desired import tags
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.resources import (
    Address,
    Live,
    NatGateway,
    TargetGroup,
    VpcEndpoint,
)
from tenant_operator.engine import infra_group_removal, sparing
from tenant_operator.engine.capacity import Ledgers, is_begun
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.growth import shortage_for_group
from tenant_operator.engine.infra_group_report import DEAD_ENDPOINT, report, sum_up
from tenant_operator.engine.settings import CAPACITY_RETRY_SECONDS, ENDPOINT_RETRY_SECONDS
from tenant_operator.engine.surroundings import Refused, surroundings
from tenant_operator.engine.visit import Visit
from tenant_operator.engine.weighting import weigh
from tenant_operator.plan.diff import plan

FAMILIES = (Family.NETWORK, Family.ENDPOINTS, Family.LOAD_BALANCING, Family.RULES)


async def reconcile(engine: Engine, visit: Visit, group: InfraGroup) -> None:
    """Make the group whole, then give it its weight; or take it down."""
    cell = engine.cache.cell(group.spec.cell_ref.name)
    tier = None if cell is None else engine.cache.tier(cell.spec.tier_ref.name)
    if group.metadata.deletion_timestamp and "aws" not in visit.previous:
        visit.release()
        return
    if cell is None or tier is None:
        missing = (
            f"Cell {group.spec.cell_ref.name!r}" if cell is None else f"Tier {cell.spec.tier_ref.name!r}"
        )
        visit.conditions.false(
            "Ready", "ParentNotFound", f"there is no {missing}; create it, or correct the reference"
        )
        visit.stall("ParentNotFound", f"there is no {missing}")
        return
    if group.spec.paused or cell.spec.paused or tier.spec.paused:
        visit.pause()
        return
    try:
        site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
        await site.view.load(site.caller, *FAMILIES, max_age=visit.trust)
        design = GroupDesign(
            tier=tier,
            cell=cell,
            group=group,
            installation=engine.settings.installation,
            partition=site.caller.partition,
        )
        if group.metadata.deletion_timestamp:
            await infra_group_removal.remove(engine, visit, design, site)
            return
        if not _allowed(engine, visit, tier, cell, group):
            return
        design = await surroundings(engine, visit, design, site)
    except AwsError as error:
        visit.conditions.keep(*visit.conditions.known, "Drifted")
        visit.fail("Ready", error)
        return
    except Refused as refused:
        visit.conditions.false("NetworkReady", refused.reason, str(refused))
        visit.conditions.false("Ready", refused.reason, str(refused))
        visit.stall(refused.reason, str(refused))
        visit.look_again(300.0)
        return
    sparing.begin(visit, tier)
    if is_begun(engine.cache, group) or await _begin(engine, visit, design):
        await _converge(engine, visit, design, site)


async def _begin(engine: Engine, visit: Visit, design: GroupDesign) -> bool:
    """Take the room in the account that a new group needs, and write that down before anything is made."""
    # Nothing may be awaited before the checkpoint: two groups must never be given the last VPC.
    why = shortage_for_group(Ledgers(engine.cache), design.tier, design.cell, design.group)
    if why:
        message = f"{why}; have AWS raise the quota, or use another account"
        visit.conditions.false("NetworkReady", "QuotaExceeded", message)
        visit.conditions.false("Ready", "QuotaExceeded", message)
        visit.stall("QuotaExceeded", message)
        visit.look_again(CAPACITY_RETRY_SECONDS)
        return False
    _locate(visit, design)
    visit.conditions.unknown("Ready", "Creating", "being made")
    visit.reconciling("Creating", "being made")
    await engine.checkpoint(visit, design.group)
    return True


def _locate(visit: Visit, design: GroupDesign) -> None:
    """Where everything of the group is: enough to clean up if a parent is lost."""
    visit.fields["aws"] = {
        "partition": design.partition,
        "account": design.account,
        "region": design.region,
        **({"roleArn": design.cell.spec.role_arn} if design.cell.spec.role_arn else {}),
    }


def _allowed(engine: Engine, visit: Visit, tier: Tier, cell: Cell, group: InfraGroup) -> bool:
    """Whether the group may be built where it is: its CIDR block is its own, and the cell takes so many groups."""
    reason, message = "", ""
    siblings = engine.cache.groups_of_cell(cell.metadata.name)
    older = [other for other in siblings if _age(other) < _age(group)]
    if group.spec.network.create is not None:
        mine = ipaddress.ip_network(group.spec.network.create.cidr)
        for other in older:
            create = other.spec.network.create
            if create is not None and mine.overlaps(ipaddress.ip_network(create.cidr)):
                reason, message = (
                    "CidrOverlaps",
                    (
                        f"{mine} overlaps {create.cidr} of infra group {other.metadata.name} in the same cell; "
                        "network.create.cidr cannot change, so delete this infra group and create it with another block"
                    ),
                )
    most = tier.spec.limits.infra_groups_per_cell
    if len(older) >= most and "aws" not in visit.previous:
        reason, message = (
            "TooManyInfraGroups",
            (
                f"cell {cell.metadata.name} has {len(older)} of limits.infraGroupsPerCell {most}; add a cell, or raise the limit"
            ),
        )
    if not reason:
        return True
    visit.conditions.false("NetworkReady", reason, message)
    visit.conditions.false("Ready", reason, message)
    visit.stall(reason, message)
    return False


def _age(group: InfraGroup) -> tuple[str, str]:
    return (group.metadata.creation_timestamp or "", group.metadata.name)


async def _converge(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    _locate(visit, design)
    world = site.view.world(design.name)
    available = {a for a, live in world.items() if live.attributes.get("state") == "available"}
    try:
        wanted = design.resources(task_ports=_task_ports(engine, design, site), available=available)
    except ValueError as error:
        visit.conditions.false("NetworkReady", "InvalidNetwork", str(error))
        visit.conditions.false("Ready", "InvalidNetwork", str(error))
        visit.stall("InvalidNetwork", str(error))
        return
    lives = {**world, **site.view.world(design.name, also=[resource.address for resource in wanted])}
    todo = plan(
        wanted, lives, installation=engine.settings.installation, removals=_dead(engine, visit, lives)
    )
    todo = await sparing.spared(engine, visit, todo, wanted, lives, scope="group")
    if not todo:
        addresses = {resource.address for resource in wanted}
        owned = [
            live for address, live in world.items() if address not in addresses and _is_own(design, live)
        ]
        todo = plan(wanted, lives, installation=engine.settings.installation, removals=owned)
        todo = await sparing.spared(engine, visit, todo, wanted, lives, scope="group")
    outcome = await engine.clouds.executor(site).apply(todo)
    visit.repaired(engine.remember(visit.key), wanted, todo, outcome.done, lives)
    world = site.view.world(design.name)
    lives = {**world, **site.view.world(design.name, also=[resource.address for resource in wanted])}
    sparing.left(visit, todo, outcome.done, wanted, lives)
    report(engine, visit, design, site, world, todo, outcome)
    for family in visit.stale:
        site.view.forget(family.value)
    await weigh(engine, visit, design, site)
    sparing.tell(engine, visit, complete=not visit.failed)
    sum_up(visit)


def _task_ports(engine: Engine, design: GroupDesign, site: Site) -> set[int]:
    """The ports on which tasks listen, or still do: the tier's, its tenants' own, those of live target groups."""
    shared = design.tier.mode == "Shared"
    name = design.tier.metadata.name
    tenants = engine.cache.tenants_of(name) if shared else engine.cache.tenants_placed_in(design.name)
    ports = {design.tier.spec.workload.port, *(t.workload.port for t in tenants if t.workload.port)}
    for tenant_id in site.view.tenants_in(design.name):
        for live in site.view.of_tenant(design.name, tenant_id).values():
            if isinstance(live.spec, TargetGroup):
                ports.add(live.spec.port)
    return ports


def _is_own(design: GroupDesign, live: Live) -> bool:
    return design.ownership.owner.key == _owner_key(live)


def _owner_key(live: Live) -> tuple[str, str, str] | None:
    owner = tags.owner_of(live.tags)
    return None if owner is None else owner.key


def _dead(engine: Engine, visit: Visit, world: Mapping[Address, Live]) -> list[Live]:
    """Endpoints and NAT gateways that will never work again, once they have been so for a while: they are made anew."""
    dead = [
        live
        for live in world.values()
        if isinstance(live.spec, VpcEndpoint | NatGateway) and live.attributes.get("state") in DEAD_ENDPOINT
    ]
    over = engine.settled(
        visit.key, [live.id for live in dead], 0.0 if visit.forced else ENDPOINT_RETRY_SECONDS
    )
    return [live for live in dead if live.id in over]
