"""What is shared out among processes: a shard is what one process must work on as a whole.

A tenant in Shared mode lives in every cell of its tier, its placement counts every group of the tier, and a tier's name
has weight only where all its tenants are served: so the cells of a tier go together. AWS counts calls by account: so
the cells in one account go together, whichever tiers they are of. What hangs together through tiers and accounts is a
shard (docs/adr/0009-shards.md).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tenant_operator.api import Cell, InfraGroup, Tenant
from tenant_operator.engine.cache import Cache, Key, Kind


class UnitKind(StrEnum):
    """What a lease stands for."""

    TIER = "tier"
    """The objects of a tier, their statuses, and the names below its own."""
    ACCOUNT = "account"
    """Everything in an AWS account that holds cells."""
    CELL = "cell"
    """Infra groups whose cell is not there."""


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """The smallest thing that has one holder: each has a Lease of its own."""

    kind: UnitKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}-{self.name}"


@dataclass(frozen=True, slots=True)
class Shard:
    """Units that go together."""

    name: str
    units: frozenset[Unit]
    cells: int
    """How many cells it has: its weight when shards are shared out."""

    @property
    def accounts(self) -> frozenset[str]:
        """The AWS accounts of its cells."""
        return frozenset(unit.name for unit in self.units if unit.kind is UnitKind.ACCOUNT)


class ShardMap:
    """Which shard an object belongs to, as the cache's cells say.

    Arguments:
        cache: where the objects are.
        count: how many shards there are at most; 0: as many as there are wholes. With 1 one process does everything.
    """

    def __init__(self, cache: Cache, count: int = 0) -> None:
        self._cache = cache
        self._count = count
        self._drawn = -1
        self._shard_of: dict[Unit, Shard] = {}

    @property
    def version(self) -> int:
        """Another number whenever the shards may be others."""
        return self._cache.topology

    def shards(self) -> list[Shard]:
        """All shards, by name."""
        self._draw()
        return sorted({shard.name: shard for shard in self._shard_of.values()}.values(), key=lambda s: s.name)

    def shard_of(self, key: Key) -> Shard:
        """The shard of an object; one whose parent is not there belongs to the name that it gives."""
        self._draw()
        unit = self._unit_of(key)
        return self._shard_of.get(unit) or Shard(name=str(unit), units=frozenset({unit}), cells=0)

    def accounts(self) -> frozenset[str]:
        """All AWS accounts that hold cells."""
        self._draw()
        return frozenset(unit.name for unit in self._shard_of if unit.kind is UnitKind.ACCOUNT)

    def keys_of(self, units: Iterable[Unit]) -> list[Key]:
        """The objects that some units stand for: a tier with everything below it, an account's cells and their groups."""
        wanted = set(units)
        found = []
        for key in self._cache:
            unit = self._unit_of(key)
            cell = self._cell_of(key)
            if unit in wanted or (cell is not None and _account(cell) in wanted):
                found.append(key)
        return found

    def _unit_of(self, key: Key) -> Unit:
        obj = self._cache.get(key)
        if isinstance(obj, Tenant | Cell):
            return Unit(UnitKind.TIER, obj.spec.tier_ref.name)
        if isinstance(obj, InfraGroup):
            name = obj.spec.cell_ref.name
            cell = self._cache.cell(name)
            return Unit(UnitKind.CELL, name) if cell is None else Unit(UnitKind.TIER, cell.spec.tier_ref.name)
        return Unit(UnitKind.TIER if key.kind in (Kind.TIER, Kind.TENANT) else UnitKind.CELL, key.name)

    def _cell_of(self, key: Key) -> Cell | None:
        obj = self._cache.get(key)
        if isinstance(obj, InfraGroup):
            return self._cache.cell(obj.spec.cell_ref.name)
        return obj if isinstance(obj, Cell) else None

    def _draw(self) -> None:
        if self._drawn == self._cache.topology:
            return
        self._drawn = self._cache.topology
        wholes = _Wholes()
        cells: defaultdict[Unit, int] = defaultdict(int)
        for key in self._cache.parents():
            unit = self._unit_of(key)
            wholes.add(unit)
            obj = self._cache.get(key)
            if isinstance(obj, Cell):
                wholes.join(unit, _account(obj))
                cells[unit] += 1
        for tier in self._cache.tiers_of_tenants():
            wholes.add(Unit(UnitKind.TIER, tier))
        self._shard_of = {}
        for shard in _shards(wholes.found(), cells, self._count):
            self._shard_of.update(dict.fromkeys(shard.units, shard))


def _account(cell: Cell) -> Unit:
    return Unit(UnitKind.ACCOUNT, cell.spec.account_id)


def _shards(wholes: Iterable[frozenset[Unit]], cells: defaultdict[Unit, int], count: int) -> list[Shard]:
    """Shards of some wholes: one each, or `count` of them at most. A tier's name stays when it gets a further cell."""
    merged: defaultdict[str, set[Unit]] = defaultdict(set)
    for units in wholes:
        first = min(units, key=lambda unit: (unit.kind is UnitKind.ACCOUNT, unit))
        merged[str(_number(str(first)) % count) if count else str(first)] |= units
    return [
        Shard(name=name, units=frozenset(units), cells=sum(cells[unit] for unit in units))
        for name, units in merged.items()
    ]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class _Wholes:
    """Units that hang together (union–find)."""

    def __init__(self) -> None:
        self._above: dict[Unit, Unit] = {}

    def add(self, unit: Unit) -> None:
        self._above.setdefault(unit, unit)

    def join(self, one: Unit, other: Unit) -> None:
        self.add(one)
        self.add(other)
        self._above[self._top(one)] = self._top(other)

    def found(self) -> list[frozenset[Unit]]:
        wholes: defaultdict[Unit, set[Unit]] = defaultdict(set)
        for unit in self._above:
            wholes[self._top(unit)].add(unit)
        return [frozenset(units) for units in wholes.values()]

    def _top(self, unit: Unit) -> Unit:
        top = unit
        while self._above[top] != top:
            top = self._above[top]
        while self._above[unit] != top:
            self._above[unit], unit = top, self._above[unit]
        return top
