"""Parents' sums over their children, from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenant_operator.api import InfraGroup, Tenant
from tenant_operator.engine.cache import Cache, Object, object_key

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


def named(objects: Sequence[Object]) -> str:
    """Some objects by name: five names, and how many there are."""
    names = [object_name(obj) for obj in objects[:NAMED]]
    rest = len(objects) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def object_name(obj: Object) -> str:
    """`namespace/name`, or the name of a cluster-scoped object."""
    namespace = obj.metadata.namespace
    return f"{namespace}/{obj.metadata.name}" if namespace else obj.metadata.name
