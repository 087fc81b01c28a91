"""Target groups and their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import eventually, refused
from tests.sandbox.aws.workloads.conftest import LoadBalancing, forward


def register(balancing: LoadBalancing, group: str, address: str = "10.0.0.10") -> None:
    balancing.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address}])


def test_creating_it_again_with_the_same_settings_gives_the_same_one(balancing: LoadBalancing) -> None:
    assert balancing.new_group(Name="one") == balancing.new_group(Name="one")


def test_creating_it_again_with_other_settings_is_refused(balancing: LoadBalancing) -> None:
    balancing.new_group(Name="one")
    with refused("DuplicateTargetGroupName", "different settings"):
        balancing.new_group(Name="one", HealthCheckPath="/healthz")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Name": "a_b"}, "target group name"),
        ({"Name": "a" * 33}, "target group name"),
        ({"Port": 65536}, "port"),
        ({"VpcId": "vpc-0123"}, "VPC ID"),
        ({"HealthCheckIntervalSeconds": 301}, "HealthCheckIntervalSeconds"),
        ({"HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 10}, "greater than the timeout"),
        ({"HealthyThresholdCount": 11}, "HealthyThresholdCount"),
        ({"HealthCheckPath": "healthz"}, "must begin with '/'"),
        ({"Matcher": {"HttpCode": "abc"}}, "matcher"),
    ],
)
def test_bad_settings_are_refused(balancing: LoadBalancing, parameters: dict[str, Any], message: str) -> None:
    with refused("ValidationError", message):
        balancing.new_group(**parameters)


def test_a_group_in_use_cannot_be_deleted(balancing: LoadBalancing) -> None:
    group = balancing.new_group()
    rule = balancing.new_rule(1, group)
    with refused("ResourceInUse"):
        balancing.elb.delete_target_group(TargetGroupArn=group)
    balancing.elb.delete_rule(RuleArn=rule)
    balancing.elb.delete_target_group(TargetGroupArn=group)


def test_its_load_balancer_follows_from_the_rules(balancing: LoadBalancing) -> None:
    group = balancing.new_group()

    def shown() -> list[str]:
        [found] = balancing.elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
        arns: list[str] = found["LoadBalancerArns"]
        return arns

    assert shown() == []
    rules = [balancing.new_rule(1, group), balancing.new_rule(2, group)]
    assert shown() == [balancing.load_balancer]
    for rule in rules:
        balancing.elb.delete_rule(RuleArn=rule)
    assert shown() == []


def test_groups_are_found_by_load_balancer_and_by_name(balancing: LoadBalancing) -> None:
    group, other = balancing.new_group(Name="used"), balancing.new_group(Name="unused")
    balancing.new_rule(1, group)
    by_balancer = balancing.elb.describe_target_groups(LoadBalancerArn=balancing.load_balancer)
    assert [found["TargetGroupArn"] for found in by_balancer["TargetGroups"]] == [group]
    by_name = balancing.elb.describe_target_groups(Names=["unused"])
    assert [found["TargetGroupArn"] for found in by_name["TargetGroups"]] == [other]
    with refused("TargetGroupNotFound"):
        balancing.elb.describe_target_groups(Names=["used", "neither"])


def test_pages_are_as_long_as_asked_for(balancing: LoadBalancing) -> None:
    arns = [balancing.new_group() for _ in range(5)]
    pages = balancing.elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2})
    found = [[group["TargetGroupArn"] for group in page["TargetGroups"]] for page in pages]
    assert found == [arns[:2], arns[2:4], arns[4:]]


def test_a_page_of_more_than_400_is_refused(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "PageSize"):
        balancing.elb.describe_target_groups(PageSize=401)


def test_a_target_is_initial_then_healthy(balancing: LoadBalancing, slow: Callable[..., None]) -> None:
    slow(target_initial=1.0)
    group = balancing.used_group()
    register(balancing, group)
    assert balancing.health(group) == ["initial"]
    eventually(lambda: balancing.health(group) == ["healthy"])


def test_a_target_is_unused_without_a_rule(balancing: LoadBalancing) -> None:
    group = balancing.new_group()
    register(balancing, group)
    assert balancing.health(group) == ["unused"]
    balancing.new_rule(1, group)
    eventually(lambda: balancing.health(group) == ["healthy"])


def test_a_target_drains_for_its_delay(balancing: LoadBalancing) -> None:
    group = balancing.used_group()
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]  # 0.6 s in the fast profile
    balancing.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=delay)
    register(balancing, group)
    balancing.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "10.0.0.10"}])
    assert balancing.health(group) == ["draining"]
    eventually(lambda: balancing.health(group) == [])


def test_a_target_that_no_longer_answers_turns_unhealthy_and_recovers(balancing: LoadBalancing) -> None:
    group = balancing.used_group(HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    register(balancing, group)
    eventually(lambda: balancing.health(group) == ["healthy"])

    def answers(value: bool) -> None:
        body = {"target_group_arn": group, "id": "10.0.0.10", "answers": value}
        balancing.account.control.request("POST", "elbv2/target", body)

    answers(False)
    eventually(lambda: balancing.health(group) == ["unhealthy"])
    answers(True)
    eventually(lambda: balancing.health(group) == ["healthy"])


def test_the_health_of_an_unregistered_target_is_unused(balancing: LoadBalancing) -> None:
    asked = balancing.elb.describe_target_health(
        TargetGroupArn=balancing.used_group(), Targets=[{"Id": "10.0.0.99", "Port": 80}]
    )
    [found] = asked["TargetHealthDescriptions"]
    assert found["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_an_address_from_nowhere_is_refused(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "not within a range"):
        register(balancing, balancing.new_group(), "8.8.8.8")


def test_only_so_many_groups_in_a_region(balancing: LoadBalancing) -> None:
    account = balancing.account
    quotas = {"account": account.id, "region": "us-east-1", "code": "L-B22855CB", "value": 1}
    account.control.request("POST", "quotas", quotas)
    group = balancing.new_group()
    with refused("TooManyTargetGroups"):
        balancing.new_group()
    assert balancing.elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"] == group


def test_an_unknown_attribute_is_refused(balancing: LoadBalancing) -> None:
    attribute = {"Key": "slow_start", "Value": "30"}
    with refused("InvalidConfigurationRequest", "not recognized"):
        balancing.elb.modify_target_group_attributes(
            TargetGroupArn=balancing.new_group(), Attributes=[attribute]
        )


def test_a_group_serves_one_load_balancer_only(balancing: LoadBalancing) -> None:
    group = balancing.used_group()
    other = balancing.new_listener(balancing.new_load_balancer())
    with refused("TargetGroupAssociationLimit", group):
        balancing.elb.create_rule(
            ListenerArn=other,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/x"]}],
            Actions=forward(group),
        )
