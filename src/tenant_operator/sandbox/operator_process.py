"""The operator as a process of its own beside a sandbox, so that it can be stopped, killed and started again."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.tied_process import TiedProcess

START_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class OperatorProcess:
    """`tenant-operator run` on a sandbox.

    Arguments:
        environment: its whole environment, see `Sandbox.operator_environment`.
        log: the file that takes its log; appended to.
        sweep_seconds: between two full comparisons with AWS.
        drain_seconds: how long a load balancer is left alone after its last record is gone.
        settle_seconds: how long a changed listener rule takes to be in force everywhere.
        api_rate: times AWS's published API rates.
        identity: who it is among several; it keeps that when it is killed and started again, and so waits for no lease.
        arguments: further arguments of `tenant-operator run`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        sweep_seconds: float = 300.0,
        drain_seconds: float = 1.0,
        settle_seconds: float = 1.0,
        api_rate: float = 1.0,
        identity: str = "",
        arguments: tuple[str, ...] = (),
    ) -> None:
        self._environment = dict(environment)
        self._port = _free_port()
        self._command = (
            sys.executable, "-m", "tenant_operator", "run",
            "--health-address", f"127.0.0.1:{self._port}",
            "--sweep-seconds", str(sweep_seconds),
            "--drain-seconds", str(drain_seconds),
            "--settle-seconds", str(settle_seconds),
            "--api-rate", str(api_rate),
            "--identity", identity or f"operator-{self._port}",
            *arguments,
        )  # fmt: skip
        self.log = log
        self._process: TiedProcess | None = None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            SandboxError: it does not run.
        """
        if self._process is None:
            raise SandboxError("the operator has not been started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, or before it was started; below zero: minus the signal that ended it."""
        return None if self._process is None else self._process.exit_code

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, return once `/readyz` says so.

        Raises:
            SandboxError: it ends, or does not get ready in time.
        """
        self._process = TiedProcess("the operator", self._command, self.log, environment=self._environment)
        deadline = time.monotonic() + START_SECONDS
        while wait and not self._is_ready():
            self._process.check_running()
            if time.monotonic() > deadline:
                raise SandboxError(f"the operator is not ready after {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ask it to end (SIGTERM) and wait. Again: nothing happens."""
        if self._process is not None:
            self._process.stop(grace_seconds=30.0)

    def kill(self) -> None:
        """End it at once, as a crash does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()

    def check_running(self) -> None:
        """Make sure that it runs.

        Raises:
            SandboxError: it has ended; the message holds the end of its log.
        """
        if self._process is not None:
            self._process.check_running()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def health(self) -> dict[str, Any]:
        """What `/healthz` says.

        Raises:
            SandboxError: it does not answer.
        """
        try:
            with self._ask("healthz") as answer:
                found: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, OSError) as error:
            raise SandboxError(f"the operator's /healthz does not answer: {error}") from error
        return found

    def _is_ready(self) -> bool:
        try:
            with self._ask("readyz") as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _ask(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://127.0.0.1:{self._port}/{path}", timeout=2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
