"""Which infra groups a tenant lives in, as a pure function of what is there.

| mode      | spec                   | groups                                                                       |
|-----------|------------------------|------------------------------------------------------------------------------|
| Shared    | –                      | every group of the tier that is not going                                     |
| PerTenant | placement.infraGroups  | exactly those                                                                |
| PerTenant | placement.spread: n    | the n where it lives already; for the rest other cells first, then by the    |
|           |                        | tier's strategy, then by name                                                |

Strategies: `Spread` takes the group with the fewest tenants, `Pack` the one with the most that still has room. Nobody is
moved because somebody else comes or goes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from tenant_operator.placement.ledger import GroupLedger, newcomer, room, shortage
from tenant_operator.placement.size import Use


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A group that a tenant could live in."""

    ledger: GroupLedger
    cell: str
    schedulable: bool
    """Whether it takes new tenants."""
    leaving: bool = False
    """Whether the group is being deleted."""
    weighted: bool = False
    """Whether the tier's name sends requests there."""

    @property
    def name(self) -> str:
        """The group's name."""
        return self.ledger.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The groups that a tenant should live in, or why there are not enough."""

    groups: tuple[str, ...]
    reason: str = ""
    message: str = ""

    @property
    def complete(self) -> bool:
        """Whether every group that is needed was found."""
        return not self.reason


def shared(candidates: Sequence[Candidate], current: Sequence[str], need: Use) -> Choice:
    """Every group of the tier: requests for the tier's name may land on any that is weighted."""
    groups = []
    taken: list[GroupLedger] = []
    for candidate in sorted(candidates, key=lambda c: (not c.weighted, c.name)):
        if candidate.leaving:
            continue
        if candidate.name in current:
            groups.append(candidate.name)
            continue
        why = why_not(candidate, need, taken)
        if not why:
            groups.append(candidate.name)
            taken.append(candidate.ledger)
        elif candidate.weighted:
            return Choice(
                groups=tuple(group for group in groups if group in current),
                reason="NoCapacity" if candidate.schedulable else "NoSchedulableGroup",
                message=f"a tenant of a Shared tier must live in every group that has weight, but {why}; add a tier, "
                "raise the limit, or set that group's dnsWeight to 0",
            )
    if not groups:
        return Choice(
            groups=(),
            reason="NoInfraGroup",
            message="the tier has no infra group that takes tenants yet; create one",
        )
    return Choice(groups=tuple(sorted(groups)))


def pinned(
    candidates: Sequence[Candidate], wanted: Sequence[str], current: Sequence[str], need: Use
) -> Choice:
    """Exactly the groups that the spec names."""
    known = {candidate.name: candidate for candidate in candidates}
    taken: list[GroupLedger] = []
    for name in wanted:
        if name not in known:
            return _held(
                current,
                "InfraGroupNotFound",
                f"infra group {name!r} is not one of the tier's; create it or pin another",
            )
        if name in current:
            continue
        if why := why_not(known[name], need, taken):
            return _held(current, "NoCapacity", f"pinned to {name}, but {why}")
        taken.append(known[name].ledger)
    return Choice(groups=tuple(sorted(set(wanted))))


def spread(
    candidates: Sequence[Candidate], count: int, current: Sequence[str], need: Use, strategy: str = "Spread"
) -> Choice:
    """`count` groups: where the tenant lives already, then in other cells first, by the strategy."""
    known = {candidate.name: candidate for candidate in candidates}
    kept = [name for name in sorted(current) if name in known and not known[name].leaving][:count]
    chosen = list(kept)
    taken: list[GroupLedger] = []
    while len(chosen) < count:
        others = [candidate for candidate in candidates if candidate.name not in chosen]
        best = _first_with_room(others, {known[name].cell for name in chosen}, need, taken, strategy)
        if best is None:
            refused = {candidate.name: why_not(candidate, need, taken) for candidate in others}
            return Choice(
                groups=tuple(sorted(chosen)) if kept else (), **_no_room(refused, count, len(chosen))
            )
        chosen.append(best.name)
        taken.append(best.ledger)
    return Choice(groups=tuple(sorted(chosen)))


def _first_with_room(
    candidates: Sequence[Candidate],
    cells: Collection[str],
    need: Use,
    taken: Sequence[GroupLedger],
    strategy: str,
) -> Candidate | None:
    """The group to take: of those that rank alike the one with the most room (Pack: the least), then by name.

    Only those are looked at closely that rank first.
    """
    more, sign = ORDERS[strategy]

    def rank(candidate: Candidate) -> tuple[bool, int]:
        return candidate.cell in cells, more(candidate.ledger.tenants)

    for _, ties in groupby(sorted(candidates, key=rank), key=rank):
        rooms = [(sign * left, c.name, c) for c in ties if (left := _room_in(c, need, taken))]
        if rooms:
            return min(rooms)[2]
    return None


def why_not(candidate: Candidate, need: Use, taken: Sequence[GroupLedger] = ()) -> str:
    """Why a group cannot take one more tenant that takes `need`, with the number that led to it; empty if it can.

    `taken` are groups that the same tenant has just been given: they may share an account's limits with this one.
    """
    if candidate.leaving:
        return f"{candidate.name} is being deleted"
    if not candidate.schedulable:
        return f"{candidate.name} (or its cell) is not schedulable"
    ledger = candidate.ledger.beside(taken, need)
    return "" if room(ledger, need) else shortage(newcomer(ledger, need))


def _room_in(candidate: Candidate, need: Use, taken: Sequence[GroupLedger]) -> int:
    if candidate.leaving or not candidate.schedulable:
        return 0
    return room(candidate.ledger.beside(taken, need), need)


ORDERS: Mapping[str, tuple[Callable[[int], int], int]] = {"Spread": (int, -1), "Pack": (operator.neg, 1)}
"""How groups rank by their tenants, and whether of equals more room comes first (-1) or less."""


def _held(current: Sequence[str], reason: str, message: str) -> Choice:
    return Choice(groups=tuple(sorted(current)), reason=reason, message=message)


def _no_room(refused: Mapping[str, str], count: int, found: int) -> dict[str, str]:
    if not refused and not found:
        return {"reason": "NoInfraGroup", "message": "the tier has no infra group yet; create one"}
    why = "; ".join(refused[name] for name in sorted(refused)[:5])
    missing = f"{found} of {count} groups found" + (f": {why}" if why else ": the tier has no more")
    return {"reason": "NoCapacity", "message": f"{missing}; add an infra group"}
