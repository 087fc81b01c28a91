"""An infra group's share of the tier's name: given once it serves every Ready tenant, withdrawn only by the user."""

from __future__ import annotations

from collections.abc import Iterable

from tenant_operator.api import InfraGroup, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.resources import Record
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.clouds import Site, together
from tenant_operator.engine.conditions import moment_in, timestamp
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.infra_group_removal import DRAINING, NO_WEIGHT, drain_left, drain_seconds
from tenant_operator.engine.records import group_weight, tier_record, why_no_weight
from tenant_operator.engine.sparing import ADVICE, left, spared
from tenant_operator.engine.summary import named
from tenant_operator.engine.visit import Notice, Visit


async def weigh(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> None:
    """Give the group its share of the tier's name, or take it away when the user says so."""
    group, tier = design.group, design.tier
    try:
        zone = await engine.clouds.zone(tier, visit.priority)
        name = tier.spec.endpoint.name.lower()
        await zone.view.load_records(zone.caller, zone.id, name, max_age=visit.trust)
        record = tier_record(engine, tier, group, zone, design.site().load_balancer)
        live = zone.view.lives.get(record.address)
        if group.spec.dns_weight == 0:
            if live is not None and (heirs := _awaited_heirs(engine, tier, group)):
                _say_kept(visit, f"{name} leads here until it leads to {named(heirs)}")
                return
            if live is not None:
                todo = await engine.clouds.apply_records(zone, (), [live], {})
                visit.repaired(engine.remember(visit.key), (), todo, todo.actions, {}, scope="records")
                visit.notices.append(Notice("WeightWithdrawn", f"{name} does not lead here any more"))
            engine.remember(visit.key).pop("weighting", None)
            _say_no_weight(engine, visit, withdrawn=live is not None or bool(visit.previous.get("weight")))
            return
        if live is None and not _may_have_weight(engine, visit, design):
            return
        engine.remember(visit.key)["weighting"] = True
        if live is None and visit.previous_condition("EndpointReady").get("reason") != "Drifted":
            # whoever goes on after a crash must know that requests may come
            visit.fields["weight"] = group.spec.dns_weight
            visit.conditions.false("EndpointReady", "Pending", f"{name} is about to lead here")
            await engine.checkpoint(visit, group)
        world = site.view.world(design.name)
        todo = await engine.clouds.apply_records(
            zone,
            [record],
            (),
            world,
            lambda todo, world: spared(engine, visit, todo, [record], world, "records"),
        )
        visit.repaired(engine.remember(visit.key), [record], todo, todo.actions, world, scope="records")
        left(visit, todo, todo.actions, [record], together(zone, world))
    except AwsError as error:
        visit.fail("EndpointReady", error)
        return
    if todo.refusals:
        visit.refuse("EndpointReady", todo.refusals)
        return
    if visit.drift is not None and visit.drift.missing(frozenset({Record.__name__})):
        visit.fields["weight"] = 0
        visit.conditions.false(
            "EndpointReady", "Drifted", f"the record of {name} was taken away and is left so{ADVICE}"
        )
        return
    if live is None:
        visit.notices.append(Notice("Weighted", f"{name} leads here with weight {group.spec.dns_weight}"))
    visit.fields["weight"] = group.spec.dns_weight
    visit.conditions.true(
        "EndpointReady", "InForce", f"{name} leads here with weight {group.spec.dns_weight}"
    )


def _awaited_heirs(engine: Engine, tier: Tier, group: InfraGroup) -> list[InfraGroup]:
    """The groups that are to have weight, while no other has any yet: the last weight is not taken away before that.

    Empty also when no group is to have weight: then the user wants the name to lead nowhere.
    """
    others = [
        other
        for other in engine.cache.groups_of_tier(tier.metadata.name)
        if other.metadata.name != group.metadata.name and not other.metadata.deletion_timestamp
    ]
    if any(group_weight(engine, other) and other.spec.dns_weight for other in others):
        return []
    return [other for other in others if other.spec.dns_weight]


def _say_kept(visit: Visit, message: str) -> None:
    visit.fields["weight"] = visit.previous.get("weight", 0)
    visit.conditions.false("EndpointReady", "LastServingGroup", message)
    visit.look_again(5.0)


def _say_no_weight(engine: Engine, visit: Visit, *, withdrawn: bool) -> None:
    """The name does not lead here; since when is kept, for clients may still come (see `infra_group_removal`)."""
    since = visit.conditions.since("EndpointReady", NO_WEIGHT)
    if since is None and withdrawn:
        since = engine.today()
    visit.fields["weight"] = 0
    when = "" if since is None else f", since {timestamp(since)}"
    visit.conditions.false(
        "EndpointReady", NO_WEIGHT, f"dnsWeight is 0: the tier's name does not lead here{when}"
    )


def _may_have_weight(engine: Engine, visit: Visit, design: GroupDesign) -> bool:
    whole = ("NetworkReady", "PrivateLinkReady", "LoadBalancerReady")
    missing = [type_ for type_ in whole if not visit.conditions.is_true(type_)]
    visit.fields["weight"] = 0
    if missing:
        visit.conditions.false("EndpointReady", "Pending", f"waiting for {missing[0]}")
        return False
    why = why_no_weight(engine, design.tier, design.group)
    if why:
        visit.conditions.false("EndpointReady", "WaitingForTenants", why)
        visit.look_again(30.0)
        return False
    return True


def reachable_groups(engine: Engine, groups: Iterable[InfraGroup]) -> list[InfraGroup]:
    """The groups to which requests for the tier's name may come: those it leads to, and those it led to a moment ago."""
    groups = list(groups)
    weighted = {group.metadata.name for group in weighted_groups(engine, groups)}
    return [group for group in groups if group.metadata.name in weighted or _is_remembered(engine, group)]


def _is_remembered(engine: Engine, group: InfraGroup) -> bool:
    """Whether resolvers and clients may still remember that the tier's name led here."""
    said = engine.cache.condition(object_key(group), "EndpointReady")
    since = moment_in(said) if said.get("reason") in (DRAINING, NO_WEIGHT) else None
    return since is not None and drain_left(engine, drain_seconds(engine, group), since) > 0


def weighted_groups(engine: Engine, groups: Iterable[InfraGroup]) -> list[InfraGroup]:
    """The groups to which the tier's name leads, or is about to."""
    return [
        group
        for group in groups
        if group_weight(engine, group) or engine.remember(object_key(group)).get("weighting")
    ]
