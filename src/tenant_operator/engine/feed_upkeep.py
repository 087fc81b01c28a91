"""Making the drift feed and taking it down: rules in the accounts, queues and a bus in the operator's own.

Cells and tiers see to it in their visits, each to its account; what they share goes with the last that needs it. A feed
that cannot be made is said in the status and in an Event, and sweeps go on finding what it would have told of.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tenant_operator.api import Cell, Tier
from tenant_operator.aws.accounts import AccountRef, account_of_role
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired import drift_feed, tags
from tenant_operator.desired.drift_feed import GLOBAL_REGIONS, Home
from tenant_operator.desired.resources import EventBus, EventRule, Live, Queue, Resource
from tenant_operator.engine.cache import Key, Kind, object_key
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.kubernetes import Gone, Refused
from tenant_operator.engine.settings import FEED_REMAKING_SECONDS, FEED_RETRY_SECONDS
from tenant_operator.engine.visit import MENDED_BY_A_PERSON, Notice, Visit
from tenant_operator.plan.diff import plan

log = logging.getLogger(__name__)

DEFAULT_BUS = "default"
ON = {"state": "On"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ears:
    """What is listened for in one account and Region."""

    regional: bool = False
    """What happens to a cell's load balancers, networks, clusters and logs."""
    with_global: bool = False
    """What happens to roles and records."""


Needs = Mapping[str, Mapping[str, Ears]]
"""By Region, then by account."""


async def keep_account(engine: Engine, visit: Visit, caller: Caller, *, leaving: bool = False) -> None:
    """See to the rules in the account that `caller` calls; `leaving`: the visit's object is going.

    Raises:
        AwsError: only when leaving, and only what may pass: what is there must not be left behind.
    """

    async def work(home: Caller, needs: Needs) -> None:
        for region in _regions(caller):
            ears = needs.get(region, {}).get(caller.account, Ears())
            wanted = drift_feed.source(
                _place(engine, home, region),
                caller.account,
                regional=ears.regional,
                with_global=ears.with_global,
            )
            await _converge(engine, visit, caller.in_region(region), home, wanted, _is_source)

    await _kept(engine, visit, caller.region, work, leaving=leaving)


async def keep_home(engine: Engine, visit: Visit, region: str, *, leaving: bool = False) -> None:
    """See to the queues and the bus that a tier in a Region needs in the operator's own account.

    Raises:
        AwsError: as `keep_account`.
    """

    async def work(home: Caller, needs: Needs) -> None:
        for place in (_place(engine, home, region) for region in _regions(home)):
            accounts = needs.get(place.region, {})
            wanted = drift_feed.home(place, accounts) if accounts else []
            await _converge(engine, visit, home.in_region(place.region), home, wanted, _is_home)
        engine.feed.look_for_queues()

    await _kept(engine, visit, region, work, leaving=leaving)


async def _kept(
    engine: Engine,
    visit: Visit,
    region: str,
    work: Callable[[Caller, Needs], Awaitable[None]],
    *,
    leaving: bool,
) -> None:
    """Do some upkeep, unless there is none to do, and say in the status what came of it."""
    was = visit.previous.get("driftEvents")
    wanted = engine.settings.drift_events
    if not wanted and not was:
        return
    memory, part = engine.remember(visit.key), ("feed retry", work.__qualname__)
    if engine.clock() < memory.get(part, 0.0) and not visit.forced and not leaving:
        visit.fields["driftEvents"] = was
        # asked for again: an earlier look has taken the place of the one that was asked for
        visit.look_again(memory[part] - engine.clock())
        return
    try:
        home = await engine.clouds.accounts.caller(AccountRef(), region, visit.priority)
        if wanted and not was:
            # before there is anything to take down
            await engine.publisher.amend(visit.key, {"driftEvents": ON})
        await work(home, needs_of(engine, home, visit.key if leaving else None))
    except (Gone, Refused) as error:
        log.warning("the drift feed of %s is not seen to: its status cannot be written: %s", visit.key, error)
        visit.failed = True
    except AwsError as error:
        if leaving and error.category is not Category.ACCESS:
            raise
        pause = FEED_RETRY_SECONDS if error.category in MENDED_BY_A_PERSON else FEED_REMAKING_SECONDS
        memory[part] = engine.clock() + pause
        visit.look_again(pause)
        _say_unavailable(visit, error)
    else:
        memory.pop(part, None)
        if (visit.fields.get("driftEvents") or {}).get("state") != "Unavailable":
            visit.fields["driftEvents"] = ON if wanted else None


