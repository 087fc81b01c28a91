"""What a change can do to requests: the table of `plan.risk`, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_operator.desired.resources import (
    TYPES,
    Address,
    Cluster,
    FixedResponse,
    HealthCheck,
    ListenerRule,
    Live,
    LogGroup,
    Record,
    Resource,
    SecurityGroup,
    Service,
    Spec,
    Subnet,
    TargetGroup,
)
from tenant_operator.plan.change import FieldChange, Risk
from tenant_operator.plan.diff import plan
from tenant_operator.plan.risk import risk_of_create, risk_of_delete, risk_of_update, worst

SERVICE = Service(
    cluster="c", target_group="t", container_port=80, task_definition="d:1", desired_count=2, subnets=(), security_groups=(),
)  # fmt: skip
RULE = ListenerRule(listener="l", action=FixedResponse(status=404))
GROUP = TargetGroup(
    vpc="v",
    port=80,
    health_check=HealthCheck(
        path="/", interval_seconds=5, timeout_seconds=2, healthy_threshold=2, unhealthy_threshold=2
    ),
)
RECORD = Record(zone="z", name="n", set_identifier="i/g", weight=1, alias_dns_name="d", alias_zone="a")


@pytest.mark.parametrize(
    ("spec", "field", "old", "new", "risk"),
    [
        (SERVICE, "task_definition", "d:1", "d:2", Risk.RESTART),
        (SERVICE, "security_groups", (), ("sg-1",), Risk.RESTART),
        (SERVICE, "desired_count", 2, 1, Risk.RESTART),
        (SERVICE, "desired_count", 1, 2, Risk.NONE),
        (SERVICE, "grace_seconds", 0, 60, Risk.NONE),
        (SERVICE, "tags", {}, {"a": "b"}, Risk.NONE),
        (RULE, "action", FixedResponse(status=404), FixedResponse(status=503), Risk.TRAFFIC),
        (RULE, "paths", ("/a",), ("/b",), Risk.TRAFFIC),
        (RULE, "tags", {}, {"a": "b"}, Risk.NONE),
        (GROUP, "deregistration_delay_seconds", 300, 30, Risk.TRAFFIC),
        (RECORD, "weight", 1, 2, Risk.TRAFFIC),
        (SecurityGroup(vpc="v", group_name="g", description="d"), "ingress", (), ("x",), Risk.TRAFFIC),
        (Cluster(), "spot", False, True, Risk.NONE),
        (LogGroup(retention_days=1), "retention_days", 1, 2, Risk.NONE),
    ],
)
def test_an_update_is_as_risky_as_what_it_touches(
    spec: Spec, field: str, old: Any, new: Any, risk: Risk
) -> None:
    assert risk_of_update(spec, [FieldChange(field=field, old=old, new=new)]) is risk


def test_what_is_made_carries_no_traffic_yet_but_a_record_does() -> None:
    assert risk_of_create(RULE) is Risk.NONE
    assert risk_of_create(RECORD) is Risk.TRAFFIC


@pytest.mark.parametrize(
    ("spec", "risk"),
    [
        (RULE, Risk.DESTRUCTIVE),
        (SERVICE, Risk.DESTRUCTIVE),
        (RECORD, Risk.DESTRUCTIVE),
        (Cluster(), Risk.NONE),
    ],
)
def test_a_delete_is_destructive_where_requests_pass_or_data_is(spec: Spec, risk: Risk) -> None:
    assert risk_of_delete(spec) is risk
    assert risk_of_delete(Subnet(vpc="v", cidr="10.0.0.0/24", zone="a")) is Risk.NONE


def test_the_worst_of_a_plan_is_its_risk() -> None:
    assert worst([Risk.TRAFFIC, Risk.DESTRUCTIVE, Risk.NONE]) is Risk.DESTRUCTIVE
    assert worst([]) is Risk.NONE


def test_actions_of_a_plan_carry_their_risk() -> None:
    assert set(TYPES) >= {"ListenerRule"}
    address = Address(account="1", region="r", type="ListenerRule", name="n")
    tags = {"tenant-operator.dev/installation": "me"}
    live = Live(address=address, id="arn", spec=RULE, tags=tags)
    wanted = Resource(
        address=address, spec=ListenerRule(listener="l", action=FixedResponse(status=503)), tags=tags
    )
    [update] = plan([wanted], {address: live}, installation="me").actions
    [delete] = plan([], {address: live}, installation="me", removals=[live]).actions
    assert (update.risk, delete.risk) == (Risk.TRAFFIC, Risk.DESTRUCTIVE)
