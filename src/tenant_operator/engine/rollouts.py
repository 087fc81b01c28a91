"""When to look at a rollout, and when to try a failed first release again."""

from __future__ import annotations

from typing import Any

from tenant_operator.engine.cache import Key
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.settings import (
    FIRST_RELEASE_RETRY_MAX_SECONDS,
    FIRST_RELEASE_RETRY_SECONDS,
    ROLLOUT_FIRST_POLL_SECONDS,
    ROLLOUT_LAST_POLL_SECONDS,
)

GROWTH = 0.4
"""Each pause is this share of the time that the rollout has taken so far."""


def poll_in(engine: Engine, key: Key, group: str) -> float:
    """Seconds until a rollout is worth looking at again: soon at first, then ever more seldom."""
    memory = engine.remember(key)
    started = float(memory.setdefault(("rollout", group), engine.clock()))
    elapsed = engine.clock() - started
    return min(ROLLOUT_LAST_POLL_SECONDS, max(ROLLOUT_FIRST_POLL_SECONDS, GROWTH * elapsed))


def may_restart(memory: dict[Any, Any], service: str, revision: str, now: float) -> float:
    """Seconds until a failed first release may be tried again; 0: now, which is taken note of.

    A new revision starts anew: the failure may have been the old one's.
    """
    known = memory.get(("restart", service))
    if known is None or known[0] != revision:
        memory[("restart", service)] = (
            revision,
            now + FIRST_RELEASE_RETRY_SECONDS,
            FIRST_RELEASE_RETRY_SECONDS,
        )
        return FIRST_RELEASE_RETRY_SECONDS
    due, pause = float(known[1]), float(known[2])
    if now < due:
        return due - now
    longer = min(FIRST_RELEASE_RETRY_MAX_SECONDS, 2 * pause)
    memory[("restart", service)] = (revision, now + longer, longer)
    return 0.0
