"""From an event to the objects that it concerns: what was known of the resources is read again, and the objects are woken.

An event is a hint and no more. Whoever is woken looks at AWS and compares, as in every visit; an event that is lost,
late, doubled or out of order costs at most a look for nothing, or waits for the next sweep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tenant_operator.api import Tier
from tenant_operator.aws.accounts import Accounts
from tenant_operator.aws.drift_events import DriftEvent
from tenant_operator.aws.snapshot import View
from tenant_operator.desired import names, tags
from tenant_operator.desired.drift_feed import GLOBAL_CALLS
from tenant_operator.desired.resources import (
    GLOBAL,
    Address,
    Cluster,
    Listener,
    Live,
    LoadBalancer,
    LogGroup,
    Record,
    Role,
    Spec,
    TargetGroup,
)
from tenant_operator.engine.cache import Cache, Key, Kind, group_key, object_key, tier_key
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.settings import EVENTS_REMEMBERED

NAMED_TYPES: Mapping[str, tuple[type[Spec], ...]] = {
    "aws.ecs": (Cluster,),
    "aws.elasticloadbalancing": (LoadBalancer, TargetGroup),
    "aws.iam": (Role,),
    "aws.logs": (LogGroup,),
}
"""What the calls of a service name by its name as well as by an id."""

RULE_CALLS = frozenset({"CreateRule", "ModifyRule", "SetRulePriorities"})
"""They name a listener, or the target groups that a rule forwards to, of which nothing changes."""

GLOBAL_SOURCES = frozenset(f"aws.{service}" for service in GLOBAL_CALLS)


class Verdict(StrEnum):
    """What became of an event."""

    WOKE = "woke"
    """It concerned objects of ours, which were woken."""
    FOREIGN = "foreign"
    """It concerned nothing of ours."""
    OWN = "own"
    """It was about a write of this very process."""
    FAILED = "failed"
    """AWS had refused the call, so nothing changed."""
    AGAIN = "again"
    """It had come before."""


@dataclass
class DriftHints:
    """Takes events in. Belongs to the event loop; never waits."""

    installation: str
    cache: Cache
    clouds: Clouds
    definitions: dict[str, Live]
    """The engine's memory of task definitions, by ARN."""
    verdicts: Counter[str] = field(default_factory=Counter)
    _seen: dict[str, None] = field(default_factory=dict)

    def take(self, event: DriftEvent) -> tuple[Verdict, frozenset[Key]]:
        """What an event comes to, and which objects are to look at AWS because of it."""
        verdict, keys = self._judge(event)
        self.verdicts[verdict] += 1
        return verdict, keys

    def _judge(self, event: DriftEvent) -> tuple[Verdict, frozenset[Key]]:
        if event.id and self._came_before(event.id):
            return Verdict.AGAIN, frozenset()
        if event.failed:
            return Verdict.FAILED, frozenset()
        if is_own(event, self.clouds.accounts):
            return Verdict.OWN, frozenset()
        keys = frozenset(self._records(event) if event.source == "aws.route53" else self._resources(event))
        return (Verdict.WOKE if keys else Verdict.FOREIGN), keys

    def forget(self, event: DriftEvent) -> None:
        """An event was not ours to take: should it come here again, it is looked at anew."""
        self._seen.pop(event.id, None)

    def _came_before(self, id_: str) -> bool:
        if id_ in self._seen:
            return True
        self._seen[id_] = None
        if len(self._seen) > EVENTS_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    # --- resources that carry ownership tags ------------------------------------------------------

    def _resources(self, event: DriftEvent) -> Iterator[Key]:
        for (account, region), view in self.clouds.views().items():
            here = region == event.region or (event.source in GLOBAL_SOURCES and region != GLOBAL)
            if account != event.account or not here:
                continue
            for live in concerned(view, account, region, event):
                distrust(view, live, event)
                yield from self._owners(live)
        for name in event.names:
            self.definitions.pop(name, None)

    def _owners(self, live: Live) -> Iterator[Key]:
        owner = tags.owner_of(live.tags)
        if owner is None or not tags.is_ours(live.tags, self.installation):
            return
        if owner.kind == Kind.TIER:
            for cell in self.cache.cells_of(owner.name):
                if cell.spec.account_id == live.address.account:
                    yield object_key(cell)
        elif owner.kind in tuple(Kind):
            key = Key(Kind(owner.kind), owner.namespace, owner.name)
            if self.cache.get(key) is not None:
                yield key

    # --- records, which carry none ----------------------------------------------------------------

    def _records(self, event: DriftEvent) -> Iterator[Key]:
        """By their names: the tier's own name is its infra groups', a name below it a tenant's."""
        for tier in self._tiers():
            endpoint = tier.spec.endpoint.name.lower()
            touched = {name for name in event.names if name == endpoint or name.endswith("." + endpoint)}
            zone = self._zone_of(tier, event)
            if not touched and zone is None:
                continue
            for view in self._views_of_zones(event.account):
                for live in view.of_type(Record.__name__):
                    if isinstance(live.spec, Record) and live.spec.name in touched:
                        view.distrust(live)
                view.forget_records_of(endpoint)
            if zone is not None and not touched:
                self.clouds.forget_zones()
                yield tier_key(tier.metadata.name)
            if endpoint in touched:
                yield from self._weighted(tier, event.names)
            for name in touched - {endpoint}:
                tenant_id = name.removesuffix("." + endpoint)
                yield from map(object_key, self.cache.tenants_with_id(tier.metadata.name, tenant_id))

    def _weighted(self, tier: Tier, said: frozenset[str]) -> Iterator[Key]:
        """The groups whose records an event names; all of the tier where it names none of them."""
        groups = [group.metadata.name for group in self.cache.groups_of_tier(tier.metadata.name)]
        named = [name for name in groups if names.set_identifier(self.installation, name) in said]
        yield from map(group_key, named or groups)

    def _zone_of(self, tier: Tier, event: DriftEvent) -> str | None:
        """The tier's hosted zone, where the event is about the zone as such."""
        wanted = tier.spec.endpoint.hosted_zone.id
        return wanted if event.name == "DeleteHostedZone" and wanted in event.names else None

    def _views_of_zones(self, account: str) -> Iterator[View]:
        for (owner, region), view in self.clouds.views().items():
            if owner == account and region == GLOBAL:
                yield view

    def _tiers(self) -> Iterator[Tier]:
        for key in self.cache.parents():
            if key.kind is Kind.TIER and (tier := self.cache.tier(key.name)) is not None:
                yield tier


