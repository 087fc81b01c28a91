"""What the engine does when shards change hands: nothing that was known of them is trusted, and everything is visited."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenant_operator.api import ANNOTATION_RECONCILE
from tenant_operator.aws.budgets import Priority
from tenant_operator.engine.cache import Key
from tenant_operator.engine.listing import everything_is_seen
from tenant_operator.engine.shards import ShardMap, Unit, UnitKind

if TYPE_CHECKING:
    from tenant_operator.engine.engine import Engine


@dataclass
class Handover:
    """The engine's side of `sharing.Work`."""

    engine: Engine
    map: ShardMap

    async def begin(self, units: Collection[Unit]) -> None:
        """Take over: no visit of an earlier term is left, the cache is as new as the API server, AWS is read anew."""
        engine = self.engine
        await self._rest(self.map.keys_of(units))
        engine.clouds.distrust([unit.name for unit in units if unit.kind is UnitKind.ACCOUNT])
        await everything_is_seen(engine.kubernetes, engine.cache, lambda: engine.seen)
        keys = self.map.keys_of(units)
        for key in keys:
            engine.memory.pop(key, None)
            self._note_whether_asked(key)
        engine.wake(sorted(keys), Priority.BACKLOG)

    async def end(self, units: Collection[Unit]) -> None:
        """Wait for the visits that are under way; no others begin, because nothing of it is held from now on."""
        await self._rest(self.map.keys_of(units))
        self.engine.clouds.distrust([unit.name for unit in units if unit.kind is UnitKind.ACCOUNT])

    def resume(self) -> None:
        """Visit what was put aside and is held now."""
        self.engine.unpark()

    async def _rest(self, keys: Iterable[Key]) -> None:
        for key in keys:
            await self.engine.queue.until_done(key)

    def _note_whether_asked(self, key: Key) -> None:
        """Whether a person has asked for a visit that nobody has made yet."""
        obj = self.engine.cache.get(key)
        asked = None if obj is None else obj.metadata.annotations.get(ANNOTATION_RECONCILE)
        if asked is not None and asked != self.engine.cache.status(key).get("lastHandledReconcileAt"):
            self.engine.forced.add(key)
        else:
            self.engine.forced.discard(key)
