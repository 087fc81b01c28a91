"""What exists in one account and Region, as far as it concerns this installation: read in pages, shared by all.

A reading is made once for everybody who needs it at the same time (single flight) and stays good until it is older than
the asker allows. Our own writes are patched in, so that a tenant's edit costs its own writes and no walk over its
siblings. AWS may show a write late: for a while our own write outranks a reading that does not show it yet.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

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
from tenant_operator.aws.limits import CREATION_VISIBLE_SECONDS, SERVICE_READERS, UPDATE_VISIBLE_SECONDS
from tenant_operator.desired import tags
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    ElasticIp,
    EventBus,
    EventRule,
    InternetGateway,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    NatGateway,
    Queue,
    Record,
    RouteTable,
    SecurityGroup,
    Service,
    Subnet,
    TargetGroup,
    Vpc,
    VpcEndpoint,
)

Reader = Callable[[Caller], Awaitable[Mapping[Address, Live]]]
Reading = Callable[[], Awaitable[Mapping[Address, Live]]]


class Family(StrEnum):
    """What is read together."""

    NETWORK = "network"
    ENDPOINTS = "endpoints"
    LOAD_BALANCING = "load balancing"
    RULES = "rules"
    CLUSTERS = "clusters"
    SERVICES = "services"


SWEPT = tuple(Family)

FEED = "drift feed"
"""The reading of the feed's own resources; only those that see to the feed ask for it."""

TYPES_OF: Mapping[Family, frozenset[str]] = {
    Family.NETWORK: frozenset(
        kind.__name__
        for kind in (Vpc, Subnet, InternetGateway, ElasticIp, NatGateway, RouteTable, SecurityGroup)
    ),
    Family.ENDPOINTS: frozenset({VpcEndpoint.__name__}),
    Family.LOAD_BALANCING: frozenset(kind.__name__ for kind in (LoadBalancer, Listener, TargetGroup)),
    Family.RULES: frozenset({ListenerRule.__name__}),
    Family.CLUSTERS: frozenset({Cluster.__name__}),
    Family.SERVICES: frozenset({Service.__name__}),
}
FAMILY_OF = {kind: family for family, kinds in TYPES_OF.items() for kind in kinds}


@dataclass
class _Reading:
    """One thing that is read as a whole: when it last was, and who is reading it now."""

    started: float = float("-inf")
    finished: float = float("-inf")
    flight: asyncio.Task[None] | None = None
    flight_started: float = float("-inf")
    flight_priority: Priority = Priority.EDIT
    forgotten: float = float("-inf")
    """What began to be read before this moment may lack what has happened since."""


