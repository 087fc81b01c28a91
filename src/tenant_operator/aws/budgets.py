"""How often AWS may be called: a token bucket per account, Region and AWS's own bucket group.

People's edits, the backlog and sweeps queue for the same tokens. Edits pass the others, which never take a
bucket below the reserve for edits; a sweep has a small bucket of its own besides (a fifth of the rate). Within a priority
the objects take turns (start-time fair queueing, https://doi.org/10.1145/248157.248171), so that one that asks for much
does not hold up one that asks for little. What has waited long counts as an edit that came when it did, so nothing
starves. A throttle answer empties the bucket and slows it for a while: everybody waits for the next token, nobody
retries on his own.

`Bucket` and `Turnstile` are pure: they are told the time. `Budgets` lets coroutines wait.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import cache

from tenant_operator.aws.limits import (
    AGING_SECONDS,
    BUCKETS,
    EDIT_RESERVE,
    GLOBAL_SERVICES,
    OTHER,
    PACE_RECOVERY_SECONDS,
    RATE_HEADROOM,
    RESYNC_SHARE,
    SLOWEST_PACE,
    Rate,
)
from tenant_operator.desired.resources import GLOBAL


class Priority(IntEnum):
    """Who a call is made for; the lower goes first."""

    EDIT = 0
    """A person's change, and whatever follows from it."""
    BACKLOG = 1
    """What follows from another object's change, and the first look after a start: to be done, but an edit passes it."""
    RESYNC = 2
    """A sweep: nobody waits for it."""


FLOW: ContextVar[Hashable] = ContextVar("flow", default=None)
"""The object on whose behalf calls are made; objects take turns at a bucket."""


