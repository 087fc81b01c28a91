"""A visit to an InfraGroup: its network, endpoints and load balancer, and its weight in the tier's name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenant_operator.api import ANNOTATION_RECONCILE, Cell, InfraGroup, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.snapshot import Family
from tenant_operator.desired import tags
from tenant_operator.desired import workload as workloads
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.private_link import address as endpoint_address
from tenant_operator.desired.resources import (
    Address,
    Listener,
    Live,
    LoadBalancer,
    NatGateway,
    Subnet,
    TargetGroup,
    Vpc,
    VpcEndpoint,
)
from tenant_operator.engine import infra_group_removal
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.executor import Outcome
from tenant_operator.engine.records import group_weight, tier_record, why_no_weight
from tenant_operator.engine.settings import ENDPOINT_RETRY_SECONDS
from tenant_operator.engine.surroundings import Refused, surroundings
from tenant_operator.engine.visit import Notice, Visit
from tenant_operator.placement.ledger import room, shortage
from tenant_operator.plan.change import Plan
from tenant_operator.plan.diff import plan

FAMILIES = (Family.NETWORK, Family.ENDPOINTS, Family.LOAD_BALANCING, Family.RULES)
NETWORK = frozenset(
    {"Vpc", "Subnet", "InternetGateway", "ElasticIp", "NatGateway", "RouteTable", "SecurityGroup"}
)
DEAD_ENDPOINT = frozenset({"rejected", "failed", "expired"})


@dataclass(frozen=True, kw_only=True)
class Parents:
    """An infra group with what it belongs to."""

    tier: Tier
    cell: Cell


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
        site = await engine.clouds.site(cell, tier.spec.region)
        await site.view.load(
            site.caller, *FAMILIES, max_age=0 if visit.forced else engine.settings.sweep_seconds
        )
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
        visit.conditions.keep(*visit.conditions.known)
        visit.fail("Ready", error)
        return
    except Refused as refused:
        visit.conditions.false("NetworkReady", refused.reason, str(refused))
        visit.conditions.false("Ready", refused.reason, str(refused))
        visit.stall(refused.reason, str(refused))
        visit.look_again(300.0)
        return
    await _converge(engine, visit, design, site)


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
    visit.fields["aws"] = {
        "partition": design.partition,
        "account": design.account,
        "region": design.region,
        **({"roleArn": design.cell.spec.role_arn} if design.cell.spec.role_arn else {}),
    }
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
    if not todo:
        addresses = {resource.address for resource in wanted}
        owned = [
            live for address, live in world.items() if address not in addresses and _is_own(design, live)
        ]
        todo = plan(wanted, lives, installation=engine.settings.installation, removals=owned)
    if todo and not visit.previous.get("conditions"):
        visit.conditions.unknown("Ready", "Creating", f"{len(todo.actions)} AWS resources are being made")
        visit.reconciling("Creating", f"{len(todo.actions)} AWS resources are being made")
        await engine.checkpoint(visit, design.group)
    outcome = await engine.clouds.executor(site).apply(todo)
    visit.repaired(engine.remember(visit.key), wanted, outcome)
    world = site.view.world(design.name)
    _report(engine, visit, design, world, todo, outcome)
    for family in visit.stale:
        site.view.forget(family.value)
    await _weigh(engine, visit, design, site)
    _sum_up(visit)


def _task_ports(engine: Engine, design: GroupDesign, site: Site) -> set[int]:
    """The ports on which tasks listen, or still do: the tier's, its tenants' own, those of live target groups."""
    ports = {design.tier.spec.workload.port}
    for tenant in engine.cache.tenants_of(design.tier.metadata.name):
        ports.add(workloads.merged(design.tier.spec.workload, tenant.workload).port)
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


def _report(
    engine: Engine,
    visit: Visit,
    design: GroupDesign,
    world: Mapping[Address, Live],
    todo: Plan,
    outcome: Outcome,
) -> None:
    """The three conditions of building, and what the status says of it."""
    for type_, kinds in (
        ("NetworkReady", NETWORK),
        ("PrivateLinkReady", frozenset({VpcEndpoint.__name__})),
        ("LoadBalancerReady", frozenset({LoadBalancer.__name__, Listener.__name__})),
    ):
        failed = {a: e for a, e in outcome.failed.items() if a.type in kinds}
        if failed:
            visit.fail(type_, Outcome(failed=failed).error or next(iter(failed.values())))
        elif not visit.refuse(type_, [refusal for refusal in todo.refusals if refusal.address.type in kinds]):
            pending = [a for action in outcome.held_back if (a := action.address).type in kinds]
            if pending:
                visit.conditions.false(
                    type_, "Pending", f"waiting for what {pending[0].type} {pending[0].name} needs"
                )
                visit.look_again(5.0)
            else:
                _state(visit, type_, design, world)
    balancer = world.get(design.site().load_balancer)
    existing = design.group.spec.network.existing
    visit.fields["network"] = {
        "vpcId": existing.vpc_id if existing else _first_id(world, Vpc),
        "subnetIds": sorted(live.id for live in world.values() if isinstance(live.spec, Subnet)),
    }
    visit.fields["loadBalancer"] = (
        {"arn": balancer.id, "dnsName": balancer.attributes.get("dns_name")} if balancer else None
    )
    visit.fields["endpoints"] = [
        {"name": d.name, "id": live.id, "state": live.attributes.get("state") or "unknown"}
        for d in design.endpoint_designs()
        if (live := world.get(endpoint_address(design.ownership, design.account, design.region, d)))
        is not None
    ]
    _capacity(engine, visit, design)


def _first_id(world: Mapping[Address, Live], kind: type) -> str | None:
    return next((live.id for live in world.values() if isinstance(live.spec, kind)), None)


def _state(visit: Visit, type_: str, design: GroupDesign, world: Mapping[Address, Live]) -> None:
    if type_ == "NetworkReady":
        waiting = [
            live
            for live in world.values()
            if live.address.type == "NatGateway" and live.attributes.get("state") != "available"
        ]
        if waiting:
            visit.conditions.false(
                type_, "Pending", f"NAT gateway {waiting[0].id} is {waiting[0].attributes.get('state')}"
            )
            visit.look_again(5.0)
            visit.stale.add(Family.NETWORK)
        else:
            visit.conditions.true(type_, "Ready", "network and security groups are there")
    elif type_ == "PrivateLinkReady":
        _private_link(visit, design, world)
    else:
        balancer = world.get(design.site().load_balancer)
        state = "missing" if balancer is None else str(balancer.attributes.get("state"))
        if state in ("active", "active_impaired"):
            visit.conditions.true(type_, "Active", "the load balancer is active and its listeners are there")
        else:
            visit.conditions.false(type_, "Provisioning", f"the load balancer is {state}")
            visit.look_again(3.0)
            visit.stale.add(Family.LOAD_BALANCING)


def _private_link(visit: Visit, design: GroupDesign, world: Mapping[Address, Live]) -> None:
    designs = design.endpoint_designs()
    if not designs:
        visit.conditions.true("PrivateLinkReady", "NotManaged", "the network brings its own endpoints")
        return
    worst: tuple[str, str] | None = None
    for wanted in designs:
        live = world.get(endpoint_address(design.ownership, design.account, design.region, wanted))
        state = "missing" if live is None else str(live.attributes.get("state"))
        if state == "available":
            continue
        name = f"endpoint {wanted.name}" + (f" ({live.id})" if live else "")
        if state == "pendingacceptance":
            said = (
                "AwaitingAcceptance",
                f"{name} waits for {wanted.service}'s provider: ask them to accept the connection",
            )
        elif state in DEAD_ENDPOINT:
            said = (
                f"Endpoint{state.capitalize()}",
                (
                    f"{name} is {state}: ask {wanted.service}'s provider to allow account {design.account}; it is made "
                    f"anew every {ENDPOINT_RETRY_SECONDS:.0f} s, or at once with the annotation {ANNOTATION_RECONCILE}"
                ),
            )
        else:
            said = "Pending", f"{name} is {state}"
        visit.look_again(15.0 if state == "pendingacceptance" else 5.0)
        visit.stale.add(Family.ENDPOINTS)
        if worst is None or worst[0] == "Pending":
            worst = said
    if worst is None:
        visit.conditions.true("PrivateLinkReady", "Available", f"all {len(designs)} endpoints are available")
    else:
        visit.conditions.false("PrivateLinkReady", *worst)


def _capacity(engine: Engine, visit: Visit, design: GroupDesign) -> None:
    sums = engine.summary()
    ledger = sums.ledger(design.tier, design.group)
    free = room(ledger)
    visit.fields["summary"] = {
        "tenants": ledger.tenants,
        "freeTenantSlots": free,
        "targetGroupsUsed": ledger.target_groups,
        "targetGroupsFree": ledger.free_target_groups,
        "rulesUsed": ledger.tenants,
        "rulesFree": ledger.free_rules,
    }
    if free:
        visit.conditions.true(
            "CapacityAvailable", "Available", f"room for {free} more tenants of one cluster"
        )
    else:
        visit.conditions.false("CapacityAvailable", "Full", shortage(ledger, 1))


async def _weigh(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    """Give the group its share of the tier's name, or take it away when the user says so."""
    group, tier = design.group, design.tier
    try:
        zone = await engine.clouds.zone(tier)
        name = tier.spec.endpoint.name.lower()
        await zone.view.load_records(
            zone.caller, zone.id, name, max_age=0 if visit.forced else engine.settings.sweep_seconds
        )
        record = tier_record(engine, tier, group, zone, design.site().load_balancer)
        live = zone.view.lives.get(record.address)
        if group.spec.dns_weight == 0:
            if live is not None:
                await engine.clouds.apply_records(zone, (), [live], {})
                visit.notices.append(Notice("WeightWithdrawn", f"{name} does not lead here any more"))
            engine.remember(visit.key).pop("weighting", None)
            visit.fields["weight"] = 0
            visit.conditions.false(
                "EndpointReady", "NoWeight", "dnsWeight is 0: the tier's name does not lead here"
            )
            return
        if live is None and not _may_have_weight(engine, visit, design):
            return
        engine.remember(visit.key)["weighting"] = True
        todo = await engine.clouds.apply_records(zone, [record], (), site.view.world(design.name))
    except AwsError as error:
        visit.fail("EndpointReady", error)
        return
    if todo.refusals:
        visit.refuse("EndpointReady", todo.refusals)
        return
    if live is None:
        visit.notices.append(Notice("Weighted", f"{name} leads here with weight {group.spec.dns_weight}"))
    visit.fields["weight"] = group.spec.dns_weight
    visit.conditions.true(
        "EndpointReady", "InForce", f"{name} leads here with weight {group.spec.dns_weight}"
    )


