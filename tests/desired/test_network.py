"""A VPC is cut up without overlaps, and what a zone has never moves when zones are added."""

from __future__ import annotations

import dataclasses
import ipaddress
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.desired import tags
from tenant_operator.desired.network import MAX_ZONES, NetworkDesign, blocks, network
from tenant_operator.desired.resources import Address, Live, NatGateway, RouteTable, Subnet, World
from tenant_operator.plan.diff import in_order, needs, plan
from tests.plan import model

ZONES = tuple(f"us-east-1{letter}" for letter in "abcdef")
OWNERSHIP = tags.Ownership(
    installation="test",
    owner=tags.Owner(kind="InfraGroup", namespace="", name="group-1", uid="uid-1"),
    tier="tier-1",
    cell="cell-a",
    infra_group="group-1",
)


@st.composite
def cidrs(draw: st.DrawFn) -> str:
    prefix = draw(st.sampled_from(sorted(MAX_ZONES)))
    blocks_of_16 = draw(st.integers(0, 255))
    inside = draw(st.integers(0, 2 ** (prefix - 16) - 1))
    return str(list(ipaddress.IPv4Network(f"10.{blocks_of_16}.0.0/16").subnets(new_prefix=prefix))[inside])


@st.composite
def designs(draw: st.DrawFn) -> NetworkDesign:
    cidr = draw(cidrs())
    most = MAX_ZONES[ipaddress.IPv4Network(cidr).prefixlen]
    return NetworkDesign(
        account="222222222222",
        region="us-east-1",
        cidr=cidr,
        zones=ZONES[: draw(st.integers(2, most))],
        egress=draw(st.sampled_from(["None", "NatSingle", "NatPerZone"])),
        public=draw(st.booleans()),
        ownership=OWNERSHIP,
        user_tags=draw(
            st.dictionaries(st.sampled_from(["team", "cost"]), st.text("ab", min_size=1, max_size=3))
        ),
    )


@given(cidrs())
def test_no_two_subnets_overlap_and_all_are_inside_the_vpc(cidr: str) -> None:
    vpc = ipaddress.IPv4Network(cidr)
    cut = [blocks(cidr, index) for index in range(MAX_ZONES[vpc.prefixlen])]
    found = [
        ipaddress.IPv4Network(b) for zone in cut for b in (zone.load_balancer, zone.endpoints, zone.tasks)
    ]
    assert all(subnet.subnet_of(vpc) for subnet in found)
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))


def test_a_vpc_that_is_too_small_for_its_zones_says_what_to_write() -> None:
    with pytest.raises(ValueError, match="room for 4 Availability Zones"):
        blocks("10.0.0.0/20", 4)


@given(designs())
def test_what_is_planned_for_a_network_leaves_nothing_to_plan_once_it_is_done(design: NetworkDesign) -> None:
    wanted = network(design)
    world: World = {}
    world = model.applied(world, plan(wanted, world, installation="test"))
    assert len(world) == len(wanted)
    assert not plan(wanted, world, installation="test")


@given(designs())
def test_everything_comes_after_what_it_needs(design: NetworkDesign) -> None:
    wanted = {resource.address: resource for resource in network(design)}
    seen: set[Address] = set()
    for address in in_order(wanted):
        assert set(needs(wanted[address])) <= seen
        seen.add(address)


@given(designs())
def test_another_zone_adds_and_moves_nothing(design: NetworkDesign) -> None:
    wanted = network(design)
    world = model.applied({}, plan(wanted, {}, installation="test"))
    more = ZONES[: len(design.zones) + 1]
    if len(more) > MAX_ZONES[ipaddress.IPv4Network(design.cidr).prefixlen] or more == design.zones:
        return
    grown = plan(network(_with_zones(design, more)), world, installation="test")
    changed = [
        (a.address.type, change.field) for a in grown.actions if a.verb == "update" for change in a.changes
    ]
    assert set(changed) <= {(RouteTable.__name__, "subnets")}, (
        "the shared tables take the new subnets, no more"
    )
    assert not grown.refusals


def _with_zones(design: NetworkDesign, zones: tuple[str, ...]) -> NetworkDesign:
    return dataclasses.replace(design, zones=zones)


@given(designs())
def test_only_what_has_a_way_out_has_a_default_route(design: NetworkDesign) -> None:
    tables = {r.address.name: r.spec for r in network(design) if isinstance(r.spec, RouteTable)}
    nats = [r for r in network(design) if isinstance(r.spec, NatGateway)]
    assert bool(tables["group-1/routes-lb"].routes) == (design.public or design.egress != "None")
    assert not tables["group-1/routes-endpoints"].routes
    assert len(nats) == {"None": 0, "NatSingle": 1, "NatPerZone": len(design.zones)}[design.egress]
    for zone in design.zones:
        assert bool(tables[f"group-1/routes-tasks-{zone}"].routes) == (design.egress != "None")


@given(designs(), st.data())
def test_what_somebody_else_owns_is_never_touched(design: NetworkDesign, data: st.DataObject) -> None:
    wanted = network(design)
    world = dict(model.applied({}, plan(wanted, {}, installation="test")))
    victim = data.draw(st.sampled_from(sorted(a for a in world if a.type == Subnet.__name__)))
    live = world[victim]
    world[victim] = Live(address=victim, id=live.id, spec=live.spec, tags={"Name": "somebody else's"})
    found = plan(wanted, world, installation="test", removals=[world[victim]])
    assert all(action.address != victim for action in found.actions)
    assert [refusal.reason for refusal in found.refusals] == ["ForeignOwner"]
