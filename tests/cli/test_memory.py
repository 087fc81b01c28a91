"""Memory is given back, and garbage looked for seldom, without anything getting lost."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys

import pytest

from tenant_operator.operator import memory

HOLD_AND_LET_GO = """
from pathlib import Path
from tenant_operator.operator import memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

memory.share_arenas()
held = [bytes(1000) for _ in range(100_000)]
last = bytes(1000)  # keeps the heap's end from being given back by itself
full = resident()
del held
memory.give_back()
print(full - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to give memory back")
def test_freed_memory_goes_back_to_the_system() -> None:
    said = subprocess.run(
        [sys.executable, "-c", HOLD_AND_LET_GO], capture_output=True, text=True, check=True
    ).stdout
    assert int(said) * 4096 > 50_000_000


def test_cycles_are_still_found() -> None:
    before = gc.get_threshold()
    try:
        memory.collect_seldom()
        found: list[object] = []
        found.append(found)
        del found
        assert gc.collect() >= 1
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
