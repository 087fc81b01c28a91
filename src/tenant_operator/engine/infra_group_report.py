"""What an InfraGroup's status says of its network, endpoints and load balancer, and of its room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tenant_operator.api import ANNOTATION_RECONCILE
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.aws.inventory import Family
from tenant_operator.aws.snapshot import View
from tenant_operator.desired import tags
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.private_link import address as endpoint_address
from tenant_operator.desired.resources import (
    Address,
    Forward,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Subnet,
    TargetGroup,
    Vpc,
    VpcEndpoint,
)
from tenant_operator.engine.cache import Cache
from tenant_operator.engine.capacity import Ledgers, usual_size
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.executor import Outcome
from tenant_operator.engine.settings import ENDPOINT_RETRY_SECONDS
from tenant_operator.engine.sparing import ADVICE, holds_up, stall
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.ledger import newcomer, room, shortage
from tenant_operator.plan.change import Plan

NETWORK = frozenset(
    {"Vpc", "Subnet", "InternetGateway", "ElasticIp", "NatGateway", "RouteTable", "SecurityGroup"}
)
DEAD_ENDPOINT = frozenset({"rejected", "failed", "expired"})


def report(
    engine: Engine,
    visit: Visit,
    design: GroupDesign,
    site: Site,
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
    _capacity(engine, visit, design, site)


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


def _capacity(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    """How much of the load balancer and of the account is left for newcomers, whose size is the tier's own."""
    rules, groups = of_others(engine.cache, design, site.view)
    ledger = Ledgers(engine.cache).of(design.tier, design.cell, design.group)
    others = {**ledger.others, QuotaCode.RULES: rules, QuotaCode.TARGET_GROUPS: groups}
    ledger = replace(ledger, others=Counter(others))
    need = usual_size(design.tier).peak.use
    free = room(ledger, need)
    visit.fields["summary"] = {
        "tenants": ledger.tenants,
        "freeTenantSlots": free,
        "targetGroupsUsed": ledger.used(QuotaCode.TARGET_GROUPS),
        "targetGroupsFree": ledger.free_target_groups,
        "targetGroupsOfOthers": groups,
        "rulesUsed": ledger.used(QuotaCode.RULES),
        "rulesFree": ledger.free_rules,
        "rulesOfOthers": rules,
    }
    if free:
        visit.conditions.true(
            "CapacityAvailable", "Available", f"room for {free} more tenants of one cluster"
        )
    else:
        visit.conditions.false("CapacityAvailable", "Full", shortage(newcomer(ledger, need)))


def of_others(cache: Cache, design: GroupDesign, view: View) -> tuple[int, int]:
    """Rules and target groups at the group's load balancer that belong to no tenant that is placed there.

    They were made by hand or by another tool, or were left behind by `Retain`; AWS counts them all the same.
    """
    site = design.site()
    listener, balancer = view.lives.get(site.listener), view.lives.get(site.load_balancer)
    if listener is None or balancer is None:
        return 0, 0
    placed = {(t.metadata.namespace, t.metadata.name) for t in cache.tenants_placed_in(design.name)}

    def is_strange(live: Live) -> bool:
        owner = tags.owner_of(live.tags)
        own = owner is not None and owner.key[0] == "Tenant" and (owner.key[1], owner.key[2]) in placed
        return not own or tags.is_released(live.tags)

    rules = [live for live in view.rules_of(listener.id) if is_strange(live)]
    groups = {
        str(target)
        for live in rules
        if isinstance(live.spec, ListenerRule) and isinstance(live.spec.action, Forward)
        for target, _ in live.spec.action.targets
    }
    groups |= {
        live.id
        for live in view.of_type(TargetGroup.__name__)
        if live.attributes.get("load_balancer") == balancer.id and is_strange(live)
    }
    return len(rules), len(groups)


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
