"""What is known to exist in one account and Region, found by place, type, id or name: the indexes of a view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
class Inventory:
    """Live resources by address; whoever puts one in or takes one out does so through `_set` and `_unset`."""

    lives: dict[Address, Live] = field(default_factory=dict, kw_only=True)
    listeners_changed: int = field(default=0, init=False)
    """Another number whenever a listener may have come, changed or gone."""
    _index: defaultdict[tuple[str, str], set[Address]] = field(
        default_factory=lambda: defaultdict(set), init=False
    )
    _groups: defaultdict[tuple[str, str], set[str]] = field(
        default_factory=lambda: defaultdict(set), init=False
    )
    _members: defaultdict[str, set[Address]] = field(default_factory=lambda: defaultdict(set), init=False)
    _types: defaultdict[str, dict[Address, None]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )
    _names: defaultdict[str, set[Address]] = field(default_factory=lambda: defaultdict(set), init=False)
    _ids: dict[str, Address] = field(default_factory=dict, init=False)

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

    def shown_by(self, name: str) -> list[Live]:
        """What is kept of a reading."""
        return [self.lives[address] for address in self._members[shelf(name)]]

    def _set(self, live: Live) -> None:
        self._unindex(live.address)
        self.lives[live.address] = live
        self._types[live.address.type][live.address] = None
        self._ids[live.id] = live.address
        self._members[shelf_of(live)].add(live.address)
        self.listeners_changed += live.address.type == Listener.__name__
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
        self.listeners_changed += address.type == Listener.__name__
        self._types[address.type].pop(address, None)

    def _unindex(self, address: Address) -> None:
        old = self.lives.get(address)
        if old is not None:
            if self._ids.get(old.id) == address:
                del self._ids[old.id]
            self._index[_place(old)].discard(address)
            self._members[shelf_of(old)].discard(address)
            if address.type == Record.__name__:
                self._names[_record_name(address)].discard(address)


def shelf(reading: str) -> str:
    """Where the results of a reading are kept together; readings of identity and of records have a scope besides."""
    return reading.partition(" ")[0] if reading.startswith(("identity ", "records ")) else reading


def shelf_of(live: Live) -> str:
    """Where the reading that shows a resource keeps its results."""
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


def _record_name(address: Address) -> str:
    """Zone and name of a record, without its set identifier."""
    zone, _, rest = address.name.partition("/")
    return f"{zone}/{rest.partition('/')[0]}"


def _place(live: Live) -> tuple[str, str]:
    return live.tags.get(tags.INFRA_GROUP, ""), live.tags.get(tags.TENANT, "")
