"""How to make room: the published rule (docs/capacity.md), from the cheapest step to the dearest.

| what is seen                                                           | advice                                   |
|------------------------------------------------------------------------|------------------------------------------|
| no infra group takes tenants                                           | InfraGroup, or Cell where no cell takes one |
| every account that takes tenants is near one of its own limits         | Cell                                     |
| PerTenant: every group that takes tenants is near its load balancer's  | InfraGroup while a cell takes one, else Cell |
| Shared: the fullest weighted group is near its targets                 | the same: a further group shares the tasks |
| Shared: it is near its tenants, target groups or rules                 | None: no further group helps, a tier does |
| none of these, and there are tenants                                   | Tenant: a bigger task, in minutes, no DNS change |
| none of these, and nobody is there                                     | None                                     |
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.placement.choice import Candidate
from tenant_operator.placement.ledger import TENANTS, GroupLedger
from tenant_operator.placement.quotas import NAMES, unit

NEAR = 0.8
"""The share of a limit from which on more room should be made: a new infra group takes about ten minutes, a new account
days, and a fifth of a load balancer is ten tenants."""

HERE = (QuotaCode.TARGET_GROUPS, QuotaCode.RULES, QuotaCode.TARGETS)
"""What fills a load balancer up."""
ACCOUNT = (
    QuotaCode.INTERFACES, QuotaCode.VCPU, QuotaCode.SPOT_VCPU, QuotaCode.CLUSTERS, QuotaCode.REGION_TARGET_GROUPS,
)  # fmt: skip
"""What fills an account up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CellRoom:
    """Whether a cell could take a further infra group."""

    name: str
    groups: int
    most: int
    """`limits.infraGroupsPerCell`"""
    schedulable: bool = True
    shortage: str = ""
    """What the account has no room for; empty where it has."""

    @property
    def why_not(self) -> str:
        """Why it cannot take one; empty where it can."""
        if not self.schedulable:
            return f"cell {self.name} is not schedulable"
        if self.groups >= self.most:
            return f"cell {self.name} has {self.groups} of limits.infraGroupsPerCell {self.most}"
        return self.shortage


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What to make bigger or to add, and why."""

    kind: str
    """Tenant, InfraGroup, Cell or None"""
    reason: str
    cell: str = ""
    """With InfraGroup: the cell that takes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fullness:
    """The limit that is nearest."""

    share: float
    code: str
    words: str


def advise(
    candidates: Sequence[Candidate], cells: Sequence[CellRoom], *, shared: bool, tenants: int
) -> Advice:
    """The next step, by the table above.

    Args:
        candidates: the tier's infra groups.
        cells: its cells.
        shared: whether every tenant lives in every group.
        tenants: how many there are.
    """
    takers = [c.ledger for c in candidates if c.schedulable and not c.leaving]
    if not takers:
        return _further(cells, "no infra group of the tier takes tenants")
    accounts = {ledger.account: _fullest(ledger, ACCOUNT) for ledger in takers}
    least = min(accounts.values(), key=lambda full: full.share)
    if least.share >= NEAR:
        return Advice(kind="Cell", reason=f"{least.words}: near the account's limit, so add a cell")
    filled = {ledger.name: _fullest(ledger, HERE, tenants=True) for ledger in takers}
    if shared:
        weighted = {c.name for c in candidates if c.weighted} or set(filled)
        fullest = max((filled[n] for n in weighted if n in filled), key=_share, default=None)
        if fullest is not None and fullest.share >= NEAR:
            if fullest.code == QuotaCode.TARGETS:
                return _further(cells, f"{fullest.words}: near the load balancer's limit")
            return Advice(
                kind="None",
                reason=f"{fullest.words}: in a Shared tier every group holds every tenant, so further groups bring no room "
                "for tenants; create a second tier, or set endpoint.mode: PerTenant",
            )
        nearest = fullest
    else:
        emptiest = min(filled.values(), key=_share)
        if emptiest.share >= NEAR:
            return _further(
                cells, f"{emptiest.words}, and that is the emptiest: near the load balancer's limit"
            )
        nearest = emptiest
    if nearest is None or not tenants:
        return Advice(kind="None", reason="nobody is there who could need more")
    return Advice(
        kind="Tenant",
        reason=f"{nearest.words}: there is room at the load balancers, so larger or more tasks come first "
        "(workload.cpu, memory, replicas): minutes, and no DNS change",
    )


def _further(cells: Sequence[CellRoom], why: str) -> Advice:
    open_ = sorted((cell for cell in cells if not cell.why_not), key=lambda cell: (cell.groups, cell.name))
    if open_:
        return Advice(
            kind="InfraGroup",
            reason=f"{why}; add an infra group to cell {open_[0].name}",
            cell=open_[0].name,
        )
    held = "; ".join(cell.why_not for cell in sorted(cells, key=lambda cell: cell.name)[:3])
    return Advice(kind="Cell", reason=f"{why}; {held or 'the tier has no cell'}, so add a cell")


def _fullest(ledger: GroupLedger, codes: Collection[QuotaCode], *, tenants: bool = False) -> Fullness:
    found = [Fullness(share=0.0, code="", words=f"{ledger.name} is empty")]
    for code in codes:
        limit, free = ledger.limit(code), ledger.free(code)
        if limit is None or free is None:
            continue
        used = ledger.used(code)
        share = (limit - free) / limit if limit else 1.0
        if not used and limit:
            continue
        shown = f"{used / unit(code):g} of {limit / unit(code):g} {NAMES[code]} ({code.value})"
        found.append(Fullness(share=share, code=code.value, words=f"{ledger.where(code)} uses {shown}"))
    if tenants and ledger.tenants:
        words = f"{ledger.name} holds {ledger.tenants} of limits.tenantsPerInfraGroup {ledger.max_tenants}"
        found.append(Fullness(share=ledger.tenants / ledger.max_tenants, code=TENANTS, words=words))
    return max(found, key=_share)


def _share(fullness: Fullness) -> float:
    return fullness.share


# --- what to write in the manifest ----------------------------------------------------------------

PRIVATE = ipaddress.ip_network("10.0.0.0/8")
"""Where blocks are looked for when the last one's neighbours are taken (RFC 1918)."""
_NUMBERED = re.compile(r"^(.*?)-?(\d+)$")
MAX_NAME = 40


def free_block(like: str, taken: Collection[str]) -> str:
    """The next CIDR block of the same size that overlaps none of those that are taken; empty where there is none.

    It begins behind `like` and goes on from the start of 10.0.0.0/8.
    """
    first = ipaddress.ip_network(like)
    used = [ipaddress.ip_network(block) for block in taken]
    step = first.num_addresses
    starts = [int(first.network_address) + step * n for n in range(1, 257)]
    starts += range(int(PRIVATE.network_address), int(PRIVATE.broadcast_address), step)
    for start in starts:
        if start + step > 2**32:
            continue
        block = ipaddress.ip_network((start, first.prefixlen))
        if block.is_private and not any(block.overlaps(other) for other in used):
            return str(block)
    return ""


def free_name(like: str, taken: Collection[str]) -> str:
    """The next name of a numbered series: `group-2` after `group-1`, `main-2` after `main`."""
    found = _NUMBERED.match(like)
    stem, number = (found[1], int(found[2])) if found else (like, 1)
    while True:
        number += 1
        tail = f"-{number}"
        name = f"{stem[: MAX_NAME - len(tail)].rstrip('-')}{tail}"
        if name not in taken:
            return name
