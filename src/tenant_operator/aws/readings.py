"""What was read when: each reading is made once for everybody who needs it at the same time (single flight)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.desired.resources import Address, Live

Reader = Callable[[Caller], Awaitable[Mapping[Address, Live]]]
Reading = Callable[[], Awaitable[Mapping[Address, Live]]]


@dataclass
class _State:
    """One thing that is read as a whole: when that last began, and who is reading it now."""

    started: float = float("-inf")
    flight: asyncio.Task[None] | None = None
    flight_started: float = float("-inf")
    flight_priority: Priority = Priority.EDIT
    forgotten: float = float("-inf")
    """What began to be read before this moment may lack what has happened since."""


@dataclass
class Readings:
    """The readings of one view, by name. Belongs to one event loop.

    Attributes:
        clock: seconds, monotonic.
        take: makes a reading and takes in what it shows: its name, how to read, and its scope.
    """

    clock: Callable[[], float]
    take: Callable[[str, Reading, tuple[str, ...]], Awaitable[None]]
    _states: defaultdict[str, _State] = field(default_factory=lambda: defaultdict(_State))

    def __iter__(self) -> Iterator[str]:
        """The names of all that was asked for."""
        return iter(list(self._states))

    def forget(self, name: str) -> None:
        """Make the next asker read again: what we knew has turned out wrong, and what is being read now may be."""
        state = self._states[name]
        state.started, state.forgotten = float("-inf"), self.clock()

    def forget_all(self) -> None:
        """The same for everything; what is being read now counts for nothing."""
        self._states.clear()

    def is_older(self, name: str, max_age: float) -> bool:
        """Whether a reading has to be made: the last one began so many seconds ago, or there was none."""
        return self.clock() - self._states[name].started >= max_age

    async def refresh(
        self, name: str, max_age: float, caller: Caller, reader: Reader, scope: tuple[str, ...] = ()
    ) -> None:
        """Read `name` unless that was done less than `max_age` seconds ago; askers at the same time share one reading.

        With `max_age` 0 a reading that is under way counts only if it began after the call. A more urgent asker's reading
        takes the place of one that is under way at a sweep's pace; those who wait for that one get this one.

        Raises:
            AwsError: the reading failed.
        """
        state = self._states[name]
        while self.is_older(name, max_age):
            flight = state.flight
            if flight is None or flight.done():
                flight = self._begin(name, state, caller, reader, scope)
            elif caller.priority < state.flight_priority:
                slower, flight = flight, self._begin(name, state, caller, reader, scope)
                slower.cancel()
            elif self.clock() - state.flight_started >= max_age or state.flight_started < state.forgotten:
                await asyncio.wait([flight])
                continue
            await asyncio.wait([flight])
            if not flight.cancelled():
                flight.result()
                return

    def _begin(
        self, name: str, state: _State, caller: Caller, reader: Reader, scope: tuple[str, ...]
    ) -> asyncio.Task[None]:
        state.flight_started, state.flight_priority = self.clock(), caller.priority
        state.flight = asyncio.ensure_future(self._read(name, state, partial(reader, caller), scope))
        state.flight.add_done_callback(_heard)
        return state.flight

    async def _read(self, name: str, state: _State, read: Reading, scope: tuple[str, ...]) -> None:
        started = self.clock()
        await self.take(name, read, scope)
        if started >= state.forgotten:
            state.started = started


def _heard(flight: asyncio.Task[None]) -> None:
    """Take note of how a reading ended: everybody who waited for it may have been overtaken meanwhile."""
    if not flight.cancelled():
        flight.exception()
