"""Keeping the process small where it runs on glibc."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""
_ARENAS = 2
"""Of them glibc gives eight a core to threads, which fragment: with dozens of threads that cost a tenth of the memory."""


def share_arenas() -> None:
    """Let all threads share few heaps. Python holds its own lock while it allocates, so nobody waits for that.

    To be called before there are threads. Elsewhere than on glibc nothing happens.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
