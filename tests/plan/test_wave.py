"""A tier's rollout: never more at once than its budget, in a fixed order, and it stops where it fails."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.plan.wave import Budget, Member, Wave, wave

NOW = dt.datetime(2026, 5, 12, 10, tzinfo=dt.UTC)
OLD, NEW, NEWER = "old", "new", "newer"
BUDGET = Budget(concurrent=2, failures=1, soak=dt.timedelta(0))


def member(name: str, **changes: Any) -> Member:
    """A tenant that has run the old revision for long and should run the new one."""
    return dataclasses.replace(
        Member(
            name=name,
            goal=NEW,
            granted=OLD,
            by_wave=False,
            completed_at=NOW - dt.timedelta(days=1),
            failed=False,
        ),
        **changes,
    )


def taken(one: Member) -> Member:
    """A tenant that has taken its turn."""
    return dataclasses.replace(one, granted=one.goal, by_wave=True, completed_at=None, failed=False)


def tenants(count: int) -> list[Member]:
    return [member(f"customers/t{number}") for number in range(count)]


def test_as_many_go_as_the_budget_allows_and_the_others_wait() -> None:
    found = wave(tenants(5), BUDGET, NOW)
    assert len(found.go) == 2
    assert len(found.waiting) == 5
    assert set(found.waiting[:2]) == found.go


def test_nobody_more_goes_while_the_slots_are_taken() -> None:
    moving = [taken(one) for one in tenants(2)]
    found = wave([*moving, member("customers/other")], BUDGET, NOW)
    assert found.go == frozenset()
    assert len(found.under_way) == 2


def test_a_tenant_whose_override_leaves_nothing_to_change_is_on_it_already() -> None:
    found = wave([member("customers/own-image", goal=OLD)], BUDGET, NOW)
    assert found.complete
    assert found.on == ("customers/own-image",)


def test_a_success_keeps_its_slot_until_it_has_been_watched() -> None:
    watched = dataclasses.replace(
        taken(member("customers/first")), completed_at=NOW - dt.timedelta(seconds=30)
    )
    budget = Budget(concurrent=1, failures=1, soak=dt.timedelta(seconds=60))
    found = wave([watched, member("customers/second")], budget, NOW)
    assert found.go == frozenset()
    assert found.soaking == ("customers/first",)
    assert found.next_at == NOW + dt.timedelta(seconds=30)
    later = wave([watched, member("customers/second")], budget, NOW + dt.timedelta(seconds=30))
    assert later.go == {"customers/second"}


def test_a_failure_stops_the_wave_until_the_revision_is_another_one() -> None:
    failed = dataclasses.replace(taken(member("customers/first")), failed=True)
    stopped = wave([failed, *tenants(3)], BUDGET, NOW)
    assert stopped.paused
    assert stopped.go == frozenset()
    assert stopped.failed == ("customers/first",)
    mended = wave([dataclasses.replace(one, goal=NEWER) for one in (failed, *tenants(3))], BUDGET, NOW)
    assert not mended.paused
    assert "customers/first" in mended.go, "a correction proves itself where the failure was"
    assert len(mended.go) == 2


def test_fewer_failures_than_the_budget_allows_do_not_stop_the_wave() -> None:
    failed = dataclasses.replace(taken(member("customers/first")), failed=True)
    found = wave([failed, *tenants(3)], dataclasses.replace(BUDGET, failures=2), NOW)
    assert len(found.go) == 2
    assert not found.complete


def test_the_failure_of_a_tenants_own_edit_does_not_stop_the_wave() -> None:
    broken = member("customers/first", granted=NEW, completed_at=None, failed=True)
    found = wave([broken, *tenants(3)], BUDGET, NOW)
    assert found.own == ("customers/first",)
    assert len(found.go) == 2


def test_a_tenant_under_way_goes_on_to_a_newer_revision_in_its_own_slot() -> None:
    moving = [dataclasses.replace(taken(one), goal=NEWER) for one in tenants(2)]
    found = wave([*moving, member("customers/other", goal=NEWER)], BUDGET, NOW)
    assert found.go == {one.name for one in moving}


def test_another_revision_begins_with_other_tenants() -> None:
    first = {
        next(iter(wave((member(f"customers/t{n}", goal=goal) for n in range(40)), ONE_AT_A_TIME, NOW).go))
        for goal in (f"revision-{number}" for number in range(10))
    }
    assert len(first) > 3


ONE_AT_A_TIME = Budget(concurrent=1, failures=1, soak=dt.timedelta(0))


# --- properties -------------------------------------------------------------------------------------

moments = st.none() | st.integers(0, 200).map(lambda seconds: NOW - dt.timedelta(seconds=seconds))
members = st.lists(
    st.builds(
        Member,
        name=st.integers(0, 30).map(lambda number: f"customers/t{number}"),
        goal=st.sampled_from([NEW, NEWER]),
        granted=st.sampled_from([OLD, NEW, NEWER]),
        by_wave=st.booleans(),
        completed_at=moments,
        failed=st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=25,
)
budgets = st.builds(
    Budget,
    concurrent=st.integers(1, 6),
    failures=st.integers(1, 3),
    soak=st.integers(0, 100).map(lambda seconds: dt.timedelta(seconds=seconds)),
)


def by_name(found: Iterable[Member]) -> dict[str, Member]:
    return {one.name: one for one in found}


def held(found: Wave) -> int:
    return len(found.under_way) + len(found.soaking)


@given(members, budgets)
def test_whatever_the_statuses_say_no_more_than_the_budget_are_begun(
    found: list[Member], budget: Budget
) -> None:
    before = wave(found, budget, NOW)
    begun = before.go - set(before.under_way)
    assert len(begun) <= max(0, budget.concurrent - held(before))
    assert not (before.paused and before.go)
    after = wave([taken(one) if one.name in before.go else one for one in found], budget, NOW)
    assert held(after) <= max(budget.concurrent, held(before))
    assert after.go == frozenset(), "whoever may go is let go at once; asked again, nobody else is"


@given(members, budgets)
def test_every_tenant_is_in_exactly_one_state(found: list[Member], budget: Budget) -> None:
    state = wave(found, budget, NOW)
    named = [*state.on, *state.under_way, *state.soaking, *state.waiting, *state.failed, *state.own]
    assert sorted(named) == sorted(one.name for one in found)
    assert state.size == len(found)


@given(members, budgets, st.randoms(use_true_random=False))
def test_the_order_in_which_tenants_are_looked_at_decides_nothing(
    found: list[Member], budget: Budget, random: object
) -> None:
    shuffled = sorted(found, key=lambda one: hash((one.name, repr(random))))
    assert wave(found, budget, NOW).go == wave(shuffled, budget, NOW).go
    assert wave(found, budget, NOW).waiting == wave(shuffled, budget, NOW).waiting


@settings(max_examples=60)
@given(data=st.data(), found=members, budget=budgets)
def test_a_wave_without_failures_reaches_everybody_and_never_exceeds_its_budget(
    data: st.DataObject, found: list[Member], budget: Budget
) -> None:
    """Tenants take their turns late, finish in any order, and the program that decides forgets everything each time."""
    known = by_name(dataclasses.replace(one, failed=False) for one in found)
    now = NOW
    most = max(budget.concurrent, held(wave(known.values(), budget, now)))
    for round_ in range(400):
        state = wave(known.values(), budget, now)
        assert held(state) <= most
        if state.complete:
            break
        now += dt.timedelta(seconds=40)
        dawdling = data.draw(st.sets(st.sampled_from(sorted(known)))) if round_ < 6 else set()
        for name in sorted(state.go):
            if name not in dawdling:
                known[name] = taken(known[name])
        for name in state.under_way:
            one = known[name]
            if one.granted == one.goal and name not in dawdling:
                known[name] = dataclasses.replace(one, completed_at=now)
    assert wave(known.values(), budget, now).complete


@settings(max_examples=60)
@given(data=st.data(), count=st.integers(1, 20), budget=budgets)
def test_when_every_release_fails_only_a_budget_of_tenants_has_tried(
    data: st.DataObject, count: int, budget: Budget
) -> None:
    known = by_name(tenants(count))
    for _ in range(3 * count):
        state = wave(known.values(), budget, NOW)
        for name in state.go:
            known[name] = taken(known[name])
        for name in state.under_way:
            if data.draw(st.booleans()):
                known[name] = dataclasses.replace(known[name], failed=True)
    tried = [one for one in known.values() if one.granted == NEW]
    assert len(tried) <= budget.failures + budget.concurrent - 1
