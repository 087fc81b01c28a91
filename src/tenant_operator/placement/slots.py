"""How many more tenants of the usual size a tier can take, exactly: so many could be created and would be placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tenant_operator.placement.choice import Candidate
from tenant_operator.placement.ledger import GroupLedger, room
from tenant_operator.placement.quotas import SCOPES, Scope
from tenant_operator.placement.size import Use

SHARED_SCOPES = (Scope.REGION, Scope.ACCOUNT, Scope.ZONE)


def free_slots(candidates: Sequence[Candidate], need: Use, *, in_every_group: bool) -> int:
    """The number of tenants that take `need` in each of their groups.

    Args:
        candidates: the tier's groups.
        need: what one tenant takes of one group.
        in_every_group: Shared mode, where a tenant lives in every group that has weight; else it lives in one.
    """
    if in_every_group:
        return _in_every_group(candidates, need)
    takers = [c.ledger for c in candidates if c.schedulable and not c.leaving]
    here = {ledger.name: _room_here(ledger, need) for ledger in takers}
    by_account: Counter[str] = Counter()
    for ledger in takers:
        by_account[ledger.account] += here[ledger.name]
    slots = 0
    for account, rooms in by_account.items():
        ledger = next(one for one in takers if one.account == account)
        slots += min(rooms, _room_shared(ledger, need, (Scope.REGION, Scope.ACCOUNT)))
    return min(slots, _room_shared(takers[0], need, (Scope.ZONE,))) if takers else 0


def _in_every_group(candidates: Sequence[Candidate], need: Use) -> int:
    staying = [c for c in candidates if not c.leaving]
    weighted = [c for c in staying if c.weighted]
    if not weighted:
        return max((room(c.ledger, need) for c in staying if c.schedulable), default=0)
    if not all(c.schedulable for c in weighted):
        return 0
    slots = min(_room_here(c.ledger, need) for c in weighted)
    times = Counter(c.ledger.account for c in weighted)
    for candidate in weighted:
        together: Use = Counter({code: n * times[candidate.ledger.account] for code, n in need.items()})
        slots = min(slots, _room_shared(candidate.ledger, together, (Scope.REGION, Scope.ACCOUNT)))
    in_zone: Use = Counter({code: n * len(weighted) for code, n in need.items()})
    return min(slots, _room_shared(weighted[0].ledger, in_zone, (Scope.ZONE,)))


def _room_here(ledger: GroupLedger, need: Use) -> int:
    """What the group alone has room for, whatever the account says."""
    local: Use = Counter({code: n for code, n in need.items() if SCOPES[code] not in SHARED_SCOPES})
    return room(ledger, local)


def _room_shared(ledger: GroupLedger, need: Use, scopes: tuple[Scope, ...]) -> int:
    """What the limits that a group shares with others leave."""
    rooms = [
        max(0, free) // needed
        for code, needed in need.items()
        if needed > 0 and SCOPES[code] in scopes and (free := ledger.free(code)) is not None
    ]
    return min(rooms, default=2**31 - 1)
