"""Event patterns, as TestEventPattern judges them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.sandbox.aws.services.events import patterns

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


def judged(pattern: Any, event: Any) -> bool:
    return patterns.matches(patterns.parse(json.dumps(pattern)), event)


@pytest.mark.parametrize(
    ("matcher", "taken", "left"),
    [
        ("a", ["a", ["b", "a"]], ["A", "ab", None, ["b"], {"a": "a"}]),
        (1, [1], [True, "1", 2]),
        (None, [None, [None]], ["", False, 0]),
        ({"prefix": "ab"}, ["ab", "abc", ["x", "abx"]], ["xab", "AB", 1]),
        ({"prefix": {"equals-ignore-case": "ab"}}, ["ABc"], ["xab"]),
        ({"suffix": ".png"}, ["a.png"], [".PNG", "a.pn"]),
        ({"suffix": {"equals-ignore-case": ".png"}}, ["a.PNG"], ["a.pn"]),
        ({"equals-ignore-case": "Alice"}, ["alice", "ALICE"], ["alic", 1]),
        ({"wildcard": "a/*/c"}, ["a/b/c", "a//c", "a/b/b/c"], ["a/c", "xa/b/c"]),
        ({"wildcard": "a\\*b"}, ["a*b"], ["axb"]),
        ({"anything-but": "a"}, ["b", 1, None, ["a", "b"]], ["a", ["a"]]),
        ({"anything-but": ["a", "b"]}, ["c"], ["a", "b"]),
        ({"anything-but": [1, 2]}, [3, "1"], [1, 2]),
        ({"anything-but": {"prefix": "in"}}, ["out", 1], ["init"]),
        ({"anything-but": {"suffix": ["a", "b"]}}, ["xc"], ["xa", "xb"]),
        ({"anything-but": {"wildcard": "*/lib/*"}}, ["a/b"], ["a/lib/b"]),
        ({"anything-but": {"equals-ignore-case": "A"}}, ["b"], ["a", "A"]),
        ({"numeric": [">", 0, "<=", 5]}, [1, 5, 0.5], [0, 5.1, "1", True]),
        ({"numeric": ["=", 3]}, [3, 3.0], [4]),
        ({"cidr": "10.0.0.0/24"}, ["10.0.0.7"], ["10.0.1.7", "none", 7]),
        ({"exists": True}, ["a", None, 0, ["a"]], [{"b": 1}, []]),
    ],
)
def test_each_operator_takes_what_it_should(matcher: Any, taken: list[Any], left: list[Any]) -> None:
    pattern = {"detail": {"x": [matcher]}}
    for value in taken:
        assert judged(pattern, {"detail": {"x": value}}), value
    for value in left:
        assert not judged(pattern, {"detail": {"x": value}}), value
    assert not judged(pattern, {"detail": {}})


def test_a_missing_field_is_found_by_exists_false_alone() -> None:
    events: list[Any] = [{}, {"detail": {}}, {"detail": {"x": {"y": 1}}}, {"detail": "text"}]
    for event in events:
        assert judged({"detail": {"x": [{"exists": False}]}}, event)
        assert not judged({"detail": {"x": [{"anything-but": "a"}]}}, event)
    assert not judged({"detail": {"x": [{"exists": False}]}}, {"detail": {"x": None}})


def test_all_fields_have_to_match_and_any_value_of_each() -> None:
    pattern = {"source": ["a", "b"], "detail": {"x": [1], "y": [2]}}
    assert judged(pattern, {"source": "b", "detail": {"x": 1, "y": 2, "z": 3}})
    assert not judged(pattern, {"source": "b", "detail": {"x": 1}})


def test_the_fields_of_an_array_entry_belong_together() -> None:
    pattern = {"detail": {"items": {"x": [1], "y": [2]}}}
    assert judged(pattern, {"detail": {"items": [{"x": 0, "y": 0}, {"x": 1, "y": 2}]}})
    assert not judged(pattern, {"detail": {"items": [{"x": 1, "y": 0}, {"x": 0, "y": 2}]}})


def test_a_field_is_missing_from_an_array_when_no_entry_has_it() -> None:
    pattern = {"detail": {"items": {"x": [{"exists": False}]}}}
    missing: list[Any] = [[], [{"y": 1}], [1, 2], "text"]
    for items in missing:
        assert judged(pattern, {"detail": {"items": items}})
    present: list[Any] = [[{"x": 1}], [{"x": 1}, {"y": 2}], [[{"x": None}]]]
    for items in present:
        assert not judged(pattern, {"detail": {"items": items}})


def test_one_of_several_alternatives_is_enough() -> None:
    pattern = {"source": ["s"], "$or": [{"detail": {"x": [1]}}, {"detail": {"y": [{"prefix": "b"}]}}]}
    assert judged(pattern, {"source": "s", "detail": {"y": "bc"}})
    assert not judged(pattern, {"source": "s", "detail": {"y": "c"}})
    assert not judged(pattern, {"source": "t", "detail": {"x": 1}})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ({}, "Empty objects"),
        ([], "Empty objects"),
        ([1], "Filter is not an object"),
        ({"source": "aws.ec2"}, "must be an object or an array"),
        ({"source": []}, "Empty arrays"),
        ({"source": [["a"]]}, "Match value must be"),
        ({"source": [{"begins": "a"}]}, "Unrecognized match type begins"),
        ({"source": [{"prefix": "a", "suffix": "b"}]}, "Only one key"),
        ({"source": [{"prefix": 1}]}, "must be a string"),
        ({"source": [{"exists": "yes"}]}, "true or false"),
        ({"source": [{"numeric": [">"]}]}, "numeric"),
        ({"source": [{"numeric": ["!", 1]}]}, "Unrecognized numeric"),
        ({"source": [{"anything-but": []}]}, "anything but"),
        ({"source": [{"anything-but": ["a", 1]}]}, "anything but"),
        ({"source": [{"anything-but": {"numeric": ["=", 1]}}]}, "Unsupported anything-but"),
        ({"source": [{"wildcard": "a**"}]}, "Consecutive wildcard"),
        ({"source": [{"cidr": "10.0.0.300"}]}, "CIDR"),
        ({"$or": [{"source": ["a"]}]}, "at least 2"),
    ],
)
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: Any, reason: str) -> None:
    with pytest.raises(patterns.InvalidPattern, match=reason):
        patterns.parse(json.dumps(pattern))


@given(EVENTS)
def test_no_event_breaks_the_matching(event: dict[str, Any]) -> None:
    for matcher in (
        {"anything-but": ["a"]},
        {"exists": False},
        {"prefix": "a"},
        {"numeric": [">", 1]},
        None,
        1,
    ):
        absent = judged({"a": {"b": [{"exists": False}]}}, event)
        taken = judged({"a": {"b": [matcher]}}, event)
        assert not (absent and taken) or matcher == {"exists": False}


@given(EVENTS)
def test_an_event_is_taken_by_its_own_leaves(event: dict[str, Any]) -> None:
    own = {name: [value] for name, value in event.items() if not isinstance(value, list | dict)}
    if own:
        assert judged(own, event)