def _say_unavailable(visit: Visit, error: AwsError) -> None:
    message = f"changes are noticed at the next sweep only: {error.advice}"
    if (visit.previous.get("driftEvents") or {}).get("message") != message:
        log.warning("%s gets no events of changes: %s", visit.key, error.advice)
        visit.notices.append(Notice("NoDriftEvents", message, warning=True))
    visit.fields["driftEvents"] = {"state": "Unavailable", "message": message}


async def _converge(
    engine: Engine,
    visit: Visit,
    caller: Caller,
    home: Caller,
    wanted: list[Resource],
    is_part: Callable[[Live], bool],
) -> None:
    """Bring one part of the feed in line; several objects may ask for the same at once, so they take turns."""
    async with engine.feed.turn(caller.account, caller.region):
        view = engine.clouds.view(caller.account, caller.region)
        at_home = caller.account == home.account
        await view.load_feed(caller, home=at_home, max_age=visit.trust)
        addresses = {resource.address for resource in wanted}
        installation = engine.settings.installation
        unwanted = [
            live
            for address, live in view.lives.items()
            if address not in addresses and is_part(live) and tags.is_ours(live.tags, installation)
        ]
        rules = [live for live in unwanted if isinstance(live.spec, EventRule)]
        others = [live for live in unwanted if live not in rules]
        for removals in (rules, others):  # a bus goes once it has no rule any more
            todo = plan(wanted, view.lives, installation=installation, removals=removals)
            outcome = await engine.clouds.executor(Site(caller=caller, view=view)).apply(todo)
            if outcome.error is not None:
                raise outcome.error
            for refusal in todo.refusals:
                raise caller.error("events", "put_rule", refusal.reason, refusal.message, Category.EXISTS)


def needs_of(engine: Engine, home: Caller, without: Key | None) -> Needs:
    """What is to be listened for, and where, by all that there is but one object that goes."""
    if not engine.settings.drift_events:
        return {}
    everywhere = GLOBAL_REGIONS.get(home.partition, "us-east-1")
    found: dict[str, dict[str, Ears]] = {}

    def add(region: str, account: str, **what: bool) -> None:
        accounts = found.setdefault(region, {})
        accounts[account] = replace(accounts.get(account, Ears()), **what)

    for obj in _all(engine, without):
        if isinstance(obj, Cell):
            region = _region_of(engine, obj)
            if region:
                add(region, obj.spec.account_id, regional=True)
                add(everywhere, obj.spec.account_id, with_global=True)
        else:
            role = obj.spec.endpoint.role_arn
            add(everywhere, (account_of_role(role) if role else None) or home.account, with_global=True)
            found.setdefault(obj.spec.region, {})
    return {region: accounts for region, accounts in found.items() if accounts}


def _all(engine: Engine, without: Key | None) -> Iterable[Cell | Tier]:
    for key in engine.cache:
        if key != without and key.kind in (Kind.TIER, Kind.CELL):
            obj = engine.cache.get(key)
            if isinstance(obj, Cell | Tier):
                yield obj


def _region_of(engine: Engine, cell: Cell) -> str:
    tier = engine.cache.tier(cell.spec.tier_ref.name)
    if tier is not None:
        return tier.spec.region
    known = engine.cache.status(object_key(cell)).get("aws") or {}
    return str(known.get("region", ""))


def _regions(caller: Caller) -> tuple[str, ...]:
    """The caller's Region, and the one in which IAM and Route 53 tell of their changes."""
    return tuple(dict.fromkeys((caller.region, GLOBAL_REGIONS.get(caller.partition, "us-east-1"))))


def _place(engine: Engine, home: Caller, region: str) -> Home:
    return Home(
        installation=engine.settings.installation,
        partition=home.partition,
        account=home.account,
        region=region,
    )


def _is_source(live: Live) -> bool:
    return isinstance(live.spec, EventRule) and live.spec.bus == DEFAULT_BUS


def _is_home(live: Live) -> bool:
    return isinstance(live.spec, Queue | EventBus) or (
        isinstance(live.spec, EventRule) and live.spec.bus != DEFAULT_BUS
    )
