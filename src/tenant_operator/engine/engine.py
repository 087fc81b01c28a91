"""The brain: the ear that takes objects in, the workers that visit them, and the sweeps.

Kopf's events come in through `observe`; everything after that is level-based. A visit never trusts what woke it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.api import CONDITIONS, UnreadableObject
from tenant_operator.aws.budgets import FLOW, Priority
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired.resources import Live
from tenant_operator.engine import finalizers, summary
from tenant_operator.engine.cache import Cache, Key, Kind, Object, key_of
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.conditions import Conditions
from tenant_operator.engine.drift_hints import DriftHints
from tenant_operator.engine.feed import Feed
from tenant_operator.engine.finalizers import is_due, is_ours
from tenant_operator.engine.handover import Handover
from tenant_operator.engine.kubernetes import Kubernetes, Refused
from tenant_operator.engine.listing import everything_is_seen
from tenant_operator.engine.overtaking import Overtaking
from tenant_operator.engine.publishing import Publisher
from tenant_operator.engine.pulse import Pulse
from tenant_operator.engine.queue import KeyedQueue
from tenant_operator.engine.settings import (
    OTHERS_SHARE,
    SWEEP_JITTER,
    SWEEPS_TRUSTED,
    VISIT_LIMIT_SECONDS,
    VISIT_LOOK_SECONDS,
    VISIT_TOLD_SECONDS,
    Settings,
)
from tenant_operator.engine.sharing import Sharing
from tenant_operator.engine.visit import Notice, Visit
from tenant_operator.engine.waking import Waking, asked, spec_changed

log = logging.getLogger(__name__)

Reconciler = Callable[["Engine", Visit, Any], Any]


class Superseded(Exception):
    """The lease was lost while a visit was under way; whoever has it now begins anew."""


@dataclass
class Engine:
    """One process's engine. It belongs to one event loop."""

    settings: Settings
    kubernetes: Kubernetes
    clouds: Clouds
    reconcilers: Mapping[Kind, Reconciler]
    cache: Cache = field(default_factory=Cache)
    sharing: Sharing | None = None
    """Which objects are this process's to work on; None: all."""
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def __post_init__(self) -> None:
        self.overtaking: Overtaking[Key] = Overtaking(self.clock)
        self.pulse = Pulse(self.clock)
        self.queue: KeyedQueue[Key] = KeyedQueue(
            clock=self.clock,
            flow=self.cache.cells_waited_for,
            overtaken=self.overtaking.overtake,
            pulse=self.pulse,
            most_others=self.settings.workers * OTHERS_SHARE,
        )
        self.waking = Waking(self.cache, self.queue)
        self.publisher = Publisher(self.kubernetes, self.cache, self.clock, self.today)
        self.definitions: dict[str, Live] = {}
        """Task definitions by ARN: a revision never changes."""
        self.memory: dict[Key, dict[Any, Any]] = {}
        """What visits remember of an object until the process ends: never anything that matters after a crash."""
        hints = DriftHints(self.settings.installation, self.cache, self.clouds, self.definitions)
        self.feed = Feed(self.settings.installation, self.clouds, hints, self.wake, self.sweep, self.holds)
        self.seen: dict[str, int] = {}
        """The resourceVersion of each object as the watches showed it last, by uid."""
        self.forced: set[Key] = set()
        """What a person asked to visit."""
        self._parked: dict[Key, Priority] = {}
        """What came up while somebody else worked on it, or nobody could."""
        self.ready = asyncio.Event()
        self._stopping = False
        self._swept = float("-inf")

    # --- the ear ----------------------------------------------------------------------------------

    def observe(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """Take in an object as a watch shows it, and wake what depends on it."""
        key = key_of(body)
        if deleted:
            self._forget(key, body["metadata"]["uid"])
            return
        self.seen[body["metadata"]["uid"]] = int(body["metadata"].get("resourceVersion") or 0)
        follow = not self.holds(key)
        if follow:
            self.publisher.forget(key)
        try:
            key, old = self.cache.put(body, follow=follow)
        except UnreadableObject as error:
            log.warning("%s is not understood and left alone: %s", key, error)
            return
        new = self.cache.get(key)
        assert new is not None
        if not self.ready.is_set():
            self.queue.add(key, Priority.BACKLOG)
        elif old is None:
            self.waking.appeared(key, new)
        elif spec_changed(old, new):
            self.waking.edited(key, new)
        elif is_due(new) or (is_ours(new) and not is_ours(old)):
            self.queue.add(key)
        elif asked(old, new):
            self.forced.add(key)
            self.queue.add(key)

    def _forget(self, key: Key, uid: str) -> None:
        gone = self.cache.remove(key)
        self.seen.pop(uid, None)
        self._parked.pop(key, None)
        self.queue.forget(key)
        self.overtaking.forget(key)
        self.memory.pop(key, None)
        self.publisher.forget(key)
        self.waking.refused.discard(key)
        if gone is not None:
            self.waking.gone(key, gone)

    def observe_namespace(self, name: str, labels: Mapping[str, str], *, deleted: bool) -> None:
        """Take in a namespace's labels; tenants in it may be allowed, or no longer."""
        if deleted:
            self.cache.remove_namespace(name)
        elif self.cache.put_namespace(name, labels):
            self.waking.relabelled(name)

    def holds(self, key: Key) -> bool:
        """Whether an object is this process's to work on."""
        return self.sharing is None or self.sharing.holds(key)

    def wake(self, keys: Iterable[Key], priority: Priority = Priority.EDIT) -> None:
        """Visit some objects soon."""
        self.waking.wake(keys, priority)

    def unpark(self) -> None:
        """Visit what was put aside, as far as it is ours now."""
        for key in [key for key in self._parked if self.holds(key)]:
            self.queue.add(key, self._parked.pop(key))

    # --- working ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled; begins once all four kinds have been listed."""
        await everything_is_seen(self.kubernetes, self.cache, lambda: self.seen)
        self.ready.set()
        log.info("all kinds are listed: %d objects", len(self.cache))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pulse.run())
            group.create_task(self._sweep_regularly())
            group.create_task(self._watch_visits())
            if self.settings.drift_events:
                group.create_task(self.feed.run())
            group.create_task(self._dispatch(group))
            if self.sharing is not None:
                group.create_task(self.sharing.run(Handover(self, self.sharing.map)))

    async def stop(self, seconds: float) -> bool:
        """Take no new keys, and wait so long at most until those in flight are done; whether they are."""
        self._stopping = True
        for _ in range(int(seconds * 10)):
            if not self.queue.depth()["in_flight"]:
                return True
            await asyncio.sleep(0.1)
        return False

    def close(self) -> None:
        """Give threads and connections back."""
        self.kubernetes.close()
        self.clouds.accounts.transport.close()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Begin visits, so many at once at most. One task waits for keys: hundreds that do would all wake for each."""
        free = asyncio.Semaphore(self.settings.workers)
        while not self._stopping:
            await free.acquire()
            task = group.create_task(self._work(await self.queue.get()))
            task.add_done_callback(lambda _: free.release())

    async def _work(self, key: Key) -> None:
        FLOW.set(key)
        finished = False
        try:
            finished = await self.overtaking.run(key, self._visit(key), self.queue.priority_of(key))
        except Exception:
            log.exception("the visit to %s failed in a way that nobody foresaw; it is tried again", key)
            self.queue.retry(key, Priority.RESYNC)
        finally:
            self.queue.done(key)
        if finished and (broken_off := self.overtaking.owed(key)) is not None:
            self.queue.add(key, broken_off)

    async def _watch_visits(self) -> None:
        """Say which visits take long, and break off those that would never end: nobody else may visit their objects."""
        told = float("-inf")
        while True:
            await asyncio.sleep(VISIT_LOOK_SECONDS)
            long = self.overtaking.longer_than(VISIT_TOLD_SECONDS)
            if long and self.clock() - told >= VISIT_TOLD_SECONDS:
                told = self.clock()
                key, (seconds, where) = max(long.items(), key=lambda item: item[1])
                log.warning(
                    "%d visits take longer than %.0f s; the one to %s has taken %.0f s, and waits in %s",
                    len(long), VISIT_TOLD_SECONDS, key, seconds, where,
                )  # fmt: skip
            for key, (seconds, _) in long.items():
                if seconds >= VISIT_LIMIT_SECONDS:
                    log.error("the visit to %s is broken off after %.0f s, and made anew", key, seconds)
                    self.queue.add(key, self.queue.priority_of(key))
                    self.overtaking.end(key)

    async def _visit(self, key: Key) -> None:
        obj = self.cache.get(key)
        if obj is None:
            self.queue.forget(key)
            return
        if not self.holds(key):
            self._park(key)
            return
        if self.sharing is not None:
            self.sharing.fence.enter()
        if not is_ours(obj):
            await self._see_to_finalizer(key, obj)
            return
        visit = self.begin(key, obj, self.queue.priority_of(key))
        try:
            await self.reconcilers[key.kind](self, visit, obj)
        except Superseded:
            self._park(key)
            return
        except AwsError as error:
            visit.fail("Ready", error)
            visit.conditions.keep(*visit.conditions.known, "Drifted")
            log.info("%s: %s", key, error)
        await self.finish(visit, obj)

    async def _see_to_finalizer(self, key: Key, obj: Object) -> None:
        try:
            if not obj.metadata.deletion_timestamp:
                await finalizers.add(self.kubernetes, key, obj)
            elif is_due(obj):
                await finalizers.remove(self.kubernetes, key, obj)
        except Refused as error:
            log.warning("cannot write the finalizer of %s: %s", key, error)
            self.queue.retry(key)
        else:
            self.queue.succeeded(key)

    def _park(self, key: Key) -> None:
        """Put a key aside until it is ours; what was planned for it is somebody else's."""
        self._parked[key] = min(self.queue.priority_of(key), self._parked.get(key, Priority.RESYNC))
        self.queue.forget(key)

    def _is_superseded(self, key: Key) -> bool:
        """Whether the lease was lost since the visit that asks began."""
        return self.sharing is not None and (self.sharing.fence.is_passed or not self.holds(key))

    def begin(self, key: Key, obj: Object, priority: Priority = Priority.EDIT) -> Visit:
        """An empty visit to an object."""
        previous = self.cache.status(key).get("conditions") or ()
        conditions = Conditions(
            known=CONDITIONS[key.kind.value],
            previous=previous,
            generation=obj.metadata.generation,
            now=self.today(),
        )
        return Visit(
            key=key,
            generation=obj.metadata.generation,
            conditions=conditions,
            previous=self.cache.status(key),
            forced=key in self.forced,
            priority=priority,
            trust=self._trust(key, priority),
        )

    def _trust(self, key: Key, priority: Priority) -> float:
        """How old in seconds may be what is known: a sweep reads anew, an edit builds on what the last sweeps read."""
        if key in self.forced:
            return 0.0
        if priority is Priority.EDIT:
            return SWEEPS_TRUSTED * self.settings.sweep_seconds
        return self.clock() - self._swept

    async def finish(self, visit: Visit, obj: Object) -> None:
        """Write what a visit came to, and see to the next one."""
        key = visit.key
        if self.cache.get(key) is None:
            return
        if self._is_superseded(key):
            self._park(key)
            return
        await self._publish(visit, obj, may_wait=visit.requeue is not None and not visit.forced)
        self.forced.discard(key)
        if visit.conditions.get("Accepted").get("reason") == "Conflict":
            self.waking.refused.add(key)
        else:
            self.waking.refused.discard(key)
        if visit.failed:
            self.queue.retry(key, Priority.EDIT if visit.priority is Priority.EDIT else Priority.RESYNC)
            return
        if visit.released and not await self._release(key, obj):
            self.queue.retry(key)
            return
        self.queue.succeeded(key)
        if visit.requeue is not None:
            self.queue.add_after(key, visit.requeue)

    async def _release(self, key: Key, obj: Object) -> bool:
        """Let an object go of which nothing is left in AWS; False where that has to be tried again."""
        try:
            return await finalizers.remove(self.kubernetes, key, self.cache.get(key) or obj)
        except Refused as error:
            log.warning("cannot take the finalizer off %s: %s", key, error)
            return False

    async def checkpoint(self, visit: Visit, obj: Object) -> None:
        """Write what a visit has come to so far, before anything is done in AWS that depends on it.

        Raises:
            Superseded: somebody else works on the object now.
        """
        if self._is_superseded(visit.key):
            raise Superseded
        await self._publish(visit, obj, may_wait=False)

    async def _publish(self, visit: Visit, obj: Object, *, may_wait: bool) -> None:
        if await self.publisher.publish(visit, obj, may_wait=may_wait):
            self.waking.around(visit.key, obj)

    async def tell(self, key: Key, obj: Object, notice: Notice) -> None:
        """Post an Event about an object."""
        await self.publisher.tell(key, obj, notice)

    # --- sweeping ---------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Read everything anew and visit it, at a sweep's pace."""
        self._swept = self.clock()
        log.debug("sweep: %d objects", len(self.cache))
        self.wake(sorted(self.cache), Priority.RESYNC)

    async def _sweep_regularly(self) -> None:
        """Every `sweep_seconds`, a little earlier or later."""
        while True:
            spread = 1 + SWEEP_JITTER * (2 * random.random() - 1)
            await asyncio.sleep(self.settings.sweep_seconds * spread)
            self.sweep()

    # --- what reconcilers ask ---------------------------------------------------------------------

    def remember(self, key: Key) -> dict[Any, Any]:
        """The memory of an object."""
        return self.memory.setdefault(key, {})

    def settled(self, key: Key, names: Iterable[str], seconds: float, scope: str = "") -> frozenset[str]:
        """Which of some named things have been asked about for `seconds` without a break.

        The clock starts now for new ones, and is forgotten for those that are not named any more. `scope` keeps apart
        what is asked for several purposes.
        """
        memory = self.remember(key)
        old: Mapping[str, float] = memory.get(("settling since", scope), {})
        now = self.clock()
        current = memory[("settling since", scope)] = {name: old.get(name, now) for name in names}
        return frozenset(name for name, since in current.items() if now - since >= seconds)

    def summary(self) -> summary.Summaries:
        """Counts over the cache."""
        return summary.Summaries(self.cache)
