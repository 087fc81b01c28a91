"""Load balancers, listeners and target groups in the simulated AWS."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tenant_operator.aws import elb_tags, load_balancing, target_groups
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.resources import (
    Address,
    FixedResponse,
    HealthCheck,
    Listener,
    Live,
    LoadBalancer,
    RedirectToHttps,
    Resource,
    Spec,
    TargetGroup,
)
from tenant_operator.plan.diff import field_changes
from tests.aws.conftest import INSTALLATION, Cell, converged

NAME = "prod-ig-1-0123456789"
GROUP = "prod-acme-0123456789"
NOT_FOUND = FixedResponse(status=404, body="not found\n")


def balancer(cell: Cell, **changes: Any) -> Resource:
    spec = LoadBalancer(
        scheme="internal",
        subnets=tuple(cell.subnets[:2]),
        security_groups=(cell.security_groups[0],),
        client_keep_alive_seconds=300,
        deletion_protection=True,
    )
    return cell.resource(NAME, dataclasses.replace(spec, **changes), "load-balancer", tenant="")


def listener(cell: Cell, balancer_arn: str, **changes: Any) -> Resource:
    spec = Listener(load_balancer=balancer_arn, port=80, protocol="HTTP", default_action=NOT_FOUND)
    spec = dataclasses.replace(spec, **changes)
    return cell.resource(f"{NAME}:{spec.port}", spec, "listener", tenant="")


def target_group(cell: Cell, name: str = GROUP, **changes: Any) -> Resource:
    check = HealthCheck(
        path="/healthz", interval_seconds=15, timeout_seconds=5, healthy_threshold=2, unhealthy_threshold=3
    )
    spec = TargetGroup(vpc=cell.vpc, port=8080, health_check=check)
    return cell.resource(name, dataclasses.replace(spec, **changes), "target-group-1")


async def create(cell: Cell, resource: Resource) -> Live:
    return await load_balancing.CREATE[type(resource.spec)](cell.caller, resource)


async def update(cell: Cell, resource: Resource, live: Live) -> Live:
    changes = field_changes(resource, live, {})
    return await load_balancing.UPDATE[type(resource.spec)](cell.caller, resource, live, changes)


async def delete(cell: Cell, live: Live) -> None:
    await load_balancing.DELETE[type(live.spec)](cell.caller, live)


async def read(
    cell: Cell, turn: int | None = None, in_full: frozenset[str] = frozenset()
) -> dict[Address, Live]:
    return await load_balancing.read_load_balancing(cell.caller, INSTALLATION, turn=turn, in_full=in_full)


async def test_a_new_load_balancer_costs_two_writes_and_needs_nothing_more(cell: Cell) -> None:
    wanted = balancer(cell)
    made = await create(cell, wanted)
    assert cell.new_calls() == ["CreateLoadBalancer", "ModifyLoadBalancerAttributes"]
    seen = (await read(cell))[wanted.address]
    assert converged(wanted, made)
    assert converged(wanted, seen)
    assert seen.attributes["dns_name"].endswith("elb.amazonaws.com")
    assert seen.attributes["zone_id"]
    assert seen.attributes["vpc"] == cell.vpc


async def test_a_load_balancer_like_aws_makes_it_costs_one_write(cell: Cell) -> None:
    await create(cell, balancer(cell, client_keep_alive_seconds=3600, deletion_protection=False))
    assert cell.new_calls() == ["CreateLoadBalancer"]


async def test_an_edited_load_balancer_converges_with_only_the_calls_it_needs(cell: Cell) -> None:
    live = await create(cell, balancer(cell))
    cell.new_calls()
    moved = balancer(cell, subnets=tuple(cell.subnets))
    live = await update(cell, moved, live)
    assert cell.new_calls() == ["SetSubnets"]
    other = balancer(
        cell, subnets=tuple(cell.subnets), security_groups=(cell.security_groups[1],), idle_timeout_seconds=90
    )
    live = await update(cell, other, live)
    assert cell.new_calls() == ["SetSecurityGroups", "ModifyLoadBalancerAttributes"]
    assert converged(other, live)
    assert converged(other, (await read(cell))[other.address])


async def test_a_creation_cut_short_before_the_attributes_is_seen_and_mended(cell: Cell) -> None:
    wanted = balancer(cell)
    await create(cell, balancer(cell, client_keep_alive_seconds=3600, deletion_protection=False))
    seen = (await read(cell))[wanted.address]
    assert {change.field for change in field_changes(wanted, seen, {})} == {
        "client_keep_alive_seconds",
        "deletion_protection",
    }
    assert converged(wanted, await update(cell, wanted, seen))


async def test_a_protected_load_balancer_is_deleted_once_it_may_be_and_twice_is_no_harm(cell: Cell) -> None:
    live = await create(cell, balancer(cell))
    await delete(cell, live)
    assert await read(cell) == {}
    await delete(cell, live)


async def test_a_listener_answers_404_redirects_and_is_changed_in_place(cell: Cell) -> None:
    alb = await create(cell, balancer(cell))
    wanted = listener(cell, alb.id)
    live = await create(cell, wanted)
    assert converged(wanted, live)
    redirecting = listener(cell, alb.id, default_action=RedirectToHttps(port=8443))
    live = await update(cell, redirecting, live)
    seen = (await read(cell))[wanted.address]
    assert converged(redirecting, live)
    assert converged(redirecting, seen)
    await delete(cell, seen)
    assert wanted.address not in await read(cell)


async def test_certificates_are_added_before_others_are_taken_away(cell: Cell) -> None:
    acm = cell.client("acm")
    first, second, third = (
        acm.request_certificate(DomainName=f"{n}.example.com", ValidationMethod="DNS")["CertificateArn"]
        for n in ("a", "b", "c")
    )
    alb = await create(cell, balancer(cell))
    secure = {"port": 443, "protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}
    wanted = listener(cell, alb.id, **secure, certificates=(first, second))
    live = await create(cell, wanted)
    assert converged(wanted, (await read(cell))[wanted.address])
    cell.new_calls()
    changed = listener(cell, alb.id, **secure, certificates=(first, third))
    live = await update(cell, changed, live)
    assert cell.new_calls() == ["AddListenerCertificates", "ModifyListener", "RemoveListenerCertificates"]
    assert converged(changed, live)
    assert converged(changed, (await read(cell))[wanted.address])


async def test_the_default_certificate_may_change_places_with_another(cell: Cell) -> None:
    acm = cell.client("acm")
    first, second = (
        acm.request_certificate(DomainName=f"{n}.example.com", ValidationMethod="DNS")["CertificateArn"]
        for n in ("a", "b")
    )
    alb = await create(cell, balancer(cell))
    secure = {"port": 443, "protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}
    live = await create(cell, listener(cell, alb.id, **secure, certificates=(first, second)))
    swapped = listener(cell, alb.id, **secure, certificates=(second, first))
    assert converged(swapped, await update(cell, swapped, live))
    assert converged(swapped, (await read(cell))[swapped.address])


async def test_a_new_target_group_costs_one_write_when_it_drains_as_long_as_aws_says(cell: Cell) -> None:
    wanted = target_group(cell)
    live = await create(cell, wanted)
    assert cell.new_calls() == ["CreateTargetGroup"]
    assert converged(wanted, live)
    assert converged(wanted, (await read(cell))[wanted.address])
    assert live.attributes["load_balancer"] == ""


async def test_another_deregistration_delay_is_set_and_remembered(cell: Cell) -> None:
    wanted = target_group(cell, deregistration_delay_seconds=60)
    live = await create(cell, wanted)
    assert cell.new_calls() == ["CreateTargetGroup", "ModifyTargetGroupAttributes", "AddTags"]
    assert await target_groups.read_target_group_attributes(cell.caller, [live.id]) == {live.id: 60}
    seen = (await read(cell))[wanted.address]
    assert converged(wanted, seen)
    back = target_group(cell)
    assert converged(back, await update(cell, back, seen))
    assert converged(back, (await read(cell))[wanted.address])


async def test_a_delay_changed_by_hand_is_found_within_a_round_of_sweeps(cell: Cell) -> None:
    wanted = [target_group(cell, f"prod-t{n}-0123456789") for n in range(6)]
    lives = [await create(cell, resource) for resource in wanted]
    attribute = [{"Key": "deregistration_delay.timeout_seconds", "Value": "7"}]
    cell.client("elbv2").modify_target_group_attributes(TargetGroupArn=lives[5].id, Attributes=attribute)
    worlds = [await read(cell, turn=turn) for turn in range(2)]
    found = [world[wanted[5].address].spec for world in worlds]
    assert any(isinstance(spec, TargetGroup) and spec.deregistration_delay_seconds == 7 for spec in found)


def test_a_round_of_turns_reads_every_group() -> None:
    arns = [f"arn{n:03}" for n in range(103)]
    seen = {arn for turn in range(26) for arn in target_groups.in_turn(arns, turn, 4)}
    assert seen == set(arns)
    assert all(len(target_groups.in_turn(arns, turn, 4)) == 4 for turn in range(200))


async def test_an_edited_health_check_and_one_altered_by_hand_are_set_right(cell: Cell) -> None:
    wanted = target_group(cell)
    live = await create(cell, wanted)
    check = HealthCheck(
        path="/ready", interval_seconds=30, timeout_seconds=10, healthy_threshold=3, unhealthy_threshold=2
    )
    edited = target_group(cell, health_check=check)
    assert converged(edited, await update(cell, edited, live))
    cell.client("elbv2").modify_target_group(
        TargetGroupArn=live.id, HealthCheckPort="9999", HealthCheckPath="/x"
    )
    seen = (await read(cell))[wanted.address]
    assert "health checks go to port 9999" in seen.spec.unexpected
    assert converged(edited, await update(cell, edited, seen))
    assert converged(edited, (await read(cell))[wanted.address])


async def test_tags_follow_the_tier_and_other_tools_tags_stay(cell: Cell) -> None:
    wanted = target_group(cell)
    live = await create(cell, wanted)
    cell.client("elbv2").add_tags(ResourceArns=[live.id], Tags=[{"Key": "backup", "Value": "daily"}])
    retagged = dataclasses.replace(
        wanted, tags={**{k: v for k, v in wanted.tags.items() if k != "team"}, "cost": "42", TAG_KEYS: "cost"}
    )
    seen = (await read(cell))[wanted.address]
    live = await update(cell, retagged, seen)
    assert live.tags == {**retagged.tags, "backup": "daily"}
    assert (await read(cell))[wanted.address].tags == live.tags


async def test_somebody_elses_resources_of_the_same_name_are_refused_and_untouched(cell: Cell) -> None:
    elb = cell.client("elbv2")
    elb.create_target_group(Name=GROUP, Protocol="HTTP", Port=80, VpcId=cell.vpc, TargetType="ip")
    with pytest.raises(AwsError, match="does not carry this operator's ownership tags") as refusal:
        await create(cell, target_group(cell))
    assert (refusal.value.category, refusal.value.code) == (Category.EXISTS, "ForeignOwner")
    seen = (await read(cell))[cell.address(TargetGroup, GROUP)]
    assert seen.tags == {}


@pytest.mark.parametrize("kind", [LoadBalancer, TargetGroup, Listener])
async def test_a_creation_whose_answer_was_lost_is_taken_up_again(cell: Cell, kind: type[Spec]) -> None:
    alb = await create(cell, balancer(cell)) if kind is Listener else None
    wanted = {
        LoadBalancer: lambda: balancer(cell, client_keep_alive_seconds=3600, deletion_protection=False),
        TargetGroup: lambda: target_group(cell),
        Listener: lambda: listener(cell, alb.id if alb else ""),
    }[kind]()
    cell.lose_answer(f"Create{kind.__name__}")
    with pytest.raises(AwsError) as lost:
        await create(cell, wanted)
    assert lost.value.category is Category.OUTAGE
    again = await create(cell, wanted)
    assert converged(wanted, again)
    found = [live for live in (await read(cell)).values() if isinstance(live.spec, kind)]
    assert [live.id for live in found] == [again.id]


async def test_a_sweep_reads_tags_twenty_at_a_time_and_few_groups_in_full(cell: Cell) -> None:
    elb = cell.client("elbv2")
    for n in range(45):
        elb.create_target_group(Name=f"prod-t{n}", Protocol="HTTP", Port=80, VpcId=cell.vpc, TargetType="ip")
    await create(cell, target_group(cell))
    cell.new_calls("*")
    assert len(await read(cell)) == 46
    calls = cell.new_calls("*")
    assert calls.count("DescribeTags") == 3
    assert len(calls) == 6


async def test_tags_are_read_although_one_of_many_has_just_been_deleted(cell: Cell) -> None:
    lives = [await create(cell, target_group(cell, f"prod-t{n}-0123456789")) for n in range(5)]
    await delete(cell, lives[2])
    found = await elb_tags.read_tags(cell.caller, [live.id for live in lives])
    assert set(found) == {live.id for live in lives} - {lives[2].id}


async def test_what_another_installation_owns_is_not_read_as_ours(cell: Cell) -> None:
    await create(cell, target_group(cell))
    assert await load_balancing.read_load_balancing(cell.caller, "other") == {}


async def test_a_target_group_without_targets_has_no_health(cell: Cell) -> None:
    live = await create(cell, target_group(cell))
    assert await target_groups.read_target_health(cell.caller, live.id) == {}
    await delete(cell, live)
    assert await target_groups.read_target_health(cell.caller, live.id) == {}


TAG_KEYS = "tenant-operator.dev/tag-keys"
