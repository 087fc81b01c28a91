"""Sharing the work out: who is alive, which shards are ours, taking them and giving them back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tenant_operator.engine.assignment import assign
from tenant_operator.engine.cache import Key
from tenant_operator.engine.fence import Fence, boot_seconds
from tenant_operator.engine.heartbeat import Heartbeat
from tenant_operator.engine.kubernetes import Gone, Refused
from tenant_operator.engine.leases import IdentityTaken, Lease, Leases, Role
from tenant_operator.engine.shards import Shard, ShardMap, Unit, UnitKind

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 30.0
"""While nobody comes or goes, the units' Leases are looked at so often: a person may have deleted one."""
FORGET_AFTER = 30
"""The Lease of a process is deleted after it was not renewed for so many times what it lasts: nobody will look it up."""


class Work(Protocol):
    """What the engine does when shards change hands."""

    async def begin(self, units: Collection[Unit]) -> None:
        """Get ready to work on what was another's, or nobody's: nothing known is trusted."""

    async def end(self, units: Collection[Unit]) -> None:
        """Wait until nobody works on it any more."""

    def resume(self) -> None:
        """Visit what came up while nothing could be done."""


@dataclass
class _Sighting:
    """When a Lease was first seen as it is: others' clocks are not trusted, only that they move."""

    version: str
    since: float
    renews: bool = False
    """Whether its holder goes on."""


