"""A circuit breaker: where nothing has answered for a while, calls fail at once instead of holding threads.

There is one per account, Region and service, so that an outage of Route 53 does not stop ECS, and a broken account
slows nobody else. Pure: it is told the time.
"""

from __future__ import annotations

from tenant_operator.aws.limits import (
    BREAKER_FAILURES,
    BREAKER_FIRST_PAUSE_SECONDS,
    BREAKER_LONGEST_PAUSE_SECONDS,
)


class Breaker:
    """Closed: calls pass. Open: they do not, for a pause. Half open: one probe passes; its end decides.

    Times are seconds of any monotonic clock.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause = BREAKER_FIRST_PAUSE_SECONDS
        self._open_until: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether calls are refused, but for a probe."""
        return self._open_until is not None

    def remaining(self, now: float) -> float:
        """Seconds until a call may pass; 0 when it may now."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return self._pause
        return max(0.0, self._open_until - now)

    def begin(self, now: float) -> None:
        """A call is about to be sent; `remaining` was 0. While open, this call is the probe."""
        if self._open_until is not None and now >= self._open_until:
            self._probing = True

    def answered(self) -> None:
        """AWS has answered, if only to refuse."""
        self._failures = 0
        self._pause = BREAKER_FIRST_PAUSE_SECONDS
        self._open_until = None
        self._probing = False

    def failed(self, now: float) -> None:
        """Nothing has answered, or AWS is down. Calls that were under way when it opened count as one failure."""
        if self._open_until is not None and not self._probing:
            return
        self._failures += 1
        if self._probing:
            self._pause = min(self._pause * 2, BREAKER_LONGEST_PAUSE_SECONDS)
        elif self._failures < BREAKER_FAILURES:
            return
        self._probing = False
        self._open_until = now + self._pause

    def abandoned(self) -> None:
        """The call ended without telling anything of AWS (it was cancelled): another may probe."""
        self._probing = False
