"""One tenant in one infra group: look, stage, plan, do, look again, until only waiting is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.aws import compute
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.inventory import Family
from tenant_operator.desired import routing, tags
from tenant_operator.desired.infra_group import GroupDesign
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    ListenerRule,
    Live,
    LoadBalancer,
    SecurityGroup,
    Service,
    TaskDefinition,
)
from tenant_operator.desired.tenancy import Tenancy, tenancy
from tenant_operator.desired.workload import Workload
from tenant_operator.engine import revisions
from tenant_operator.engine.cache import object_key
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.executor import Outcome
from tenant_operator.engine.failed_releases import look_at_failures, went_back_unseen
from tenant_operator.engine.reserving import Kept, live_stacks, released
from tenant_operator.engine.rollouts import gone_back, note_under_way, poll_in, under_way_to
from tenant_operator.engine.sparing import left, spared
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.reservation import Reservation
from tenant_operator.plan.change import Refusal, turns_requests
from tenant_operator.plan.diff import plan
from tenant_operator.plan.serving import stage
from tenant_operator.plan.stage import Progress, Stage

FAMILIES = (Family.NETWORK, Family.LOAD_BALANCING, Family.RULES, Family.CLUSTERS)
MAX_STAGES = 6
"""Stages in one visit; a tenant needs three at most, so that more would be a plan that does not converge."""


@dataclass(frozen=True, kw_only=True)
class GroupTurn:
    """A group, and what is known of a release's turn in it."""

    group: InfraGroup
    may_release: bool
    """Whether it is this group's turn."""
    soak_seconds: float = 0.0
    soaking: bool = False
    """Whether the last success, here or in another group, is still being watched."""
    clusters_before: int = 0
    """How many clusters here were known to run the revision before this visit."""


@dataclass
class Serving:
    """What came of a tenant's visit in one group."""

    group: InfraGroup
    kept: Kept
    """The size in force."""
    site: Site | None = None
    tenancy: Tenancy | None = None
    stage: Stage = field(default_factory=Stage)
    outcome: Outcome = field(default_factory=Outcome)
    refusals: tuple[Refusal, ...] = ()
    error: AwsError | None = None
    not_ready: str = ""
    """Why the group itself cannot take the tenant yet."""
    verified: bool = False
    """Whether the rule was read back after our last write of it."""
    in_force_in: float = 0.0
    """Seconds until a change of the rule's conditions, or of its kind of answer, is met by every request."""
    failure: str = ""
    """Why tasks fail, in ECS's words."""
    rolled_back: bool = False
    definitions: Mapping[Address, Live] = field(default_factory=dict)
    """The task definitions that were looked at, by family."""

    @property
    def ready(self) -> bool:
        """Whether the tenant is served here, as far as its spec goes."""
        whole = self.stage.ready and self.verified and not self.in_force_in
        return whole and self.error is None and not self.outcome.failed

    @property
    def released(self) -> bool:
        """Whether every cluster that there should be here runs what the spec says; none does where none can be made yet."""
        if self.error is not None or self.kept.shortage:
            return False
        return self.stage.whole or (bool(self.not_ready) and not self.world())

    def reservation(self) -> Reservation:
        """What is to be kept for the tenant in the group from now on."""
        if self.site is None or self.tenancy is None:
            return self.kept.reservation
        live, standby = live_stacks(self.site.view, self.group.metadata.name, self.tenancy.tenant)
        done = self.ready and not self.stage.releasing and self.stage.running <= self.stage.wanted
        return released(self.kept, live, done=done, standby=standby)

    def world(self) -> dict[Address, Live]:
        """What there is of the tenant in the group now."""
        if self.site is None or self.tenancy is None:
            return {}
        return self.site.view.of_tenant(self.group.metadata.name, self.tenancy.tenant)


async def serve(
    engine: Engine,
    visit: Visit,
    tier: Tier,
    tenant: Tenant,
    workload: Workload,
    turn: GroupTurn,
    kept: Kept,
) -> Serving:
    """Bring a tenant as far as it gets in one group, in the size that is kept for it; what AWS refuses is in the result."""
    group = turn.group
    result = Serving(group=group, kept=kept)
    workload = kept.workload(workload)
    cell = engine.cache.cell(group.spec.cell_ref.name)
    if cell is None:
        result.not_ready = f"cell {group.spec.cell_ref.name} does not exist"
        return result
    try:
        site = result.site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
        await site.view.load(site.caller, *FAMILIES, max_age=visit.trust)
        design = GroupDesign(
            tier=tier,
            cell=cell,
            group=group,
            installation=engine.settings.installation,
            partition=site.caller.partition,
        )
        wanted = result.tenancy = tenancy(
            design.site(),
            tenant=tenant.tenant_id,
            owner=tags.Owner(
                kind="Tenant",
                namespace=tenant.metadata.namespace or "",
                name=tenant.metadata.name,
                uid=tenant.metadata.uid,
            ),
            workload=workload,
            route=routing.route(tier, tenant),
            clusters=kept.size.clusters,
            suspended=kept.size.suspended,
            user_tags=tier.spec.tags,
        )
        result.not_ready = _why_not_yet(engine, design, site, wanted, workload)
        if result.not_ready and not site.view.of_tenant(group.metadata.name, tenant.tenant_id):
            return result
        if kept.shortage:
            turn = replace(turn, may_release=False)
        await _converge(engine, visit, result, wanted, site, turn)
        await _verify(result, wanted, site)
        result.in_force_in = _in_force_in(engine, visit, group.metadata.name)
        if result.ready:
            result.not_ready = (
                ""  # what the group lacks keeps new tenants out, and changes nothing for those it serves
            )
        _note_waits(engine, visit, result)
    except AwsError as error:
        result.error = error
    return result


