"""Where a tenant lives: exact about what a group may hold, and able to say why not."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.placement.choice import Candidate, pinned, shared, spread
from tenant_operator.placement.ledger import TARGET_GROUPS_PER_LOAD_BALANCER, GroupLedger, room, shortage


def candidate(
    name: str, tenants: int = 0, *, cell: str = "cell-a", groups: int | None = None, **more: bool
) -> Candidate:
    ledger = GroupLedger(
        name=name,
        tenants=tenants,
        target_groups=tenants if groups is None else groups,
        max_tenants=50,
        headroom=5,
    )
    return Candidate(ledger=ledger, cell=cell, schedulable=more.pop("schedulable", True), **more)


@st.composite
def fleets(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(0, 8))):
        tenants = draw(st.integers(0, 60))
        found.append(
            candidate(
                f"group-{number}",
                tenants,
                cell=f"cell-{draw(st.integers(0, 2))}",
                groups=draw(st.integers(tenants, 5 * tenants + 1)),
                schedulable=draw(st.booleans()),
                leaving=draw(st.booleans()),
                weighted=draw(st.booleans()),
            )
        )
    return found


@given(fleets(), st.integers(1, 4), st.integers(1, 5))
def test_a_choice_never_overfills_a_group(fleet: list[Candidate], count: int, clusters: int) -> None:
    known = {c.name: c for c in fleet}
    for choice in (spread(fleet, count, (), clusters), shared(fleet, (), clusters)):
        for name in choice.groups:
            assert room(known[name].ledger, clusters) > 0
            after = known[name].ledger.target_groups + clusters
            assert after <= TARGET_GROUPS_PER_LOAD_BALANCER - known[name].ledger.headroom
            assert known[name].schedulable
            assert not known[name].leaving


@given(fleets(), st.integers(1, 4), st.integers(1, 5), st.data())
def test_where_a_tenant_lives_it_stays(
    fleet: list[Candidate], count: int, clusters: int, data: st.DataObject
) -> None:
    staying = [c.name for c in fleet if not c.leaving]
    current = data.draw(st.lists(st.sampled_from(staying), unique=True, max_size=count)) if staying else []
    assert set(current) <= set(spread(fleet, count, current, clusters).groups)


@given(fleets(), st.integers(1, 4), st.integers(1, 5))
def test_the_same_fleet_gives_the_same_choice_in_any_order(
    fleet: list[Candidate], count: int, clusters: int
) -> None:
    assert spread(fleet, count, (), clusters) == spread(fleet[::-1], count, (), clusters)


@given(fleets(), st.integers(1, 4), st.integers(1, 5))
def test_what_is_not_complete_says_why(fleet: list[Candidate], count: int, clusters: int) -> None:
    choice = spread(fleet, count, (), clusters)
    assert choice.complete == (len(choice.groups) == count)
    assert choice.complete or (choice.reason and choice.message)


@given(fleets(), st.integers(1, 5))
def test_a_shared_tenant_is_in_every_weighted_group_or_says_why_not(
    fleet: list[Candidate], clusters: int
) -> None:
    choice = shared(fleet, (), clusters)
    missing = [c.name for c in fleet if c.weighted and not c.leaving and c.name not in choice.groups]
    assert not choice.complete or not missing


@given(st.integers(0, 60), st.integers(0, 100), st.integers(1, 5))
def test_a_shortage_is_told_exactly_when_there_is_no_room(tenants: int, groups: int, clusters: int) -> None:
    ledger = GroupLedger(name="g", tenants=tenants, target_groups=groups, max_tenants=50, headroom=5)
    assert bool(shortage(ledger, clusters)) == (room(ledger, clusters) == 0)


def test_the_emptiest_group_of_another_cell_is_chosen_first() -> None:
    fleet = [candidate("a", 3), candidate("b", 1), candidate("c", 9, cell="cell-b")]
    assert spread(fleet, 1, (), 1).groups == ("b",)
    assert spread(fleet, 2, (), 1).groups == ("b", "c")


def test_a_pin_to_a_group_that_does_not_exist_names_it() -> None:
    choice = pinned([candidate("a")], ["b"], (), 1)
    assert choice.reason == "InfraGroupNotFound"
    assert "'b'" in choice.message


def test_a_full_group_is_told_with_its_number() -> None:
    full = dataclasses.replace(candidate("a", 50).ledger)
    assert shortage(full, 1) == "a holds 50 of limits.tenantsPerInfraGroup 50"
