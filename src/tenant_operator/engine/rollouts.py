"""When to look at a rollout, which release ECS rolled back, and when to try a failed first release again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from tenant_operator.desired.resources import Address, Live, Resource, Service, World
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.engine.cache import Key
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.settings import (
    FIRST_RELEASE_RETRY_MAX_SECONDS,
    FIRST_RELEASE_RETRY_SECONDS,
    ROLLOUT_FIRST_POLL_SECONDS,
    ROLLOUT_LAST_POLL_SECONDS,
)
from tenant_operator.engine.visit import Visit
from tenant_operator.plan.diff import field_changes

GROWTH = 0.4
"""Each pause is this share of the time that the rollout has taken so far."""


def poll_in(engine: Engine, key: Key, group: str) -> float:
    """Seconds until a rollout is worth looking at again: soon at first, then ever more seldom."""
    memory = engine.remember(key)
    started = float(memory.setdefault(("rollout", group), engine.clock()))
    elapsed = engine.clock() - started
    return min(ROLLOUT_LAST_POLL_SECONDS, max(ROLLOUT_FIRST_POLL_SECONDS, GROWTH * elapsed))


def may_restart(memory: dict[Any, Any], service: str, revision: str, now: float) -> float:
    """Seconds until a failed first release may be tried again; 0: now, which is taken note of.

    A new revision starts anew: the failure may have been the old one's.
    """
    known = memory.get(("restart", service))
    if known is None or known[0] != revision:
        memory[("restart", service)] = (
            revision,
            now + FIRST_RELEASE_RETRY_SECONDS,
            FIRST_RELEASE_RETRY_SECONDS,
        )
        return FIRST_RELEASE_RETRY_SECONDS
    due, pause = float(known[1]), float(known[2])
    if now < due:
        return due - now
    longer = min(FIRST_RELEASE_RETRY_MAX_SECONDS, 2 * pause)
    memory[("restart", service)] = (revision, now + longer, longer)
    return 0.0


def under_way_to(memory: dict[Any, Any], group: str, revision: str) -> dict[Address, str]:
    """The services in an infra group that are under way to a revision, with the ARNs that they were given.

    What was on its way to another revision is forgotten: a person has turned elsewhere since.
    """
    known: tuple[str, dict[Address, str]] | None = memory.get(("under way", group))
    if known is None or known[0] != revision:
        known = memory[("under way", group)] = (revision, {})
    return known[1]


def note_under_way(under_way: MutableMapping[Address, str], wanted: Tenancy, world: World) -> None:
    """Remember the services whose rollout to the wanted revision is under way, with the ARN that they were given.

    One that has arrived is forgotten: if it runs something else later, that is drift and no rollback. `world` holds the
    tenant's services and the task definitions that they run.
    """
    for slot in wanted.slots:
        service, definition = world.get(slot.service.address), world.get(slot.task_definition.address)
        if service is None or definition is None or not isinstance(service.spec, Service):
            continue
        if service.spec.task_definition != definition.id or not runs(slot.task_definition, definition, world):
            continue
        if service.attributes["state"].rollout == "COMPLETED":
            under_way.pop(service.address, None)
        else:
            under_way[service.address] = definition.id


def runs(wanted: Resource, definition: Live, world: World = MappingProxyType({})) -> bool:
    """Whether a task definition runs what is wanted; its tags do not matter."""
    return all(change.field == "tags" for change in field_changes(wanted, definition, world))


def began_before(visit: Visit, memory: Mapping[Any, Any], revision: str) -> dt.datetime | None:
    """When a release began that an earlier process let go and that is not complete, as the status says; None: no such one."""
    release = visit.previous.get("release") or {}
    if visit.previous.get("revision") != revision or visit.previous.get("failedRevision") == revision:
        return None
    if "completedAt" in release or "startedAt" not in release or memory.get("let go") == revision:
        return None
    return dt.datetime.fromisoformat(release["startedAt"])


def gone_back(under_way: Mapping[Address, str], world: Mapping[Address, Live]) -> bool:
    """Whether ECS rolled a release back: a service that was under way to it runs another revision, or is returning.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    for address, arn in under_way.items():
        live = world.get(address)
        if live is None or not isinstance(live.spec, Service):
            continue
        state = live.attributes["state"]
        if live.spec.task_definition != arn or (state.failed_task_definition == arn and state.running):
            return True
    return False