def is_own(event: DriftEvent, accounts: Accounts) -> bool:
    """Whether an event is about a write of this very process: our principal, and a request that we have made.

    Somebody else who works with the operator's role has the first, and nobody but us the second.
    """
    return (
        event.is_call
        and event.request_id in accounts.transport.own_writes
        and event.principal in accounts.principals()
    )


def concerned(view: View, account: str, region: str, event: DriftEvent) -> list[Live]:
    """What a view holds of the things that an event names, by id, ARN or name; sorted."""
    found: dict[Address, Live] = {}
    for text in event.names:
        live = view.with_id(text)
        if live is not None:
            found[live.address] = live
        for kind in NAMED_TYPES.get(event.source, ()):
            place = GLOBAL if kind is Role else region
            address = Address(account=account, region=place, type=kind.__name__, name=text)
            if address in view.lives:
                found[address] = view.lives[address]
    return [found[address] for address in sorted(found)]


def distrust(view: View, live: Live, event: DriftEvent) -> None:
    """Have what an event concerns read again: the resource, or only what is in it where the event is about that."""
    if event.source == "aws.ecs" and isinstance(live.spec, Cluster):
        view.distrust_services_of(live)
        if "Cluster" in event.name or "Tag" in event.name:
            view.distrust(live)
    elif event.name in RULE_CALLS and isinstance(live.spec, Listener):
        view.distrust_rules_of(live)
    elif not (event.name in RULE_CALLS and isinstance(live.spec, TargetGroup)):
        view.distrust(live)
