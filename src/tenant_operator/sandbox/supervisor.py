"""The background process of `tenant-operator sandbox up`, and how others start and stop it.

`python -m tenant_operator.sandbox.supervisor` owns one sandbox until it is told to stop. It also stops when its starter
dies before the sandbox is ready: the starter holds the other end of its standard input, and says through it that it may
stay.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from tenant_operator.sandbox.aws_process import Profile
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress
from tenant_operator.sandbox.session import Sandbox
from tenant_operator.sandbox.state_folder import SandboxState, StateFolder

_STAY = b"stay"
_POLL_SECONDS = 0.1
_STOP_SECONDS = (
    20.0  # a sandbox stops in under three; then its owner is killed, and the kernel kills the rest
)


def start_in_background(
    folder: StateFolder, profile: Profile, kubeconfig: Path | None, progress: Progress
) -> SandboxState:
    """Start a sandbox that outlives this process, and return when it is ready.

    Raises:
        SandboxError: it does not come up. Nothing is left running then.
    """
    command = [
        sys.executable,
        "-m",
        __name__,
        str(folder.path),
        profile,
        *([str(kubeconfig)] if kubeconfig else []),
    ]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        assert process.stdin is not None
        with process.stdin as leash:  # closed without a word, it makes the supervisor stop
            state = _await_ready(folder, process, errors, progress)
            leash.write(_STAY)
    return state


def await_ready(folder: StateFolder, progress: Progress) -> SandboxState:
    """Wait for a sandbox that another process is starting.

    Raises:
        SandboxError: it does not come up.
    """
    shown = ""
    while folder.is_owned():
        state = folder.state()
        if state.phase == "Ready":
            return state
        if state.phase == "Starting" and state.message != shown:
            progress.step(shown := state.message)
        time.sleep(_POLL_SECONDS)
    raise SandboxError(folder.state().message or f"the sandbox in {folder.path} was stopped")


def stop(folder: StateFolder) -> bool:
    """Stop the sandbox in a folder and remove what it made.

    Returns:
        True if one ran.

    Raises:
        SandboxError: its owner cannot be found or ended.
    """
    ran = folder.is_owned()
    started = time.monotonic()
    signals = iter([signal.SIGTERM])
    while folder.is_owned():
        waited = time.monotonic() - started
        if waited > 2 * _STOP_SECONDS:
            raise SandboxError(
                f"the sandbox in {folder.path} does not stop; its owner is process {folder.owner_pid()}"
            )
        if waited > _STOP_SECONDS:
            signals = iter([signal.SIGKILL])
        pid = folder.owner_pid()
        number = next(signals, None) if pid else None
        if pid and number:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(_POLL_SECONDS)
    folder.remove()
    return ran


def run(sandbox: Sandbox, when_ready: Callable[[SandboxState], None]) -> None:
    """Start a sandbox, keep it until this process gets SIGINT, SIGTERM or SIGHUP, and stop it. For the main thread.

    Arguments:
        sandbox: not started yet.
        when_ready: called once, with what there is to know.

    Raises:
        SandboxError: it does not come up, or a part of it ends by itself.
    """
    with _signals_interrupt(), contextlib.suppress(KeyboardInterrupt), sandbox:
        when_ready(sandbox.state)
        sandbox.watch(until=lambda: False)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """The first signal raises KeyboardInterrupt; later ones are ignored, for they would break off the clean-up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _await_ready(
    folder: StateFolder, process: subprocess.Popen[bytes], errors: IO[bytes], progress: Progress
) -> SandboxState:
    shown = ""
    while process.poll() is None:
        state = folder.state()
        if state.phase == "Ready" and state.owner_pid == process.pid:
            return state
        if state.phase == "Starting" and state.message != shown:
            progress.step(shown := state.message)
        time.sleep(_POLL_SECONDS)
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip()
    raise SandboxError(said or f"the sandbox ended with exit code {process.returncode}")


def _stop_unless_allowed_to_stay() -> None:
    if os.read(sys.stdin.fileno(), len(_STAY)) != _STAY:
        os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Own a sandbox: folder, profile and, with an existing cluster, its kubeconfig."""
    folder, profile, *kubeconfig = arguments
    threading.Thread(target=_stop_unless_allowed_to_stay, name="leash", daemon=True).start()
    sandbox = Sandbox(
        Path(folder),
        "aws" if profile == "aws" else "fast",
        kubeconfig=Path(kubeconfig[0]) if kubeconfig else None,
    )
    try:
        run(sandbox, when_ready=lambda _: None)  # the starter reads it in the folder
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
