"""What an infra group holds and may hold: the numbers that placement goes by, each with its limit and its source.

Target groups, not rules, are a load balancer's ceiling: 100, and AWS raises it for nobody
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).

What is counted: the reservations of all tenants placed there, built or not; what others have at the load balancer;
what the infra groups themselves take (VPC, load balancer, endpoints); all of it for every cell of ours in the account.
What cannot be seen is not counted: other people's VPCs, load balancers, tasks and interfaces in the account. There AWS
has the last word; `quotaOverrides` can leave room for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.placement.quotas import BUILT_IN, NAMES, SCOPES, Limits, Scope, unit
from tenant_operator.placement.size import Use

TENANTS = "tenantsPerInfraGroup"
"""The tier's own limit, which stands beside AWS's quotas in an explanation."""
RULE_RESERVE = 2
"""Rules kept free for standby rules of tenants that resume."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One limit, held against what is needed."""

    code: str
    """The quota's code, or `tenantsPerInfraGroup`."""
    name: str
    where: str
    """What shares the limit, in words."""
    used: int
    kept: int
    """What stays free for changes of those who are there."""
    needed: int
    limit: int
    source: str
    free: int
    """How much of it may still be taken for this purpose."""
    unit: int = 1

    @property
    def fits(self) -> bool:
        """Whether there is room; what needs nothing more always has."""
        return self.needed <= max(0, self.free)

    @property
    def sentence(self) -> str:
        """The finding in words, with its numbers."""
        name = self.name[0].lower() + self.name[1:] if self.name[1:2].islower() else self.name
        code = f" ({self.code}, {self.source})" if self.source != "Spec" else ""
        used, limit = _shown(self.used, self.unit), _shown(self.limit, self.unit)
        kept = f"{_shown(self.kept, self.unit)} are kept free, " if self.kept else ""
        return (
            f"{self.where} has {used} of {limit} {name}{code}; {kept}{_shown(self.needed, self.unit)} needed"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupLedger:
    """One group's use and limits, and those of the account and the zone that it shares with others."""

    name: str
    cell: str = ""
    account: str = ""
    region: str = ""
    zone: str = ""
    """The tier's endpoint, whose hosted zone holds tenants' records."""
    tenants: int = 0
    max_tenants: int = 50
    headroom: int = 5
    """Target groups that stay free for changes."""
    lasting: Use = field(default_factory=Counter)
    """What the tenants here take once nothing changes."""
    now: Use = field(default_factory=Counter)
    """What they may take until then."""
    others: Use = field(default_factory=Counter)
    """What belongs to no tenant here: the group's own endpoints, and what others have at its load balancer."""
    shared: Use = field(default_factory=Counter)
    """What counts in the Region, in the account and in the zone, this group's part included."""
    limits: Limits = field(default_factory=lambda: BUILT_IN)

    def used(self, code: QuotaCode) -> int:
        """What is used of a quota where it counts."""
        if SCOPES[code] in (Scope.LOAD_BALANCER, Scope.VPC):
            return self.now[code] + self.others[code]
        return self.shared[code]

    def kept(self, code: QuotaCode) -> int:
        """What stays free for changes of those who are there."""
        if code is QuotaCode.TARGET_GROUPS:
            return self.headroom
        return RULE_RESERVE if code is QuotaCode.RULES else 0

    def limit(self, code: QuotaCode) -> int | None:
        """The limit in the unit of use; None where nobody knows it."""
        quota = self.limits.get(code)
        return None if quota is None else quota.limit * unit(code)

    def free(self, code: QuotaCode) -> int | None:
        """What newcomers may take: what is left now, and what will be left once all changes are over."""
        limit = self.limit(code)
        if limit is None:
            return None
        left = limit - self.used(code)
        kept = self.kept(code)
        if kept:
            left = min(left, limit - kept - self.lasting[code] - self.others[code])
        return left

    def beside(self, chosen: Sequence[GroupLedger], need: Use) -> GroupLedger:
        """The same, once a tenant that takes `need` in each group has been given some groups that share limits with it."""
        if not chosen:
            return self
        shared = Counter(self.shared)
        for other in chosen:
            for code, needed in need.items():
                if self._shares(code, other):
                    shared[code] += needed
        return replace(self, shared=shared)

    def _shares(self, code: QuotaCode, other: GroupLedger) -> bool:
        match SCOPES[code]:
            case Scope.REGION:
                return (self.account, self.region) == (other.account, other.region)
            case Scope.ACCOUNT:
                return self.account == other.account
            case Scope.ZONE:
                return self.zone == other.zone
            case _:
                return False

    def where(self, code: QuotaCode) -> str:
        """What shares a quota, in words."""
        match SCOPES[code]:
            case Scope.REGION:
                return f"account {self.account} in {self.region}"
            case Scope.ACCOUNT:
                return f"account {self.account}"
            case Scope.ZONE:
                return f"the hosted zone of {self.zone}"
            case _:
                return self.name

    @property
    def free_target_groups(self) -> int:
        """Target groups that new tenants may take."""
        return max(0, self.free(QuotaCode.TARGET_GROUPS) or 0)

    @property
    def free_rules(self) -> int:
        """Rules that new tenants may take."""
        return max(0, self.free(QuotaCode.RULES) or 0)


def newcomer(ledger: GroupLedger, need: Use) -> list[Finding]:
    """Every limit, held against one more tenant that takes `need`."""
    tenants = Finding(
        code=TENANTS,
        name="tenants (limits.tenantsPerInfraGroup)",
        where=ledger.name,
        used=ledger.tenants,
        kept=0,
        needed=1,
        limit=ledger.max_tenants,
        source="Spec",
        free=ledger.max_tenants - ledger.tenants,
    )
    return [tenants, *_findings(ledger, need, need)]


def grown(ledger: GroupLedger, lasting: Use, now: Use) -> list[Finding]:
    """Every limit, held against a tenant there that takes so much more: in the end, and until then."""
    return list(_findings(ledger, lasting, now))


def shortage(findings: list[Finding]) -> str:
    """What there is no room for, with the numbers that led to it; empty where there is room for all."""
    return "; ".join(finding.sentence for finding in findings if not finding.fits)


def room(ledger: GroupLedger, need: Use) -> int:
    """How many more tenants that take `need` each there is room for."""
    left = max(0, ledger.max_tenants - ledger.tenants)
    for code, needed in need.items():
        if not left:
            break
        if needed > 0 and (free := ledger.free(code)) is not None:
            left = min(left, max(0, free) // needed)
    return left


def _findings(ledger: GroupLedger, lasting: Use, now: Use) -> Iterator[Finding]:
    for code in (code for code in QuotaCode if lasting[code] > 0 or now[code] > 0):
        limit = ledger.limit(code)
        if limit is None:
            continue
        left = limit - ledger.used(code)
        kept = ledger.kept(code) if lasting[code] > 0 else 0
        needed = max(now[code], 0)
        in_the_end = limit - kept - ledger.lasting[code] - ledger.others[code]
        if kept and lasting[code] > in_the_end:
            # It would fit beside the changes of the moment, and eat into what is kept for them later.
            left, needed = in_the_end, lasting[code]
        yield Finding(
            code=code.value,
            name=NAMES[code],
            where=ledger.where(code),
            used=ledger.used(code),
            kept=kept,
            needed=needed,
            limit=limit,
            source=ledger.limits[code].source.value,
            free=left,
            unit=unit(code),
        )


def _shown(number: int, parts: int) -> str:
    return f"{number / parts:g}" if parts > 1 else f"{number:,}"


@dataclass(slots=True)
class Totals:
    """The running sums of one infra group's reservations: kept as tenants come, change and go, never walked."""

    tenants: int = 0
    lasting: Use = field(default_factory=Counter)
    now: Use = field(default_factory=Counter)

    def add(self, lasting: Mapping[QuotaCode, int], now: Mapping[QuotaCode, int]) -> None:
        """A tenant's reservation comes."""
        self.tenants += 1
        self.lasting.update(lasting)
        self.now.update(now)

    def take(self, lasting: Mapping[QuotaCode, int], now: Mapping[QuotaCode, int]) -> None:
        """A tenant's reservation goes."""
        self.tenants -= 1
        self.lasting.subtract(lasting)
        self.now.subtract(now)
