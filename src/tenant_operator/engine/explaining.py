"""Why something is where it is, and why not elsewhere: read from the cluster alone, with the operator's own functions.

Everything here is worked out from the specs and statuses in a cache. Nothing is asked of AWS: the limits and what others
have at a load balancer are those that the operator last wrote down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tenant_operator.api import Cell, InfraGroup, Tenant, Tier
from tenant_operator.desired.workload import merged
from tenant_operator.engine.cache import Cache, cell_key, group_key, object_key, tier_key
from tenant_operator.engine.capacity import Ledgers, size_of, usual_size
from tenant_operator.engine.growth import cell_room, scale_up
from tenant_operator.engine.placing import candidates, choose, placed_in
from tenant_operator.engine.records import placement_in
from tenant_operator.placement.admission import admit
from tenant_operator.placement.choice import Candidate, why_not
from tenant_operator.placement.ledger import Finding, newcomer, room
from tenant_operator.placement.reservation import Reservation, from_status, to_status
from tenant_operator.placement.size import Size, Use
from tenant_operator.placement.slots import free_slots


class NotThere(Exception):
    """There is no such object, or a parent of it is missing; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One infra group, as somebody sees it who lives there or would like to."""

    infra_group: str
    cell: str
    account: str
    verdict: str
    """Here, Waiting (here, and there is no room for the size asked for), Room, NoRoom, NotSchedulable or Leaving."""
    why: str
    tenants: int
    room: int
    """How many more tenants of this size there is room for."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Some sentences, the places, and facts by name."""

    subject: str
    sentences: tuple[str, ...]
    places: tuple[Place, ...]
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """What `-o json` prints."""
        return {
            "subject": self.subject,
            "sentences": list(self.sentences),
            **self.facts,
            "infraGroups": [_place_as_json(place) for place in self.places],
        }


def explain_tenant(cache: Cache, tenant: Tenant) -> Explanation:
    """Why a tenant is where it is, and why not elsewhere.

    Raises:
        NotThere: its tier is missing.
    """
    tier = _tier(cache, tenant.spec.tier_ref.name)
    size = size_of(tier, tenant, merged(tier.spec.workload, tenant.workload))
    known = candidates(cache, tier, _weighted(cache, tier))
    current = placed_in(cache, tenant)
    choice = choose(tier, tenant, known, current, size)
    name = f"Tenant {tenant.metadata.namespace}/{tenant.metadata.name}"
    places = [_seen_by(cache, tenant, candidate, size) for candidate in known]
    said = [_rule(tier, tenant)]
    said += [f"It lives in {', '.join(sorted(current))}: nobody is moved, whoever comes or goes."] * bool(
        current
    )
    if not choice.complete:
        said.append(f"{choice.reason}: {choice.message}.")
    elif set(choice.groups) - set(current):
        said.append(f"Its next place is {', '.join(sorted(set(choice.groups) - set(current)))}.")
    accepted = cache.condition(object_key(tenant), "Accepted")
    if accepted.get("status") == "False":
        said.append(f"It is not accepted ({accepted.get('reason')}): {accepted.get('message')}.")
    return Explanation(
        subject=name,
        sentences=tuple(said),
        places=tuple(places),
        facts={
            "tier": tier.metadata.name,
            "mode": tier.mode,
            "strategy": tier.spec.placement.strategy,
            "placedIn": sorted(current),
            "size": _size_as_json(size),
            "takes": {code.value: n for code, n in size.peak.use.items() if n},
            "next": sorted(set(choice.groups) - set(current)),
        },
    )


def explain_tier(cache: Cache, tier: Tier) -> Explanation:
    """How much room a tier has, and how to make more."""
    ledgers = Ledgers(cache)
    known = candidates(cache, tier, _weighted(cache, tier), ledgers)
    need = usual_size(tier).peak.use
    free = free_slots(known, need, in_every_group=tier.mode == "Shared")
    advice = scale_up(cache, tier, known, ledgers)
    return Explanation(
        subject=f"Tier {tier.metadata.name}",
        sentences=(
            f"There is room for {free} more tenants of one cluster and the tier's own size.",
            f"To grow: {advice['kind']}. {advice['reason']}.",
        ),
        places=tuple(_for_newcomer(candidate, need) for candidate in known),
        facts={
            "mode": tier.mode,
            "strategy": tier.spec.placement.strategy,
            "freeTenantSlots": free,
            "scaleUp": advice,
            "quotas": list(cache.status(tier_key(tier.metadata.name)).get("quotas") or ()),
        },
    )


def explain_cell(cache: Cache, cell: Cell) -> Explanation:
    """What an account still has room for.

    Raises:
        NotThere: its tier is missing.
    """
    tier = _tier(cache, cell.spec.tier_ref.name)
    ledgers = Ledgers(cache)
    further = cell_room(cache, tier, cell, ledgers)
    others = [
        c for c in cache.cells_in_account(cell.spec.account_id) if c.metadata.name != cell.metadata.name
    ]
    why = further.why_not
    said = [
        f"No further infra group can be added: {why}."
        if why
        else f"It has {further.groups} of limits.infraGroupsPerCell {further.most} infra groups and can take another."
    ]
    if others:
        names = ", ".join(other.metadata.name for other in others)
        said.append(f"Account {cell.spec.account_id} and its quotas are shared with {names}.")
    known = candidates(cache, tier, _weighted(cache, tier), ledgers)
    need = usual_size(tier).peak.use
    return Explanation(
        subject=f"Cell {cell.metadata.name}",
        sentences=tuple(said),
        places=tuple(_for_newcomer(c, need) for c in known if c.cell == cell.metadata.name),
        facts={
            "account": cell.spec.account_id,
            "quotas": list(cache.status(cell_key(cell.metadata.name)).get("quotas") or ()),
        },
    )


