"""A visit to a Cell: its account reached, its quotas read, the tier's roles and log group made there."""

from __future__ import annotations

from tenant_operator.api import Cell, Tier
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.aws import quotas
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired import identity as identities
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, LogGroup, Resource, Role, ServiceLinkedRole
from tenant_operator.engine import feed_upkeep, sparing
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.capacity import Ledgers, quotas_in, used_in_cell
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.growth import cell_room
from tenant_operator.engine.settings import QUOTAS_SECONDS
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.quotas import Source, in_force
from tenant_operator.plan.diff import plan


async def reconcile(engine: Engine, visit: Visit, cell: Cell) -> None:
    """Reach the account, then its identity, then its quotas."""
    tier = engine.cache.tier(cell.spec.tier_ref.name)
    groups = engine.cache.groups_of_cell(cell.metadata.name)
    sums = engine.summary()
    tenants = {object_key(tenant) for group in groups for tenant in sums.tenants_in(group)}
    visit.fields["summary"] = {"infraGroups": sums.ready(groups), "tenants": len(tenants)}
    deleting = bool(cell.metadata.deletion_timestamp)
    if deleting and groups:
        visit.has_children(groups)
        return
    if deleting and "aws" not in visit.previous:
        visit.release()
        return
    if cell.spec.paused or (tier is not None and tier.spec.paused):
        visit.pause()
        return
    region = tier.spec.region if tier is not None else str(visit.previous.get("aws", {}).get("region", ""))
    if not region or (tier is None and not deleting):
        name = cell.spec.tier_ref.name
        visit.conditions.false(
            "Ready", "TierNotFound", f"there is no Tier {name!r}; create it, or correct tierRef"
        )
        visit.stall("TierNotFound", f"there is no Tier {name!r}")
        return
    try:
        site = await engine.clouds.site(cell, region, visit.priority)
    except AwsError as error:
        visit.fail("AccountReachable", error)
        visit.fail("Ready", error)
        return
    visit.conditions.true(
        "AccountReachable",
        "Reached",
        f"account {site.caller.account} answers as {cell.spec.role_arn or 'the operator itself'}",
    )
    visit.fields["aws"] = {
        "partition": site.caller.partition,
        "account": site.caller.account,
        "region": region,
        **({"roleArn": cell.spec.role_arn} if cell.spec.role_arn else {}),
    }
    if deleting:
        await _delete(engine, visit, cell, tier, site)
        return
    assert tier is not None
    sparing.begin(visit, tier)
    await _identity(engine, visit, tier, site)
    await feed_upkeep.keep_account(engine, visit, site.caller)
    await _quotas(engine, visit, tier, cell, site)


async def _identity(engine: Engine, visit: Visit, tier: Tier, site: Site) -> None:
    wanted = identities.identity(
        tier,
        installation=engine.settings.installation,
        account=site.caller.account,
        partition=site.caller.partition,
    )
    linked: set[Address] = engine.remember(visit.key).setdefault("linked", set())
    wanted = [resource for resource in wanted if resource.address not in linked]
    await _load(visit, site, wanted)
    world = {r.address: live for r in wanted if (live := site.view.lives.get(r.address)) is not None}
    todo = plan(wanted, world, installation=engine.settings.installation)
    todo = await sparing.spared(engine, visit, todo, wanted, world)
    outcome = await engine.clouds.executor(site).apply(todo)
    # AWS says "it has been taken" where the role is there under a name that we cannot read: once is enough.
    linked.update(a.address for a in outcome.done if a.address.type == ServiceLinkedRole.__name__)
    visit.repaired(engine.remember(visit.key), wanted, todo, outcome.done, world)
    world = {r.address: live for r in wanted if (live := site.view.lives.get(r.address)) is not None}
    sparing.left(visit, todo, outcome.done, wanted, world)
    if outcome.error is not None:
        visit.fail("Ready", outcome.error)
    elif visit.refuse("Ready", todo.refusals):
        return
    sparing.tell(engine, visit, complete=outcome.error is None)
    missing = visit.drift.missing() if visit.drift is not None else []
    if missing:
        visit.conditions.false("Ready", "Drifted", f"{missing[0]} is missing")
        sparing.stall(visit)
    elif outcome.error is None:
        visit.ready("Ready", "the account is reached; the tier's roles and log group are there")


