"""A visit to a Tier: its hosted zone, and the sum of what its cells, groups and tenants say."""

from __future__ import annotations

from tenant_operator.api import InfraGroup, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.engine import feed_upkeep
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.capacity import Ledgers, usual_size
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.growth import scale_up
from tenant_operator.engine.placing import candidates, choose_for_newcomer
from tenant_operator.engine.records import group_weight
from tenant_operator.engine.summary import named
from tenant_operator.engine.visit import Visit
from tenant_operator.engine.waves import roll_out
from tenant_operator.engine.weighting import weighted_groups
from tenant_operator.engine.zone_quota import look_at_zone
from tenant_operator.placement.choice import Candidate
from tenant_operator.placement.slots import free_slots


async def reconcile(engine: Engine, visit: Visit, tier: Tier) -> None:
    """Look the zone up, sum up, and say whether there is room."""
    name = tier.metadata.name
    cells, groups, tenants = (
        engine.cache.cells_of(name),
        engine.cache.groups_of_tier(name),
        engine.cache.tenants_of(name),
    )
    sums = engine.summary()
    visit.fields["endpoint"] = tier.spec.endpoint.name
    visit.fields["mode"] = tier.mode
    visit.fields["summary"] = {
        "cells": sums.ready(cells),
        "infraGroups": sums.ready(groups),
        "tenants": sums.ready(tenants),
        "freeTenantSlots": _free_slots(engine, tier),
        **_kept_count(visit),
    }
    roll_out(engine, visit, tier)
    if tier.metadata.deletion_timestamp:
        await _delete(engine, visit, tier, [*cells, *tenants])
        return
    if tier.spec.paused:
        visit.pause()
        return
    _identity(engine, visit, tier)
    await _endpoint(engine, visit, tier)
    _routing(engine, visit, groups)
    _capacity(engine, visit, tier)
    if visit.conditions.is_true("IdentityReady") and visit.conditions.is_true("EndpointReady"):
        visit.ready("Ready", f"{visit.fields['summary']['tenants']} tenants are ready")
    else:
        missing = next(c for c in ("IdentityReady", "EndpointReady") if not visit.conditions.is_true(c))
        said = visit.conditions.get(missing)
        visit.conditions.false("Ready", said["reason"], said["message"])
        if said["status"] == "Unknown" or visit.requeue is not None:
            visit.reconciling(said["reason"], said["message"])


def _kept_count(visit: Visit) -> dict[str, int]:
    """What others have in the zone, as it was counted last; it is counted anew once the zone is found."""
    before = (visit.previous.get("summary") or {}).get("recordsOfOthers")
    return {} if before is None else {"recordsOfOthers": before}


async def _delete(engine: Engine, visit: Visit, tier: Tier, children: list[object]) -> None:
    if children:
        visit.has_children(children)
        return
    if "driftEvents" in visit.previous:
        try:
            zone = await engine.clouds.zone(tier, visit.priority)
            await feed_upkeep.keep_account(engine, visit, zone.caller, leaving=True)
            await feed_upkeep.keep_home(engine, visit, tier.spec.region, leaving=True)
        except AwsError as error:
            visit.conditions.keep(*visit.conditions.known)
            visit.fail("Ready", error)
            return
    visit.release()


def _identity(engine: Engine, visit: Visit, tier: Tier) -> None:
    cells = engine.cache.cells_of(tier.metadata.name)
    if not cells:
        visit.conditions.true("IdentityReady", "NoCells", "the tier has no cell yet; create one")
        return
    waiting = [cell for cell in cells if not engine.cache.is_true(object_key(cell), "Ready")]
    if not waiting:
        visit.conditions.true("IdentityReady", "Ready", f"the tier's roles are in {len(cells)} accounts")
        return
    said = engine.cache.condition(object_key(waiting[0]), "Ready")
    visit.conditions.false(
        "IdentityReady",
        said.get("reason", "Pending"),
        f"not in every cell yet: {named(waiting)}: {said.get('message', 'not visited yet')}",
    )


