"""Small programs that answer as etcd, kube-apiserver and kubectl do when they are asked for their version."""

from __future__ import annotations

import itertools
from pathlib import Path

from tenant_operator.sandbox.binaries import PROGRAMS
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress

ANSWERS = {
    "etcd": "etcd Version: 3.6.4",
    "kube-apiserver": "Kubernetes v{version}",
    "kubectl": "Client Version: v{version}",
}


def write_programs(folder: Path, version: str = "1.34.9") -> None:
    """Put all three into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        path = folder / program
        path.write_text(f"#!/bin/sh\necho '{ANSWERS[program].format(version=version)}'\n")
        path.chmod(0o755)


class ProgramSource:
    """A source of such programs, that counts how often it was asked.

    Arguments:
        name: what messages call it.
        version: what its programs say.
        failure: why it has nothing; absent: it has.
    """

    def __init__(self, name: str = "a test", version: str = "1.34.9", failure: str = "") -> None:
        self.name = name
        self._version = version
        self._failure = failure
        self._counter = itertools.count(1)
        self.asked = 0

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Write the programs, or fail."""
        self.asked = next(self._counter)
        progress.step(f"{self.name} works")
        if self._failure:
            raise SandboxError(self._failure)
        write_programs(folder, self._version)


class BrokenSource(ProgramSource):
    """A source whose kube-apiserver does not run."""

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Write the programs, one of them cut short."""
        super().fetch(folder, progress)
        (folder / "kube-apiserver").write_bytes(b"\x7fELF")