def _may_have_weight(engine: Engine, visit: Visit, design: GroupDesign) -> bool:
    whole = ("NetworkReady", "PrivateLinkReady", "LoadBalancerReady")
    missing = [type_ for type_ in whole if not visit.conditions.is_true(type_)]
    visit.fields["weight"] = 0
    if missing:
        visit.conditions.false("EndpointReady", "Pending", f"waiting for {missing[0]}")
        return False
    why = why_no_weight(engine, design.tier, design.group)
    if why:
        visit.conditions.false("EndpointReady", "WaitingForTenants", why)
        visit.look_again(30.0)
        return False
    return True


def _sum_up(visit: Visit) -> None:
    needed = ("NetworkReady", "PrivateLinkReady", "LoadBalancerReady")
    missing = [type_ for type_ in needed if not visit.conditions.is_true(type_)]
    endpoint = visit.conditions.get("EndpointReady")
    if (
        not missing
        and endpoint.get("status") == "False"
        and endpoint.get("reason") not in ("NoWeight", "WaitingForTenants", "Pending")
    ):
        missing = ["EndpointReady"]
    if not missing:
        visit.ready("Ready", "tenants can live here")
        return
    said = visit.conditions.get(missing[0])
    visit.conditions.false("Ready", said["reason"], said["message"])
    visit.reconciling(said["reason"], said["message"])


def weighted_groups(engine: Engine, groups: Iterable[InfraGroup]) -> list[InfraGroup]:
    """The groups to which the tier's name leads, or is about to."""
    return [
        group
        for group in groups
        if group_weight(engine, group) or engine.remember(object_key(group)).get("weighting")
    ]
