"""The keyed work queue: one key in flight at a time, duplicates merged, delays, backoff, priorities with aging, flows.

The shape is client-go's (https://pkg.go.dev/k8s.io/client-go/util/workqueue), with priorities: a person's edit passes a
resync, and a resync that has waited long enough passes the edits, so that nothing starves. Keys that wait for the same
account are a flow: flows take turns and have a limit each, so that an account that does not answer holds up its own.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tenant_operator.aws.budgets import Priority
from tenant_operator.engine.pulse import BEAT_SECONDS, Pulse

K = TypeVar("K", bound=Hashable)

AGING_SECONDS = 10.0
"""A resync that has waited so long goes before the edits: long against an edit's own work, short against a sweep."""
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_LAST_SECONDS = 60.0
IN_FLIGHT_PER_FLOW = 128
"""Visits at once for one account: more than its budgets let through, and few enough that twenty such accounts fit."""
RESYNCS_PER_FLOW = 32
"""Of them at most so many that nobody waits for: a sweep's calls come slowly, and its visits would take every place."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a waiting key stands."""

    priority: Priority
    flow: Hashable


@dataclass
class KeyedQueue(Generic[K]):
    """Keys to work on. It belongs to one event loop.

    `clock` returns seconds, monotonic; `jitter` a number from 0 to 1; `flow` what a key belongs to. `overtaken` is called
    with a key on which somebody works, when something more urgent comes for it. `pulse` says when the event loop has
    room for those.
    """

    clock: Callable[[], float]
    jitter: Callable[[], float] = random.random
    flow: Callable[[K], Hashable] = lambda _: None
    overtaken: Callable[[K], None] = lambda _: None
    pulse: Pulse | None = None
    most_others: float = float("inf")
    """How many keys may be in flight that are no edits: their visits can be slow, and edits need places, too."""
    _ready: dict[Priority, dict[Hashable, dict[K, float]]] = field(
        default_factory=lambda: {priority: {} for priority in Priority}
    )
    _places: dict[K, _Place] = field(default_factory=dict)
    _delayed: list[tuple[float, int, K, Priority]] = field(default_factory=list)
    _due: dict[K, float] = field(default_factory=dict)
    _in_flight: dict[K, _Place] = field(default_factory=dict)
    _busy: Counter[tuple[Hashable, bool]] = field(default_factory=Counter)
    _others_at_work: int = 0
    _again: dict[K, Priority] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: K, priority: Priority = Priority.EDIT) -> None:
        """Work on the key soon. A key that is waiting already is merged with, at the more urgent of the priorities.

        One that is being worked on gets its turn afterwards; `overtaken` is told where that work is the less urgent.
        """
        at_work = self._in_flight.get(key)
        if at_work is not None:
            self._again[key] = min(priority, self._again.get(key, priority))
            if priority < at_work.priority:
                self.overtaken(key)
            return
        place = self._places.get(key)
        since = self.clock()
        if place is not None:
            if place.priority <= priority:
                return
            since = self._take(key, place)
        place = self._places[key] = _Place(priority, self.flow(key))
        self._ready[priority].setdefault(place.flow, {})[key] = since
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
        place = self._places.get(key)
        if place is not None:
            self._take(key, place)

    async def get(self) -> K:
        """The next key; it is in flight until `done`."""
        while True:
            self._move_due()
            key = self._begin_next()
            if key is not None:
                return key
            self._wake.clear()
            timeout = max(0.0, self._delayed[0][0] - self.clock()) if self._delayed else None
            if not self._has_room() and self._others_wait():
                timeout = BEAT_SECONDS if timeout is None else min(timeout, BEAT_SECONDS)
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue

    def take_ready(self) -> list[K]:
        """Every key that may be worked on now, in order; all of them are in flight until `done`."""
        self._move_due()
        taken = []
        while (key := self._begin_next()) is not None:
            taken.append(key)
        return taken

    def next_in(self) -> float | None:
        """Seconds until a delayed key is ready; None when none is delayed."""
        while self._delayed and self._due.get(self._delayed[0][2]) != self._delayed[0][0]:
            heapq.heappop(self._delayed)
        return max(0.0, self._delayed[0][0] - self.clock()) if self._delayed else None

    def done(self, key: K) -> None:
        """The key is no longer in flight; if it was added meanwhile, it is ready again."""
        place = self._in_flight.pop(key)
        self._busy[(place.flow, place.priority is Priority.EDIT)] -= 1
        self._others_at_work -= place.priority is not Priority.EDIT
        self._ended.set()
        priority = self._again.pop(key, None)
        if priority is not None:
            self.add(key, priority)
        self._wake.set()

    def priority_of(self, key: K) -> Priority:
        """Why a key is in flight."""
        return self._in_flight[key].priority

    async def until_done(self, key: K) -> None:
        """Wait until nobody works on the key."""
        while key in self._in_flight:
            self._ended.clear()
            await self._ended.wait()

    def depth(self) -> dict[str, int]:
        """How many keys are ready by priority, delayed, and in flight."""
        return {
            **{
                priority.name.lower(): sum(len(keys) for keys in flows.values())
                for priority, flows in self._ready.items()
            },
            "delayed": len(self._due),
            "in_flight": len(self._in_flight),
        }

    def oldest_wait(self) -> float:
        """Seconds that the longest waiting ready key has waited."""
        since = [next(iter(keys.values())) for flows in self._ready.values() for keys in flows.values()]
        return self.clock() - min(since) if since else 0.0

    def _move_due(self) -> None:
        now = self.clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, _, key, priority = heapq.heappop(self._delayed)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, priority)

    def _begin_next(self) -> K | None:
        """The next key, in flight from now on; None while none may be worked on."""
        key = self._next()
        if key is not None:
            place = self._in_flight[key] = self._places[key]
            self._take(key, place)
            self._busy[(place.flow, place.priority is Priority.EDIT)] += 1
            if place.priority is not Priority.EDIT:
                self._others_at_work += 1
                if self.pulse is not None:
                    self.pulse.take_room()
        return key

    def _next(self) -> K | None:
        """Whose turn it is: an edit, unless another has waited so long that they take turns."""
        edit = self._head(Priority.EDIT)
        other = None
        if self._has_room():
            other = self._head(Priority.BACKLOG) or self._head(Priority.RESYNC)
        if edit is None or other is None:
            chosen = edit or other
        elif self.clock() - other[1] > AGING_SECONDS and next(self._order) % 2:
            chosen = other
        else:
            chosen = edit
        return None if chosen is None else chosen[0]

    def _has_room(self) -> bool:
        """Whether there is room for what is no edit."""
        if self._others_at_work >= self.most_others:
            return False
        return self.pulse is None or self.pulse.has_room(self._others_at_work)

    def _others_wait(self) -> bool:
        return bool(self._ready[Priority.BACKLOG] or self._ready[Priority.RESYNC])

    def _head(self, priority: Priority) -> tuple[K, float] | None:
        """The key that has waited longest in the next flow that has a place free, and since when."""
        for flow, keys in self._ready[priority].items():
            if self._has_place(flow, priority):
                return next(iter(keys.items()))
        return None

    def _has_place(self, flow: Hashable, priority: Priority) -> bool:
        edits, others = self._busy[(flow, True)], self._busy[(flow, False)]
        if priority is not Priority.EDIT and others >= RESYNCS_PER_FLOW:
            return False
        return edits + others < IN_FLIGHT_PER_FLOW

    def _take(self, key: K, place: _Place) -> float:
        """Take a waiting key away; its flow goes to the end of the round. Returns since when it has waited."""
        flows = self._ready[place.priority]
        keys = flows.pop(place.flow)
        since = keys.pop(key)
        if keys:
            flows[place.flow] = keys
        del self._places[key]
        return since