async def _load(visit: Visit, site: Site, wanted: list[Resource]) -> None:
    roles = [r.address.name for r in wanted if r.address.type in (Role.__name__, ServiceLinkedRole.__name__)]
    groups = [r.address.name for r in wanted if r.address.type == LogGroup.__name__]
    max_age = visit.trust
    await site.view.load_identity(site.caller, tuple(roles), tuple(groups), max_age=max_age)


async def _quotas(engine: Engine, visit: Visit, tier: Tier, cell: Cell, site: Site) -> None:
    """The limits that count in the account, and how much of each is used."""
    memory = engine.remember(visit.key)
    if visit.forced or engine.clock() - memory.get("quotas_at", float("-inf")) > QUOTAS_SECONDS:
        last = memory.get("quotas") or [
            q for q in quotas_in(visit.previous) if q.source is not Source.OVERRIDE
        ]
        try:
            memory["quotas"] = await quotas.read_quotas(site.caller, last)
            memory["quotas_at"] = engine.clock()
        except AwsError as error:
            visit.conditions.false("QuotasKnown", "NotReadable", error.advice)
            visit.conditions.keep("CapacityAvailable")
            visit.look_again(60.0)
            return
    known = in_force(memory["quotas"], cell.spec.quota_overrides)
    visit.conditions.true("QuotasKnown", "Known", f"{len(known)} quotas are known")
    used = used_in_cell(engine.cache, tier, cell)
    visit.fields["quotas"] = [
        {
            "code": q.code,
            "name": q.name,
            "limit": q.limit,
            "source": q.source.value,
            **({"used": used[QuotaCode(q.code)]} if q.code in used else {}),
        }
        for q in known
    ]
    _capacity(engine, visit, tier, cell)


def _capacity(engine: Engine, visit: Visit, tier: Tier, cell: Cell) -> None:
    """Whether the cell could take a further infra group."""
    room = cell_room(engine.cache, tier, cell, Ledgers(engine.cache))
    why = room.why_not
    if not why:
        visit.conditions.true(
            "CapacityAvailable",
            "Available",
            f"{room.groups} of {room.most} infra groups, and the account has room",
        )
    elif room.shortage:
        visit.conditions.false(
            "CapacityAvailable", "QuotaReached", f"no room for a further infra group: {why}"
        )
    else:
        visit.conditions.false("CapacityAvailable", "Full", f"{why}; add a cell")


async def _delete(engine: Engine, visit: Visit, cell: Cell, tier: Tier | None, site: Site) -> None:
    """The account's identity goes with the last cell of the tier in that account; the log group may stay."""
    try:
        await feed_upkeep.keep_account(engine, visit, site.caller, leaving=True)
    except AwsError as error:
        visit.fail("Ready", error)
        return
    shared = [
        other
        for other in engine.cache.cells_of(cell.spec.tier_ref.name)
        if other.metadata.name != cell.metadata.name and other.spec.account_id == cell.spec.account_id
    ]
    if shared or tier is None:
        visit.release()
        return
    wanted = identities.identity(
        tier,
        installation=engine.settings.installation,
        account=site.caller.account,
        partition=site.caller.partition,
    )
    await _load(visit, site, wanted)
    mine = {resource.address for resource in wanted if resource.spec.taggable}
    removals = [live for address, live in site.view.lives.items() if address in mine]
    keep = [
        live
        for live in removals
        if live.address.type == LogGroup.__name__ and tier.spec.observability.retain_logs
    ]
    executor = engine.clouds.executor(site)
    kept = [
        _released(resource) for resource in wanted if any(resource.address == live.address for live in keep)
    ]
    todo = plan(
        kept,
        site.view.lives,
        installation=engine.settings.installation,
        removals=[live for live in removals if live not in keep],
    )
    outcome = await executor.apply(todo)
    if outcome.error is not None:
        visit.fail("Ready", outcome.error)
        return
    visit.release()


def _released(resource: Resource) -> Resource:
    return Resource(
        address=resource.address, spec=resource.spec, tags={**resource.tags, tags.RELEASED: "true"}
    )
