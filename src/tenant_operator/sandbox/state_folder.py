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
_CONTENTS = (_STATE, f"{_STATE}.new", "kubeconfig", "aws.json", "etcd.sock", "etcd", "keys", "logs")


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

    def owner_pid(self) -> int | None:
        """The process that owns the folder; None when there is none, or it has not said so yet."""
        written = self._written()
        if written is None or not self.is_owned() or not self._is_held_by(written.owner_pid):
            return None
        return written.owner_pid

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
        with self._locked() as is_ours:
            if not is_ours:
                raise SandboxError(
                    f"a sandbox runs in {self.path} already; stop it, or choose another --state-dir"
                )
            self.clear()
            yield

    def clear(self) -> None:
        """Remove what a sandbox made, but for the lock. For its owner."""
        for name in _CONTENTS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what a sandbox left, and the folder if nothing else is in it.

        With a living owner, or where no sandbox was, nothing happens.
        """
        if not self._is_sandbox():
            return
        with self._locked() as is_ours:
            if is_ours:
                self.clear()
                (self.path / _LOCK).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    self.path.rmdir()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock inside; False when another process holds it."""
        while True:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.path / _LOCK).open("a") as lock:
                is_ours = _try_lock(lock.fileno())
                if is_ours and not self._is_current(lock.fileno()):
                    continue  # who held it before has removed the file meanwhile
                yield is_ours
                return

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), (self.path / _LOCK).stat())
        except FileNotFoundError:
            return False

    def _is_held_by(self, pid: int) -> bool:
        """Has this process the lock open? An id that a dead owner left behind may be another program's by now."""
        try:
            return any(
                descriptor.samefile(self.path / _LOCK) for descriptor in Path(f"/proc/{pid}/fd").iterdir()
            )
        except OSError:
            return False

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
