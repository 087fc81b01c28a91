"""Which infra groups a tenant lives in, as a pure function of what is there.

| mode      | spec                   | groups                                                                       |
|-----------|------------------------|------------------------------------------------------------------------------|
| Shared    | –                      | every group of the tier that is not going                                     |
| PerTenant | placement.infraGroups  | exactly those                                                                |
| PerTenant | placement.spread: n    | the n where it lives already; for the rest those with the fewest tenants,    |
|           |                        | other cells first, then by name                                              |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenant_operator.placement.ledger import GroupLedger, room, shortage


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


def shared(candidates: Sequence[Candidate], current: Sequence[str], clusters: int) -> Choice:
    """Every group of the tier: requests for the tier's name may land on any that is weighted."""
    groups = []
    for candidate in sorted(candidates, key=lambda c: c.name):
        if candidate.leaving:
            continue
        if candidate.name in current:
            groups.append(candidate.name)
            continue
        why = _why_not(candidate, clusters)
        if not why:
            groups.append(candidate.name)
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
    return Choice(groups=tuple(groups))


def pinned(
    candidates: Sequence[Candidate], wanted: Sequence[str], current: Sequence[str], clusters: int
) -> Choice:
    """Exactly the groups that the spec names."""
    known = {candidate.name: candidate for candidate in candidates}
    for name in wanted:
        if name not in known:
            return _held(
                current,
                "InfraGroupNotFound",
                f"infra group {name!r} is not one of the tier's; create it or pin another",
            )
        if name not in current and (why := _why_not(known[name], clusters)):
            return _held(current, "NoCapacity", f"pinned to {name}, but {why}")
    return Choice(groups=tuple(sorted(set(wanted))))


def spread(candidates: Sequence[Candidate], count: int, current: Sequence[str], clusters: int) -> Choice:
    """`count` groups: where the tenant lives already, then the emptiest, in other cells first."""
    known = {candidate.name: candidate for candidate in candidates}
    kept = [name for name in sorted(current) if name in known and not known[name].leaving][:count]
    chosen = list(kept)
    refused: dict[str, str] = {}
    while len(chosen) < count:
        cells = {known[name].cell for name in chosen}
        open_ = []
        for candidate in candidates:
            if candidate.name in chosen:
                continue
            why = _why_not(candidate, clusters)
            if why:
                refused[candidate.name] = why
            else:
                open_.append(candidate)
        if not open_:
            return Choice(
                groups=tuple(sorted(chosen)) if kept else (), **_no_room(refused, count, len(chosen))
            )
        best = min(open_, key=lambda c: (c.cell in cells, c.ledger.tenants, -room(c.ledger), c.name))
        chosen.append(best.name)
    return Choice(groups=tuple(sorted(chosen)))


def _why_not(candidate: Candidate, clusters: int) -> str:
    if candidate.leaving:
        return f"{candidate.name} is being deleted"
    if not candidate.schedulable:
        return f"{candidate.name} (or its cell) is not schedulable"
    return shortage(candidate.ledger, clusters)


def _held(current: Sequence[str], reason: str, message: str) -> Choice:
    return Choice(groups=tuple(sorted(current)), reason=reason, message=message)


def _no_room(refused: Mapping[str, str], count: int, found: int) -> dict[str, str]:
    if not refused and not found:
        return {"reason": "NoInfraGroup", "message": "the tier has no infra group yet; create one"}
    why = "; ".join(refused[name] for name in sorted(refused)[:5])
    missing = f"{found} of {count} groups found" + (f": {why}" if why else ": the tier has no more")
    return {"reason": "NoCapacity", "message": f"{missing}; add an infra group"}
