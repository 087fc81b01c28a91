"""The more urgent visit overtakes: a sweep's to an object is broken off when something has happened to it.

A sweep reads at a fifth of AWS's rates, so its visits are slow, and an object is visited by one at a time: without this an edit
would wait behind the sweep, and so would a tenant whose infra group has just become ready. As long as the slower visit has only
read, nothing is lost by breaking it off; it is owed, and made afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tenant_operator.aws import undertaking
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.undertaking import Undertaking

K = TypeVar("K", bound=Hashable)

PATIENCE_SECONDS = 60.0
"""How long the visits of a sweep to one object can be broken off; then the next one comes to its end, for it is the truth."""


@dataclass(frozen=True, slots=True)
class _Work:
    task: asyncio.Task[Any]
    undertaking: Undertaking
    priority: Priority
    since: float


@dataclass(frozen=True, slots=True)
class _Debt:
    since: float
    priority: Priority


@dataclass
class Overtaking(Generic[K]):
    """The visits under way, and those that were broken off. Belongs to one event loop; `clock` gives seconds, monotonic."""

    clock: Callable[[], float]
    _works: dict[K, _Work] = field(default_factory=dict)
    _debts: dict[K, _Debt] = field(default_factory=dict)
    _broken_off: set[K] = field(default_factory=set)

    async def run(self, key: K, visit: Coroutine[Any, Any, None], priority: Priority) -> bool:
        """Make a visit; False if it was broken off."""
        task = asyncio.current_task()
        assert task is not None
        self._works[key] = _Work(task, undertaking.begin(), priority, self.clock())
        try:
            await visit
        except asyncio.CancelledError:
            if key not in self._broken_off or task.uncancel():
                raise  # the process ends
            return False
        else:
            debt = self._debts.get(key)
            if debt is not None and priority >= debt.priority:
                del self._debts[key]
            return True
        finally:
            self._broken_off.discard(key)
            del self._works[key]

    def overtake(self, key: K) -> None:
        """Break off the visit to an object that is under way, if nothing is lost by that."""
        work = self._works.get(key)
        if work is None or work.undertaking.writes or key in self._broken_off:
            return
        debt = self._debts.get(key)
        now = self.clock()
        if debt is not None and now - debt.since >= PATIENCE_SECONDS:
            return
        self._debts[key] = _Debt(
            since=now if debt is None else debt.since,
            priority=work.priority if debt is None else max(debt.priority, work.priority),
        )
        self.end(key)

    def end(self, key: K) -> None:
        """Break off the visit to an object whatever it has done: as harmless as the death of the process, and no more."""
        work = self._works.get(key)
        if work is not None and key not in self._broken_off:
            self._broken_off.add(key)
            work.task.cancel()

    def longer_than(self, seconds: float) -> dict[K, tuple[float, str]]:
        """The visits under way for at least so many seconds: for how long, and where in the program they wait."""
        now = self.clock()
        return {
            key: (now - work.since, _whereabouts(work.task))
            for key, work in self._works.items()
            if now - work.since >= seconds
        }

    def owed(self, key: K) -> Priority | None:
        """At which priority a visit is owed to an object; None where none is."""
        debt = self._debts.get(key)
        return None if debt is None else debt.priority

    def forget(self, key: K) -> None:
        """The object is gone: nothing is owed to it."""
        self._debts.pop(key, None)


def _whereabouts(task: asyncio.Task[Any]) -> str:
    """What a task waits in: functions and lines, the innermost last."""
    found = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            found.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return " > ".join(found)
