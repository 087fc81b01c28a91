"""The keyed work queue: one key in flight at a time, duplicates merged, delays, backoff, two priorities with aging.

The shape is client-go's (https://pkg.go.dev/k8s.io/client-go/util/workqueue), with priorities: a person's edit passes a
resync, and a resync that has waited long enough passes the edits, so that nothing starves.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tenant_operator.aws.budgets import Priority

K = TypeVar("K", bound=Hashable)

AGING_SECONDS = 10.0
"""A resync that has waited so long goes before the edits: long against an edit's own work, short against a sweep."""
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_LAST_SECONDS = 60.0


@dataclass
class KeyedQueue(Generic[K]):
    """Keys to work on. It belongs to one event loop.

    `clock` returns seconds, monotonic; `jitter` a number from 0 to 1.
    """

    clock: Callable[[], float]
    jitter: Callable[[], float] = random.random
    _ready: dict[Priority, dict[K, float]] = field(default_factory=lambda: {p: {} for p in Priority})
    _delayed: list[tuple[float, int, K, Priority]] = field(default_factory=list)
    _due: dict[K, float] = field(default_factory=dict)
    _in_flight: set[K] = field(default_factory=set)
    _again: dict[K, Priority] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: K, priority: Priority = Priority.EDIT) -> None:
        """Work on the key soon. A key that is waiting already is merged with, at the more urgent of the priorities."""
        if key in self._in_flight:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        if key in self._ready[Priority.EDIT]:
            return
        waiting_since = self._ready[Priority.RESYNC].get(key)
        if priority is Priority.EDIT and waiting_since is not None:
            del self._ready[Priority.RESYNC][key]
        self._ready[priority].setdefault(key, self.clock() if waiting_since is None else waiting_since)
        self._wake.set()

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.EDIT) -> None:
        """Work on the key in `seconds`; of several times the earliest counts."""
        due = self.clock() + seconds
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._delayed, (due, next(self._order), key, priority))
        self._wake.set()

    def retry(self, key: K, priority: Priority = Priority.EDIT) -> float:
        """Work on the key again after its backoff: doubled with each failure in a row, with jitter. Returns seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        ceiling = min(BACKOFF_LAST_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(failures - 1, 30))
        seconds = ceiling * (0.5 + 0.5 * self.jitter())
        self.add_after(key, seconds, priority)
        return seconds

    def succeeded(self, key: K) -> None:
        """The key's backoff starts anew."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """The key's object is gone: nothing of it stays behind."""
        self._failures.pop(key, None)
        self._due.pop(key, None)
        self._again.pop(key, None)
        for waiting in self._ready.values():
            waiting.pop(key, None)

    async def get(self) -> K:
        """The next key; it is in flight until `done`."""
        while True:
            self._move_due()
            key = self._pop()
            if key is not None:
                self._in_flight.add(key)
                return key
            self._wake.clear()
            timeout = max(0.0, self._delayed[0][0] - self.clock()) if self._delayed else None
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """The key is no longer in flight; if it was added meanwhile, it is ready again."""
        self._in_flight.discard(key)
        priority = self._again.pop(key, None)
        if priority is not None:
            self.add(key, priority)
        self._wake.set()

    def depth(self) -> dict[str, int]:
        """How many keys are ready by priority, delayed, and in flight."""
        return {
            **{priority.name.lower(): len(keys) for priority, keys in self._ready.items()},
            "delayed": len(self._due),
            "in_flight": len(self._in_flight),
        }

    def oldest_wait(self) -> float:
        """Seconds that the longest waiting ready key has waited."""
        since = [next(iter(keys.values())) for keys in self._ready.values() if keys]
        return self.clock() - min(since) if since else 0.0

    def _move_due(self) -> None:
        now = self.clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key, priority = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, priority)

    def _pop(self) -> K | None:
        edits, resyncs = self._ready[Priority.EDIT], self._ready[Priority.RESYNC]
        aged = bool(resyncs) and self.clock() - next(iter(resyncs.values())) > AGING_SECONDS
        source = resyncs if resyncs and (aged or not edits) else edits
        if aged and edits and next(self._order) % 2:
            source = edits
        if not source:
            return None
        key = next(iter(source))
        del source[key]
        return key
