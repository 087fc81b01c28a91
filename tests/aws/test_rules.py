"""Listener rules in the simulated AWS."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import pytest_asyncio

from tenant_operator.aws import load_balancing, rules
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.resources import (
    Address,
    FixedResponse,
    Forward,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Resource,
)
from tenant_operator.plan.diff import field_changes
from tests.aws.conftest import INSTALLATION, Cell, converged

SUSPENDED = FixedResponse(status=503, body="suspended\n")


@dataclasses.dataclass
class Route:
    """A listener, and two target groups that rules may forward to."""

    cell: Cell
    listener: Live
    groups: list[str]

    def rule(self, tenant: str = "acme", **changes: Any) -> Resource:
        spec = ListenerRule(
            listener=self.listener.id,
            paths=(f"/{tenant}", f"/{tenant}/*"),
            action=Forward(((self.groups[0], 1),)),
        )
        spec = dataclasses.replace(spec, **changes)
        return self.cell.resource(f"ig-1/{tenant}/rule", spec, "rule", tenant=tenant)

    async def read(self, known: dict[str, dict[str, str]] | None = None) -> dict[Address, Live]:
        return await rules.read_rules(self.cell.caller, INSTALLATION, self.listener, known or {})

    async def update(self, resource: Resource, live: Live) -> Live:
        return await rules.update_rule(self.cell.caller, resource, live, field_changes(resource, live, {}))


@pytest_asyncio.fixture
async def route(cell: Cell) -> Route:
    alb = await load_balancing.CREATE[LoadBalancer](
        cell.caller,
        cell.resource(
            "prod-ig-1-0123456789",
            LoadBalancer(
                scheme="internal", subnets=tuple(cell.subnets[:2]), security_groups=(cell.security_groups[0],)
            ),
            "load-balancer",
            tenant="",
        ),
    )
    spec = Listener(load_balancer=alb.id, port=80, protocol="HTTP", default_action=FixedResponse(status=404))
    listener = await load_balancing.CREATE[Listener](
        cell.caller, cell.resource("prod-ig-1-0123456789:80", spec, "listener", tenant="")
    )
    elb = cell.client("elbv2")
    groups = [
        elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=cell.vpc, TargetType="ip")[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for name in ("one", "two")
    ]
    cell.new_calls()
    return Route(cell, listener, groups)


async def test_a_new_rule_is_one_write_and_reads_back_as_it_was_asked_for(route: Route) -> None:
    wanted = route.rule(hosts=("acme.example.com",), header=("X-Tenant-Id", "acme"), strip_prefix="/acme")
    live = await rules.create_rule(route.cell.caller, wanted, 25_000)
    assert route.cell.new_calls() == ["CreateRule"]
    seen = (await route.read())[wanted.address]
    assert converged(wanted, live)
    assert converged(wanted, seen)
    assert seen.attributes["priority"] == 25_000


async def test_a_rule_is_changed_in_place_and_keeps_its_priority(route: Route) -> None:
    live = await rules.create_rule(route.cell.caller, route.rule(), 100)
    one, two = route.groups
    for changed in (
        route.rule(action=Forward(((one, 2), (two, 3)))),
        route.rule(action=SUSPENDED),
        route.rule(action=Forward(((two, 1),)), strip_prefix="/acme"),
        route.rule(action=Forward(((two, 1),)), paths=("/other", "/other/*")),
    ):
        live = await route.update(changed, live)
        assert route.cell.new_calls()[-1] == "ModifyRule"
        seen = (await route.read())[changed.address]
        assert converged(changed, live)
        assert converged(changed, seen)
        assert seen.attributes["priority"] == 100


async def test_what_a_person_did_to_a_rule_by_hand_is_undone(route: Route) -> None:
    wanted = route.rule()
    live = await rules.create_rule(route.cell.caller, wanted, 100)
    route.cell.client("elbv2").modify_rule(
        RuleArn=live.id,
        Conditions=[
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/acme*"]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        ],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "500"}}],
    )
    seen = (await route.read())[wanted.address]
    assert {change.field for change in field_changes(wanted, seen, {})} == {"paths", "action", "unexpected"}
    assert converged(wanted, await route.update(wanted, seen))
    assert converged(wanted, (await route.read())[wanted.address])


async def test_a_taken_priority_says_so_and_the_holder_is_untouched(route: Route) -> None:
    theirs = await rules.create_rule(route.cell.caller, route.rule("other"), 100)
    with pytest.raises(AwsError) as refusal:
        await rules.create_rule(route.cell.caller, route.rule(), 100)
    assert (refusal.value.category, refusal.value.code) == (Category.CONFLICT, "PriorityInUse")
    assert list((await route.read()).values()) == [theirs]


async def test_a_rule_whose_answer_was_lost_is_taken_up_again(route: Route) -> None:
    wanted = route.rule()
    route.cell.lose_answer("CreateRule")
    with pytest.raises(AwsError):
        await rules.create_rule(route.cell.caller, wanted, 100)
    live = await rules.create_rule(route.cell.caller, wanted, 100)
    assert list((await route.read()).values()) == [live]


async def test_rules_that_are_not_ours_are_seen_with_their_priorities_and_left_alone(route: Route) -> None:
    made = route.cell.client("elbv2").create_rule(
        ListenerArn=route.listener.id,
        Priority=7,
        Conditions=[{"Field": "path-pattern", "Values": ["/legacy"]}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    )["Rules"][0]["RuleArn"]
    ((address, seen),) = (await route.read()).items()
    assert address.name == "foreign/" + made.rsplit("/", 1)[-1]
    assert seen.attributes["priority"] == 7
    assert seen.tags == {}


async def test_a_second_rule_with_the_same_tags_does_not_hide_the_first(route: Route) -> None:
    wanted = route.rule()
    first = await rules.create_rule(route.cell.caller, wanted, 100)
    second = await rules.create_rule(route.cell.caller, wanted, 200)
    found = await route.read()
    assert found[wanted.address].id == first.id
    assert {live.id for live in found.values()} == {first.id, second.id}


async def test_tags_that_are_known_are_not_read_again(route: Route) -> None:
    wanted = route.rule()
    live = await rules.create_rule(route.cell.caller, wanted, 100)
    route.cell.new_calls("*")
    found = await route.read({live.id: dict(live.tags)})
    assert found == {wanted.address: live}
    assert route.cell.new_calls("*") == ["DescribeRules"]


async def test_a_deleted_rule_is_gone_and_twice_is_no_harm(route: Route) -> None:
    live = await rules.create_rule(route.cell.caller, route.rule(), 100)
    await rules.delete_rule(route.cell.caller, live)
    await rules.delete_rule(route.cell.caller, live)
    assert await route.read() == {}


async def test_a_listener_that_has_gone_has_no_rules(route: Route) -> None:
    await load_balancing.DELETE[Listener](route.cell.caller, route.listener)
    assert await route.read() == {}


async def test_more_rules_than_a_page_holds_are_all_read(route: Route) -> None:
    elb = route.cell.client("elbv2")
    for priority in range(1, 61):
        elb.create_rule(
            ListenerArn=route.listener.id,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [f"/x{priority}"]}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
        )
    assert {live.attributes["priority"] for live in (await route.read()).values()} == set(range(1, 61))
