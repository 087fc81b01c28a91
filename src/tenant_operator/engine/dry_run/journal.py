"""What a dry run notes: every action that would be carried out, with the writes that it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from tenant_operator.aws.dry_run.transport import Call
from tenant_operator.desired.resources import Live
from tenant_operator.engine.cache import Key
from tenant_operator.plan.change import Action

UPKEEP = {
    "deregister_task_definition": "only the newest revisions of a family are kept",
    "update_service": "its first release failed, and is tried again",
}
"""Why a write is made that belongs to no action of a plan, by operation."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One action on one AWS resource on behalf of one custom resource; without an action: upkeep, a write by itself."""

    key: Key
    action: Action | None
    calls: tuple[Call, ...]
    order: tuple[int, int, int]
    """The turn in which the object was visited, the plan of that visit, the action's place in it."""
    passed: float
    """Seconds of waiting that came before."""
    made: Live | None = None
    """What a create would have made."""


@dataclass
class Journal:
    """Everything that one dry run would have done."""

    turn: int = 0
    entries: list[Entry] = field(default_factory=list)
    _plans: Counter[tuple[int, Key]] = field(default_factory=Counter)

    def plan(self, done: Sequence[tuple[Action, Sequence[Call], Live | None]], passed: float) -> None:
        """Note the actions of one plan that would have been carried out, in the plan's order."""
        key = visited()
        number = self._next_plan(key)
        self.entries += [
            Entry(
                key=key,
                action=action,
                calls=tuple(calls),
                order=(self.turn, number, index),
                passed=passed,
                made=made,
            )
            for index, (action, calls, made) in enumerate(done)
        ]

    def upkeep(self, key: Key, calls: Sequence[Call], passed: float) -> None:
        """Note writes that belong to no plan."""
        number = self._next_plan(key) if calls else 0
        self.entries += [
            Entry(key=key, action=None, calls=(call,), order=(self.turn, number, index), passed=passed)
            for index, call in enumerate(calls)
        ]

    def in_order(self) -> list[Entry]:
        """The entries in the order of their turns; within a turn by object, parents first, so that it is stable."""
        kinds = (
            {kind: rank for rank, kind in enumerate(type(self.entries[0].key.kind))} if self.entries else {}
        )
        return sorted(
            self.entries,
            key=lambda e: (e.order[0], kinds[e.key.kind], e.key.namespace, e.key.name, e.order[1:]),
        )

    def _next_plan(self, key: Key) -> int:
        self._plans[(self.turn, key)] += 1
        return self._plans[(self.turn, key)]


_visited: ContextVar[Key] = ContextVar("visited")


def visited() -> Key:
    """The object whose visit this is."""
    return _visited.get()


@contextmanager
def visiting(key: Key) -> Iterator[None]:
    """What is noted in here is on behalf of an object."""
    token = _visited.set(key)
    try:
        yield
    finally:
        _visited.reset(token)
