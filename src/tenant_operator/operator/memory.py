"""Keeping the process small, and Python's garbage collector out of the way."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_ARENA_MAX = -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""
_ARENAS = 2
"""Of them glibc gives eight a core to threads, which fragment: with dozens of threads that cost a tenth of the memory."""

_NEW_OBJECTS = 10_000
_YOUNG, _OLD = 20, 20
"""Python looks for cycles after 700 new objects by default: a tenth of the CPU of a start with thousands of tenants."""


def share_arenas() -> None:
    """Let all threads share few heaps. Python holds its own lock while it allocates, so nobody waits for that.

    To be called before there are threads. Elsewhere than on glibc nothing happens.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return freed memory to the system: what a listing or a reading took for a moment stays with the process otherwise.

    It takes some milliseconds, without Python's lock. Elsewhere than on glibc nothing happens.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def collect_seldom() -> None:
    """Look for garbage less often, and never in what was imported. To be called once everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG, _OLD)
