"""A tier's rollout: what its tenants' statuses say becomes a wave, and a wave becomes what the tier says of it.

The tier's visit works the wave out and wakes whoever may go; a tenant's visit only asks. Between the two nothing is lost
by a crash: who was let go is in the tenant's status before anything is done in AWS (`engine.releases`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from tenant_operator.api import Tenant, Tier
from tenant_operator.api.tenant import NOTHING_OF_ITS_OWN
from tenant_operator.aws.budgets import Priority
from tenant_operator.desired.workload import merged
from tenant_operator.engine.cache import Key, Kind, object_key, tier_key
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.summary import NAMED, object_name
from tenant_operator.engine.visit import Notice, Visit
from tenant_operator.plan.wave import Budget, Member, Wave, wave

WHY = 240
"""Characters of a failure's reason that fit beside five names into a condition's message."""


def roll_out(engine: Engine, visit: Visit, tier: Tier) -> None:
    """Work the wave out, wake those whose turn has come, and say how far it is."""
    revision = tier_revision(tier)
    found = wave(_members(engine, tier), _budget(tier), engine.today())
    engine.remember(visit.key)["wave"] = (tier.metadata.generation, found)
    if not tier.spec.paused:
        engine.wake((_key(name) for name in found.go), Priority.BACKLOG)
    if found.next_at is not None:
        visit.look_again(max(0.5, (found.next_at - engine.today()).total_seconds()))
    visit.fields["revision"] = revision
    visit.fields["summary"]["rollout"] = f"{len(found.on)}/{found.size}"
    _say(engine, visit, found)


def may_go(engine: Engine, tier: Tier, tenant: Tenant) -> bool:
    """Whether it is a tenant's turn, as far as the tier's last visit knew; not before it has been visited at all."""
    generation, found = engine.remember(tier_key(tier.metadata.name)).get("wave", (None, Wave()))
    return generation == tier.metadata.generation and object_name(tenant) in found.go


def tier_revision(tier: Tier) -> str:
    """The revision of a tenant that overrides nothing of the tier's workload."""
    return merged(tier.spec.workload, NOTHING_OF_ITS_OWN).revision


def goal(engine: Engine, tier: Tier, tenant: Tenant) -> str:
    """The revision that a tenant's spec and its tier's come to; worked out once for each generation of both."""
    memory = engine.remember(object_key(tenant))
    stamp = (tier.metadata.uid, tier.metadata.generation, tenant.metadata.generation)
    if memory.get("goal", (None,))[0] != stamp:
        memory["goal"] = (stamp, merged(tier.spec.workload, tenant.workload).revision)
    return str(memory["goal"][1])


def _budget(tier: Tier) -> Budget:
    rollout = tier.spec.rollout
    return Budget(
        concurrent=rollout.max_concurrent_tenants,
        failures=rollout.pause_on_failures,
        soak=dt.timedelta(seconds=rollout.soak_seconds),
    )


def member_of(tenant: Tenant, status: Mapping[str, Any], goal: str) -> Member | None:
    """What a tenant's spec and status say of its part in the rollout; None while it has none.

    It has none before it ever ran (there is nothing to protect), while it is suspended, paused, refused, or going.
    """
    granted = str(status.get("revision", ""))
    release = status.get("release") or {}
    completed = release.get("completedAt")
    said = {condition["type"]: condition for condition in status.get("conditions") or ()}
    arriving = not granted or (completed is None and release.get("cause", "Created") == "Created")
    stands_aside = tenant.metadata.deletion_timestamp or tenant.spec.paused or tenant.spec.suspended
    if arriving or stands_aside or said.get("Accepted", {}).get("status") == "False":
        return None
    rolled_back = status.get("failedRevision") == granted
    starts_not = said.get("ComputeReady", {}).get("reason") == "DeploymentFailed"
    return Member(
        name=object_name(tenant),
        goal=goal,
        granted=granted,
        by_wave=release.get("cause") == "Tier",
        completed_at=None if completed is None else dt.datetime.fromisoformat(completed),
        failed=completed is None and (rolled_back or starts_not),
    )


def _members(engine: Engine, tier: Tier) -> Iterator[Member]:
    for tenant in engine.cache.tenants_of(tier.metadata.name):
        status = engine.cache.status(object_key(tenant))
        member = member_of(tenant, status, goal(engine, tier, tenant))
        if member is not None:
            yield member


def _say(engine: Engine, visit: Visit, found: Wave) -> None:
    so_far = f"{len(found.on)} of {found.size} tenants run the tier's workload as it is now (revision {visit.fields['revision']})"
    if found.own:
        so_far += f", {len(found.own)} are on their way by edits of their own"
    was = visit.previous_condition("RolloutComplete").get("reason")
    if found.complete:
        visit.conditions.true("RolloutComplete", "Complete", so_far)
        if was in ("RollingOut", "Paused", "ReleaseFailed"):
            visit.notices.append(Notice("RolloutComplete", so_far))
        return
    if found.failed:
        stopped = found.paused and bool(found.waiting)
        reason = "Paused" if stopped else "ReleaseFailed"
        message = (
            f"the release failed for {_named(found.failed)}: {_why(engine, found.failed[0])}; "
            + (f"{len(found.waiting)} tenants wait and keep their old revision; " if stopped else "")
            + f"{so_far}. Correct the tier's workload, or change its restartNonce to try again"
        )
        visit.conditions.false("RolloutComplete", reason, message)
        if was != reason:
            visit.notices.append(Notice(f"Rollout{reason}", message, warning=True))
        return
    moving = [f"{len(found.under_way)} under way ({_named(found.under_way)})"] if found.under_way else []
    moving += [f"{len(found.soaking)} being watched"] if found.soaking else []
    moving += [f"{len(found.waiting)} waiting"] if found.waiting else []
    visit.conditions.false("RolloutComplete", "RollingOut", f"{so_far}; {', '.join(moving)}")
    if was in ("Complete", "NoRollout"):
        visit.notices.append(
            Notice("RollingOut", f"revision {visit.fields['revision']} goes to {found.size} tenants")
        )


def _why(engine: Engine, name: str) -> str:
    said = str(engine.cache.condition(_key(name), "ComputeReady").get("message", ""))
    return said if len(said) <= WHY else said[: WHY - 1] + "…"


def _named(names: tuple[str, ...]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _key(name: str) -> Key:
    namespace, _, bare = name.partition("/")
    return Key(Kind.TENANT, namespace, bare)
