"""What has gone through: requests by load balancer, target group and tenant, and the last ones that went wrong.

Written by the loop's thread only; others read copies.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

REMEMBERED_FAILURES = 2_000
FIRST_FAILURE = 500  # statuses from here on are remembered, and 460: the client went away


@dataclass(frozen=True, slots=True)
class Passed:
    """One request that a load balancer has answered."""

    load_balancer: str  # its name
    status: int  # what the client got; 460: it went away before it got anything
    target_group: str = ""  # its name; empty: the load balancer answered by itself
    tenant: str = ""
    task: str = ""
    method: str = ""
    host: str = ""
    path: str = ""
    reason: str = ""  # why the load balancer answered an error by itself


@dataclass(slots=True)
class _Tally:
    statuses: Counter[int] = field(default_factory=Counter)
    last: float = 0.0

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "requests": sum(self.statuses.values()),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "secondsSinceLast": round(now - self.last, 3),
        }


class Counts:
    """Tallies since the start, or since they were reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._tallies: dict[str, defaultdict[str, _Tally]] = {
            kind: defaultdict(_Tally) for kind in ("loadBalancers", "targetGroups", "tenants")
        }
        self._failures: deque[tuple[datetime, Passed]] = deque(maxlen=REMEMBERED_FAILURES)

    def note(self, passed: Passed, now: float) -> None:
        """Count a request; `now` on the simulation's clock."""
        named = (passed.load_balancer, passed.target_group, passed.tenant)
        for tallies, name in zip(self._tallies.values(), named, strict=True):
            if name:
                tally = tallies[name]
                tally.statuses[passed.status] += 1
                tally.last = now
        if passed.status >= FIRST_FAILURE or passed.status == 460:
            self._failures.append((datetime.now(UTC), passed))

    def describe(self, now: float) -> dict[str, Any]:
        """For `GET /_sandbox/traffic`."""
        shown: dict[str, Any] = {
            kind: {name: tally.describe(now) for name, tally in sorted(tallies.copy().items())}
            for kind, tallies in self._tallies.items()
        }
        failures = list(self._failures)
        shown["failures"] = [{"time": time.isoformat(), **asdict(passed)} for time, passed in failures]
        return shown
