"""What was called: a ring of the last calls, and counters that never forget."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RING_SIZE = 50_000  # about ten minutes of a busy rehearsal


@dataclass(frozen=True, slots=True)
class Record:
    """One answered (or deliberately unanswered) call."""

    sequence: int
    time: float  # seconds since the epoch
    account: str
    region: str
    service: str
    action: str
    kind: str  # read | write
    status: int  # HTTP status; 0: the connection was dropped
    code: str  # the error code, or ""
    principal: str
    fault: str = ""  # the injected fault's kind, or ""


@dataclass(frozen=True, slots=True)
class CountKey:
    """What calls are counted by."""

    account: str
    region: str
    service: str
    action: str
    kind: str
    code: str


class CallLog:
    """Thread-safe; sequence numbers start at 1 and never repeat."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ring: deque[Record] = deque(maxlen=RING_SIZE)
        self._counters: Counter[CountKey] = Counter()
        self._sequence = 0

    def add(
        self,
        *,
        account: str,
        region: str,
        service: str,
        action: str,
        kind: str,
        status: int,
        code: str,
        principal: str,
        fault: str = "",
    ) -> Record:
        """Note a call."""
        with self._lock:
            self._sequence += 1
            record = Record(
                self._sequence,
                time.time(),
                account,
                region,
                service,
                action,
                kind,
                status,
                code,
                principal,
                fault,
            )
            self._ring.append(record)
            self._counters[CountKey(account, region, service, action, kind, code)] += 1
            return record

    def since(self, sequence: int, wanted: Mapping[str, str]) -> list[Record]:
        """The calls after `sequence` (0: all that are remembered) whose fields equal those in `wanted`."""
        with self._lock:
            return [
                record
                for record in self._ring
                if record.sequence > sequence
                and all(str(getattr(record, name)) == value for name, value in wanted.items())
            ]

    def counters(self) -> list[dict[str, Any]]:
        """Calls by account, Region, service, action, kind and error code, most frequent first."""
        with self._lock:
            return [{**asdict(key), "count": count} for key, count in self._counters.most_common()]

    def reset_counters(self) -> None:
        """Start counting anew; the ring stays."""
        with self._lock:
            self._counters.clear()

    @property
    def last_sequence(self) -> int:
        """The newest call's sequence number; 0 before the first."""
        return self._sequence
