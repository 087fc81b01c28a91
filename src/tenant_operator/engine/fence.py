"""The fence: a process writes only while nobody else can have taken what it holds.

Others take a shard over once its holder has not renewed its Lease for as long as the Lease lasts, by their own clocks
and since they themselves saw the last renewal. The fence closes well before: so many `seconds` after the start of the
last renewal that was answered. The rest is for a write that has just passed: to connect, and to be on the way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

from tenant_operator.aws.caller import Target
from tenant_operator.aws.errors import Category

FREE_SERVICES = frozenset({"sts", "sqs"})
"""Their calls change nothing that is shared: credentials, and the queue of hints."""
ANY_ACCOUNT = frozenset({"route53", "events"})
"""A hosted zone may be in an account that holds another process's cells; its names are the tier's, and so fenced by it. The
drift feed is the installation's: every process wants the same of it (engine/feed_upkeep.py)."""

_TERM: ContextVar[int | None] = ContextVar("term", default=None)
"""The term in which what runs now was begun; None: it belongs to no visit."""


def boot_seconds() -> float:
    """Seconds of a clock that also counts while the machine sleeps, where there is one.

    https://man7.org/linux/man-pages/man2/clock_gettime.2.html, CLOCK_BOOTTIME
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Fence:
    """Whether this process may write, and where. Thread-safe: it is asked in the thread that is about to send.

    Time is cut into terms. Whoever finds the fence closed begins a new one, in which nothing is held until it has been
    taken again; what was begun in an earlier term writes nothing any more.

    Arguments:
        seconds: how long after a renewal it stays open.
        clock: seconds that pass even while the process is stopped.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = boot_seconds) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._renewed_at = float("-inf")
        self._cells: frozenset[str] = frozenset()
        self._held: frozenset[str] = frozenset()
        self._term = 0

    @property
    def is_open(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return self._clock() - self._renewed_at < self._seconds

    @property
    def term(self) -> int:
        """The number of the present term."""
        return self._term

    # --- the heartbeat ----------------------------------------------------------------------------

    def renew(self, started: float, term: int) -> None:
        """A renewal that began at `started`, in a term, was answered; it says nothing of a later term."""
        with self._lock:
            if term == self._term:
                self._renewed_at = started

    def begin_term(self) -> int:
        """Nothing is held any more; the fence is closed until the next renewal. Returns the new term."""
        with self._lock:
            self._renewed_at = float("-inf")
            self._held = frozenset()
            self._term += 1
            return self._term

    # --- the sharing ------------------------------------------------------------------------------

    def stand(self, cells: frozenset[str], held: frozenset[str], term: int) -> None:
        """Which accounts hold cells, and which of them are ours, as decided in a term."""
        with self._lock:
            if term == self._term:
                self._cells, self._held = cells, held

    # --- visits, and whoever writes ---------------------------------------------------------------

    def enter(self) -> None:
        """What runs from here on, in this task and in those that it starts, belongs to the present term."""
        _TERM.set(self._term)

    @property
    def is_passed(self) -> bool:
        """Whether what runs now was begun in an earlier term."""
        return _TERM.get() not in (None, self._term)

    def permit(self, target: Target) -> Callable[[], None]:
        """What a thread asks right before it sends a call; it raises AwsError where the call would write and may not."""
        return partial(self._check, target, _TERM.get())

    def kubernetes_permit(self) -> Callable[[], bool]:
        """The same for a write to Kubernetes; it returns whether that may be."""
        return partial(self._may_write, _TERM.get())

    def _may_write(self, term: int | None) -> bool:
        return self.is_open and term in (None, self._term)

    def _check(self, target: Target, term: int | None) -> None:
        if target.reads or target.service in FREE_SERVICES:
            return
        if not self._may_write(term):
            message = "this process could not renew its lease in time; it writes again once it has"
        elif target.service in ANY_ACCOUNT or target.account not in self._cells - self._held:
            return
        else:
            message = f"another process works on account {target.account}"
        raise target.error("LeaseLost", message, Category.RETRY)
