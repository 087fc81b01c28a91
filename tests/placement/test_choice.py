"""Where a tenant lives: exact about what a group may hold, and able to say why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.placement.choice import Candidate, pinned, shared, spread
from tenant_operator.placement.ledger import newcomer, room, shortage
from tests.placement.fleets import candidate, fleets, ledger, need

STRATEGIES = ("Spread", "Pack")


@given(fleets(), st.integers(1, 4), st.integers(1, 5))
def test_a_choice_never_overfills_a_group(fleet: list[Candidate], count: int, clusters: int) -> None:
    known = {c.name: c for c in fleet}
    for choice in (
        *(spread(fleet, count, (), need(clusters), strategy) for strategy in STRATEGIES),
        shared(fleet, (), need(clusters)),
    ):
        for name in choice.groups:
            chosen = known[name]
            after = chosen.ledger.now[QuotaCode.TARGET_GROUPS] + clusters
            assert after <= 100 - chosen.ledger.headroom
            assert chosen.ledger.tenants < chosen.ledger.max_tenants
            assert chosen.schedulable
            assert not chosen.leaving


@given(fleets(), st.integers(1, 4), st.integers(1, 5), st.sampled_from(STRATEGIES), st.data())
def test_where_a_tenant_lives_it_stays(
    fleet: list[Candidate], count: int, clusters: int, strategy: str, data: st.DataObject
) -> None:
    staying = [c.name for c in fleet if not c.leaving]
    current = data.draw(st.lists(st.sampled_from(staying), unique=True, max_size=count)) if staying else []
    assert set(current) <= set(spread(fleet, count, current, need(clusters), strategy).groups)


@given(fleets(), st.integers(1, 4), st.integers(1, 5), st.sampled_from(STRATEGIES))
def test_the_same_fleet_gives_the_same_choice_in_any_order(
    fleet: list[Candidate], count: int, clusters: int, strategy: str
) -> None:
    assert spread(fleet, count, (), need(clusters), strategy) == spread(
        fleet[::-1], count, (), need(clusters), strategy
    )


@given(fleets(), st.integers(1, 4), st.integers(1, 5))
def test_what_is_not_complete_says_why(fleet: list[Candidate], count: int, clusters: int) -> None:
    choice = spread(fleet, count, (), need(clusters))
    assert choice.complete == (len(choice.groups) == count)
    assert choice.complete or (choice.reason and choice.message)


@given(fleets(), st.integers(1, 5))
def test_a_shared_tenant_is_in_every_weighted_group_or_says_why_not(
    fleet: list[Candidate], clusters: int
) -> None:
    choice = shared(fleet, (), need(clusters))
    missing = [c.name for c in fleet if c.weighted and not c.leaving and c.name not in choice.groups]
    assert not choice.complete or not missing


@given(st.integers(0, 60), st.integers(1, 5), st.integers(1, 5))
def test_a_shortage_is_told_exactly_when_there_is_no_room(tenants: int, each: int, clusters: int) -> None:
    group = ledger("g", tenants, clusters=each)
    assert bool(shortage(newcomer(group, need(clusters)))) == (room(group, need(clusters)) == 0)


def test_spread_takes_the_emptiest_group_and_another_cell_first() -> None:
    fleet = [candidate("a", 3), candidate("b", 1), candidate("c", 9, cell="cell-b")]
    assert spread(fleet, 1, (), need()).groups == ("b",)
    assert spread(fleet, 2, (), need()).groups == ("b", "c")


def test_pack_takes_the_fullest_group_that_has_room() -> None:
    fleet = [candidate("a", 3), candidate("b", 49), candidate("c", 50)]
    assert spread(fleet, 1, (), need(), "Pack").groups == ("b",)
    assert spread(fleet, 1, (), need(5), "Pack").groups == ("b",)


def test_pack_goes_on_to_an_empty_group_only_when_the_others_are_full() -> None:
    assert spread([candidate("a", 50), candidate("b", 0)], 1, (), need(), "Pack").groups == ("b",)


def test_a_pin_to_a_group_that_does_not_exist_names_it() -> None:
    choice = pinned([candidate("a")], ["b"], (), need())
    assert choice.reason == "InfraGroupNotFound"
    assert "'b'" in choice.message


@pytest.mark.parametrize(
    ("tenants", "each", "clusters", "said"),
    [
        (50, 1, 1, "a has 50 of 50 tenants (limits.tenantsPerInfraGroup); 1 needed"),
        (
            19,
            5,
            1,
            "a has 95 of 100 target groups per Application Load Balancer (L-822D1B1B, BuiltIn); 5 are kept free, 1 needed",
        ),
    ],
)
def test_a_full_group_is_told_with_its_numbers(tenants: int, each: int, clusters: int, said: str) -> None:
    assert shortage(newcomer(ledger("a", tenants, clusters=each), need(clusters))) == said
