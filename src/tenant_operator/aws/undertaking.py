"""Whether what runs now has begun to write. Until it has, it can be broken off and nothing is lost."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(eq=False)
class Undertaking:
    """One piece of work, with all the tasks that it starts."""

    writes: bool = False
    """Whether something outside this process may have been changed by it, or is about to be."""


_PRESENT: ContextVar[Undertaking | None] = ContextVar("undertaking", default=None)


def begin() -> Undertaking:
    """What runs from here on, in this task and in those that it starts, is one undertaking."""
    undertaking = Undertaking()
    _PRESENT.set(undertaking)
    return undertaking


def commit() -> None:
    """What runs now is going to write: it must come to its end from here on."""
    undertaking = _PRESENT.get()
    if undertaking is not None:
        undertaking.writes = True
