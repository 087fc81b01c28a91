"""Listener rules: what they may say, their order, and their quotas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import eventually, refused
from tests.sandbox.aws.workloads.conftest import LoadBalancing, forward, header, path, rewrite

STRIP = rewrite("^/acme/?(.*)$", "/$1")


def rule_of(balancing: LoadBalancing, arn: str) -> dict[str, Any]:
    [found] = balancing.elb.describe_rules(RuleArns=[arn])["Rules"]
    shown: dict[str, Any] = found
    return shown


def test_a_priority_in_use_is_refused_even_to_a_repetition(balancing: LoadBalancing) -> None:
    balancing.new_rule(5)
    with refused("PriorityInUse", "'5'"):
        balancing.new_rule(5)


def test_a_priority_beyond_50000_is_refused(balancing: LoadBalancing) -> None:
    balancing.new_rule(50_000)
    with refused("ValidationError", "between 1 and 50000"):
        balancing.new_rule(50_001)


def test_rules_are_described_as_they_are_evaluated(balancing: LoadBalancing) -> None:
    for priority in (30, 10, 20):
        balancing.new_rule(priority)
    assert list(balancing.priorities().values()) == ["10", "20", "30", "default"]


def test_rules_are_paged(balancing: LoadBalancing) -> None:
    for priority in range(1, 5):
        balancing.new_rule(priority)
    pages = balancing.elb.get_paginator("describe_rules").paginate(
        ListenerArn=balancing.listener, PaginationConfig={"PageSize": 2}
    )
    assert [[rule["Priority"] for rule in page["Rules"]] for page in pages] == [
        ["1", "2"],
        ["3", "4"],
        ["default"],
    ]


def test_two_rules_swap_their_priorities(balancing: LoadBalancing) -> None:
    first, second = balancing.new_rule(1), balancing.new_rule(2)
    swapped = [{"RuleArn": first, "Priority": 2}, {"RuleArn": second, "Priority": 1}]
    balancing.elb.set_rule_priorities(RulePriorities=swapped)
    assert list(balancing.priorities())[:2] == [second, first]


def test_a_rule_moves_into_a_slot_freed_in_the_same_call(balancing: LoadBalancing) -> None:
    first, second = balancing.new_rule(1), balancing.new_rule(2)
    balancing.elb.set_rule_priorities(
        RulePriorities=[{"RuleArn": first, "Priority": 2}, {"RuleArn": second, "Priority": 3}]
    )
    assert [balancing.priorities()[arn] for arn in (first, second)] == ["2", "3"]


def test_setting_priorities_is_all_or_nothing(balancing: LoadBalancing) -> None:
    first, second, third = (balancing.new_rule(priority) for priority in (1, 2, 3))
    clash = [{"RuleArn": first, "Priority": 9}, {"RuleArn": second, "Priority": 3}]
    with refused("PriorityInUse", "'3'"):
        balancing.elb.set_rule_priorities(RulePriorities=clash)
    assert [balancing.priorities()[arn] for arn in (first, second, third)] == ["1", "2", "3"]


def test_transforms_are_kept_until_they_are_reset(balancing: LoadBalancing) -> None:
    arn = balancing.new_rule(1, Transforms=[STRIP])
    assert rule_of(balancing, arn)["Transforms"] == [STRIP]
    balancing.elb.modify_rule(RuleArn=arn, Conditions=[path("/other")])
    assert rule_of(balancing, arn)["Transforms"] == [STRIP]
    balancing.elb.modify_rule(RuleArn=arn, ResetTransforms=True)
    assert rule_of(balancing, arn).get("Transforms", []) == []


def test_transforms_and_their_reset_exclude_each_other(balancing: LoadBalancing) -> None:
    arn = balancing.new_rule(1, Transforms=[STRIP])
    with refused("ValidationError", "ResetTransforms"):
        balancing.elb.modify_rule(RuleArn=arn, Transforms=[STRIP], ResetTransforms=True)


def test_a_rule_has_one_transform_of_a_type(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "one 'url-rewrite'"):
        balancing.new_rule(1, Transforms=[STRIP, STRIP])


def test_a_broken_regular_expression_is_refused(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "not valid"):
        balancing.new_rule(1, Transforms=[rewrite("(", "/")])


def test_modify_replaces_lists_whole_and_keeps_those_left_out(balancing: LoadBalancing) -> None:
    arn = balancing.new_rule(1, Conditions=[path("/a"), header("X-Tenant-Id", "a")])
    balancing.elb.modify_rule(RuleArn=arn, Conditions=[path("/b")])
    shown = rule_of(balancing, arn)
    assert [condition["Field"] for condition in shown["Conditions"]] == ["path-pattern"]
    assert shown["Actions"][0]["Type"] == "fixed-response"


def test_the_default_rule_is_neither_modified_nor_deleted(balancing: LoadBalancing) -> None:
    [default] = balancing.priorities()
    with refused("OperationNotPermitted"):
        balancing.elb.modify_rule(RuleArn=default, Conditions=[path("/a")])
    with refused("OperationNotPermitted"):
        balancing.elb.delete_rule(RuleArn=default)


def test_an_unknown_rule_is_not_found(balancing: LoadBalancing) -> None:
    arn = balancing.new_rule(1)
    balancing.elb.delete_rule(RuleArn=arn)
    with refused("RuleNotFound"):
        balancing.elb.delete_rule(RuleArn=arn)
    with refused("RuleNotFound"):
        balancing.elb.modify_rule(RuleArn=arn, Conditions=[path("/a")])


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([], "at least one condition"),
        ([path(*["/a", "/b", "/c", "/d", "/e", "/f"])], "condition values"),
        ([path("/*/*/*"), header("X-A", "*?*")], "wildcards"),
        ([path("/a"), path("/b")], "only have one 'path-pattern'"),
        ([path("")], "empty"),
        ([path("/" + "a" * 128)], "at most 128"),
        ([path("/ä")], "not allowed"),
        ([header("Host", "a")], "host-header"),
        ([header("X" * 41, "a")], "header name"),
        ([{"Field": "colour", "Values": ["red"]}], "Condition field"),
    ],
)
def test_bad_conditions_are_refused(
    balancing: LoadBalancing, conditions: list[dict[str, Any]], message: str
) -> None:
    with refused("ValidationError", message):
        balancing.new_rule(1, Conditions=conditions)


def test_a_forward_action_takes_five_groups(balancing: LoadBalancing) -> None:
    groups = [balancing.new_group() for _ in range(6)]
    balancing.new_rule(1, *groups[:5])
    with refused("ValidationError", "at most 5"):
        balancing.new_rule(2, *groups)


def test_weights_are_in_range(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "between 0 and 999"):
        balancing.new_rule(1, Actions=forward(balancing.new_group(), weight=1000))


def test_an_unknown_group_is_refused(balancing: LoadBalancing) -> None:
    arn = f"arn:aws:elasticloadbalancing:us-east-1:{balancing.account.id}:targetgroup/none/0123456789abcdef"
    with refused("TargetGroupNotFound"):
        balancing.new_rule(1, arn)


def test_a_hundred_rules_fit_on_a_load_balancer(balancing: LoadBalancing) -> None:
    for priority in range(1, 101):
        balancing.new_rule(priority)
    other = balancing.new_listener(balancing.load_balancer, 81)
    with refused("TooManyRules"):
        balancing.new_rule(1, listener=other)


def test_a_raised_quota_makes_room_for_more_rules(balancing: LoadBalancing) -> None:
    quota = {"account": balancing.account.id, "region": "us-east-1", "code": "L-7EED9B64"}
    for value, priority in ((1, 1), (2, 2)):
        balancing.account.control.request("POST", "quotas", {**quota, "value": value})
        balancing.new_rule(priority)
        with refused("TooManyRules", f": {value}"):
            balancing.new_rule(9)
    limits = balancing.elb.describe_account_limits()["Limits"]
    assert {"Name": "rules-per-application-load-balancer", "Max": "2"} in limits


def test_a_hundred_unique_groups_fit_on_a_load_balancer(balancing: LoadBalancing) -> None:
    groups = [balancing.new_group() for _ in range(101)]
    for start in range(0, 100, 5):
        balancing.new_rule(start + 1, *groups[start : start + 5])
    balancing.new_rule(200, groups[0])  # one that is used already counts once
    with refused("TooManyUniqueTargetGroupsPerLoadBalancer"):
        balancing.new_rule(201, groups[100])


def test_tags_of_twenty_resources_are_described_at_once(balancing: LoadBalancing) -> None:
    groups = [balancing.new_group(Tags=[{"Key": "n", "Value": str(number)}]) for number in range(21)]
    found = balancing.elb.describe_tags(ResourceArns=groups[:20])["TagDescriptions"]
    assert [entry["Tags"][0]["Value"] for entry in found] == [str(number) for number in range(20)]
    with refused("ValidationError", "20"):
        balancing.elb.describe_tags(ResourceArns=groups)


def test_a_rules_tags_go_with_it(balancing: LoadBalancing) -> None:
    arn = balancing.new_rule(1, Tags=[{"Key": "tenant", "Value": "acme"}])
    balancing.elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "tier", "Value": "one"}])
    balancing.elb.remove_tags(ResourceArns=[arn], TagKeys=["tenant"])
    [found] = balancing.elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    assert found["Tags"] == [{"Key": "tier", "Value": "one"}]
    balancing.elb.delete_rule(RuleArn=arn)
    with refused("RuleNotFound"):
        balancing.elb.describe_tags(ResourceArns=[arn])


def test_a_redirect_that_would_loop_is_refused(balancing: LoadBalancing) -> None:
    loop = [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301"}}]
    with refused("InvalidLoadBalancerAction", "loop"):
        balancing.new_rule(1, Actions=loop)


def test_a_changed_rule_takes_effect_a_moment_after_it_is_described(
    balancing: LoadBalancing, slow: Callable[..., None]
) -> None:
    slow(rule_propagation=0.5)

    def served() -> list[str]:
        query = {"listener_arn": balancing.listener}
        found = balancing.account.control.request("GET", "elbv2/served", query=query)["rules"]
        return [rule["Priority"] for rule in found]

    eventually(lambda: served() == ["default"])
    balancing.new_rule(1)
    assert (list(balancing.priorities().values()), served()) == (["1", "default"], ["default"])
    eventually(lambda: served() == ["1", "default"])
