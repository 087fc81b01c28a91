"""What an InfraGroup's status says of its network, endpoints and load balancer, and of its room."""

from __future__ import annotations

from collections.abc import Mapping

from tenant_operator.api import ANNOTATION_RECONCILE
from tenant_operator.aws.snapshot import Family
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.private_link import address as endpoint_address
from tenant_operator.desired.resources import (
    Address,
    Listener,
    Live,
    LoadBalancer,
    Subnet,
    Vpc,
    VpcEndpoint,
)
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.executor import Outcome
from tenant_operator.engine.settings import ENDPOINT_RETRY_SECONDS
from tenant_operator.engine.sparing import ADVICE, holds_up, stall
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.ledger import room, shortage
from tenant_operator.plan.change import Plan

NETWORK = frozenset(
    {"Vpc", "Subnet", "InternetGateway", "ElasticIp", "NatGateway", "RouteTable", "SecurityGroup"}
)
DEAD_ENDPOINT = frozenset({"rejected", "failed", "expired"})


def report(
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
            gone = visit.drift.missing(kinds) if visit.drift is not None else []
            if gone:
                visit.conditions.false(type_, "Drifted", f"{gone[0]} was taken away and is left so{ADVICE}")
            elif pending:
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


def sum_up(visit: Visit) -> None:
    """Ready: what tenants need is there. That the group has no weight yet does not count, that it cannot get any does."""
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
    if holds_up(visit, said["reason"]):
        stall(visit)
        said = visit.conditions.get("Stalled")
    visit.conditions.false("Ready", said["reason"], said["message"])
    visit.reconciling(said["reason"], said["message"])
