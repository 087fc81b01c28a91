"""The engine of a dry run: what would be done until there is nothing left to do but wait for somebody else.

Keys wait in the engine's own queue, woken by the engine's own rules, and are visited in turns: all that are ready, then
all that this has made ready. When none is ready, time passes until the next one is. It ends when nothing waits, or when
so much time has passed without any change that none will come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.api import FINALIZER, Cell, InfraGroup, Tier
from tenant_operator.aws.dry_run.transport import Call, gathering
from tenant_operator.engine.cache import Key, Object, key_of
from tenant_operator.engine.dry_run.clock import ImaginedClock
from tenant_operator.engine.dry_run.journal import Journal, visiting
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.finalizers import is_orphan
from tenant_operator.engine.infra_group_removal import drain_seconds
from tenant_operator.engine.settings import (
    DNS_TTL_SECONDS,
    ENDPOINT_RETRY_SECONDS,
    FIRST_RELEASE_RETRY_SECONDS,
)
from tenant_operator.engine.visit import Visit

log = logging.getLogger(__name__)

GROWTH = 0.05
"""While nothing changes, time passes in steps of at least this share of the time for which nothing has: looking every
15 s for the end of a drain of days would take thousands of looks."""
SPARE_SECONDS = 2 * FIRST_RELEASE_RETRY_SECONDS
"""On top of the longest of drains, soaks and retries: everything else that is waited for is over sooner."""
MOST_TURNS = 10_000
"""More would be a plan that does not converge."""


class DoesNotConverge(Exception):
    """The dry run has found no end: a defect of the operator, to be reported."""


@dataclass
class DryRun(Engine):
    """An engine whose time and whose AWS are imagined."""

    imagined_clock: ImaginedClock = field(kw_only=True)
    journal: Journal = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._bodies: dict[Key, Mapping[str, Any]] = {}
        self._changes = 0
        self.queue.jitter = lambda: 1.0  # two dry runs of the same change say the same
        self.queue.pulse = None  # nobody edits meanwhile
        self.ready.set()

    def take_in(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Take in objects as if the operator had put its finalizer on them."""
        for body in bodies:
            finalizers = body["metadata"].get("finalizers") or []
            metadata = {**body["metadata"], "finalizers": sorted({*finalizers, FINALIZER})}
            self._bodies[key_of(body)] = {**body, "metadata": metadata}
            self.observe({**body, "metadata": metadata}, deleted=False)
            if metadata.get("deletionTimestamp") and is_orphan(metadata.get("annotations")):
                self._let_go(key_of(body))

    async def play(self) -> None:
        """Visit until nothing is left to do.

        Raises:
            DoesNotConverge: there is no end.
            NotImagined: a write was met whose answer nobody has imagined yet; nothing was sent.
        """
        quiet, seen = 0.0, -1
        while self.journal.turn < MOST_TURNS:
            await self._turn()
            if self._changes != seen:
                quiet, seen = 0.0, self._changes
            pause = self.queue.next_in()
            if pause is None or quiet > self._longest_wait():
                return
            pause = max(pause, GROWTH * quiet)
            self.imagined_clock.skip(pause)
            quiet += pause
        raise DoesNotConverge(
            f"after {MOST_TURNS} turns there is still something to do: {self.journal.entries[-1:]}"
        )

    async def finish(self, visit: Visit, obj: Object) -> None:
        """As always; an object of which nothing is left goes."""
        before = self.cache.status(visit.key)
        await super().finish(visit, obj)
        if _essence(before) != _essence(self.cache.status(visit.key)):
            self._changes += 1
        if visit.released:
            self._let_go(visit.key)

    async def _turn(self) -> None:
        """Visit everything that is ready, as many at once as the operator would."""
        keys = self.queue.take_ready()
        while keys:
            self.journal.turn += 1
            gate = asyncio.Semaphore(self.settings.workers)
            await asyncio.gather(*(self._one_by_one(lane, gate) for lane in self._lanes(keys)))
            for key in keys:
                self.queue.done(key)
            keys = self.queue.take_ready()

    def _lanes(self, keys: Iterable[Key]) -> Iterable[list[Key]]:
        """The keys, apart but for the cells of one account: what they share there, one makes and the others find."""
        lanes: dict[object, list[Key]] = {}
        for key in keys:
            obj = self.cache.get(key)
            lanes.setdefault(obj.spec.account_id if isinstance(obj, Cell) else key, []).append(key)
        return lanes.values()

    async def _one_by_one(self, lane: Iterable[Key], gate: asyncio.Semaphore) -> None:
        for key in lane:
            async with gate:
                await self._one(key)

    async def _one(self, key: Key) -> None:
        calls: list[Call] = []
        before = len(self.journal.entries)
        with visiting(key), gathering(calls):
            await self._visit(key)
        self.journal.upkeep(key, calls, self.imagined_clock.passed)
        if len(self.journal.entries) != before:
            self._changes += 1

    def _let_go(self, key: Key) -> None:
        """What Kubernetes does once the finalizer is off an object that is being deleted."""
        body = self._bodies.pop(key, None)
        if body is not None:
            self.observe(body, deleted=True)

    def _longest_wait(self) -> float:
        """Seconds after which nothing will come of waiting any more."""
        waits = [ENDPOINT_RETRY_SECONDS, DNS_TTL_SECONDS]
        for key in self.cache:
            obj = self.cache.get(key)
            if isinstance(obj, InfraGroup):
                waits.append(drain_seconds(self, obj))
            elif isinstance(obj, Tier):
                waits.append(obj.spec.rollout.soak_seconds)
        return max(waits) + SPARE_SECONDS


def _essence(status: Mapping[str, Any]) -> object:
    """What of a status others may wait for: no words, no times."""
    conditions = status.get("conditions") or ()
    said = sorted((c["type"], c["status"], c["reason"]) for c in conditions)
    return said, status.get("placements"), status.get("weight")
