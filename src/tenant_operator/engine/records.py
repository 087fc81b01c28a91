"""When an infra group may have weight in the tier's name: the rule that keeps the stable name honest.

A weighted name knows nothing of tenants, so a load balancer gets weight only once it serves every tenant that is served
under that name (Shared): those that are Ready, and those that are not because a release of theirs is under way. One that
is sick is not waited for. Weight once given is withdrawn only by the user: by `dnsWeight: 0`, or by deleting the group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.desired import dns
from tenant_operator.desired.resources import Address, Live, Record, Resource
from tenant_operator.engine.cache import Cache, object_key
from tenant_operator.engine.clouds import Zone
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.summary import named
from tenant_operator.placement.quotas import WEIGHTED_RECORDS


def tier_record(engine: Engine, tier: Tier, group: InfraGroup, zone: Zone, balancer: Address) -> Resource:
    """The record that gives a group its share of the tier's name."""
    return dns.weighted_alias(
        account=zone.account,
        zone=zone.id,
        name=tier.spec.endpoint.name.lower(),
        installation=engine.settings.installation,
        infra_group=group.metadata.name,
        weight=max(1, group.spec.dns_weight),
        load_balancer=balancer,
    )


def group_weight(engine: Engine, group: InfraGroup) -> int:
    """The weight in force of a group in the tier's name, as its status says; 0 without a record."""
    return int(engine.cache.status(object_key(group)).get("weight") or 0)


def records_of_group(engine: Engine, zone: Zone, group: str) -> list[Live]:
    """Every record of this installation that leads to a group: the tier's name, and tenants' own."""
    suffix = f"/{engine.settings.installation}/{group}"
    return [
        live
        for address, live in zone.view.lives.items()
        if address.type == Record.__name__ and address.name.endswith(suffix)
    ]


SICK = frozenset({"DeploymentFailed", "NoTaskRuns"})
"""Reasons of ComputeReady by which a tenant is down, and not on its way: growth does not wait for it."""


def serves(cache: Cache, tenant: Tenant, group: str) -> bool:
    """Whether requests that come to a group are answered for a tenant, as its status says."""
    return placement_in(cache.status(object_key(tenant)), group).get("serves") is True


def is_served(cache: Cache, tenant: Tenant) -> bool:
    """Whether a tenant has customers who are being answered: it is Ready, or was and is on its way to be so again."""
    key = object_key(tenant)
    if cache.is_true(key, "Ready"):
        return True
    if cache.is_true(key, "Stalled") or cache.condition(key, "ComputeReady").get("reason") in SICK:
        return False
    return any(placement.get("serves") for placement in cache.status(key).get("placements") or ())


def placement_in(status: Mapping[str, Any], group: str) -> Mapping[str, Any]:
    """A tenant's placement in a group, from its status; empty where there is none."""
    for placement in status.get("placements") or ():
        if placement.get("infraGroup") == group:
            return dict(placement)
    return {}


def missing_tenants(cache: Cache, tier: Tier, group: InfraGroup) -> list[Tenant]:
    """The tenants that are served under the tier's name, and not by a group yet."""
    name = group.metadata.name
    return [
        tenant
        for tenant in cache.tenants_of(tier.metadata.name)
        if not tenant.metadata.deletion_timestamp
        and is_served(cache, tenant)
        and not serves(cache, tenant, name)
    ]


def why_no_weight(engine: Engine, tier: Tier, group: InfraGroup) -> str:
    """What keeps a group from getting weight in the tier's name; empty when nothing does."""
    groups = engine.cache.groups_of_tier(tier.metadata.name)
    weighted = [one for one in groups if one is not group and group_weight(engine, one)]
    if len(weighted) >= WEIGHTED_RECORDS:
        return (
            f"{tier.spec.endpoint.name} leads to {len(weighted)} infra groups, and AWS allows no more weighted records of "
            "one name; give another group dnsWeight 0, or create a second tier"
        )
    if tier.mode == "PerTenant":
        return ""
    missing = missing_tenants(engine.cache, tier, group)
    if not missing:
        return ""
    return f"waiting until it serves every tenant that is served elsewhere; missing: {named(missing)}"
