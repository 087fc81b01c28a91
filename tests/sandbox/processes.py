"""What tests ask the kernel about processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

_PATIENCE_SECONDS = 60.0


def eventually(condition: Callable[[], bool]) -> bool:
    """Does it become true while one has patience?"""
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def is_running(pid: int) -> bool:
    """Is there such a process, and has it not ended (a zombie has)?"""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def none_is_running(pids: Iterable[int]) -> bool:
    """Are all of them gone?"""
    return not any(is_running(pid) for pid in pids)


def processes_naming(path: Path) -> list[int]:
    """Every living process that has this path in its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_running(int(entry.name)):
            try:
                arguments = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(path).encode() in arguments:
                found.append(int(entry.name))
    return found
