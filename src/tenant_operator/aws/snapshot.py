"""What exists in one account and Region, as far as it concerns this installation: read in pages, shared by all.

A reading is made once for everybody who needs it at the same time (single flight) and stays good until it is older than
the asker allows. Our own writes are patched in, so that a tenant's edit costs its own writes and no walk over its
siblings. AWS may show a write late: for a while our own write outranks a reading that does not show it yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tenant_operator.aws import (
    compute,
    dns,
    drift_feed,
    endpoints,
    identity,
    load_balancing,
    logs,
    network,
    rules,
)
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.inventory import FEED, Family, Inventory, shelf, shelf_of
from tenant_operator.aws.limits import CREATION_VISIBLE_SECONDS, SERVICE_READERS, UPDATE_VISIBLE_SECONDS
from tenant_operator.aws.readings import Reader, Reading, Readings
from tenant_operator.desired import tags
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    Listener,
    ListenerRule,
    Live,
    Record,
    Service,
    TargetGroup,
)


@dataclass
class View(Inventory):
    """One account and Region (or one hosted zone's account): everything of ours that was read there.

    Not thread-safe: it belongs to the event loop.
    """

    installation: str
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.readings = Readings(self.clock, self.take_reading)
        self._written: dict[Address, tuple[float, Live | None]] = {}
        self._created: dict[Address, float] = {}
        self._seen: dict[Address, float] = {}
        self._to_read_in_full: set[str] = set()
        self._names_of: dict[tuple[Family, ...], tuple[int, tuple[str, ...]]] = {}

    def read_since(self, address: Address) -> bool:
        """Whether a reading that began after our last write of it has shown the resource."""
        written = self._written.get(address)
        return written is None or self._seen.get(address, float("-inf")) > written[0]

    def made_here(self, address: Address) -> bool:
        """Whether this process made the resource, and not long ago."""
        return address in self._created

    def since_written(self, address: Address) -> float:
        """Seconds since our last write of it; infinite where there was none."""
        written = self._written.get(address)
        return float("inf") if written is None else self.clock() - written[0]

    # --- our own writes ---------------------------------------------------------------------------

    def put(self, live: Live) -> None:
        """Take in what we have just written."""
        self._written[live.address] = (self.clock(), live)
        if live.address not in self.lives:
            self._created[live.address] = self.clock()
        self._set(live)

    def remove(self, address: Address) -> None:
        """Take in that we have just deleted it."""
        self._written[address] = (self.clock(), None)
        self._created.pop(address, None)
        self._unset(address)

    def forget(self, name: str) -> None:
        """Make the next asker read again: what we knew has turned out wrong, and what is being read now may be."""
        self.readings.forget(name)

    def forget_rules(self) -> None:
        """The same for the rules of every listener."""
        for name in self.readings:
            if name.startswith("rules of "):
                self.forget(name)

    def forget_reading_of(self, live: Live) -> None:
        """The same for the reading that showed a resource."""
        self.forget(shelf_of(live))

    def distrust(self, live: Live) -> None:
        """Somebody else has changed a resource: read it again, in full, and believe what is read over our own writes."""
        self._written.pop(live.address, None)
        self._created.pop(live.address, None)
        if isinstance(live.spec, TargetGroup | ListenerRule):
            self._to_read_in_full.add(live.id)
        own = shelf_of(live)
        for name in [name for name in self.readings if shelf(name) == own]:
            if own != "identity" or live.address.name in name.split(" "):
                self.forget(name)

    def forget_records_of(self, endpoint: str) -> None:
        """The same for the records of a tier's name and of every name below it."""
        for name in [name for name in self.readings if name.startswith("records of ")]:
            if name.endswith(f" {endpoint}"):
                self.forget(name)

    def distrust_services_of(self, cluster: Live) -> None:
        """Something has happened to the services of a cluster."""
        self.forget(f"services of {cluster.id}")

    def distrust_rules_of(self, listener: Live) -> None:
        """Somebody else has changed the rules of a listener."""
        self.forget(f"rules of {listener.id}")

    def distrust_all(self) -> None:
        """Make the next asker read again, and let our own writes count for nothing: others have written since."""
        self.readings.forget_all()
        self._written.clear()
        self._created.clear()

    def annotate(self, address: Address, **attributes: object) -> None:
        """Add to a live resource's attributes without calling it a write."""
        live = self.lives.get(address)
        if live is not None:
            self.lives[address] = replace(live, attributes={**live.attributes, **attributes})

    # --- reading ----------------------------------------------------------------------------------

    async def load(self, caller: Caller, *families: Family, max_age: float) -> None:
        """Make sure that every family was read at most `max_age` seconds ago.

        Raises:
            AwsError: a reading failed; what was known before stays.
        """
        if self._are_young(families, max_age):
            return
        order = [family for family in Family if family in families]
        first = [family for family in order if family not in (Family.RULES, Family.SERVICES)]
        await _all(
            self.readings.refresh(family.value, max_age, caller, self._reader(family))
            for family in first
            if self.readings.is_older(family.value, max_age)
        )
        if Family.RULES in order:
            await self.load_rules(caller, self._listeners(), max_age=max_age)
        if Family.SERVICES in order:
            await self.load_services(caller, self._clusters(), max_age=max_age)

    def _are_young(self, families: tuple[Family, ...], max_age: float) -> bool:
        """Whether nothing has to be read. Each visit to a tenant asks that of every cell of its tier."""
        if Family.SERVICES in families:
            return False
        since, names = self._names_of.get(families, (-1, ()))
        if since != self.listeners_changed:
            rules_of = self._listeners() if Family.RULES in families else ()
            names = (
                *(family.value for family in families if family is not Family.RULES),
                *(f"rules of {listener.id}" for listener in rules_of),
            )
            self._names_of[families] = (self.listeners_changed, names)
        return not any(self.readings.is_older(name, max_age) for name in names)

    async def load_rules(self, caller: Caller, listeners: Iterable[Live], *, max_age: float) -> None:
        """The rules of some listeners, each listener for itself."""
        await _all(
            self.readings.refresh(f"rules of {listener.id}", max_age, caller, self._rules_reader(listener))
            for listener in listeners
            if self.readings.is_older(f"rules of {listener.id}", max_age)
        )

    async def load_services(self, caller: Caller, clusters: Iterable[Live], *, max_age: float) -> None:
        """The services of some clusters, each cluster for itself, a few at a time."""
        gate = asyncio.Semaphore(SERVICE_READERS)

        async def one(cluster: Live, name: str) -> None:
            async with gate:
                await self.readings.refresh(name, max_age, caller, self._services_reader(cluster))

        await _all(
            one(cluster, name)
            for cluster in clusters
            if self.readings.is_older(name := f"services of {cluster.id}", max_age)
        )

    async def load_identity(
        self, caller: Caller, roles: tuple[str, ...], groups: tuple[str, ...], *, max_age: float
    ) -> None:
        """Named roles and log groups; they are few, and only cells ask for them."""

        async def read(caller: Caller) -> Mapping[Address, Live]:
            found = await asyncio.gather(
                identity.read_roles(caller, roles), logs.read_log_groups(caller, groups)
            )
            return {**found[0], **found[1]}

        await self.readings.refresh(
            f"identity {' '.join((*roles, *groups))}", max_age, caller, read, (*roles, *groups)
        )

    async def load_feed(self, caller: Caller, *, home: bool, max_age: float) -> None:
        """The drift feed's rules; in the operator's `home` account its queues and bus, too."""

        async def read(caller: Caller) -> Mapping[Address, Live]:
            return await drift_feed.read_feed(caller, self.installation, home=home)

        await self.readings.refresh(FEED, max_age, caller, read)

    async def load_records(self, caller: Caller, zone: str, endpoint: str, *, max_age: float) -> None:
        """The records of a tier's name and of every name below it."""

        async def read(caller: Caller) -> Mapping[Address, Live]:
            return await dns.read_records(caller, zone, endpoint)

        await self.readings.refresh(f"records of {zone} {endpoint}", max_age, caller, read, (zone, endpoint))

    async def take_reading(self, name: str, read: Reading, scope: tuple[str, ...]) -> None:
        """Make one reading and take in what it shows. A dry run makes each one once."""
        started = self.clock()
        found = await read()
        self._take_in(name, found, started, scope)

    def _take_in(
        self, name: str, found: Mapping[Address, Live], started: float, scope: tuple[str, ...]
    ) -> None:
        now = self.clock()
        known = {address for address in self._members[shelf(name)] if _covers(address, scope)}
        for address, live in found.items():
            written = self._written.get(address)
            if written is not None and self._outranks(written, live, started, now):
                continue
            self._seen[address] = started
            self._created.pop(address, None)
            self._set(live)
        for address in known - set(found):
            created = self._created.get(address, float("-inf"))
            if now - created > CREATION_VISIBLE_SECONDS and not self._written_since(address, started):
                self._unset(address)
                self._written.pop(address, None)
                self._created.pop(address, None)

    def _written_since(self, address: Address, started: float) -> bool:
        written = self._written.get(address)
        return written is not None and written[0] > started

    @staticmethod
    def _outranks(written: tuple[float, Live | None], live: Live, started: float, now: float) -> bool:
        """Whether our own write counts for more than a reading: it came later, or AWS may not show it yet."""
        at, ours = written
        if at > started:
            return True
        if ours is None:
            return now - at < CREATION_VISIBLE_SECONDS and live.address.type != Service.__name__
        return now - at < UPDATE_VISIBLE_SECONDS and live.spec != ours.spec and live.id == ours.id

    def _reader(self, family: Family) -> Reader:
        if family is Family.LOAD_BALANCING:
            return self._read_load_balancing
        readers = {
            Family.NETWORK: network.read_network,
            Family.ENDPOINTS: endpoints.read_endpoints,
            Family.CLUSTERS: compute.read_clusters,
        }
        return lambda caller: readers[family](caller, self.installation)

    async def _read_load_balancing(self, caller: Caller) -> Mapping[Address, Live]:
        asked = frozenset(self._to_read_in_full)
        found = await load_balancing.read_load_balancing(caller, self.installation, in_full=asked)
        self._to_read_in_full -= asked & {live.id for live in found.values()}
        return found

    def _rules_reader(self, listener: Live) -> Reader:
        async def read(caller: Caller) -> Mapping[Address, Live]:
            known = self._known_tags(listener) if caller.priority is Priority.EDIT else {}
            found = await rules.read_rules(caller, self.installation, listener, known)
            self._to_read_in_full -= {live.id for live in found.values()} - known.keys()
            return found

        return read

    def _known_tags(self, listener: Live) -> dict[str, Mapping[str, str]]:
        """The tags of rules that were seen before: a rule's ARN is its own for ever. A sweep reads them anew."""
        known = {live.id: live.tags for live in self.rules_of(listener.id) if live.tags}
        return {arn: found for arn, found in known.items() if arn not in self._to_read_in_full}

    def _services_reader(self, cluster: Live) -> Reader:
        async def read(caller: Caller) -> Mapping[Address, Live]:
            return await compute.read_services(caller, cluster, sorted(self._service_names(cluster)))

        return read

    def _service_names(self, cluster: Live) -> set[str]:
        """The names that the services of a cluster can have: those of its slot's target groups, and what is known."""
        place = (cluster.tags.get(tags.INFRA_GROUP, ""), cluster.tags.get(tags.TENANT, ""))
        slot = cluster.tags.get(tags.COMPONENT, "").rpartition("-")[2]
        names = set()
        for address in self._index[place]:
            live = self.lives[address]
            if (
                address.type == TargetGroup.__name__
                and live.tags.get(tags.COMPONENT) == f"target-group-{slot}"
            ):
                names.add(address.name)
            elif address.type == Service.__name__ and address.name.startswith(f"{cluster.address.name}/"):
                names.add(address.name.partition("/")[2])
        return names

    def _listeners(self) -> list[Live]:
        return [
            live for live in self.of_type(Listener.__name__) if live.tags.get(tags.COMPONENT) == "listener"
        ]

    def _clusters(self) -> list[Live]:
        return [live for live in self.of_type(Cluster.__name__) if tags.is_ours(live.tags, self.installation)]


def _covers(address: Address, scope: tuple[str, ...]) -> bool:
    """Whether a reading with this scope would have found the resource: names, or a zone and the name at its top."""
    if not scope:
        return True
    if address.type != Record.__name__:
        return address.name in scope
    zone, endpoint = scope
    record = address.name.removeprefix(f"{zone}/").partition("/")[0]
    return address.name.startswith(f"{zone}/") and (record == endpoint or record.endswith("." + endpoint))


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Wait for everything, then raise the first error: the readings that worked are kept."""
    if not (todo := list(work)):
        return
    results = await asyncio.gather(*todo, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