def _why_not_yet(engine: Engine, design: GroupDesign, site: Site, wanted: Tenancy, workload: Workload) -> str:
    """Why the group cannot take a tenant yet; empty when it can."""
    group, cell = object_key(design.group), object_key(design.cell)
    if not engine.cache.is_true(cell, "Ready"):
        why = engine.cache.condition(cell, "Ready").get("message", "not visited yet")
        return f"cell {design.cell.metadata.name} is not ready: {why}"
    for type_ in ("NetworkReady", "PrivateLinkReady", "LoadBalancerReady"):
        if not engine.cache.is_true(group, type_):
            said = engine.cache.condition(group, type_)
            return (
                f"infra group {design.name} is not ready ({type_}): {said.get('message', 'not visited yet')}"
            )
    world = site.view.world(design.name)
    if wanted.site.listener not in world or not any(
        isinstance(live.spec, LoadBalancer) for live in world.values()
    ):
        return f"the load balancer of infra group {design.name} is not there"
    for live in world.values():
        if not isinstance(live.spec, SecurityGroup) or live.tags.get(tags.COMPONENT) != "sg-tasks":
            continue
        if workload.port not in {rule.from_port for rule in live.spec.ingress}:
            engine.queue.add(group)
            return f"port {workload.port} is being opened in infra group {design.name}"
    return ""


async def _converge(
    engine: Engine, visit: Visit, result: Serving, wanted: Tenancy, site: Site, turn: GroupTurn
) -> None:
    memory = engine.remember(visit.key)
    group = result.group.metadata.name
    executor = engine.clouds.executor(site)
    health: dict[Address, int] = {}
    targets: dict[Address, int] = {}
    await _look_at_services(visit, site, wanted, group)
    under_way = under_way_to(memory, group, wanted.revision)
    rolled_back = gone_back(under_way, result.world()) or await went_back_unseen(
        engine, visit, site, wanted, group
    )
    recorded = revisions.recorded(visit, memory, group)
    tried: set[Address] = memory.setdefault(("registered", group), set())
    for _ in range(MAX_STAGES):
        world = await revisions.world(engine, site, wanted, group, executor.definitions, tried, recorded)
        progress = Progress(
            healthy_targets=health,
            draining_targets=targets,
            settled=engine.settled(
                visit.key, memory.get(("settling", group), ()), engine.settings.settle_seconds, group
            ),
            settle_seconds=engine.settings.settle_seconds,
            verify=not _was_ready(visit, group),
            may_release=turn.may_release,
            soak_seconds=turn.soak_seconds,
            soaking=turn.soaking,
            clusters_before=turn.clusters_before,
            failed_revision=wanted.revision if rolled_back else str(visit.previous.get("failedRevision", "")),
        )
        result.stage = stage(wanted, world, progress)
        memory[("settling", group)] = result.stage.settling
        if result.stage.unknown:
            for address in sorted(result.stage.unknown):
                await _read_health(site, world, address, health, targets)
            continue
        todo = plan(
            result.stage.desired,
            world,
            installation=engine.settings.installation,
            removals=result.stage.removals,
        )
        result.refusals = (*result.stage.refusals, *todo.refusals)
        todo = await spared(engine, visit, todo, wanted.goals(), world, scope=group)
        if not todo:
            visit.repaired(memory, result.stage.desired, todo, (), world, scope=group)
            left(visit, todo, (), wanted.goals(), world, settled=result.stage.ready)
            break
        tried.update(a.address for a in todo.actions if a.address.type == TaskDefinition.__name__)
        outcome = await executor.apply(todo)
        visit.repaired(memory, result.stage.desired, todo, outcome.done, world, scope=group)
        world = {**site.view.world(group, wanted.tenant), **executor.definitions}
        left(visit, todo, outcome.done, wanted.goals(), world, settled=False)
        if any(turns_requests(action) for action in outcome.done):
            memory[("turned", group)] = engine.clock()
        result.outcome.done += outcome.done
        result.outcome.failed.update(outcome.failed)
        result.outcome.held_back += outcome.held_back
        if outcome.failed or not outcome.done:
            break
    result.definitions = executor.definitions
    for definition in executor.definitions.values():
        engine.definitions[definition.id] = definition
    if result.stage.ready:
        await revisions.prune(memory, site, executor.definitions)
    mine = [live for live in result.world().values() if isinstance(live.spec, Service)]
    result.rolled_back = result.stage.rolled_back
    result.failure = await look_at_failures(engine, visit, result.stage, site, wanted, mine)
    note_under_way(under_way, wanted, {**result.world(), **executor.definitions})
    releasing = memory.setdefault("releasing", set())
    (releasing.add if result.stage.releasing else releasing.discard)(group)


