"""Renewing this process's Lease, in a thread of its own: a busy event loop must not look like a lost process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tenant_operator.engine.fence import Fence, boot_seconds
from tenant_operator.engine.kubernetes import Gone, Refused
from tenant_operator.engine.leases import IdentityTaken, Lease, Leases

log = logging.getLogger(__name__)


@dataclass
class Heartbeat:
    """Keeps the fence open for as long as the API server takes this process's renewals.

    Arguments:
        every: seconds between two renewals.
    """

    leases: Leases
    fence: Fence
    every: float
    clock: Callable[[], float] = boot_seconds
    taken: str = ""
    """Why this process must end: another one runs under its identity."""
    _lease: Lease | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Join the others, and renew from now on."""
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> Lease | None:
        """Renew no more and close the fence; returns this process's Lease as it is."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.fence.begin_term()
        return self._lease

    def _run(self) -> None:
        while not self._stop.is_set() and not self.taken:
            self._beat()
            self._stop.wait(self.every)

    def _beat(self) -> None:
        """One renewal. Whoever finds the fence closed has lost everything first: others may have taken it."""
        started, term = self.clock(), self.fence.term
        if not self.fence.is_open:
            if self._lease is not None:
                log.warning("this process's lease was not renewed in time; what it held may be another's now")
            term = self.fence.begin_term()
        try:
            self._lease = self.leases.join() if self._lease is None else self.leases.renew(self._lease)
        except IdentityTaken as error:
            self.fence.begin_term()
            self.taken = str(error)
        except Gone:
            self._lease = None  # somebody has deleted it; others wait as long as it would have lasted
        except Refused as refused:
            log.warning("cannot renew this process's lease: %s", refused)
        except Exception:
            log.exception("cannot renew this process's lease")
        else:
            self.fence.renew(started, term)
