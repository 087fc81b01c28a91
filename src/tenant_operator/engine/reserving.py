"""Room first, then the change: what is kept for a tenant in each of its groups is written down before anything is made.

A size that there is no room for waits, with what is missing said in numbers; the former one stays in force meanwhile.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.inventory import Family
from tenant_operator.aws.snapshot import View
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Cluster, ListenerRule, Live, Service, TargetGroup
from tenant_operator.desired.tenancy import STANDBY, Tenancy
from tenant_operator.desired.workload import Workload
from tenant_operator.engine.capacity import Ledgers
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.settings import CAPACITY_RETRY_SECONDS
from tenant_operator.engine.visit import Visit
from tenant_operator.placement.admission import Admission, admit
from tenant_operator.placement.ledger import GroupLedger, newcomer, shortage
from tenant_operator.placement.reservation import Reservation, from_status, steady, to_status
from tenant_operator.placement.size import Size, Stack

FAMILIES = (Family.LOAD_BALANCING, Family.RULES, Family.CLUSTERS)

NO_PORT = 0
"""Of a cluster whose target group and service are gone already."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is kept for a tenant in one group, and why it is less than the spec asks for, if it is."""

    reservation: Reservation
    shortage: str = ""

    @property
    def size(self) -> Size:
        """The size in force."""
        return self.reservation.size

    def workload(self, wanted: Workload) -> Workload:
        """The workload in the size in force."""
        if not self.shortage:
            return wanted
        size = self.size
        return dataclasses.replace(
            wanted,
            replicas=size.replicas,
            maximum_percent=size.maximum_percent,
            cpu=size.cpu or wanted.cpu,
            memory=size.memory or wanted.memory,
            port=size.port or wanted.port,
            spot=size.spot,
        )


async def reserve(
    engine: Engine, visit: Visit, tier: Tier, tenant: Tenant, groups: Sequence[InfraGroup], size: Size
) -> dict[str, Kept] | None:
    """What is kept for a tenant in the groups that it should live in, by their names; written down where it is more.

    A restart finds it, and others see the room taken. None: somebody else has taken the room that a group had when it
    was chosen, and the status says so.
    """
    before = {p["infraGroup"]: p for p in engine.cache.status(visit.key).get("placements") or ()}
    changing = [
        group
        for group in groups
        if (held := from_status(before.get(group.metadata.name, {}))) is not None and held.size != size
    ]
    views = await _views(engine, visit, tier, changing)
    # Nothing may be awaited from here to the checkpoint: two tenants must never be given the same room.
    kept, taken = _let_in(engine, tier, tenant, groups, size, before, views)
    if taken:
        _say_taken(visit, taken)
        return None
    after = {
        name: {**before.get(name, {"infraGroup": name, "ready": False}), "reserved": to_status(k.reservation)}
        for name, k in kept.items()
    }
    visit.fields["placements"] = [*after.values(), *(p for name, p in before.items() if name not in after)]
    if any(k.shortage for k in kept.values()):
        visit.look_again(CAPACITY_RETRY_SECONDS)
    if any(_is_more(before.get(name), k.reservation) for name, k in kept.items()):
        await _write(engine, visit, tenant, known=bool(before))
    return kept


def _let_in(
    engine: Engine,
    tier: Tier,
    tenant: Tenant,
    groups: Sequence[InfraGroup],
    size: Size,
    before: Mapping[str, Mapping[str, Any]],
    views: Mapping[str, View],
) -> tuple[dict[str, Kept], str]:
    """What is kept in each group from now on; or why a group that was chosen has no room any more."""
    kept: dict[str, Kept] = {}
    let_in: list[tuple[GroupLedger, Admission]] = []
    ledgers = Ledgers(engine.cache)
    for group in groups:
        name = group.metadata.name
        held = from_status(before.get(name, {}))
        if name in before and (held is None or held.size == size):
            kept[name] = Kept(reservation=held or steady(size))
            continue
        ledger = ledgers.of_group(tier, group)
        if ledger is None or (held is not None and name not in views):
            why = f"what there is in {name} cannot be read now"
            kept[name] = Kept(reservation=held or steady(size), shortage=why)
            continue
        for other, admission in let_in:
            ledger = ledger.beside([other], admission.more)
        if held is None:
            taken = shortage(newcomer(ledger, size.peak.use))
            if taken:
                return {}, taken
            admission = Admission(reservation=steady(size), more=size.peak.use)
        else:
            live, standby = live_stacks(views[name], name, tenant.tenant_id)
            admission = admit(ledger, held, size, live, standby=standby)
        kept[name] = Kept(reservation=admission.reservation, shortage=admission.shortage)
        if not admission.shortage:
            let_in.append((ledger, admission))
    return kept, ""