@dataclass
class Sharing:
    """This process's part in the sharing. It belongs to the event loop; `heartbeat` is a thread.

    Arguments:
        every: seconds between two looks at the others.
    """

    leases: Leases
    fence: Fence
    heartbeat: Heartbeat
    map: ShardMap
    every: float
    clock: Callable[[], float] = boot_seconds
    _work: Work | None = None
    _held: dict[Unit, Lease] = field(default_factory=dict)
    """The units whose Lease names us, as we wrote it."""
    _ready: set[Unit] = field(default_factory=set)
    """Those of them that may be worked on."""
    _leaving: dict[Unit, str] = field(default_factory=dict)
    """Those that are being given back, and to whom."""
    _lapsed: dict[Unit, Lease] = field(default_factory=dict)
    """What we held when the lease was not renewed in time: where nobody wrote it since, it is still ours."""
    _term: int = -1
    _sightings: dict[str, _Sighting] = field(default_factory=dict)
    _ours: frozenset[str] = frozenset()
    _drawn: int = -1
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _next_expiry: float = float("inf")
    _seen: object = None
    _look_again: float = 0.0

    # --- what the engine asks ---------------------------------------------------------------------

    def holds(self, key: Key) -> bool:
        """Whether this process is to work on an object."""
        if self.fence.term != self._term or not self.fence.is_open:
            return False
        if self._drawn != self.map.version:
            self._stand()
            self._wake.set()
        return self.map.shard_of(key).name in self._ours

    def held(self) -> list[str]:
        """The names of the shards that this process works on, for people."""
        return sorted(self._ours) if self.fence.term == self._term else []

    # --- the loop ---------------------------------------------------------------------------------

    async def run(self, work: Work) -> None:
        """Take part until cancelled.

        Raises:
            IdentityTaken: another process runs under our identity.
        """
        self._work = work
        self.heartbeat.start()
        while True:
            try:
                await self._turn()
            except (Refused, Gone) as error:
                log.warning("cannot look at the leases: %s", error)
            if self.heartbeat.taken:
                raise IdentityTaken(self.heartbeat.taken)
            self._wake.clear()
            pause = min(self.every, max(0.05, self._next_expiry - self.clock()))
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue

    async def leave(self, *, at_rest: bool) -> None:
        """Take part no more. With `at_rest` nothing is under way, and what was held is free at once."""
        for task in self._tasks:
            task.cancel()
        held = list(self._held.values()) if self.fence.term == self._term else []
        own = await asyncio.to_thread(self.heartbeat.stop)
        self._held.clear()
        self._stand()
        try:
            if at_rest:
                await asyncio.gather(*(self._call(self.leases.give_back, lease) for lease in held))
                if own is not None:
                    await self._call(self.leases.delete, own)
        except (Refused, Gone) as error:
            log.warning("cannot give the leases back, others wait until they run out: %s", error)
        finally:
            self.leases.close()

    async def _turn(self) -> None:
        """One look around: who is alive, what should be ours, and the first step towards that."""
        members = await self._call(self.leases.of, Role.MEMBER)
        working, lasting = self._look_at(members)
        if not self.fence.is_open:
            self._wake_soon()
            return
        self._note_term()
        if not self._must_look(working, lasting):
            return
        units = await self._call(self.leases.of, Role.UNIT)
        shards = self.map.shards()
        owner = assign(
            {shard.name: shard.cells for shard in shards},
            lasting,
            {shard.name: self._holder(shard, units, lasting) for shard in shards},
        )
        mine = [shard for shard in shards if owner.get(shard.name) == self.leases.identity]
        self._give_back(mine, {unit: owner[shard.name] for shard in shards for unit in shard.units})
        await self._take(mine, units, working)
        self._stand()
        self._look_again = self.clock() + (LOOK_SECONDS if self._is_settled(mine) else 0)
        await self._tidy(members, units, shards)

    def _must_look(self, *members: set[str]) -> bool:
        """Whether the units' Leases are to be read: somebody came or went, or we are not where we should be."""
        seen = (tuple(map(frozenset, members)), self.map.version, self._term)
        if seen == self._seen and self.clock() < self._look_again:
            return False
        self._seen = seen
        return True

    def _is_settled(self, mine: list[Shard]) -> bool:
        return not self._leaving and all(shard.units <= self._held.keys() for shard in mine)

    def _look_at(self, members: dict[str, Lease]) -> tuple[set[str], set[str]]:
        """Who may still be working, and who will go on.

        Who may be working has renewed within what its Lease lasts, by our clock, since we saw it change. One that we
        have not seen renewing yet, and whose last renewal is long ago by its own clock, may be, but gets nothing.
        """
        now = self.clock()
        self._next_expiry = float("inf")
        working, lasting = set(), {self.leases.identity}
        for name, lease in members.items():
            known = name in self._sightings
            changed = known and self._sightings[name].version != lease.version
            if self._unchanged(name, lease.version, now) < lease.seconds:
                working.add(lease.holder)
                self._sightings[name].renews |= changed or time.time() - lease.renewed < lease.seconds
                if self._sightings[name].renews:
                    lasting.add(lease.holder)
                if lease.holder != self.leases.identity:
                    self._next_expiry = min(self._next_expiry, self._sightings[name].since + lease.seconds)
            else:
                self._sightings[name].renews = False
        for name in self._sightings.keys() - members.keys():
            if not name.startswith("holder "):
                del self._sightings[name]
        return working, lasting

    def _unchanged(self, name: str, version: str, now: float) -> float:
        """For how long something has been as it is."""
        seen = self._sightings.get(name)
        if seen is None or seen.version != version:
            renews = seen is not None and seen.renews
            seen = self._sightings[name] = _Sighting(version, now, renews)
        return now - seen.since

    def _may_work(self, holder: str, working: Collection[str]) -> bool:
        """Whether a Lease's holder may still write. One whose own Lease is gone gets as long as that would have lasted."""
        if not holder or holder == self.leases.identity:
            return False
        name = f"holder {holder}"
        if holder in working:
            self._sightings.pop(name, None)
            return True
        if self.leases.member_name(holder) in self._sightings:
            return False
        return self._unchanged(name, "", self.clock()) < self.leases.seconds

    def _holder(self, shard: Shard, leases: dict[str, Lease], lasting: Collection[str]) -> str:
        """Who holds a shard: of several (it was two until now) the one with its first unit."""
        for unit in sorted(shard.units):
            if unit in self._leaving:
                return self._leaving[unit]
            lease = leases.get(self.leases.unit_name(unit))
            if lease is not None and lease.holder in lasting:
                return lease.holder
        return ""

    # --- taking -----------------------------------------------------------------------------------

    async def _take(self, mine: list[Shard], leases: dict[str, Lease], working: Collection[str]) -> None:
        wanted = [unit for shard in mine for unit in sorted(shard.units) if unit not in self._held]
        free = []
        for unit in wanted:
            lease = leases.get(self.leases.unit_name(unit))
            if lease is None or not self._may_work(lease.holder, working):
                free.append((unit, lease))
        if not wanted:
            return
        taken = await asyncio.gather(*(self._call(self.leases.take, unit, lease) for unit, lease in free))
        new = []
        for (unit, before), lease in zip(free, taken, strict=True):
            if lease is None:
                continue
            self._held[unit] = lease
            known = self._lapsed.pop(unit, None)
            if known is not None and before is not None and known.version == before.version:
                self._ready.add(unit)
            else:
                new.append(unit)
        if new:
            log.info("taken: %s", _names(new))
            self._start(self._begin(frozenset(new)))
        if len(new) < len(free):
            self._stand()
            assert self._work is not None
            self._work.resume()

    async def _begin(self, units: Collection[Unit]) -> None:
        """Get ready for some units; what goes wrong is tried again, or they would be nobody's."""
        assert self._work is not None
        term = self._term
        while term == self._term:
            try:
                await self._work.begin(units)
                break
            except Exception:
                log.exception("%s cannot be begun with; it is tried again", _names(units))
                await asyncio.sleep(self.every)
        if term == self._term == self.fence.term:
            self._ready |= set(units) & self._held.keys()
            self._stand()
            self._work.resume()

    # --- giving back ------------------------------------------------------------------------------

    def _give_back(self, mine: list[Shard], owner: dict[Unit, str]) -> None:
        keep = {unit for shard in mine for unit in shard.units}
        going = frozenset(self._held.keys() - keep - self._leaving.keys())
        if going:
            log.info("giving back: %s", _names(going))
            self._leaving |= {unit: owner.get(unit, "") for unit in going}
            self._stand()
            self._start(self._end(going))

    async def _end(self, units: Collection[Unit]) -> None:
        assert self._work is not None
        term = self._term
        await self._work.end(units)
        if term != self._term:
            return
        self._ready -= set(units)
        leases = [self._held.pop(unit) for unit in units]
        self._stand()
        try:
            await asyncio.gather(*(self._call(self.leases.give_back, lease) for lease in leases))
        finally:
            for unit in units:
                self._leaving.pop(unit, None)
            self._stand()

    def _note_term(self) -> None:
        """The fence was closed since the last turn: nothing is ours until its Lease says so once more."""
        if self._term == self.fence.term:
            return
        self._lapsed = {unit: lease for unit, lease in self._held.items() if unit in self._ready}
        self._held.clear()
        self._ready.clear()
        self._leaving.clear()
        self._term = self.fence.term

    # --- standing ---------------------------------------------------------------------------------

    def _stand(self) -> None:
        """Say which shards are ours, here and at the fence: those of which everything is held and ready."""
        self._drawn = self.map.version
        ready = self._ready - self._leaving.keys()
        self._ours = frozenset(shard.name for shard in self.map.shards() if shard.units <= ready)
        held = frozenset(unit.name for unit in self._ready if unit.kind is UnitKind.ACCOUNT)
        self.fence.stand(self.map.accounts(), held, self._term)

    async def _tidy(self, members: dict[str, Lease], units: dict[str, Lease], shards: list[Shard]) -> None:
        """Leases that nobody needs any more: of processes that are long gone, of tiers and accounts that are."""
        holders = {lease.holder for lease in units.values()}
        for name, lease in members.items():
            silent = self._unchanged(name, lease.version, self.clock())
            if lease.holder not in holders and silent > FORGET_AFTER * lease.seconds:
                await self._call(self.leases.delete, lease)
        wanted = {self.leases.unit_name(unit) for shard in shards for unit in shard.units}
        ours = {lease.name for lease in self._held.values()}
        for name, lease in units.items():
            if lease.holder == self.leases.identity and name not in ours:
                await self._call(self.leases.give_back, lease)
            elif not lease.holder and name not in wanted:
                await self._call(self.leases.delete, lease)

    def _wake_soon(self) -> None:
        self._next_expiry = min(self._next_expiry, self.clock() + self.every / 4)

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except (Refused, Gone) as error:
                log.warning("cannot write a lease: %s", error)
            except Exception:
                log.exception("shards could not change hands")
            self._wake.set()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.leases.pool, function, *arguments)


def _names(units: Iterable[Unit]) -> str:
    return ", ".join(str(unit) for unit in sorted(units))
