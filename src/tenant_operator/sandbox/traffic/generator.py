"""Sends requests at a steady rate for a bounded time, whatever becomes of them, and reads the custom resources beside.

The loop is open: a slow answer delays no other request, as it is with customers who do not know of each other. What is
bounded is the rate, the time, and how many requests are under way.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenant_operator.sandbox.traffic.audience import Audience, Destination
from tenant_operator.sandbox.traffic.tally import Exchange, Tally

MAX_RPS = 2000.0
MAX_SECONDS = 3600.0
"""A rehearsal, not a weapon: longer ones are run again."""
MAX_IN_FLIGHT = 256
"""Requests under way at once. What is due beyond that is held back, and told."""
READING_SECONDS = 0.5
"""Between two readings of the custom resources: how soon a new tenant is sent requests."""
MAX_LATE_SECONDS = 1.0
"""A generator that was kept from running does not make up for more than this: a burst is no steady rate."""

Send = Callable[[Destination, int], Awaitable["Answered"]]
"""Sends one request, with its number; an answer that never came is an answer as well."""
Read = Callable[[Audience], Awaitable[None]]
"""Reads the custom resources and has the audience take them in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What came back: fields as in `Exchange`."""

    status: int | None
    answered_by: str | None
    load_balancer: str
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How much is sent: requests a second over all tenants, in turn; and for how many seconds.

    Raises:
        ValueError: a number is out of bounds.
    """

    rps: float
    seconds: float

    def __post_init__(self) -> None:
        if not 0 < self.rps <= MAX_RPS:
            raise ValueError(f"rps must be above 0 and at most {MAX_RPS:.0f}, not {self.rps}")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise ValueError(f"seconds must be above 0 and at most {MAX_SECONDS:.0f}, not {self.seconds}")


class Generator:
    """One run.

    Arguments:
        load: how much is sent.
        audience: to whom; filled by `read`.
        send: sends one request.
        read: reads the custom resources.
    """

    def __init__(self, load: Load, audience: Audience, send: Send, read: Read) -> None:
        self.tally = Tally()
        self.load = load
        self._audience = audience
        self._send = send
        self._read = read
        self._stopping = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._number = 0
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the first request could be sent."""
        return time.monotonic() - self._began

    @property
    def under_way(self) -> int:
        """Requests without an answer yet."""
        return len(self._under_way)

    def stop(self) -> None:
        """End early; what is under way is waited for."""
        self._stopping.set()

    async def run(self) -> Tally:
        """Send until the time is over or somebody stops it, wait for what is under way, and judge it all.

        Raises:
            Exception: what the first reading raises; later ones that fail are made up for by the next.
        """
        await self._read(self._audience)
        self._began = time.monotonic()
        reading = asyncio.create_task(self._keep_reading())
        try:
            await self._keep_sending()
            await asyncio.gather(*self._under_way)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await self._look()
        return self.tally

    async def _keep_sending(self) -> None:
        sent = 0.0  # in steps of the schedule
        while not self._stopping.is_set() and self.elapsed < self.load.seconds:
            due = min(self.elapsed, self.load.seconds) * self.load.rps
            late = due - sent - self.load.rps * MAX_LATE_SECONDS
            if late > 1:
                self.tally.held_back += int(late)
                sent += int(late)
            while sent < due:
                self._begin()
                sent += 1
            await self._pause(max(0.001, sent / self.load.rps - self.elapsed))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _begin(self) -> None:
        destinations = self._audience.destinations()
        if not destinations:
            return
        if len(self._under_way) >= MAX_IN_FLIGHT:
            self.tally.held_back += 1
            return
        self._number += 1
        destination = destinations[self._number % len(destinations)]
        task = asyncio.create_task(self._exchange(destination, self._number))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _exchange(self, destination: Destination, number: int) -> None:
        wish, at, began = (
            self._audience.wish(destination.tenant),
            dt.datetime.now(dt.UTC),
            time.monotonic(),
        )
        answered = await self._send(destination, number)
        ended = time.monotonic()
        self.tally.take(
            Exchange(
                destination=destination,
                sent_at=at,
                ended=ended,
                seconds=ended - began,
                status=answered.status,
                answered_by=answered.answered_by,
                load_balancer=answered.load_balancer,
                wish=wish,
                error=answered.error,
            )
        )

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(READING_SECONDS)
            try:
                await self._look()
            except OSError:  # an API server that is away for a moment is part of a rehearsal
                continue

    async def _look(self) -> None:
        began = time.monotonic()
        await self._read(self._audience)
        self.tally.settle(began, self._audience.wish)
