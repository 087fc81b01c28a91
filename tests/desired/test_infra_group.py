"""An infra group as a whole: what its specs come to, once done, leaves nothing to do."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api import Cell, InfraGroup, Tier, parse
from tenant_operator.desired import tags
from tenant_operator.desired.infra_group import GroupDesign, Surroundings
from tenant_operator.desired.resources import (
    Address,
    Ingress,
    Listener,
    LoadBalancer,
    Ref,
    SecurityGroup,
    VpcEndpoint,
)
from tenant_operator.plan.diff import plan
from tests.e2e import manifests as m
from tests.plan import model

CERTIFICATE = "arn:aws:acm:us-east-1:222222222222:certificate/11111111-2222-3333-4444-555555555555"


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest as the API server would show it."""
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "uid": f"uid-{manifest['kind']}", "generation": 1},
    }


def design(tier: dict[str, Any] | None = None, group: dict[str, Any] | None = None) -> GroupDesign:
    parsed = [parse(stored(o)) for o in (tier or m.tier(), m.cell(), group or m.group())]
    assert isinstance(parsed[0], Tier)
    assert isinstance(parsed[1], Cell)
    assert isinstance(parsed[2], InfraGroup)
    return GroupDesign(
        tier=parsed[0],
        cell=parsed[1],
        group=parsed[2],
        installation="test",
        partition="aws",
        surroundings=Surroundings(zones=("us-east-1a", "us-east-1b")),
    )


@st.composite
def groups(draw: st.DrawFn) -> GroupDesign:
    secure = draw(st.booleans())
    listener: dict[str, Any] = {
        "port": draw(st.sampled_from([443, 8443])),
        "protocol": "HTTPS",
        "certificateArns": [CERTIFICATE],
    }
    if not secure:
        listener = {"port": draw(st.sampled_from([80, 8080])), "protocol": "HTTP"}
    public = draw(st.booleans())
    balancer = {
        "listener": listener,
        "scheme": "internet-facing" if public else "internal",
        "ingressCidrs": ["203.0.113.0/24"] if public else [],
        "deletionProtection": draw(st.booleans()),
    }
    endpoints = [
        {
            "name": f"service-{n}",
            "serviceName": f"com.amazonaws.vpce.us-east-1.vpce-svc-{n:017x}",
            "ports": [443 + n],
        }
        for n in range(draw(st.integers(0, 3)))
    ]
    services = draw(st.lists(st.sampled_from(["ecr.api", "ecr.dkr", "s3", "logs"]), unique=True))
    tier = m.tier(
        privateLink={"awsServices": services, "endpoints": endpoints},
        tags=draw(st.sampled_from([{}, {"team": "a"}])),
    )
    return design(tier, m.group(loadBalancer=balancer))


@given(groups(), st.sets(st.integers(1, 65535), min_size=1, max_size=3))
def test_what_is_planned_for_a_group_leaves_nothing_to_plan_once_it_is_done(
    found: GroupDesign, ports: set[int]
) -> None:
    wanted = found.resources(task_ports=ports, available=())
    world = model.applied({}, plan(wanted, {}, installation="test"))
    assert len(world) == len(wanted)
    assert not plan(wanted, world, installation="test")
    removed = plan((), world, installation="test", removals=world.values())
    assert len(removed.actions) == len(world)
    assert model.applied(world, removed) == {}


@given(groups())
def test_everything_carries_the_ownership_tags(found: GroupDesign) -> None:
    for resource in found.resources(task_ports=[8080], available=()):
        assert resource.tags[tags.INSTALLATION] == "test"
        assert resource.tags[tags.KIND] == "InfraGroup"
        assert resource.tags[tags.INFRA_GROUP] == "group-1"
        assert resource.tags[tags.CELL] == "cell-a"
        assert set(found.tier.spec.tags.items()) <= set(resource.tags.items())


@given(groups())
def test_nothing_but_the_load_balancer_reaches_the_tasks(found: GroupDesign) -> None:
    made = {r.address.name: r for r in found.resources(task_ports=[8080, 9090], available=())}
    tasks = made["group-1/sg-tasks"].spec
    assert isinstance(tasks, SecurityGroup)
    alb = Ref(made["group-1/sg-alb"].address)
    assert set(tasks.ingress) == {Ingress("tcp", port, port, alb) for port in (8080, 9090)}


@given(groups())
def test_the_default_answer_names_no_tenant_and_forwards_to_none(found: GroupDesign) -> None:
    listeners = [
        r.spec for r in found.resources(task_ports=[8080], available=()) if isinstance(r.spec, Listener)
    ]
    assert listeners
    for listener in listeners:
        assert type(listener.default_action).__name__ in ("FixedResponse", "RedirectToHttps")


def test_private_dns_is_switched_on_once_the_endpoint_is_available() -> None:
    found = design()

    def private_dns(available: set[Address]) -> dict[Address, bool]:
        made = found.resources(task_ports=[8080], available=available)
        return {r.address: r.spec.private_dns for r in made if isinstance(r.spec, VpcEndpoint)}

    before = private_dns(set())
    assert list(before.values()) == [False]
    assert list(private_dns(set(before)).values()) == [True]


def test_an_existing_network_is_used_and_not_made() -> None:
    existing = {
        "vpcId": "vpc-0123456789abcdef0",
        "loadBalancerSubnetIds": ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2"],
        "workloadSubnetIds": ["subnet-0bbbbbbbbbbbbbbb1"],
        "endpoints": "UseExisting",
    }
    made = design(group=m.group(network={"existing": existing})).resources(task_ports=[8080], available=())
    assert {r.address.type for r in made} == {"SecurityGroup", "LoadBalancer", "Listener"}
    balancer = next(r.spec for r in made if isinstance(r.spec, LoadBalancer))
    assert set(balancer.subnets) == set(existing["loadBalancerSubnetIds"])
