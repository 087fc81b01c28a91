"""How long work tells a person how far it is: one line per step, and one line that is written over in between."""

from __future__ import annotations

import time
from typing import Protocol, TextIO

_PLAIN_DETAIL_SECONDS = (
    15.0  # where lines cannot be written over (CI logs), one line this often shows that it lives
)


class Progress(Protocol):
    """Where a long piece of work reports to."""

    def step(self, text: str) -> None:
        """Something new begins or is done."""

    def detail(self, text: str) -> None:
        """How far the present step is; only the last one matters."""


class SilentProgress:
    """Reports to nobody."""

    def step(self, text: str) -> None:
        """Drop it."""

    def detail(self, text: str) -> None:
        """Drop it."""


class ConsoleProgress:
    """Reports to a stream; details are written over on a terminal, and thinned out elsewhere.

    Arguments:
        stream: where to write, usually standard error, so that standard output stays for results.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._detail_is_shown = False
        self._last_detail = time.monotonic()

    def step(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._write(f"{text}\n")
        self._last_detail = time.monotonic()

    def detail(self, text: str) -> None:
        """Write a line that the next one replaces; without a terminal only now and then."""
        if self._terminal:
            self._clear()
            self._write(f"  {text}")
            self._detail_is_shown = True
        elif time.monotonic() - self._last_detail >= _PLAIN_DETAIL_SECONDS:
            self._write(f"  {text}\n")
            self._last_detail = time.monotonic()

    def _clear(self) -> None:
        if self._detail_is_shown:
            self._write("\r\x1b[2K")
            self._detail_is_shown = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