def explain_group(cache: Cache, group: InfraGroup) -> Explanation:
    """What a load balancer still has room for.

    Raises:
        NotThere: its cell or its tier is missing.
    """
    cell = cache.cell(group.spec.cell_ref.name)
    if cell is None:
        raise NotThere(f"there is no Cell {group.spec.cell_ref.name!r}")
    tier = _tier(cache, cell.spec.tier_ref.name)
    known = candidates(cache, tier, _weighted(cache, tier))
    need = usual_size(tier).peak.use
    mine = next(c for c in known if c.name == group.metadata.name)
    place = _for_newcomer(mine, need)
    return Explanation(
        subject=f"InfraGroup {group.metadata.name}",
        sentences=(
            f"It holds {place.tenants} tenants and has room for {place.room} more of one cluster and the tier's own size.",
            *((f"It takes none now: {place.why}.",) if place.why else ()),
        ),
        places=(place,),
        facts={"cell": cell.metadata.name, "weight": cache.status(group_key(mine.name)).get("weight")},
    )


def _tier(cache: Cache, name: str) -> Tier:
    tier = cache.tier(name)
    if tier is None:
        raise NotThere(f"there is no Tier {name!r}")
    return tier


def _weighted(cache: Cache, tier: Tier) -> set[str]:
    return {
        group.metadata.name
        for group in cache.groups_of_tier(tier.metadata.name)
        if cache.status(object_key(group)).get("weight")
    }


def _rule(tier: Tier, tenant: Tenant) -> str:
    """Why the groups are chosen as they are, in the words of docs/capacity.md."""
    if tier.mode == "Shared":
        return (
            "The tier is Shared: its one name may lead a request to any weighted load balancer, so every tenant lives in "
            "every infra group."
        )
    if tenant.pinned_groups:
        return f"Its spec pins it to {', '.join(tenant.pinned_groups)} (placement.infraGroups)."
    order = {
        "Spread": "the group with the fewest tenants",
        "Pack": "the group with the most tenants that still has room",
    }[tier.spec.placement.strategy]
    return (
        f"It lives in {tenant.spread} of the tier's infra groups (placement.spread), in other cells first; the tier's "
        f"strategy {tier.spec.placement.strategy} takes {order}."
    )


def _seen_by(cache: Cache, tenant: Tenant, candidate: Candidate, size: Size) -> Place:
    need = size.peak.use
    placement = placement_in(cache.status(object_key(tenant)), candidate.name)
    if not placement:
        return _for_newcomer(candidate, need)
    held = from_status(placement)
    findings, why = _at_home(candidate, held, size)
    return _place(candidate, "Waiting" if why else "Here", why, findings, need)


def _at_home(candidate: Candidate, held: Reservation | None, size: Size) -> tuple[Sequence[Finding], str]:
    """What the tenant waits for where it lives already, if it waits for anything."""
    if held is None or held.size == size:
        return (), ""
    admission = admit(candidate.ledger, held, size, held.size.stacks)
    return admission.findings, admission.shortage


def _for_newcomer(candidate: Candidate, need: Use) -> Place:
    why = why_not(candidate, need)
    verdict = "Room"
    if candidate.leaving:
        verdict = "Leaving"
    elif not candidate.schedulable:
        verdict = "NotSchedulable"
    elif why:
        verdict = "NoRoom"
    return _place(candidate, verdict, why, newcomer(candidate.ledger, need), need)


def _place(candidate: Candidate, verdict: str, why: str, findings: Sequence[Finding], need: Use) -> Place:
    return Place(
        infra_group=candidate.name,
        cell=candidate.cell,
        account=candidate.ledger.account,
        verdict=verdict,
        why=why,
        tenants=candidate.ledger.tenants,
        room=room(candidate.ledger, need),
        findings=tuple(findings),
    )


def _size_as_json(size: Size) -> dict[str, Any]:
    return to_status(Reservation(size=size, peak=size.peak))


def _place_as_json(place: Place) -> dict[str, Any]:
    return {
        "infraGroup": place.infra_group,
        "cell": place.cell,
        "account": place.account,
        "verdict": place.verdict,
        "why": place.why,
        "tenants": place.tenants,
        "room": place.room,
        "limits": [
            {**{k: v for k, v in asdict(f).items() if k != "unit"}, **_in_aws_units(f), "fits": f.fits}
            for f in place.findings
        ],
    }


def _in_aws_units(finding: Finding) -> dict[str, float]:
    if finding.unit == 1:
        return {}
    return {
        name: getattr(finding, name) / finding.unit for name in ("used", "kept", "needed", "limit", "free")
    }
