"""A fleet in a cache, without a cluster and without AWS: tenants are placed as the engine would, and so it is written down."""

from __future__ import annotations

from typing import Any

from tenant_operator.api import Tenant, Tier
from tenant_operator.desired.workload import merged
from tenant_operator.engine.cache import Cache, cell_key, group_key, object_key
from tenant_operator.engine.capacity import Ledgers, size_of
from tenant_operator.engine.placing import candidates, place, placed_in
from tenant_operator.placement.choice import Candidate, Choice
from tenant_operator.placement.reservation import steady, to_status
from tests.e2e import manifests as m

TIER = "tier-1"


def stored(manifest: dict[str, Any], **status: Any) -> dict[str, Any]:
    """A manifest as the API server would show it."""
    metadata = {
        **manifest["metadata"],
        "uid": f"uid-{manifest['kind']}-{manifest['metadata']['name']}",
        "generation": 1,
    }
    return {**manifest, "metadata": metadata, "status": status}


class Fleet:
    """A cache with a tier; tenants are placed in it one after another."""

    def __init__(self, mode: str = "PerTenant", **tier: Any) -> None:
        self.cache = Cache()
        self.cache.put(stored(m.tier(TIER, mode=mode, **tier)))

    @property
    def tier(self) -> Tier:
        """The tier."""
        found = self.cache.tier(TIER)
        assert found is not None
        return found

    def cell(self, name: str = "cell-a", account: str = "222222222222", **spec: Any) -> Fleet:
        """Add a cell."""
        self.cache.put(stored(m.cell(name, account=account, **spec)))
        return self

    def group(self, name: str, cell: str = "cell-a", **spec: Any) -> Fleet:
        """Add an infra group that is built, and that has weight."""
        number = len([key for key in self.cache if key.kind.value == "InfraGroup"])
        body = m.group(name, cell, f"10.{20 + number}.0.0/16", **spec)
        self.cache.put(stored(body, aws={"account": "…"}, weight=100))
        return self

    def weighted(self) -> set[str]:
        """The groups that have weight."""
        groups = self.cache.groups_of_tier(TIER)
        return {g.metadata.name for g in groups if self.cache.status(object_key(g)).get("weight")}

    def candidates(self) -> list[Candidate]:
        """The groups as a tenant sees them."""
        return candidates(self.cache, self.tier, self.weighted(), Ledgers(self.cache))

    def tenant(self, name: str, **spec: Any) -> Choice:
        """A tenant arrives, or is edited, and is placed if it can be."""
        known = next((t for t in self.cache.tenants_of(TIER) if t.metadata.name == name), None)
        status = {} if known is None else dict(self.cache.status(object_key(known)))
        self.cache.put(stored(m.tenant(name, TIER, **spec), **status))
        tenant = self.named(name)
        size = size_of(self.tier, tenant, merged(self.tier.spec.workload, tenant.workload))
        choice = place(self.cache, self.tier, tenant, size, self.weighted)
        if choice.complete:
            placements = [{"infraGroup": g, "reserved": to_status(steady(size))} for g in choice.groups]
            self.cache.assume_status(object_key(tenant), {**status, "placements": placements})
        return choice

    def named(self, name: str) -> Tenant:
        """A tenant by name."""
        return next(t for t in self.cache.tenants_of(TIER) if t.metadata.name == name)

    def gone(self, name: str) -> None:
        """A tenant is deleted, and nothing is left of it."""
        self.cache.remove(object_key(self.named(name)))

    def where(self) -> dict[str, list[str]]:
        """Who lives where."""
        return {t.metadata.name: placed_in(self.cache, t) for t in self.cache.tenants_of(TIER)}

    def told(self, cell: str, **quotas: int) -> Fleet:
        """AWS has told some limits of a cell's account, by code."""
        told = [
            {"code": code.replace("_", "-"), "name": code, "limit": limit, "source": "ServiceQuotas"}
            for code, limit in quotas.items()
        ]
        self.cache.assume_status(cell_key(cell), {"quotas": told})
        return self

    def said_of(self, group: str, **summary: int) -> Fleet:
        """What a group's status says of others at its load balancer."""
        key = group_key(group)
        self.cache.assume_status(key, {**self.cache.status(key), "summary": summary})
        return self