async def _endpoint(engine: Engine, visit: Visit, tier: Tier) -> None:
    if visit.forced:
        engine.clouds.forget_zones()
    try:
        zone = await engine.clouds.zone(tier, visit.priority)
    except AwsError as error:
        visit.fail("EndpointReady", error)
        return
    visit.fields["aws"] = {
        "partition": zone.caller.partition,
        "account": zone.account,
        "region": tier.spec.region,
        **({"roleArn": tier.spec.endpoint.role_arn} if tier.spec.endpoint.role_arn else {}),
    }
    await feed_upkeep.keep_home(engine, visit, tier.spec.region)
    await feed_upkeep.keep_account(engine, visit, zone.caller)
    await look_at_zone(engine, visit, tier, zone)
    name = tier.spec.endpoint.name.lower()
    if name != zone.name and not name.endswith("." + zone.name):
        visit.conditions.false(
            "EndpointReady",
            "NameOutsideZone",
            f"endpoint.name {name} is not inside hosted zone {zone.id} ({zone.name}); name the zone that holds it",
        )
        visit.stall("NameOutsideZone", f"{name} is not inside {zone.name}")
        return
    groups = engine.cache.groups_of_tier(tier.metadata.name)
    if not groups:
        visit.conditions.true(
            "EndpointReady", "NoInfraGroups", f"hosted zone {zone.id} is there; no infra group yet"
        )
        return
    weighted = [group for group in groups if group_weight(engine, group)]
    if weighted:
        visit.conditions.true("EndpointReady", "InForce", f"{name} answers with {named(weighted)}")
    elif all(group.spec.dns_weight == 0 for group in groups):
        visit.conditions.false(
            "EndpointReady",
            "NoWeight",
            "every infra group has dnsWeight 0, so the name has no record; give one a weight",
        )
    else:
        visit.conditions.false("EndpointReady", "Pending", f"no infra group has weight yet: {named(groups)}")
        visit.look_again(30.0)


def _routing(engine: Engine, visit: Visit, groups: list[InfraGroup]) -> None:
    waiting = [
        group
        for group in groups
        if group.spec.dns_weight > 0
        and not group.metadata.deletion_timestamp
        and not group_weight(engine, group)
    ]
    if waiting:
        said = engine.cache.condition(object_key(waiting[0]), "EndpointReady")
        visit.conditions.false(
            "RoutingComplete",
            said.get("reason", "Pending"),
            f"{named(waiting)}: {said.get('message', 'no weight yet')}",
        )
    else:
        visit.conditions.true(
            "RoutingComplete", "Complete", "every weighted group serves every tenant that is ready"
        )


def _capacity(engine: Engine, visit: Visit, tier: Tier) -> None:
    """Whether one more tenant of the usual size would find a place, and what to add when room gets short."""
    ledgers = Ledgers(engine.cache)
    found = _candidates(engine, tier, ledgers)
    need = usual_size(tier).peak.use
    free = visit.fields["summary"]["freeTenantSlots"]
    visit.fields["scaleUp"] = scale_up(engine.cache, tier, found, ledgers)
    if free > 0:
        visit.conditions.true(
            "CapacityAvailable", "Available", f"room for {free} more tenants of one cluster"
        )
        return
    choice = choose_for_newcomer(tier, found, need)
    visit.conditions.false(
        "CapacityAvailable", "Full", f"{choice.message}; grow by: {visit.fields['scaleUp']['kind']}"
    )


def _candidates(engine: Engine, tier: Tier, ledgers: Ledgers) -> list[Candidate]:
    weighted = weighted_groups(engine, engine.cache.groups_of_tier(tier.metadata.name))
    return candidates(engine.cache, tier, {group.metadata.name for group in weighted}, ledgers)


def _free_slots(engine: Engine, tier: Tier) -> int:
    found = _candidates(engine, tier, Ledgers(engine.cache))
    return free_slots(found, usual_size(tier).peak.use, in_every_group=tier.mode == "Shared")
