"""How late the event loop is, and whether it has room for work that nobody waits for.

An edit passes through the loop some twenty times on its way to AWS. Each time it waits for whatever else is ready to run,
and hundreds of visits of a sweep can be. So those begin a few at a time, and fewer while the loop is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

BEAT_SECONDS = 0.05
LATE_SECONDS = 0.02
"""Twenty times this is less than the second that an edit may take."""
BEGUN_PER_BEAT = 8
"""160 a second: more than a core can do."""
BEGUN_WHILE_LATE = 2
"""40 a second, some 10 ms of work among 50: another process may make the loop late, and nothing may stand still for it."""
ALWAYS = 8
"""So many visits of a sweep or a backlog are at work however late the loop is: edits without end starve nobody."""


@dataclass
class Pulse:
    """Belongs to one event loop; `clock` gives seconds, monotonic."""

    clock: Callable[[], float]
    late: float = 0.0
    """By how many seconds the loop was late at the last beat."""
    _room: int = BEGUN_PER_BEAT

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            before = self.clock()
            await asyncio.sleep(BEAT_SECONDS)
            self.beat(self.clock() - before - BEAT_SECONDS)

    def beat(self, late: float) -> None:
        """Take in that a beat came so many seconds late."""
        self.late = late
        self._room = BEGUN_PER_BEAT if late < LATE_SECONDS else BEGUN_WHILE_LATE

    def has_room(self, at_work: int) -> bool:
        """Whether one more may begin, where so many are at work."""
        return at_work < ALWAYS or self._room > 0

    def take_room(self) -> None:
        """One more begins."""
        self._room = max(0, self._room - 1)