async def _look_at_services(visit: Visit, site: Site, wanted: Tenancy, group: str) -> None:
    """The tenant's own services: read anew while they are on their way, as old as the visit trusts otherwise."""
    mine = site.view.of_tenant(group, wanted.tenant)
    clusters = [live for live in mine.values() if live.address.type == Cluster.__name__]
    for cluster in clusters:
        services_here = [
            live
            for live in mine.values()
            if isinstance(live.spec, Service) and live.spec.cluster == cluster.id
        ]
        moving = any(_moving(live) for live in services_here)
        if not services_here and site.view.made_here(cluster.address):
            continue
        max_age = 0.0 if moving else visit.trust
        await site.view.load_services(site.caller, [cluster], max_age=max_age)


def _moving(live: Live) -> bool:
    state = live.attributes["state"]
    spec = live.spec
    assert isinstance(spec, Service)
    return bool(
        state.status != "ACTIVE"
        or state.rollout != "COMPLETED"
        or state.running != spec.desired_count
        or state.primary_task_definition != spec.task_definition
    )


async def _read_health(
    site: Site,
    world: Mapping[Address, Live],
    address: Address,
    health: dict[Address, int],
    targets: dict[Address, int],
) -> None:
    live = world.get(address)
    if live is None:
        health[address] = targets[address] = 0
        return
    found = await compute.read_target_health(site.caller, live.id)
    health[address] = found.get("healthy", 0)
    targets[address] = sum(found.values())


def _was_ready(visit: Visit, group: str) -> bool:
    for placement in visit.previous.get("placements") or ():
        if placement.get("infraGroup") == group:
            return (
                bool(placement.get("ready")) and visit.previous.get("observedGeneration") == visit.generation
            )
    return False


async def _verify(result: Serving, wanted: Tenancy, site: Site) -> None:
    """Read the rule back before anybody is told that it serves."""
    if not result.stage.programmed:
        return
    address = wanted.rule.address
    if site.view.read_since(address):
        result.verified = True
        return
    rule = site.view.lives.get(address)
    if rule is None or not result.stage.ready or not isinstance(rule.spec, ListenerRule):
        return
    listeners = site.view.listeners_with(str(rule.spec.listener))
    await site.view.load_rules(site.caller, listeners, max_age=site.view.since_written(address))
    result.verified = site.view.read_since(address)


def _in_force_in(engine: Engine, visit: Visit, group: str) -> float:
    turned = engine.remember(visit.key).get(("turned", group))
    return 0.0 if turned is None else max(0.0, turned + engine.settings.settle_seconds - engine.clock())


def _note_waits(engine: Engine, visit: Visit, result: Serving) -> None:
    moving = [wait for wait in result.stage.waits if wait.reason == "RollingOut"]
    others = [wait for wait in result.stage.waits if wait.reason != "RollingOut"]
    if moving:
        visit.look_again(poll_in(engine, visit.key, result.group.metadata.name))
    else:
        engine.remember(visit.key).pop(("rollout", result.group.metadata.name), None)
    visit.wait(others)
    if result.stage.ready and not result.verified:
        visit.look_again(1.0)
    if result.stage.ready and result.in_force_in:
        visit.look_again(result.in_force_in)
    if result.not_ready:
        visit.look_again(15.0)
    retryable = [
        e for e in result.outcome.failed.values() if e.category in (Category.RETRY, Category.CONFLICT)
    ]
    if retryable:
        visit.look_again(2.0)


async def holds_anything(engine: Engine, visit: Visit, tier: Tier, tenant: Tenant) -> bool:
    """Whether the ownership tags in AWS name a tenant as the owner of anything of its id in its tier."""
    for cell in engine.cache.cells_of(tier.metadata.name):
        try:
            site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
            await site.view.load(
                site.caller,
                Family.LOAD_BALANCING,
                Family.RULES,
                Family.CLUSTERS,
                max_age=visit.trust,
            )
        except AwsError:
            if engine.summary().placements_of(tenant):
                return True
            continue
        for group in site.view.groups_of(tier.metadata.name, tenant.tenant_id):
            for live in site.view.of_tenant(group, tenant.tenant_id).values():
                owner = tags.owner_of(live.tags)
                mine = ("Tenant", tenant.metadata.namespace or "", tenant.metadata.name)
                if owner is not None and owner.key == mine and not tags.is_released(live.tags):
                    return True
    return bool(engine.summary().placements_of(tenant))
