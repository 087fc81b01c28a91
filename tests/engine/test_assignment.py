"""Sharing out: every shard has one owner, nobody holds much more than another, and little moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.engine.assignment import assign

MEMBERS = st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=8)
SHARDS = st.dictionaries(st.integers(0, 60).map("shard-{}".format), st.integers(0, 20), max_size=40)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[dict[str, int], set[str], dict[str, str]]:
    """Shards, members, and holders of whom some are gone."""
    weights = draw(SHARDS)
    holders = {shard: draw(st.sampled_from("abcdefgh-")) for shard in weights if draw(st.booleans())}
    return weights, draw(MEMBERS), holders


def loads(weights: dict[str, int], owner: dict[str, str], members: set[str]) -> dict[str, int]:
    found = dict.fromkeys(members, 0)
    for shard, member in owner.items():
        found[member] += max(1, weights[shard])
    return found


@given(fleets())
def test_every_shard_has_one_owner_who_is_alive(
    fleet: tuple[dict[str, int], set[str], dict[str, str]],
) -> None:
    weights, members, holders = fleet
    owner = assign(weights, members, holders)
    assert owner.keys() == weights.keys()
    assert set(owner.values()) <= members


@given(fleets())
def test_nobody_holds_more_than_a_shard_beyond_the_idlest(
    fleet: tuple[dict[str, int], set[str], dict[str, str]],
) -> None:
    weights, members, holders = fleet
    owner = assign(weights, members, holders)
    load = loads(weights, owner, members)
    busiest = max(load, key=load.__getitem__)
    lightest = min((max(1, weights[s]) for s, m in owner.items() if m == busiest), default=0)
    assert load[busiest] - min(load.values()) <= lightest


@given(fleets())
def test_what_is_shared_out_stays_as_it_is(fleet: tuple[dict[str, int], set[str], dict[str, str]]) -> None:
    weights, members, holders = fleet
    owner = assign(weights, members, holders)
    assert assign(weights, members, owner) == owner


@given(st.integers(1, 60), MEMBERS)
def test_a_newcomer_gets_its_share_and_nothing_else_moves(count: int, members: set[str]) -> None:
    weights = {f"shard-{number}": 1 for number in range(count)}
    before = assign(weights, members, {})
    after = assign(weights, {*members, "new"}, before)
    moved = {shard for shard in weights if after[shard] != before[shard]}
    assert {after[shard] for shard in moved} <= {"new"}
    assert len(moved) == count // (len(members) + 1)


@given(st.integers(1, 60), st.sets(st.sampled_from("abcdefgh"), min_size=2))
def test_when_a_process_is_lost_only_its_shards_move(count: int, members: set[str]) -> None:
    weights = {f"shard-{number}": 1 for number in range(count)}
    before = assign(weights, members, {})
    lost = min(members)
    after = assign(weights, members - {lost}, before)
    assert all(after[shard] == member for shard, member in before.items() if member != lost)


def test_with_nobody_alive_nothing_is_given() -> None:
    assert assign({"shard": 1}, set(), {"shard": "a"}) == {}
