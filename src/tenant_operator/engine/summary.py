"""Parents' sums over their children, from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.engine.cache import Cache, Object, object_key
from tenant_operator.placement.ledger import GroupLedger, room

NAMED = 5
"""How many children a condition names before it only counts."""


@dataclass(frozen=True, slots=True)
class Summaries:
    """Counts over the cache."""

    cache: Cache

    def ready(self, objects: Iterable[Object]) -> str:
        """How many of some objects are Ready, as `38/40`."""
        found = list(objects)
        return f"{sum(self.cache.is_true(object_key(obj), 'Ready') for obj in found)}/{len(found)}"

    def tenants_in(self, group: InfraGroup) -> list[Tenant]:
        """The tenants that are placed in a group."""
        return self.cache.tenants_placed_in(group.metadata.name)

    def placements_of(self, tenant: Tenant) -> list[str]:
        """The names of the groups in which a tenant is placed."""
        found = self.cache.status(object_key(tenant)).get("placements") or ()
        return [placement["infraGroup"] for placement in found]

    def ledger(self, tier: Tier, group: InfraGroup) -> GroupLedger:
        """What a group holds and may hold, counted from its tenants' specs."""
        tenants = self.tenants_in(group)
        limits = tier.spec.limits
        return GroupLedger(
            name=group.metadata.name,
            tenants=len(tenants),
            target_groups=sum(tenant.clusters for tenant in tenants),
            max_tenants=limits.tenants_per_infra_group,
            headroom=limits.target_group_headroom,
        )

    def free_slots(self, tier: Tier) -> int:
        """How many more tenants of one cluster the tier can take: in Shared mode what its fullest group can."""
        ledgers = [self.ledger(tier, group) for group in self.usable_groups(tier.metadata.name)]
        rooms = [room(ledger) for ledger in ledgers]
        if not rooms:
            return 0
        return min(rooms) if tier.mode == "Shared" else sum(rooms)

    def usable_groups(self, tier: str) -> list[InfraGroup]:
        """The groups that may take new tenants: they, and their cells, are schedulable and not going."""
        found = []
        for group in self.cache.groups_of_tier(tier):
            cell = self.cache.cell(group.spec.cell_ref.name)
            if cell is None or not cell.spec.schedulable or cell.metadata.deletion_timestamp:
                continue
            if group.spec.schedulable and not group.metadata.deletion_timestamp:
                found.append(group)
        return found


def named(objects: Sequence[Object]) -> str:
    """Some objects by name: five names, and how many there are."""
    names = [object_name(obj) for obj in objects[:NAMED]]
    rest = len(objects) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def object_name(obj: Object) -> str:
    """`namespace/name`, or the name of a cluster-scoped object."""
    namespace = obj.metadata.namespace
    return f"{namespace}/{obj.metadata.name}" if namespace else obj.metadata.name
