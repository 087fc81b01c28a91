from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.tied_process import TiedProcess
from tests.sandbox.processes import eventually, is_running, none_is_running

SLEEP = ["/bin/sleep", "600"]
PARENT = """
import sys, time
from pathlib import Path
from tenant_operator.sandbox.tied_process import TiedProcess
child = TiedProcess("sleep", ["/bin/sleep", "600"], Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(600)
"""


def test_killing_the_owner_kills_what_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)

        parent.send_signal(signal.SIGKILL)

        assert eventually(lambda: not is_running(child))


def test_a_process_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[TiedProcess] = []
    thread = threading.Thread(target=lambda: started.append(TiedProcess("sleep", SLEEP, tmp_path / "log")))
    thread.start()
    thread.join()
    process = started[0]
    try:
        with pytest.raises(subprocess.TimeoutExpired):  # it is still there a moment after the thread has gone
            process._process.wait(0.5)
    finally:
        process.stop()


def test_the_end_of_its_log_is_shown_when_a_process_ends_by_itself(tmp_path: Path) -> None:
    process = TiedProcess("failing", ["/bin/sh", "-c", "echo no space left; exit 3"], tmp_path / "log")
    assert eventually(lambda: process.exit_code is not None)

    with pytest.raises(SandboxError, match=r"(?s)failing ended with exit code 3.*no space left"):
        process.check_running()


def test_what_ignores_a_polite_stop_is_killed(tmp_path: Path) -> None:
    process = TiedProcess(
        "stubborn", ["/bin/sh", "-c", "trap '' TERM; echo ready; sleep 600"], tmp_path / "log"
    )
    assert eventually(lambda: process.log_tail() == "ready")

    process.stop(grace_seconds=0.1)
    process.stop()

    assert none_is_running([process.pid])
    assert process.exit_code == -signal.SIGKILL


def test_ctrl_c_reaches_the_owner_alone(tmp_path: Path) -> None:
    process = TiedProcess("sleep", SLEEP, tmp_path / "log")
    try:
        assert os.getpgid(process.pid) != os.getpgid(os.getpid())
    finally:
        process.stop()


@pytest.mark.parametrize("program", ["sleep", "/nowhere/etcd"])
def test_a_program_that_is_not_there_is_said_so(tmp_path: Path, program: str) -> None:
    with pytest.raises(SandboxError, match=program):
        TiedProcess("missing", [program], tmp_path / "log")
