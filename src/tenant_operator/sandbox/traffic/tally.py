"""What became of requests: answered by the right tenant, as its owner wished, lost, or answered by another tenant.

An answer that is not the tenant's own is judged late: only after a reading of the custom resources that began after it
came. Whatever was asked of the tenant before the operator could act on it is known by then, so that a suspension is
never taken for a loss, however the reading and the answer overtake each other.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tenant_operator.sandbox.traffic.audience import Destination, Wish

MAX_FAULTS = 500
"""So many faults are told one by one; all are counted. The first ones say what happened."""


class Outcome(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    WISHED = "as wished"
    LOST = "lost"
    WRONG_TENANT = "wrong tenant"


FAULTS = (Outcome.LOST, Outcome.WRONG_TENANT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request and what came back. Moments are in seconds on the generator's clock."""

    destination: Destination
    sent_at: dt.datetime
    """For people; in UTC."""
    ended: float
    seconds: float
    status: int | None
    """None: no answer came."""
    answered_by: str | None
    """`tier/tenant id` of the task that answered; None: a load balancer did, or nobody."""
    load_balancer: str
    wish: Wish
    """What was known to have been asked of the tenant when the request was sent."""
    error: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the tenant's own task answered, with success."""
        return self.is_own and self.status is not None and self.status < 500

    @property
    def is_own(self) -> bool:
        """Whether the tenant's own task answered."""
        return self.answered_by == f"{self.destination.tier}/{self.destination.tenant_id}"


def judge(exchange: Exchange, wish_after: Wish) -> Outcome:
    """What became of a request; `wish_after` is what was asked of the tenant by a reading begun after the answer."""
    if exchange.is_right:
        return Outcome.ANSWERED
    for wish in (exchange.wish, wish_after):
        if wish in (Wish.DELETED, Wish.REROUTED):
            return Outcome.WISHED
        if wish in (Wish.SUSPENDED, Wish.RESUMING) and exchange.status == 503 and not exchange.answered_by:
            return Outcome.WISHED
    if exchange.answered_by and not exchange.is_own:
        return Outcome.WRONG_TENANT
    return Outcome.LOST


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that was lost, or answered by another tenant."""

    exchange: Exchange
    outcome: Outcome


@dataclass(slots=True)
class Counts:
    """One tenant's requests by outcome, and how long the answered ones took."""

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    milliseconds: array[float] = field(default_factory=lambda: array("f"))

    @property
    def requests(self) -> int:
        """All requests that were judged."""
        return sum(self.outcomes.values())

    @property
    def faults(self) -> int:
        """Lost and wrongly answered requests."""
        return sum(self.outcomes[outcome] for outcome in FAULTS)


class Tally:
    """Counts the requests of a run, tenant by tenant."""

    def __init__(self) -> None:
        self.tenants: dict[str, Counts] = {}
        self.faults: list[Fault] = []
        self.held_back = 0
        """Requests that were due and not sent, because too many were under way: the machine or the service is too slow."""
        self._open: list[Exchange] = []

    def take(self, exchange: Exchange) -> None:
        """Take a request in; whatever is not its tenant's own answer waits for `settle`."""
        if exchange.is_right:
            self._count(exchange, Outcome.ANSWERED)
        else:
            self._open.append(exchange)

    def settle(self, reading_began: float, wish: Callable[[str], Wish]) -> None:
        """Judge what came before a reading of the custom resources began, by what that reading shows."""
        due = [exchange for exchange in self._open if exchange.ended <= reading_began]
        self._open = [exchange for exchange in self._open if exchange.ended > reading_began]
        for exchange in due:
            self._count(exchange, judge(exchange, wish(exchange.destination.tenant)))

    @property
    def requests(self) -> int:
        """All requests, the unjudged among them."""
        return len(self._open) + sum(counts.requests for counts in self.tenants.values())

    def total(self, outcome: Outcome) -> int:
        """How many requests had an outcome."""
        return sum(counts.outcomes[outcome] for counts in self.tenants.values())

    @property
    def is_clean(self) -> bool:
        """Whether no request was lost or answered by another tenant."""
        return not any(self.total(outcome) for outcome in FAULTS)

    def _count(self, exchange: Exchange, outcome: Outcome) -> None:
        counts = self.tenants.setdefault(exchange.destination.tenant, Counts())
        counts.outcomes[outcome] += 1
        if outcome is Outcome.ANSWERED:
            counts.milliseconds.append(exchange.seconds * 1000)
        elif outcome in FAULTS and len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(exchange, outcome))


def percentiles(latencies: Iterable[float], shares: Iterable[float]) -> list[float]:
    """The latencies that so large shares of them stayed at or below, in the same unit; zeros where there was none.

    Nearest rank: each is one that there was (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method).
    """
    found = sorted(latencies)
    if not found:
        return [0.0 for _ in shares]
    return [found[max(0, min(len(found) - 1, -int(-share * len(found) // 1) - 1))] for share in shares]
