"""A sandbox's state folder: who owns it, what runs, and what may be removed.

The owner holds a lock on one file for as long as it lives. The kernel lets go of it when the owner dies, whatever
killed it, so a folder with a state but no lock holder is stale, and its processes are gone too (tied_process.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from tenant_operator.sandbox.failure import SandboxError

Phase = Literal["Starting", "Ready", "Stopped", "Failed"]

_LOCK = "owner.lock"
_STATE = "state.json"
_CONTENTS = (
    _STATE,
    "kubeconfig",
    "aws.json",
    "etcd.sock",
    "etcd",
    "keys",
    "logs",
    _LOCK,
)  # the lock goes last


@dataclass(frozen=True)
class SandboxState:
    """What `sandbox status` shows; also the form of `state.json`."""

    phase: Phase = "Stopped"
    message: str = ""
    folder: str = ""
    owner_pid: int = 0
    started_at: str = ""
    profile: str = ""
    pids: Mapping[str, int] = field(default_factory=dict)
    kubernetes_version: str = ""
    binaries: str = ""
    kubeconfig: str = ""
    kubectl: str = ""
    kubernetes_endpoint: str = ""
    aws_endpoint_url: str = ""
    account: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The state as a JSON document."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The state in a JSON document.

        Raises:
            TypeError: it is of another version of this program.
        """
        return cls(**document)


class StateFolder:
    """One sandbox's folder.

    Arguments:
        path: the folder; need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def is_owned(self) -> bool:
        """Does a living process own it?"""
        try:
            with (self.path / _LOCK).open("rb") as lock:
                return not _try_lock(lock.fileno())
        except FileNotFoundError:
            return False

    def state(self) -> SandboxState:
        """What its owner last wrote, or, when it has no owner: `Stopped`, or `Failed` with the reason."""
        written = self._written()
        if written is None or (written.phase in ("Starting", "Ready") and not self.is_owned()):
            return SandboxState(folder=str(self.path))
        return written

    def write(self, state: SandboxState) -> None:
        """Replace the state; readers see the old one or the new one."""
        temporary = self.path / f"{_STATE}.new"
        temporary.touch(mode=0o600)
        temporary.write_text(replace(state, folder=str(self.path)).to_json())
        temporary.replace(self.path / _STATE)

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder, empty of what an earlier sandbox left.

        Raises:
            SandboxError: another process owns it, or it holds files that are no sandbox's.
        """
        self._check_is_ours()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / _LOCK).open("w") as lock:
            if not _try_lock(lock.fileno()):
                raise SandboxError(
                    f"a sandbox runs in {self.path} already; stop it, or choose another --state-dir"
                )
            self._remove_contents(keep_lock=True)
            yield

    def remove(self) -> None:
        """Remove what a sandbox made, and the folder if nothing else is in it. Again: nothing happens.

        Raises:
            SandboxError: a living process owns it.
        """
        if self.is_owned():
            raise SandboxError(f"a sandbox runs in {self.path}; stop it first")
        if not self._is_sandbox():
            return
        self._remove_contents(keep_lock=False)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _written(self) -> SandboxState | None:
        try:
            return SandboxState.from_document(json.loads((self.path / _STATE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _is_sandbox(self) -> bool:
        return (self.path / _LOCK).exists()

    def _check_is_ours(self) -> None:
        if self.path.is_dir() and any(self.path.iterdir()) and not self._is_sandbox():
            raise SandboxError(
                f"{self.path} holds files that are no sandbox's; name an empty or a new folder in --state-dir"
            )

    def _remove_contents(self, *, keep_lock: bool) -> None:
        for name in _CONTENTS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif not (keep_lock and name == _LOCK):
                path.unlink(missing_ok=True)


def default_state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`tenant-operator/sandbox` in the XDG state folder.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base = (
        environment.get("XDG_STATE_HOME") or Path(environment.get("HOME") or Path.home()) / ".local" / "state"
    )
    return Path(base) / "tenant-operator" / "sandbox"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
