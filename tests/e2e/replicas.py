"""Several operator processes beside one sandbox, told apart by what AWS sees of them."""

from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e.stage import Stage

OWN_SERVICES = ("sts", "route53")
"""Calls of these are in no cell: roles are assumed there, and a hosted zone is in an account of its own."""
LEASE_SECONDS = 4


@dataclass
class Replicas:
    """Some processes of one installation."""

    stage: Stage
    arguments: tuple[str, ...] = ()
    processes: dict[str, OperatorProcess] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a process; its name is its identity."""
        log: Path = self.stage.folder / f"{name}.log"
        process = OperatorProcess(
            self.stage.sandbox.operator_environment(),
            log,
            sweep_seconds=5.0,
            identity=name,
            arguments=("--lease-seconds", str(LEASE_SECONDS), *self.arguments),
        )
        self.processes[name] = process
        process.start()

    def signal(self, name: str, sign: signal.Signals) -> None:
        """Stop a process for a while (SIGSTOP), or let it go on (SIGCONT)."""
        os.kill(self.processes[name].pid, sign)

    def end(self) -> None:
        """End all processes at once, also those that were stopped."""
        for process in self.processes.values():
            process.kill()

    def log(self, name: str) -> str:
        """What a process has said."""
        return self.processes[name].log.read_text(errors="replace")

    # --- what Kubernetes knows --------------------------------------------------------------------

    def leases(self) -> dict[str, dict[str, Any]]:
        """The specs of all leases of the installation by name."""
        found = json.loads(self.stage.kubectl("get", "leases", "-n", "default", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item["spec"] for item in found}

    def holder(self, account: str) -> str:
        """Who holds an account; empty when nobody does."""
        for name, spec in self.leases().items():
            if name.endswith(f".account.{account}"):
                return str(spec.get("holderIdentity") or "")
        return ""

    def hands(self, account: str) -> int:
        """How many processes have held an account, one after the other; one that came back counts again."""
        (found,) = [s for n, s in self.leases().items() if n.endswith(f".account.{account}")]
        return int(found["leaseTransitions"]) + 1

    # --- what AWS has seen ------------------------------------------------------------------------

    def writers(self, account: str, since: int = 0) -> list[str]:
        """Who has written in an account, in the order of their calls; a process once for each time it was its turn."""
        calls = [
            call["principal"].rpartition("@")[2]
            for call in self.stage.writes_since(since)
            if call["account"] == account and call["service"] not in OWN_SERVICES and "@" in call["principal"]
        ]
        return [writer for writer, _ in itertools.groupby(calls)]
