"""The AWS side of the engine: callers, views, lanes and hosted zones, by what the custom resources say."""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tenant_operator.api import Cell, Tier
from tenant_operator.aws import dns, undertaking
from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import (
    GLOBAL,
    Address,
    Live,
    Record,
    Resource,
    World,
    lookup_in,
    resolve,
)
from tenant_operator.engine.executor import Executor
from tenant_operator.engine.lanes import Lanes
from tenant_operator.plan.change import Action, Plan, Verb
from tenant_operator.plan.diff import plan


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A tier's hosted zone, found: its account's caller and the view that holds its records."""

    caller: Caller
    view: View
    id: str
    name: str
    private: bool

    @property
    def account(self) -> str:
        """The account that owns the zone, 12 digits."""
        return self.caller.account


@dataclass(frozen=True, kw_only=True)
class Site:
    """A cell's account in its tier's Region: a verified caller and the view of what is there."""

    caller: Caller
    view: View


@dataclass
class Clouds:
    """Everything that talks to AWS."""

    installation: str
    accounts: Accounts
    clock: Callable[[], float] = time.monotonic
    lanes: Lanes = field(default_factory=Lanes)
    _views: dict[tuple[str, str], View] = field(default_factory=dict)
    _zones: dict[tuple[str, ...], tuple[str, str, bool]] = field(default_factory=dict)

    async def site(self, cell: Cell, region: str, priority: Priority) -> Site:
        """A cell's account, reached and verified; it is read from at a priority.

        Raises:
            AwsError: the role cannot be assumed, or it is in another account than the spec says.
        """
        caller = await self.accounts.caller(_way_into(cell), region, priority)
        return Site(caller=caller, view=self.view(caller.account, region))

    def known_site(self, cell: Cell, region: str, priority: Priority) -> Site | None:
        """The same without waiting: None while its account has not been reached."""
        caller = self.accounts.known_caller(_way_into(cell), region, priority)
        return None if caller is None else Site(caller=caller, view=self.view(caller.account, region))

    async def zone(self, tier: Tier, priority: Priority) -> Zone:
        """A tier's hosted zone.

        Raises:
            AwsError: its account cannot be reached, or there is no such zone there.
        """
        endpoint = tier.spec.endpoint
        ref = AccountRef(account_id=None, role_arn=endpoint.role_arn, external_id=endpoint.external_id)
        caller = await self.accounts.caller(ref, tier.spec.region, priority)
        wanted = endpoint.hosted_zone
        key = (caller.account, wanted.id or "", wanted.name or "", str(wanted.private))
        if key not in self._zones:
            zone_id = wanted.id or await dns.find_zone(caller, wanted.name or "", bool(wanted.private))
            name, private = await dns.hosted_zone(caller, zone_id)
            self._zones[key] = (zone_id, name.rstrip(".").lower(), private)
        zone_id, name, private = self._zones[key]
        return Zone(
            caller=caller, view=self.view(caller.account, GLOBAL), id=zone_id, name=name, private=private
        )

    def forget_zones(self) -> None:
        """Look hosted zones up anew: one may have been made or replaced."""
        self._zones.clear()

    def view(self, account: str, region: str) -> View:
        """What is known of an account and Region."""
        key = (account, region)
        if key not in self._views:
            self._views[key] = self.new_view()
        return self._views[key]

    def new_view(self) -> View:
        """A view of an account and Region of which nothing is known yet."""
        return View(installation=self.installation, clock=self.clock)

    def distrust(self, accounts: Collection[str]) -> None:
        """Others have written in some accounts, and to hosted zones: what was known of them is worth nothing."""
        self._views = {
            (account, region): view
            for (account, region), view in self._views.items()
            if account not in accounts or region == GLOBAL
        }
        for (_, region), view in self._views.items():
            if region == GLOBAL:
                view.distrust_all()

    def views(self) -> Mapping[tuple[str, str], View]:
        """All views."""
        return self._views

    def executor(self, site: Site, definitions: dict[Address, Live] | None = None) -> Executor:
        """Who carries plans out at a site. What has to be written is urgent, whoever found that out."""
        return Executor(
            caller=site.caller.at(Priority.EDIT),
            view=site.view,
            lanes=self.lanes,
            definitions={} if definitions is None else definitions,
        )

    async def apply_records(
        self,
        zone: Zone,
        desired: Iterable[Resource],
        removals: Iterable[Live],
        world: World,
        spare: Callable[[Plan, World], Awaitable[Plan]] | None = None,
    ) -> Plan:
        """Bring records in line, all of this call in one batch, and wait until Route 53 answers with them everywhere.

        `world` holds what the records refer to (load balancers). `spare` takes out of the plan what is to be left as it
        is. Returns the plan that was carried out.

        Raises:
            AwsError: Route 53 refused.
        """
        everything = together(zone, world)
        todo = plan(desired, everything, installation=self.installation, removals=removals)
        if spare is not None:
            todo = await spare(todo, everything)
        if todo:
            undertaking.commit()  # the batch is sent by whoever comes last
            changes = [_change(action, everything) for action in todo.actions]
            for live in await self.lanes.zone(zone.caller, zone.id).submit(changes):
                zone.view.put(live)
            for action in todo.actions:
                if action.verb is Verb.DELETE:
                    zone.view.remove(action.address)
        return todo


def _way_into(cell: Cell) -> AccountRef:
    return AccountRef(
        account_id=cell.spec.account_id, role_arn=cell.spec.role_arn, external_id=cell.spec.external_id
    )


def together(zone: Zone, world: World) -> World:
    """What a hosted zone holds, and what its records refer to; a zone of thousands of records is not copied for each look."""
    return ChainMap(zone.view.lives, dict(world))


def _change(action: Action, world: Mapping[Address, Live]) -> dns.RecordChange:
    if action.desired is None:
        return dns.RecordChange(desired=None, live=action.live)
    spec = resolve(action.desired.spec, lookup_in(world))
    assert isinstance(spec, Record)
    return dns.RecordChange(desired=spec, live=action.live)
