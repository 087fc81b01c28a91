"""Statuses: conditions keep their transition times, and nothing is written that is there already."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.engine.conditions import MAX_MESSAGE, Conditions
from tenant_operator.engine.status import status_patch

MORNING = dt.datetime(2026, 5, 12, 8, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 5, 12, 12, tzinfo=dt.UTC)


def conditions(previous: Any = (), now: dt.datetime = MORNING) -> Conditions:
    return Conditions(known=("Ready", "Placed"), previous=previous, generation=3, now=now)


def test_all_conditions_are_there_from_the_first_visit() -> None:
    found = conditions().result()
    assert [(c["type"], c["status"], c["observedGeneration"]) for c in found] == [
        ("Ready", "Unknown", 3),
        ("Placed", "Unknown", 3),
    ]
    assert all(c["reason"] for c in found)


def test_the_transition_time_moves_with_the_status_only() -> None:
    first = conditions()
    first.false("Ready", "Pending", "one")
    second = conditions(first.result(), NOON)
    second.false("Ready", "Broken", "two")
    third = conditions(second.result(), NOON)
    third.true("Ready", "Ready", "")
    times = [c.result()[0]["lastTransitionTime"] for c in (first, second, third)]
    assert times == ["2026-05-12T08:00:00Z", "2026-05-12T08:00:00Z", "2026-05-12T12:00:00Z"]


def test_a_transient_condition_goes_when_it_is_not_said_again() -> None:
    first = conditions()
    first.true("Stalled", "Conflict", "x")
    assert [c["type"] for c in first.result()] == ["Ready", "Placed", "Stalled"]
    assert [c["type"] for c in conditions(first.result()).result()] == ["Ready", "Placed"]


def test_a_wait_survives_in_the_message() -> None:
    first = conditions()
    first.false("Ready", "Draining", "out of DNS since 2026-05-12T08:00:00Z; waiting")
    assert conditions(first.result()).since("Ready", "Draining") == MORNING
    assert conditions(first.result()).since("Ready", "Other") is None


def test_a_message_is_cut_to_what_a_condition_may_hold() -> None:
    found = conditions()
    found.false("Ready", "Broken", "x" * 5000)
    assert len(found.result()[0]["message"]) == MAX_MESSAGE


values = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
statuses = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, as its section 2 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(statuses, statuses)
def test_the_patch_makes_the_new_status_of_the_old_and_is_empty_for_equal_ones(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert merged(before, status_patch(before, after)) == after
    assert status_patch(after, after) == {}
