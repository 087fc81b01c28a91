"""The ledgers of infra groups, accounts and hosted zones, from the cache's running sums: no walk over tenants.

The same functions serve the operator and `tenant-operator explain`, which fills a cache from the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tenant_operator.api import Cell, InfraGroup, Tenant, Tier
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.api.tenant import NOTHING_OF_ITS_OWN
from tenant_operator.desired.workload import Workload, merged
from tenant_operator.engine.cache import Cache, cell_key, group_key, tier_key
from tenant_operator.placement.infrastructure import account_use, group_use
from tenant_operator.placement.ledger import GroupLedger
from tenant_operator.placement.quotas import Limits, Quota, Source, in_force, limits, unit
from tenant_operator.placement.size import Size, Use


class Ledgers:
    """The ledgers as they are at one moment. What several groups share is summed up once."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._regions: dict[tuple[str, str], Use] = {}
        self._roles: dict[str, Use] = {}
        self._records: dict[tuple[str, ...], int] = {}
        self._shared: dict[tuple[str, str], tuple[Use, Limits]] = {}
        self._own: dict[str, Use] = {}

    def of(self, tier: Tier, cell: Cell, group: InfraGroup) -> GroupLedger:
        """What a group holds and may hold."""
        totals = self._cache.reserved_in(group.metadata.name)
        shared, limits_ = self._around(tier, cell.spec.account_id)
        return GroupLedger(
            name=group.metadata.name,
            cell=cell.metadata.name,
            account=cell.spec.account_id,
            region=tier.spec.region,
            zone=tier.spec.endpoint.name,
            tenants=totals.tenants,
            max_tenants=tier.spec.limits.tenants_per_infra_group,
            headroom=tier.spec.limits.target_group_headroom,
            lasting=totals.lasting,
            now=totals.now,
            others=self._others(tier, group),
            shared=shared,
            limits=limits_,
        )

    def of_new_group(self, tier: Tier, cell: Cell, name: str) -> GroupLedger:
        """What a group would hold and might hold that is not made yet."""
        shared, limits_ = self._around(tier, cell.spec.account_id)
        return GroupLedger(
            name=name,
            cell=cell.metadata.name,
            account=cell.spec.account_id,
            region=tier.spec.region,
            zone=tier.spec.endpoint.name,
            max_tenants=tier.spec.limits.tenants_per_infra_group,
            headroom=tier.spec.limits.target_group_headroom,
            shared=shared,
            limits=limits_,
        )

    def _around(self, tier: Tier, account: str) -> tuple[Use, Limits]:
        """What the groups of a tier in one account share: use in Region, account and zone, and the limits."""
        key = (tier.metadata.name, account)
        if key not in self._shared:
            shared = Counter(self.region(account, tier.spec.region))
            shared.update(self._roles_in(account))
            shared[QuotaCode.RECORDS] = self.records(tier)
            self._shared[key] = (shared, self._limits_of(tier, account))
        return self._shared[key]

    def of_group(self, tier: Tier, group: InfraGroup) -> GroupLedger | None:
        """The same; None where the group's cell is not known."""
        cell = self._cache.cell(group.spec.cell_ref.name)
        return None if cell is None else self.of(tier, cell, group)

    def region(self, account: str, region: str) -> Use:
        """What all cells of ours take of an account's quotas in one Region."""
        if (account, region) not in self._regions:
            found: Use = Counter()
            for tier, _, group in self._groups_in(account):
                if tier.spec.region != region:
                    continue
                found.update(self._cache.reserved_in(group.metadata.name).now)
                if not is_begun(self._cache, group):
                    continue
                own = self._others(tier, group)
                found.update(own)
                found[QuotaCode.REGION_TARGET_GROUPS] += own[QuotaCode.TARGET_GROUPS]
            self._regions[account, region] = found
        return self._regions[account, region]

    def _others(self, tier: Tier, group: InfraGroup) -> Use:
        """What belongs to no tenant: the group's own, and what others have at its load balancer."""
        name = group.metadata.name
        if name not in self._own:
            summary = self._cache.status(group_key(name)).get("summary") or {}
            found = group_use(tier, group)
            found[QuotaCode.RULES] = summary.get("rulesOfOthers") or 0
            found[QuotaCode.TARGET_GROUPS] = summary.get("targetGroupsOfOthers") or 0
            self._own[name] = found
        return self._own[name]

    def _roles_in(self, account: str) -> Use:
        if account not in self._roles:
            cells = self._cache.cells_in_account(account)
            self._roles[account] = account_use(len({cell.spec.tier_ref.name for cell in cells}))
        return self._roles[account]

    def records(self, tier: Tier) -> int:
        """Records in the tier's zone: others', as last read, and those of all our tiers there, placed or made."""
        zone = zone_key(tier)
        if zone not in self._records:
            summary = self._cache.status(tier_key(tier.metadata.name)).get("summary") or {}
            found = int(summary.get("recordsOfOthers") or 0)
            for other in tiers_in_zone(self._cache, tier):
                for group in self._cache.groups_of_tier(other.metadata.name):
                    found += self._cache.reserved_in(group.metadata.name).now[QuotaCode.RECORDS]
                    found += int(group.spec.dns_weight > 0)
            self._records[zone] = found
        return self._records[zone]

    def _limits_of(self, tier: Tier, account: str) -> Limits:
        told = [
            quota
            for cell in self._cache.cells_in_account(account)
            if self._region_of(cell) == tier.spec.region
            for quota in self._told_by(cell)
        ]
        return limits([*told, *quotas_in(self._cache.status(tier_key(tier.metadata.name)))])

    def _told_by(self, cell: Cell) -> list[Quota]:
        """What AWS said in a cell, as its status has it, and what its spec says now."""
        read = quotas_in(self._cache.status(cell_key(cell.metadata.name)))
        return in_force(
            (quota for quota in read if quota.source is not Source.OVERRIDE), cell.spec.quota_overrides
        )

    def _region_of(self, cell: Cell) -> str:
        tier = self._cache.tier(cell.spec.tier_ref.name)
        return "" if tier is None else tier.spec.region

    def _groups_in(self, account: str) -> list[tuple[Tier, Cell, InfraGroup]]:
        return [
            (tier, cell, group)
            for cell in self._cache.cells_in_account(account)
            if (tier := self._cache.tier(cell.spec.tier_ref.name)) is not None
            for group in self._cache.groups_of_cell(cell.metadata.name)
        ]


