"""Traffic beside a test: `tenant-operator sandbox traffic` as a process, and what it tells in the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from tests.e2e.stage import PATIENCE, NotYet, Stage

MAX_SECONDS = 900.0
LOOK_SECONDS = 0.1
FAULTS_SHOWN = 12

LOAD_BALANCER = {
    "listener": {"port": 80, "protocol": "HTTP"},
    "clientKeepAliveSeconds": 60,
    "idleTimeoutSeconds": 60,
}
DURATIONS = {"connection_factor": 0.02, "target_timeout_factor": 1.0}
"""Connections last 1.2 s, and as much longer while nothing comes. Targets have a minute to answer: the machine may be busy."""
DRAIN_SECONDS, SETTLE_SECONDS = 6.0, 2.0
"""What the operator waits for; longer than needed, since a busy machine delays clients and load balancers."""


@dataclass(frozen=True)
class Told:
    """What the generator told: its JSON, with the questions that tests ask of it."""

    document: dict[str, Any]
    failures: tuple[str, ...] = ()
    """What load balancers answered with a 5xx of their own last, and why, in their words."""

    @cached_property
    def tenants(self) -> dict[str, dict[str, Any]]:
        """Counts by tenant, by its name alone."""
        return {counts["tenant"].rpartition("/")[2]: counts for counts in self.document["tenants"]}

    def faults(self, *, besides: Collection[str] = ()) -> list[str]:
        """Lost requests, and those that another tenant answered, in words; but for some tenants' own."""
        return [
            f"{f['at']} {f['outcome']}: {f['tenant']}: status {f['status']} {f['error']} by {f['answeredBy']} "
            f"at {f['loadBalancer']}"
            for f in self.document["faults"]
            if f["tenant"].rpartition("/")[2] not in besides
        ][:FAULTS_SHOWN]

    def check(self, *, besides: Collection[str] = ()) -> None:
        """Fail, telling what was lost, unless no request was; some tenants' own may be."""
        faults = self.faults(besides=besides) + self.wrong()
        assert not faults, "\n".join((*faults, *self.failures))

    def wrong(self) -> list[str]:
        """Requests that another tenant answered: whatever was done to a tenant, there must be none."""
        return [
            f"{f['at']} {f['tenant']} answered by {f['answeredBy']} at {f['loadBalancer']}"
            for f in self.document["faults"]
            if f["answeredBy"] and f["outcome"] == "wrong tenant"
        ][:FAULTS_SHOWN]


class Traffic:
    """Requests to all tenants for as long as the context lasts; then `told` holds what became of them.

    Arguments:
        stage: where.
        rps: requests a second, over all tenants.
        arguments: more arguments of the command.
    """

    told: Told

    def __init__(self, stage: Stage, *arguments: str, rps: float = 60.0) -> None:
        self._stage = stage
        self._command = (
            sys.executable, "-m", "tenant_operator", "sandbox", "traffic", "-o", "json",
            "--state-dir", str(stage.sandbox.folder.path), "--rps", str(rps), "--seconds", str(MAX_SECONDS), *arguments,
        )  # fmt: skip

    def __enter__(self) -> Self:
        mark = self.answered()
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._await_more_than(mark)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        output, errors = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode in (0, 1), errors
        assert output, errors
        self.told = Told(json.loads(output), self._failures())
        assert self._process.returncode == bool(self.told.faults()), (
            "the exit code says whether there were faults"
        )

    def go_on(self, requests: int = 60) -> None:
        """Wait until so many more requests have gone through."""
        self._await_more_than(self.answered() + requests)

    def answered(self) -> int:
        """Requests that load balancers have answered so far."""
        return sum(int(each["requests"]) for each in self._stage.aws.traffic()["loadBalancers"].values())

    def _failures(self) -> tuple[str, ...]:
        last = self._stage.aws.traffic()["failures"][-FAULTS_SHOWN:]
        return tuple(
            f"{f['time']} {f['status']} {f['path']} at {f['load_balancer']}: {f['reason']}" for f in last
        )

    def _await_more_than(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.answered() <= count:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise NotYet(f"no requests come through: {self._process.communicate()[1]}")
            time.sleep(LOOK_SECONDS)
