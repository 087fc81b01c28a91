"""A tenant's own name (PerTenant): weighted over its groups, each once the tenant is served there."""

from __future__ import annotations

from collections.abc import Sequence

from tenant_operator.api import Tenant, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired import dns, routing
from tenant_operator.desired.resources import Address, Live, Record, Resource
from tenant_operator.engine.clouds import Zone, together
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.serving import Serving
from tenant_operator.engine.sparing import ADVICE, left, spared
from tenant_operator.engine.visit import Visit
from tenant_operator.engine.weighting import weighted_groups


async def converge_records(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, results: Sequence[Serving]
) -> None:
    """Bring the tenant's records in line, all of its groups in one batch, and say so on EndpointReady."""
    if tier.mode != "PerTenant":
        _shared(engine, visit, tier, results)
        return
    try:
        zone = await engine.clouds.zone(tier, visit.priority)
        endpoint = tier.spec.endpoint.name.lower()
        max_age = visit.trust
        await zone.view.load_records(zone.caller, zone.id, endpoint, max_age=max_age)
        live = tenant_records(engine, zone, routing.host_of(tier, tenant))
        wanted, world = _wanted(engine, tier, tenant, zone, results, live)
        addresses = {record.address for record in wanted}
        serving = {result.group.metadata.name for result in results}
        gone = [
            record
            for address, record in live.items()
            if address not in addresses
            and (_group_of(record) not in serving or _withdrawn(results, record))
            and (wanted or not serving)
        ]
        todo = await engine.clouds.apply_records(
            zone,
            wanted,
            gone,
            world,
            lambda todo, world: spared(engine, visit, todo, wanted, world, "records"),
        )
        visit.repaired(engine.remember(visit.key), wanted, todo, todo.actions, world, scope="records")
        left(visit, todo, todo.actions, wanted, together(zone, world))
    except AwsError as error:
        visit.fail("EndpointReady", error)
        return
    if todo.refusals:
        visit.refuse("EndpointReady", todo.refusals)
    elif visit.drift is not None and visit.drift.missing(frozenset({Record.__name__})):
        visit.conditions.false(
            "EndpointReady",
            "Drifted",
            f"a record of {routing.host_of(tier, tenant)} was taken away and is left so{ADVICE}",
        )
    elif not wanted:
        reason, message = _why_none(results)
        visit.conditions.false("EndpointReady", reason, message)
    else:
        names_ = ", ".join(sorted(_group_name(record) for record in wanted))
        visit.conditions.true(
            "EndpointReady", "InForce", f"{routing.host_of(tier, tenant)} leads to {names_}"
        )


def _shared(engine: Engine, visit: Visit, tier: Tier, results: Sequence[Serving]) -> None:
    weighted = weighted_groups(engine, [result.group for result in results])
    if weighted:
        leads = ", ".join(sorted(group.metadata.name for group in weighted))
        visit.conditions.true("EndpointReady", "InForce", f"{tier.spec.endpoint.name} leads to {leads}")
    else:
        visit.conditions.false(
            "EndpointReady",
            "NoWeight",
            f"{tier.spec.endpoint.name} leads to no infra group of this tenant yet",
        )
        visit.look_again(10.0)


def tenant_records(engine: Engine, zone: Zone, host: str) -> dict[Address, Live]:
    """The live records of a tenant's own name that this installation made."""
    prefix = f"{zone.id}/{host}/{engine.settings.installation}/"
    records = zone.view.records_at(zone.id, host)
    return {live.address: live for live in records if live.address.name.startswith(prefix)}


def _wanted(
    engine: Engine,
    tier: Tier,
    tenant: Tenant,
    zone: Zone,
    results: Sequence[Serving],
    live: dict[Address, Live],
) -> tuple[list[Resource], dict[Address, Live]]:
    """A record for every group that serves the tenant, or has one already: weight once given stays."""
    wanted: list[Resource] = []
    world: dict[Address, Live] = {}
    broken = any(result.failure or result.error or result.outcome.failed for result in results)
    all_ready = all(result.ready for result in results)
    for result in results:
        if result.group.spec.dns_weight == 0 or result.tenancy is None or result.site is None:
            continue
        record = dns.weighted_alias(
            account=zone.account,
            zone=zone.id,
            name=routing.host_of(tier, tenant),
            installation=engine.settings.installation,
            infra_group=result.group.metadata.name,
            weight=result.group.spec.dns_weight,
            load_balancer=result.tenancy.site.load_balancer,
        )
        if record.address in live or (result.ready and (all_ready or live or broken)):
            wanted.append(record)
            world.update(result.site.view.world(result.group.metadata.name))
    return wanted, world


def _group_of(live: Live) -> str:
    assert isinstance(live.spec, Record)
    return live.spec.set_identifier.rpartition("/")[2]


def _group_name(record: Resource) -> str:
    assert isinstance(record.spec, Record)
    return record.spec.set_identifier.rpartition("/")[2]


def _withdrawn(results: Sequence[Serving], live: Live) -> bool:
    """Whether the user took the group's weight away."""
    return any(r.group.metadata.name == _group_of(live) and r.group.spec.dns_weight == 0 for r in results)


def _why_none(results: Sequence[Serving]) -> tuple[str, str]:
    if results and all(result.group.spec.dns_weight == 0 for result in results):
        return "NoWeight", "every infra group of this tenant has dnsWeight 0; give one a weight"
    return "Pending", "the name gets its records once the tenant is served"