def used_in_cell(cache: Cache, tier: Tier, cell: Cell) -> dict[QuotaCode, int]:
    """How much of each quota is used, in AWS's units; per load balancer and per VPC that of the fullest one."""
    ledgers = Ledgers(cache)
    found = [ledgers.of(tier, cell, group) for group in cache.groups_of_cell(cell.metadata.name)]
    found = found or [ledgers.of_new_group(tier, cell, "")]
    return {
        code: max(-(-ledger.used(code) // unit(code)) for ledger in found)
        for code in QuotaCode
        if code not in (QuotaCode.RECORDS, QuotaCode.SECURITY_GROUP_RULES)
    }


def zone_key(tier: Tier) -> tuple[str, ...]:
    """What tiers of one hosted zone have in common, as far as their specs tell."""
    zone = tier.spec.endpoint.hosted_zone
    return (tier.spec.endpoint.role_arn or "", zone.id or "", zone.name or "", str(bool(zone.private)))


def tiers_in_zone(cache: Cache, tier: Tier) -> list[Tier]:
    """The tiers whose names are in the same hosted zone, this one among them."""
    return [other for other in cache.tiers() if zone_key(other) == zone_key(tier)]


def is_begun(cache: Cache, group: InfraGroup) -> bool:
    """Whether a group may have something in AWS: what only stands in Kubernetes takes no quota yet."""
    return "aws" in cache.status(group_key(group.metadata.name))


def quotas_in(status: Mapping[str, Any]) -> list[Quota]:
    """The limits that a cell's or a tier's status tells."""
    return [
        Quota(code=q["code"], name=q["name"], limit=q["limit"], source=Source(q["source"]))
        for q in status.get("quotas") or ()
    ]


def size_of(tier: Tier, tenant: Tenant, workload: Workload) -> Size:
    """The size that a tenant's spec asks for in each of its groups."""
    return _size(workload, tenant.clusters, tenant.spec.suspended, tier.mode == "PerTenant")


def usual_size(tier: Tier) -> Size:
    """A tenant of one cluster that sets nothing of its own: what free slots are counted in."""
    workload = merged(tier.spec.workload, NOTHING_OF_ITS_OWN)
    return _size(workload, 1, False, tier.mode == "PerTenant")


def _size(workload: Workload, clusters: int, suspended: bool, records: bool) -> Size:
    return Size(
        clusters=clusters,
        replicas=workload.replicas,
        maximum_percent=workload.maximum_percent,
        cpu=workload.cpu,
        memory=workload.memory,
        port=workload.port,
        spot=workload.spot,
        suspended=suspended,
        records=records,
    )
