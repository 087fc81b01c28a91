"""What hangs together: a tier's cells, and the cells in one account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.engine.cache import Cache, Key, Kind
from tenant_operator.engine.shards import ShardMap, Unit, UnitKind
from tests.e2e import manifests as m

ACCOUNTS = [f"{number}" * 12 for number in range(1, 7)]


def seen(*objects: dict[str, Any]) -> Cache:
    """A cache that has seen some objects."""
    cache = Cache()
    for number, obj in enumerate(objects):
        metadata = {"uid": f"uid-{number}", "generation": 1, "resourceVersion": "1", **obj["metadata"]}
        cache.put({**obj, "metadata": metadata})
    return cache


def names(units: Iterable[Unit]) -> set[str]:
    return {str(unit) for unit in units}


def cell_key(name: str) -> Key:
    return Key(Kind.CELL, "", name)


def test_a_tier_goes_with_all_its_cells() -> None:
    cache = seen(
        m.tier("gold"), m.cell("one", "gold", ACCOUNTS[0]), m.cell("two", "gold", ACCOUNTS[1]), m.tier("tin")
    )
    gold, tin = ShardMap(cache).shards()
    assert names(gold.units) == {"tier-gold", f"account-{ACCOUNTS[0]}", f"account-{ACCOUNTS[1]}"}
    assert gold.cells == 2
    assert names(tin.units) == {"tier-tin"}


def test_two_tiers_with_cells_in_one_account_go_together() -> None:
    cache = seen(
        m.tier("gold"), m.tier("tin"), m.cell("a", "gold", ACCOUNTS[0]), m.cell("b", "tin", ACCOUNTS[0])
    )
    (shard,) = ShardMap(cache).shards()
    assert names(shard.units) == {"tier-gold", "tier-tin", f"account-{ACCOUNTS[0]}"}


def test_what_is_in_a_tier_is_in_its_shard() -> None:
    cache = seen(
        m.tier("gold"), m.cell("a", "gold", ACCOUNTS[0]), m.group("g", "a"), m.tenant("acme", "gold")
    )
    shards = ShardMap(cache)
    (shard,) = shards.shards()
    assert {shards.shard_of(key) for key in cache} == {shard}
    assert set(shards.keys_of(shard.units)) == set(cache)


def test_what_names_a_missing_parent_has_a_shard_of_that_name() -> None:
    cache = seen(m.tenant("acme", "gold"), m.group("g", "nowhere"))
    shards = ShardMap(cache)
    assert {shard.name for shard in shards.shards()} == {"tier-gold", "cell-nowhere"}
    assert all(shards.shard_of(key) in shards.shards() for key in cache)


def test_a_new_cell_joins_what_was_apart() -> None:
    cache = seen(m.tier("gold"), m.tier("tin"), m.cell("a", "gold", ACCOUNTS[0]))
    shards = ShardMap(cache)
    assert len(shards.shards()) == 2
    version = shards.version
    body = m.cell("b", "tin", ACCOUNTS[0])
    cache.put({**body, "metadata": {"name": "b", "uid": "new", "generation": 1, "resourceVersion": "2"}})
    assert shards.version != version
    assert len(shards.shards()) == 1
    cache.remove(cell_key("b"))
    assert len(shards.shards()) == 2


def test_with_one_shard_everything_goes_together() -> None:
    cache = seen(m.tier("gold"), m.tier("tin"), m.cell("a", "gold", ACCOUNTS[0]))
    (shard,) = ShardMap(cache, 1).shards()
    assert names(shard.units) == {"tier-gold", "tier-tin", f"account-{ACCOUNTS[0]}"}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
    st.sampled_from([0, 1, 3]),
)
def test_every_account_and_every_tier_is_in_one_shard(cells: list[tuple[int, int]], count: int) -> None:
    cache = seen(
        *(m.tier(f"t{number}") for number in range(6)),
        *(
            m.cell(f"c{number}", f"t{tier}", ACCOUNTS[account])
            for number, (tier, account) in enumerate(cells)
        ),
    )
    shards = ShardMap(cache, count)
    units = [unit for shard in shards.shards() for unit in shard.units]
    assert len(units) == len(set(units))
    for number, (tier, account) in enumerate(cells):
        shard = shards.shard_of(cell_key(f"c{number}"))
        assert Unit(UnitKind.TIER, f"t{tier}") in shard.units
        assert Unit(UnitKind.ACCOUNT, ACCOUNTS[account]) in shard.units
    if count:
        assert len(shards.shards()) <= count