@dataclass
class View:
    """One account and Region (or one hosted zone's account): everything of ours that was read there.

    Not thread-safe: it belongs to the event loop.
    """

    installation: str
    clock: Callable[[], float] = time.monotonic
    lives: dict[Address, Live] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index: defaultdict[tuple[str, str], set[Address]] = defaultdict(set)
        self._groups: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._readings: defaultdict[str, _Reading] = defaultdict(_Reading)
        self._written: dict[Address, tuple[float, Live | None]] = {}
        self._created: dict[Address, float] = {}
        self._seen: dict[Address, float] = {}
        self._members: defaultdict[str, set[Address]] = defaultdict(set)
        self._types: defaultdict[str, dict[Address, None]] = defaultdict(dict)
        self._names: defaultdict[str, set[Address]] = defaultdict(set)
        self._ids: dict[str, Address] = {}
        self._to_read_in_full: set[str] = set()

    # --- looking ----------------------------------------------------------------------------------

    def world(self, infra_group: str, tenant: str = "", also: Iterable[Address] = ()) -> dict[Address, Live]:
        """What a group has (tenants' things apart), what one tenant has in it, and whatever is at other addresses."""
        found = set(self._index[(infra_group, "")])
        if tenant:
            found |= self._index[(infra_group, tenant)]
        found.update(address for address in also if address in self.lives)
        return {address: self.lives[address] for address in found}

    def of_tenant(self, infra_group: str, tenant: str) -> dict[Address, Live]:
        """What one tenant has in a group."""
        return {address: self.lives[address] for address in self._index[(infra_group, tenant)]}

    def groups_of(self, tier: str, tenant: str) -> set[str]:
        """The infra groups in which a tenant of a tier has anything."""
        return {group for group in self._groups[(tier, tenant)] if self._index[(group, tenant)]}

    def tenants_in(self, infra_group: str) -> set[str]:
        """The ids of the tenants that have anything in a group."""
        return {
            tenant
            for (group, tenant), found in self._index.items()
            if group == infra_group and tenant and found
        }

    def of_type(self, kind: str) -> list[Live]:
        """Everything of one type."""
        return [self.lives[address] for address in self._types[kind]]

    def rules_of(self, listener: str) -> list[Live]:
        """Every rule of a listener, somebody else's too: their priorities are taken."""
        return [self.lives[address] for address in self._members[f"rules of {listener}"]]

    def records_at(self, zone: str, name: str) -> list[Live]:
        """Every record of one name in a hosted zone."""
        return [self.lives[address] for address in sorted(self._names[f"{zone}/{name}"])]

    def with_id(self, id_: str) -> Live | None:
        """What has this id or ARN."""
        address = self._ids.get(id_)
        return None if address is None else self.lives.get(address)

    def listeners_with(self, arn: str) -> list[Live]:
        """The listener with this ARN, as a list of one or none."""
        return [live for live in self.of_type(Listener.__name__) if live.id == arn]

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
        reading = self._readings[name]
        reading.started, reading.forgotten = float("-inf"), self.clock()

    def forget_rules(self) -> None:
        """The same for the rules of every listener."""
        for name in self._readings:
            if name.startswith("rules of "):
                self.forget(name)

    def forget_reading_of(self, live: Live) -> None:
        """The same for the reading that showed a resource."""
        self.forget(_shelf_of(live))

    def distrust(self, live: Live) -> None:
        """Somebody else has changed a resource: read it again, in full, and believe what is read over our own writes."""
        self._written.pop(live.address, None)
        self._created.pop(live.address, None)
        if isinstance(live.spec, TargetGroup | ListenerRule):
            self._to_read_in_full.add(live.id)
        shelf = _shelf_of(live)
        for name in [name for name in self._readings if _shelf(name) == shelf]:
            if shelf != "identity" or live.address.name in name.split(" "):
                self.forget(name)

    def forget_records_of(self, endpoint: str) -> None:
        """The same for the records of a tier's name and of every name below it."""
        for name in [name for name in self._readings if name.startswith("records of ")]:
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
        self._readings.clear()
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
        order = [family for family in Family if family in families]
        first = [family for family in order if family not in (Family.RULES, Family.SERVICES)]
        await _all(
            self.refresh(family.value, max_age, caller, self._reader(family))
            for family in first
            if self._is_older(family.value, max_age)
        )
        if Family.RULES in order:
            await self.load_rules(caller, self._listeners(), max_age=max_age)
        if Family.SERVICES in order:
            await self.load_services(caller, self._clusters(), max_age=max_age)

    async def load_rules(self, caller: Caller, listeners: Iterable[Live], *, max_age: float) -> None:
        """The rules of some listeners, each listener for itself."""
        await _all(
            self.refresh(f"rules of {listener.id}", max_age, caller, self._rules_reader(listener))
            for listener in listeners
            if self._is_older(f"rules of {listener.id}", max_age)
        )

    async def load_services(self, caller: Caller, clusters: Iterable[Live], *, max_age: float) -> None:
        """The services of some clusters, each cluster for itself, a few at a time."""
        gate = asyncio.Semaphore(SERVICE_READERS)

        async def one(cluster: Live, name: str) -> None:
            async with gate:
                await self.refresh(name, max_age, caller, self._services_reader(cluster))

        await _all(
            one(cluster, name)
            for cluster in clusters
            if self._is_older(name := f"services of {cluster.id}", max_age)
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

        await self.refresh(
            f"identity {' '.join((*roles, *groups))}", max_age, caller, read, (*roles, *groups)
        )

    async def load_feed(self, caller: Caller, *, home: bool, max_age: float) -> None:
        """The drift feed's rules; in the operator's `home` account its queues and bus, too."""

        async def read(caller: Caller) -> Mapping[Address, Live]:
            return await drift_feed.read_feed(caller, self.installation, home=home)

        await self.refresh(FEED, max_age, caller, read)

    async def load_records(self, caller: Caller, zone: str, endpoint: str, *, max_age: float) -> None:
        """The records of a tier's name and of every name below it."""

        async def read(caller: Caller) -> Mapping[Address, Live]:
            return await dns.read_records(caller, zone, endpoint)

        await self.refresh(f"records of {zone} {endpoint}", max_age, caller, read, (zone, endpoint))

    async def refresh(
        self, name: str, max_age: float, caller: Caller, reader: Reader, scope: tuple[str, ...] = ()
    ) -> None:
        """Read `name` unless that was done less than `max_age` seconds ago; askers at the same time share one reading.

        With `max_age` 0 a reading that is under way counts only if it began after the call. A more urgent asker's reading
        takes the place of one that is under way at a sweep's pace; those who wait for that one get this one.
        """
        reading = self._readings[name]
        while self._is_older(name, max_age):
            flight = reading.flight
            if flight is None or flight.done():
                flight = self._begin(name, reading, caller, reader, scope)
            elif caller.priority < reading.flight_priority:
                slower, flight = flight, self._begin(name, reading, caller, reader, scope)
                slower.cancel()
            elif (
                self.clock() - reading.flight_started >= max_age or reading.flight_started < reading.forgotten
            ):
                await asyncio.wait([flight])
                continue
            await asyncio.wait([flight])
            if not flight.cancelled():
                flight.result()
                return

    def _is_older(self, name: str, max_age: float) -> bool:
        """Whether a reading has to be made. Asked beforehand: a tenant's visit looks at every cell of its tier."""
        return self.clock() - self._readings[name].started >= max_age

    def _begin(
        self, name: str, reading: _Reading, caller: Caller, reader: Reader, scope: tuple[str, ...]
    ) -> asyncio.Task[None]:
        reading.flight_started, reading.flight_priority = self.clock(), caller.priority
        reading.flight = asyncio.ensure_future(self._read(name, reading, partial(reader, caller), scope))
        return reading.flight

    async def _read(self, name: str, reading: _Reading, read: Reading, scope: tuple[str, ...]) -> None:
        started = self.clock()
        await self.take_reading(name, read, scope)
        reading.finished = self.clock()
        if started >= reading.forgotten:
            reading.started = started

    async def take_reading(self, name: str, read: Reading, scope: tuple[str, ...]) -> None:
        """Make one reading and take in what it shows. A dry run makes each one once."""
        started = self.clock()
        found = await read()
        self._take_in(name, found, started, scope)

    def shown_by(self, name: str) -> list[Live]:
        """What is kept of a reading."""
        return [self.lives[address] for address in self._members[_shelf(name)]]

    def _take_in(
        self, name: str, found: Mapping[Address, Live], started: float, scope: tuple[str, ...]
    ) -> None:
        now = self.clock()
        known = {address for address in self._members[_shelf(name)] if _covers(address, scope)}
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

    # --- the indexes ------------------------------------------------------------------------------

    def _set(self, live: Live) -> None:
        self._unindex(live.address)
        self.lives[live.address] = live
        self._types[live.address.type][live.address] = None
        self._ids[live.id] = live.address
        self._members[_shelf_of(live)].add(live.address)
        if live.address.type == Record.__name__:
            self._names[_record_name(live.address)].add(live.address)
        group, tenant = _place(live)
        if group:
            self._index[(group, tenant)].add(live.address)
            if tenant:
                self._groups[(live.tags.get(tags.TIER, ""), tenant)].add(group)

    def _unset(self, address: Address) -> None:
        self._unindex(address)
        self.lives.pop(address, None)
        self._types[address.type].pop(address, None)

    def _unindex(self, address: Address) -> None:
        old = self.lives.get(address)
        if old is not None:
            if self._ids.get(old.id) == address:
                del self._ids[old.id]
            self._index[_place(old)].discard(address)
            self._members[_shelf_of(old)].discard(address)
            if address.type == Record.__name__:
                self._names[_record_name(address)].discard(address)


def _shelf(reading: str) -> str:
    """Where the results of a reading are kept together; readings of identity and of records have a scope besides."""
    return reading.partition(" ")[0] if reading.startswith(("identity ", "records ")) else reading


def _shelf_of(live: Live) -> str:
    spec = live.spec
    if isinstance(spec, ListenerRule):
        return f"rules of {spec.listener}"
    if isinstance(spec, Service):
        return f"services of {spec.cluster}"
    if isinstance(spec, Record):
        return "records"
    if isinstance(spec, Queue | EventBus | EventRule):
        return FEED
    family = FAMILY_OF.get(live.address.type)
    return "identity" if family is None else family.value


def _covers(address: Address, scope: tuple[str, ...]) -> bool:
    """Whether a reading with this scope would have found the resource: names, or a zone and the name at its top."""
    if not scope:
        return True
    if address.type != Record.__name__:
        return address.name in scope
    zone, endpoint = scope
    record = address.name.removeprefix(f"{zone}/").partition("/")[0]
    return address.name.startswith(f"{zone}/") and (record == endpoint or record.endswith("." + endpoint))


def _record_name(address: Address) -> str:
    """Zone and name of a record, without its set identifier."""
    zone, _, rest = address.name.partition("/")
    return f"{zone}/{rest.partition('/')[0]}"


def _place(live: Live) -> tuple[str, str]:
    return live.tags.get(tags.INFRA_GROUP, ""), live.tags.get(tags.TENANT, "")


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Wait for everything, then raise the first error: the readings that worked are kept."""
    if not (todo := list(work)):
        return
    results = await asyncio.gather(*todo, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