class Bucket:
    """A token bucket: at most `burst` tokens, `refill` more every second. Times are seconds of any monotonic clock."""

    def __init__(self, burst: float, refill: float, now: float) -> None:
        self.burst = burst
        self.refill = refill
        self._tokens = burst
        self._at = now

    def tokens(self, now: float) -> float:
        """How many there are at `now`."""
        self._advance(now)
        return self._tokens

    def take(self, now: float) -> None:
        """Take one token; the caller has looked that there is one."""
        self._advance(now)
        self._tokens -= 1

    def empty(self, now: float) -> None:
        """Take all."""
        self._advance(now)
        self._tokens = min(self._tokens, 0.0)

    def slow(self, refill: float, now: float) -> None:
        """Refill at another rate from `now` on."""
        self._advance(now)
        self.refill = refill

    def has(self, tokens: float, now: float) -> bool:
        """Whether there are as many; rounding of the clock must not hold back a token that is due."""
        return self.tokens(now) >= tokens - _ROUNDING

    def due(self, tokens: float, now: float) -> float:
        """The time at which there will be as many, if nobody takes any."""
        missing = tokens - self.tokens(now)
        return now if missing <= _ROUNDING else now + missing / self.refill

    def _advance(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._tokens = min(self.burst, self._tokens + elapsed * self.refill)
        self._at = max(self._at, now)


_ROUNDING = 1e-6


@dataclass(order=True, slots=True)
class Ticket:
    """A place in the queue. Order is that of arrival."""

    number: int
    arrived: float = field(compare=False)
    priority: Priority = field(compare=False)
    served: bool = field(default=False, compare=False)
    withdrawn: bool = field(default=False, compare=False)


class _Line:
    """The tickets of one priority. Its flows take turns; within a flow the first to come is the first served.

    Each ticket has a start tag: the one after its flow's last ticket, or the present one if the flow was idle.
    """

    def __init__(self) -> None:
        self._tickets: list[tuple[float, Ticket]] = []
        self._next_of: dict[Hashable, float] = {}
        self._present = 0.0

    def join(self, ticket: Ticket, flow: Hashable) -> None:
        tag = max(self._present, self._next_of.get(flow, 0.0))
        self._next_of[flow] = tag + 1
        heapq.heappush(self._tickets, (tag, ticket))

    def head(self) -> Ticket | None:
        while self._tickets and self._tickets[0][1].withdrawn:
            self.leave()
        return self._tickets[0][1] if self._tickets else None

    def leave(self) -> None:
        """The head goes."""
        self._present = heapq.heappop(self._tickets)[0]
        if not self._tickets:
            self._next_of.clear()
            self._present = 0.0

    def waiting(self) -> int:
        return sum(not ticket.withdrawn for _, ticket in self._tickets)


class Turnstile:
    """One bucket with the queues before it."""

    def __init__(self, rate: Rate, now: float) -> None:
        burst = max(1.0, rate.burst * RATE_HEADROOM)
        self._rate = rate.refill * RATE_HEADROOM
        self._bucket = Bucket(burst, self._rate, now)
        self._sweeps = Bucket(max(1.0, burst * RESYNC_SHARE), self._rate * RESYNC_SHARE, now)
        # In a bucket of one token there is nothing to reserve: sweeps would never run.
        self._reserve = min(burst * EDIT_RESERVE, burst - 1.0)
        self._lines = {priority: _Line() for priority in Priority}
        self._numbers = 0
        self._throttled_at = float("-inf")
        self._pace = 1.0
        self._pace_at = now

    def join(self, priority: Priority, now: float, flow: Hashable = None) -> Ticket:
        """Queue up, on behalf of a flow."""
        self._numbers += 1
        ticket = Ticket(self._numbers, now, priority)
        self._lines[priority].join(ticket, flow)
        return ticket

    def pass_through(self, now: float) -> list[Ticket]:
        """Everybody whose turn has come, in order; each has his token."""
        self._repace(now)
        passed = []
        while (ticket := self._next(now)) is not None:
            self._bucket.take(now)
            if ticket.priority is Priority.RESYNC:
                self._sweeps.take(now)
            self._lines[ticket.priority].leave()
            ticket.served = True
            passed.append(ticket)
        return passed

    def due(self, now: float) -> float | None:
        """When somebody may pass next; None when nobody waits."""
        self._repace(now)
        times = []
        for priority, line in self._lines.items():
            head = line.head()
            if head is None:
                continue
            if priority is Priority.EDIT:
                times.append(self._bucket.due(1.0, now))
                continue
            own = self._sweeps.due(1.0, now) if priority is Priority.RESYNC else now
            unaged = self._bucket.due(1.0 + self._reserve, now)
            aged = max(self._bucket.due(1.0, now), head.arrived + AGING_SECONDS)
            times.append(max(own, min(unaged, aged)))
        return min(times, default=None)

    def throttled(self, now: float) -> None:
        """AWS has refused a call: what we thought was left is not there."""
        self._repace(now)
        self._bucket.empty(now)
        # Calls that were under way together are refused together; they are one piece of news.
        if now - self._throttled_at >= 1.0:
            self._pace = max(SLOWEST_PACE, self._pace / 2)
        self._throttled_at = now
        self._apply_pace(now)

    def abandon(self, ticket: Ticket) -> None:
        """Leave the queue."""
        ticket.withdrawn = True

    def waiting(self) -> int:
        """How many are in the queues."""
        return sum(line.waiting() for line in self._lines.values())

    def _next(self, now: float) -> Ticket | None:
        """Who passes now: an edit, unless another has waited so long that it came before it; the others while no edit waits."""
        if not self._bucket.has(1.0, now):
            return None
        edit = self._lines[Priority.EDIT].head()
        others = [head for head in (self._backlog(), self._sweep(now)) if head is not None]
        aged = [head for head in others if now - head.arrived >= AGING_SECONDS - _ROUNDING]
        before = min((head for head in aged if edit is None or head < edit), default=None)
        if before is not None:
            return before
        if edit is None and others and self._bucket.has(1.0 + self._reserve, now):
            return others[0]
        return edit

    def _backlog(self) -> Ticket | None:
        return self._lines[Priority.BACKLOG].head()

    def _sweep(self, now: float) -> Ticket | None:
        return self._lines[Priority.RESYNC].head() if self._sweeps.has(1.0, now) else None

    def _repace(self, now: float) -> None:
        """Come back to the full rate little by little."""
        if self._pace < 1.0:
            self._pace = min(1.0, self._pace + max(0.0, now - self._pace_at) / PACE_RECOVERY_SECONDS)
            self._apply_pace(now)
        self._pace_at = now

    def _apply_pace(self, now: float) -> None:
        self._bucket.slow(self._rate * self._pace, now)
        self._sweeps.slow(self._rate * self._pace * RESYNC_SHARE, now)


@cache
def rate_of(service: str, operation: str) -> Rate:
    """The bucket that AWS counts an operation in (boto3's names); the first line of `limits.BUCKETS` that fits."""
    for pattern, rate in BUCKETS.get(service, {}).items():
        if fnmatchcase(operation, pattern):
            return rate
    return Rate(f"{service} ({OTHER.name})", OTHER.burst, OTHER.refill)


class BudgetExhausted(Exception):
    """No token within the time that the caller was ready to wait."""


class Budgets:
    """The buckets of all accounts, `scale` times as large and as fast as AWS publishes. Not thread-safe.

    Attributes:
        calls: how many calls ended how, by (account, Region, service, operation, outcome); for metrics.
        waited: seconds waited for tokens, by (account, Region, bucket).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = scale
        self._gates: dict[tuple[str, str, str], _Gate] = {}
        self.calls: Counter[tuple[str, str, str, str, str]] = Counter()
        self.waited: dict[tuple[str, str, str], float] = {}

    async def acquire(
        self,
        account: str,
        region: str,
        service: str,
        operation: str,
        priority: Priority = Priority.EDIT,
        *,
        patience: float | None = None,
    ) -> None:
        """Wait for a token for one call.

        Args:
            account: 12 digits.
            region: the Region of the call; global services have one bucket whatever it says.
            service: boto3's name.
            operation: boto3's name.
            priority: who the call is for.
            patience: seconds to wait at most; None: as long as it takes.

        Raises:
            BudgetExhausted: the patience is at its end.
        """
        key, gate = self._gate(account, region, service, operation)
        begun = self._clock()
        try:
            await gate.passage(priority, patience)
        except TimeoutError:
            raise BudgetExhausted(f"no token of {key[2]} within {patience:.0f} s") from None
        finally:
            self.waited[key] = self.waited.get(key, 0.0) + self._clock() - begun

    def throttled(self, account: str, region: str, service: str, operation: str) -> None:
        """Take in that AWS has refused a call for its rate."""
        self._gate(account, region, service, operation)[1].throttled()

    def record(self, account: str, region: str, service: str, operation: str, outcome: str) -> None:
        """Count a call: `ok`, or the category of its error."""
        self.calls[(account, region, service, operation, outcome)] += 1

    def waiting(self) -> dict[tuple[str, str, str], int]:
        """How many calls wait, by (account, Region, bucket); only those where somebody does."""
        return {key: count for key, gate in self._gates.items() if (count := gate.turnstile.waiting())}

    def _gate(
        self, account: str, region: str, service: str, operation: str
    ) -> tuple[tuple[str, str, str], _Gate]:
        rate = rate_of(service, operation)
        key = (account, GLOBAL if service in GLOBAL_SERVICES else region, rate.name)
        if key not in self._gates:
            scaled = replace(rate, burst=rate.burst * self._scale, refill=rate.refill * self._scale)
            self._gates[key] = _Gate(Turnstile(scaled, self._clock()), self._clock)
        return key, self._gates[key]


class _Gate:
    """A turnstile at which coroutines wait."""

    def __init__(self, turnstile: Turnstile, clock: Callable[[], float]) -> None:
        self.turnstile = turnstile
        self._clock = clock
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._alarm: asyncio.TimerHandle | None = None

    async def passage(self, priority: Priority, patience: float | None) -> None:
        """Wait for our turn. Raises TimeoutError after `patience` seconds."""
        ticket = self.turnstile.join(priority, self._clock(), FLOW.get())
        self._pump()
        if ticket.served:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[ticket.number] = waiter
        try:
            async with asyncio.timeout(patience):
                await waiter
        finally:
            self._waiters.pop(ticket.number, None)
            if not ticket.served:
                self.turnstile.abandon(ticket)

    def throttled(self) -> None:
        self.turnstile.throttled(self._clock())
        self._pump()

    def _pump(self) -> None:
        for ticket in self.turnstile.pass_through(self._clock()):
            waiter = self._waiters.get(ticket.number)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock()
        due = self.turnstile.due(now)
        if due is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(due - now, _SHORTEST_NAP), self._pump)


_SHORTEST_NAP = 0.001
"""Seconds: timers are not finer, and a token that is due in less must not make the loop spin."""
