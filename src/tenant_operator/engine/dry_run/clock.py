"""Time in a dry run: it passes only when everything waits, and then at once."""

from __future__ import annotations

import datetime as dt
import itertools

TICK_SECONDS = 1e-6
"""Two looks at the clock differ by so much, so that a write and the reading after it are never at one instant."""


class ImaginedClock:
    """A monotonic clock, and the date that goes with it."""

    def __init__(self, today: dt.datetime) -> None:
        self._began = today
        self._passed = 0.0
        self._ticks = itertools.count(1)

    def __call__(self) -> float:
        """Seconds, monotonic, from an arbitrary beginning."""
        return self._passed + next(self._ticks) * TICK_SECONDS

    def today(self) -> dt.datetime:
        """The date, in UTC."""
        return self._began + dt.timedelta(seconds=self._passed)

    @property
    def passed(self) -> float:
        """Seconds that the dry run has skipped by waiting."""
        return self._passed

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += max(0.0, seconds)
