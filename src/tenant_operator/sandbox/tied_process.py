"""Child processes that cannot outlive the process that started them.

Linux kills a child when its parent is gone, if the child asked for it with prctl(PR_SET_PDEATHSIG), see prctl(2).
"Parent" there means the *thread* that forked, so all children are forked by one thread that lives as long as this
process does. A small launcher asks for the signal and then becomes the program, which keeps its process id.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from tenant_operator.sandbox.failure import SandboxError

_LAUNCHER = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
    sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent process is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
_LOG_TAIL_BYTES = 2_000
_KILL_GRACE_SECONDS = 10.0

_Start = Callable[[], subprocess.Popen[bytes]]


class TiedProcess:
    """A running program, in a process group of its own: Ctrl-C reaches only its owner, who then stops it in order.

    Arguments:
        name: what messages call it.
        command: the program (an absolute path) and its arguments.
        log: the file that takes its standard output and error; appended to.
        directory: its working directory; absent: this process's.
        environment: its whole environment; absent: this process's.

    Raises:
        SandboxError: the program cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = start_tied(
                command, stdout=output, stderr=output, environment=environment, directory=directory
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; below zero: minus the signal that ended it."""
        return self._process.poll()

    def check_running(self) -> None:
        """Make sure that it still runs.

        Raises:
            SandboxError: it has ended; the message holds the end of its log.
        """
        code = self.exit_code
        if code is not None:
            raise SandboxError(
                f"{self.name} ended with exit code {code}; the end of {self.log}:\n{self.log_tail()}"
            )

    def log_tail(self) -> str:
        """The end of what it wrote since it was started."""
        with self.log.open("rb") as stream:
            stream.seek(max(self._log_start, self.log.stat().st_size - _LOG_TAIL_BYTES))
            return stream.read().decode(errors="replace").strip()

    def stop(self, grace_seconds: float = _KILL_GRACE_SECONDS) -> None:
        """Ask it to end, insist after `grace_seconds`, and wait until it is gone. Again: nothing happens."""
        if self.exit_code is None:
            self._process.terminate()
            try:
                self._process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it at once, with SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()


def start_tied(
    command: Sequence[str],
    *,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that is killed when this process ends, however it ends.

    Arguments:
        command: the program (an absolute path) and its arguments.
        stdout: as `subprocess.Popen` takes it.
        stderr: as `subprocess.Popen` takes it.
        environment: its whole environment; absent: this process's.
        directory: its working directory; absent: this process's.

    Returns:
        The process, with no standard input.

    Raises:
        SandboxError: the program cannot be started.
    """
    if not Path(command[0]).is_absolute():
        raise SandboxError(f"{command[0]!r} must be an absolute path")
    if not os.access(command[0], os.X_OK):
        raise SandboxError(f"{command[0]} is not there, or may not be executed")
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )

    return _lasting_thread.call(start)


class _LastingThread:
    """One daemon thread that runs what it is given, and ends only with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process_id = 0
        self._work: queue.SimpleQueue[tuple[_Start, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()

    def call(self, start: _Start) -> subprocess.Popen[bytes]:
        self._ensure_thread()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((start, future))
        return future.result()

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._process_id != os.getpid():  # never started, or a fork, which has no threads but its own
                self._process_id = os.getpid()
                self._work = queue.SimpleQueue()
                threading.Thread(
                    target=self._run, args=(self._work,), name="tied-processes", daemon=True
                ).start()

    @staticmethod
    def _run(work: queue.SimpleQueue[tuple[_Start, Future[subprocess.Popen[bytes]]]]) -> None:
        while True:
            start, future = work.get()
            try:
                future.set_result(start())
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                future.set_exception(error)


_lasting_thread = _LastingThread()