def _say_taken(visit: Visit, why: str) -> None:
    visit.conditions.false("Placed", "NoCapacity", f"the room was taken meanwhile: {why}")
    visit.conditions.keep("ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady", "Ready")
    if not visit.conditions.get("Ready"):
        visit.conditions.false("Ready", "NoCapacity", why)
    visit.reconciling("NoCapacity", why)
    visit.look_again(CAPACITY_RETRY_SECONDS)


def released(kept: Kept, live: Sequence[Stack], *, done: bool, standby: bool) -> Reservation:
    """What is kept once a visit is over: what was kept for a former size is free when nothing of it is left.

    A suspended tenant may be left with a cluster alone, which is one of its size's all the same.
    """
    stacks = kept.size.stacks | {(index, NO_PORT) for index, _ in kept.size.stacks}
    over = done and not standby and set(live) <= stacks
    return steady(kept.size) if over else kept.reservation


def live_stacks(view: View, infra_group: str, tenant: str) -> tuple[list[Stack], bool]:
    """The stacks that a tenant has in a group, and whether a standby rule holds them."""
    return live_stacks_in(view.of_tenant(infra_group, tenant).values())


def live_stacks_in(lives: Iterable[Live]) -> tuple[list[Stack], bool]:
    """The same among what there is of a tenant: target groups, services, and clusters that have neither."""
    found: set[Stack] = set()
    clusters: set[int] = set()
    standby = False
    for live in lives:
        if isinstance(live.spec, TargetGroup):
            found.add((Tenancy.index_of(live), live.spec.port))
        elif isinstance(live.spec, Service):
            found.add((Tenancy.index_of(live), live.spec.container_port))
        elif isinstance(live.spec, Cluster):
            clusters.add(Tenancy.index_of(live))
        elif isinstance(live.spec, ListenerRule):
            standby = standby or live.tags.get(tags.COMPONENT) == STANDBY
    bare = clusters - {index for index, _ in found}
    return sorted(found | {(index, NO_PORT) for index in bare}), standby


async def _views(engine: Engine, visit: Visit, tier: Tier, groups: Sequence[InfraGroup]) -> dict[str, View]:
    """What there is in the accounts of some groups; an account that cannot be read gets no change anyway."""
    found = {}
    for group in groups:
        cell = engine.cache.cell(group.spec.cell_ref.name)
        if cell is None:
            continue
        try:
            site = await engine.clouds.site(cell, tier.spec.region, visit.priority)
            await site.view.load(site.caller, *FAMILIES, max_age=visit.trust)
        except AwsError:
            continue
        found[group.metadata.name] = site.view
    return found


def _is_more(before: Mapping[str, Any] | None, after: Reservation) -> bool:
    """Whether a reservation takes more than what is written down; a lesser one is written with the visit's status."""
    if before is None:
        return True
    known = from_status(before)
    return known is not None and known != after and any((after.now - known.now).values())


async def _write(engine: Engine, visit: Visit, tenant: Tenant, *, known: bool) -> None:
    visit.conditions.keep("ComputeReady", "RoutingReady", "EndpointReady", "ObservabilityReady")
    if known:
        message = "room is kept for the change, and it is under way"
        visit.conditions.false("Ready", "Updating", message)
        visit.reconciling("Updating", message)
    else:
        visit.conditions.false("Ready", "Creating", "being made")
        visit.reconciling("Creating", "being made")
    await engine.checkpoint(visit, tenant)
