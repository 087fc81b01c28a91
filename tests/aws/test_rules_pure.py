"""Free priorities, and rules between AWS's wording and ours: pure, so properties."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws import listener_actions, rule_translation
from tenant_operator.aws.rules import LAST_PRIORITY, free_priority
from tenant_operator.desired.resources import (
    FixedResponse,
    Forward,
    ListenerAction,
    ListenerRule,
    RedirectToHttps,
)

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:111111111111:listener/app/x/1/2"
PRIORITIES = st.integers(min_value=1, max_value=LAST_PRIORITY)
SEGMENT = st.from_regex(r"\A(/[A-Za-z0-9_.~-]+)+\Z").filter(lambda text: len(text) <= 126)
ARNS = st.integers(min_value=1, max_value=9).map(
    lambda n: f"arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/{n}/{n}"
)


@st.composite
def forwards(draw: st.DrawFn) -> Forward:
    arns = draw(st.lists(ARNS, min_size=1, max_size=5, unique=True))
    top = 1 if len(arns) == 1 else 999
    return Forward(tuple((arn, draw(st.integers(min_value=0, max_value=top))) for arn in arns))


ACTIONS: st.SearchStrategy[ListenerAction] = st.one_of(
    forwards(),
    st.builds(FixedResponse, status=st.sampled_from([404, 503]), body=st.sampled_from(["", "suspended\n"])),
    st.builds(RedirectToHttps, port=st.integers(min_value=1, max_value=65535)),
)
RULES = st.builds(
    ListenerRule,
    listener=st.just(LISTENER),
    paths=st.lists(SEGMENT, max_size=2, unique=True).map(tuple),
    hosts=st.lists(st.from_regex(r"\A[a-z0-9-]{1,20}\.example\.com\Z"), max_size=2, unique=True).map(tuple),
    header=st.none()
    | st.tuples(st.just("X-Tenant-Id"), st.from_regex(r"\A[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?\Z")),
    action=ACTIONS,
    strip_prefix=st.none() | SEGMENT,
)


@given(st.sets(PRIORITIES, max_size=200), st.none() | PRIORITIES)
def test_a_new_rule_gets_a_priority_that_nobody_has(taken: set[int], wanted: int | None) -> None:
    priority = free_priority(taken, wanted)
    assert 1 <= priority <= LAST_PRIORITY
    assert priority not in taken


@given(st.sets(PRIORITIES, max_size=50), PRIORITIES)
def test_a_rule_that_may_keep_its_priority_keeps_it(taken: set[int], wanted: int) -> None:
    assert free_priority(taken - {wanted}, wanted) == wanted


def test_a_hundred_rules_leave_room_between_any_two() -> None:
    taken: set[int] = set()
    for _ in range(100):
        taken.add(free_priority(taken))
    ordered = sorted(taken)
    assert min(b - a for a, b in pairwise(ordered)) > 300


def test_the_last_free_priority_is_found_from_wherever_one_looks() -> None:
    taken = set(range(1, LAST_PRIORITY + 1)) - {17}
    assert free_priority(taken) == 17
    assert free_priority(taken, 40_000) == 17


def test_a_full_listener_and_an_impossible_wish_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="delete rules, or add a listener"):
        free_priority(range(1, LAST_PRIORITY + 1))
    with pytest.raises(ValueError, match="from 1 to 50000"):
        free_priority((), 50_001)


@given(RULES)
def test_a_rule_that_was_written_reads_back_equal(rule: ListenerRule) -> None:
    assert rule_translation.from_api(_as_aws_shows(rule), LISTENER) == rule


@given(SEGMENT, st.from_regex(r"\A(/[a-z0-9./]*)?\Z"))
def test_a_stripped_prefix_leaves_the_rest_of_the_path(prefix: str, rest: str) -> None:
    regex = rule_translation.strip_regex(prefix)
    found = re.match(regex, prefix + rest)
    assert found is not None
    assert "/" + found[1] == (rest or "/")


@pytest.mark.parametrize(
    ("alien", "words"),
    [
        ({"Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}]}, "source-ip"),
        ({"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/a"]}}]}, "path-pattern"),
        ({"Actions": [{"Type": "authenticate-oidc", "Order": 1}, {"Type": "fixed-response", "Order": 2,
          "FixedResponseConfig": {"StatusCode": "404"}}]}, "authenticate-oidc"),
        ({"Actions": [{"Type": "forward", "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": "a", "Weight": 1}],
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}}]}, "stickiness"),
        ({"Transforms": [{"Type": "host-header-rewrite"}]}, "host-header-rewrite"),
    ],
)  # fmt: skip
def test_what_a_person_changed_beyond_our_terms_is_drift(alien: dict[str, Any], words: str) -> None:
    base = {
        "Conditions": [],
        "Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    }
    seen = rule_translation.from_api({**base, **alien}, LISTENER)
    assert words in " ".join(seen.unexpected)


def test_a_rewrite_of_another_kind_is_not_taken_for_a_stripped_prefix() -> None:
    rewrite = {"Regex": "^/acme/(.*)$", "Replace": "/v2/$1"}
    transforms = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [rewrite]}}]
    actions = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    seen = rule_translation.from_api({"Actions": actions, "Transforms": transforms}, LISTENER)
    assert seen.strip_prefix is None
    assert seen.unexpected


def test_one_target_group_has_the_weight_one_whatever_aws_shows() -> None:
    shown = [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a", "Weight": 100}]}}]
    assert listener_actions.from_api(shown) == (Forward((("a", 1),)), ())


def test_a_forward_in_the_short_form_is_understood() -> None:
    assert listener_actions.from_api([{"Type": "forward", "TargetGroupArn": "a"}]) == (
        Forward((("a", 1),)),
        (),
    )


def _as_aws_shows(rule: ListenerRule) -> dict[str, Any]:
    return {
        "RuleArn": "arn",
        "Conditions": list(reversed(rule_translation.conditions(rule))),
        "Actions": listener_actions.to_api(rule.action),
        "Transforms": rule_translation.transforms(rule),
    }
