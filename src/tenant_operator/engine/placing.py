"""Where a tenant should live, worked out from the cache: the candidates, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.engine.cache import Cache, object_key
from tenant_operator.engine.capacity import Ledgers
from tenant_operator.engine.infra_group_removal import DRAINED
from tenant_operator.placement.choice import Candidate, Choice, pinned, shared, spread
from tenant_operator.placement.size import Size, Use


def is_drained(cache: Cache, group: InfraGroup) -> bool:
    """Whether an infra group that is going is out of DNS, and nobody is sent there any more."""
    return cache.condition(object_key(group), "EndpointReady").get("reason") == DRAINED


def is_leaving(cache: Cache, tier: Tier, group: InfraGroup) -> bool:
    """Whether tenants should be gone from a group: in Shared mode it serves until its name leads nobody there."""
    going = bool(group.metadata.deletion_timestamp)
    return going and (tier.mode == "PerTenant" or is_drained(cache, group))


def placed_in(cache: Cache, tenant: Tenant) -> list[str]:
    """The names of the groups in which a tenant is placed."""
    found = cache.status(object_key(tenant)).get("placements") or ()
    return [placement["infraGroup"] for placement in found]


def candidates(
    cache: Cache, tier: Tier, weighted: Collection[str], ledgers: Ledgers | None = None
) -> list[Candidate]:
    """A tier's infra groups with what they hold. `weighted` names those to which the tier's name leads."""
    known = ledgers or Ledgers(cache)
    found = []
    for group in cache.groups_of_tier(tier.metadata.name):
        cell = cache.cell(group.spec.cell_ref.name)
        if cell is None:
            continue
        found.append(
            Candidate(
                ledger=known.of(tier, cell, group),
                cell=cell.metadata.name,
                schedulable=group.spec.schedulable
                and cell.spec.schedulable
                and not cell.metadata.deletion_timestamp,
                leaving=is_leaving(cache, tier, group),
                weighted=group.metadata.name in weighted,
            )
        )
    return found


def place(
    cache: Cache, tier: Tier, tenant: Tenant, size: Size, weighted: Callable[[], Collection[str]]
) -> Choice:
    """The groups that a tenant should live in. `weighted` is asked where there is something to choose."""
    current = placed_in(cache, tenant)
    groups = cache.groups_of_tier(tier.metadata.name)
    staying = [group.metadata.name for group in groups if not is_leaving(cache, tier, group)]
    if _stays(tier, tenant, staying, current):
        return Choice(groups=tuple(sorted(set(current) & set(staying))))
    return choose(tier, tenant, candidates(cache, tier, weighted()), current, size)


def choose(
    tier: Tier, tenant: Tenant, among: Sequence[Candidate], current: Sequence[str], size: Size
) -> Choice:
    """The same, among known candidates."""
    need = size.peak.use
    if tier.mode == "Shared":
        return shared(among, current, need)
    if tenant.pinned_groups:
        return pinned(among, tenant.pinned_groups, current, need)
    return spread(among, tenant.spread, current, need, tier.spec.placement.strategy)


def choose_for_newcomer(tier: Tier, among: Sequence[Candidate], need: Use) -> Choice:
    """Where a tenant that asks for nothing special would go."""
    if tier.mode == "Shared":
        return shared(among, (), need)
    return spread(among, 1, (), need, tier.spec.placement.strategy)


def _stays(tier: Tier, tenant: Tenant, staying: Sequence[str], current: Sequence[str]) -> bool:
    """Whether a tenant lives where it should already: the usual case, which needs no look at any ledger."""
    if not current:
        return False
    if tier.mode == "Shared":
        return bool(staying) and set(staying) <= set(current)
    if not set(current) <= set(staying):
        return False
    if tenant.pinned_groups:
        return set(tenant.pinned_groups) == set(current)
    return len(current) == tenant.spread
