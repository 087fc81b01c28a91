"""The network of an infra group that the operator makes: VPC, subnets, gateways, route tables, security groups.

How a VPC is cut up must not move when zones are added, so every zone owns fixed blocks by its place in the list:

    10.20.0.0/16   zone 0: 10.20.0.0/24 load balancer, 10.20.1.0/24 endpoints, 10.20.224.0/19 tasks
                   zone 1: 10.20.2.0/24,               10.20.3.0/24,           10.20.192.0/19
                   …       two /24 per zone from the bottom, one eighth of the VPC per zone from the top

Sources: https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from tenant_operator.desired import tags
from tenant_operator.desired.resources import (
    Address,
    ElasticIp,
    Id,
    Ingress,
    InternetGateway,
    NatGateway,
    Ref,
    Resource,
    Route,
    RouteTable,
    SecurityGroup,
    Spec,
    Subnet,
    Vpc,
)

ANYWHERE = "0.0.0.0/0"
MAX_ZONES: Mapping[int, int] = {16: 6, 17: 6, 18: 6, 19: 5, 20: 4}
"""Zones for which a VPC of this prefix length has room."""


@dataclass(frozen=True, kw_only=True)
class ZoneBlocks:
    """The CIDR blocks of one zone."""

    load_balancer: str
    endpoints: str
    tasks: str


def blocks(cidr: str, index: int) -> ZoneBlocks:
    """The blocks of the zone at `index` (0-based) in the list of a VPC's zones.

    Raises:
        ValueError: the VPC has no room for so many zones.
    """
    network = ipaddress.ip_network(cidr)
    if index >= MAX_ZONES.get(network.prefixlen, 0):
        raise ValueError(
            f"a VPC of {cidr} has room for {MAX_ZONES.get(network.prefixlen, 0)} Availability Zones; "
            "use a larger CIDR block (a /18 or larger has room for six)"
        )
    load_balancer, endpoints = islice(network.subnets(new_prefix=24), 2 * index, 2 * index + 2)
    eighths = list(network.subnets(prefixlen_diff=3))
    return ZoneBlocks(
        load_balancer=str(load_balancer),
        endpoints=str(endpoints),
        tasks=str(eighths[7 - index]),
    )


@dataclass(frozen=True, kw_only=True)
class NetworkDesign:
    """What an infra group's spec says of a network to be made, with the ports that have to be open in it."""

    account: str
    region: str
    cidr: str
    zones: tuple[str, ...]
    """Names, in the order of the spec."""
    egress: str
    """None | NatSingle | NatPerZone"""
    public: bool
    """Whether the load balancer faces the Internet."""
    ownership: tags.Ownership
    user_tags: Mapping[str, str]

    def address(self, kind: type[Spec], component: str) -> Address:
        """The address of one of the network's resources."""
        name = tags.component_name(self.ownership.infra_group, "", component)
        return Address(account=self.account, region=self.region, type=kind.__name__, name=name)

    @property
    def vpc(self) -> Ref:
        """The VPC's id."""
        return Ref(self.address(Vpc, "vpc"))

    def subnets(self, role: str) -> tuple[Id, ...]:
        """The ids of the subnets of one role: `lb`, `endpoints` or `tasks`."""
        return tuple(Ref(self.address(Subnet, f"subnet-{role}-{zone}")) for zone in self.zones)

    def task_route_tables(self) -> tuple[Id, ...]:
        """The ids of the route tables of the tasks' subnets, where gateway endpoints belong."""
        return tuple(Ref(self.address(RouteTable, f"routes-tasks-{zone}")) for zone in self.zones)


def network(design: NetworkDesign) -> list[Resource]:
    """VPC, subnets, gateways and route tables.

    Raises:
        ValueError: the VPC has no room for so many zones.
    """

    def resource(component: str, spec: Spec, after: tuple[Address, ...] = ()) -> Resource:
        return Resource(
            address=design.address(type(spec), component),
            spec=spec,
            tags=design.ownership.tags(component, design.user_tags),
            after=after,
        )

    found = [resource("vpc", Vpc(cidr=design.cidr))]
    for index, zone in enumerate(design.zones):
        cut = blocks(design.cidr, index)
        for role, block in (("lb", cut.load_balancer), ("endpoints", cut.endpoints), ("tasks", cut.tasks)):
            found.append(resource(f"subnet-{role}-{zone}", Subnet(vpc=design.vpc, cidr=block, zone=zone)))
    routed_out = design.public or design.egress != "None"
    gateway = design.address(InternetGateway, "internet-gateway")
    if routed_out:
        found.append(resource("internet-gateway", InternetGateway(vpc=design.vpc)))
    out = (Route(ANYWHERE, Ref(gateway)),) if routed_out else ()
    found.append(resource("routes-lb", RouteTable(vpc=design.vpc, routes=out, subnets=design.subnets("lb"))))
    found.append(
        resource("routes-endpoints", RouteTable(vpc=design.vpc, subnets=design.subnets("endpoints")))
    )
    nat_zones = {"NatSingle": design.zones[:1], "NatPerZone": design.zones}.get(design.egress, ())
    for zone in nat_zones:
        address = design.address(ElasticIp, f"address-{zone}")
        found.append(resource(f"address-{zone}", ElasticIp()))
        nat = NatGateway(subnet=Ref(design.address(Subnet, f"subnet-lb-{zone}")), allocation=Ref(address))
        found.append(resource(f"nat-{zone}", nat, after=(gateway, design.address(RouteTable, "routes-lb"))))
    for zone in design.zones:
        via = zone if zone in nat_zones else next(iter(nat_zones), None)
        routes = () if via is None else (Route(ANYWHERE, Ref(design.address(NatGateway, f"nat-{via}"))),)
        table = RouteTable(
            vpc=design.vpc, routes=routes, subnets=(Ref(design.address(Subnet, f"subnet-tasks-{zone}")),)
        )
        found.append(resource(f"routes-tasks-{zone}", table))
    return found


def security_groups(
    ownership: tags.Ownership,
    user_tags: Mapping[str, str],
    *,
    account: str,
    region: str,
    vpc: Id,
    listener_ports: Iterable[int],
    ingress_cidrs: Iterable[str],
    task_ports: Iterable[int],
    endpoint_ports: Iterable[int],
    load_balancer_groups: tuple[Id, ...] = (),
    workload_groups: tuple[Id, ...] = (),
    endpoints: bool = True,
) -> list[Resource]:
    """The three security groups of an infra group, without those that the spec names instead.

    `alb` is open to `ingress_cidrs` on the listeners' ports, `tasks` only to `alb` on the ports in use, `endpoints`
    only to `tasks` on the endpoints' ports.
    """

    def group(component: str, description: str, ingress: Iterable[Ingress]) -> Resource:
        name = f"{ownership.installation}-{ownership.infra_group}-{component}"
        return Resource(
            address=security_group_address(ownership, account, region, component),
            spec=SecurityGroup(vpc=vpc, group_name=name, description=description, ingress=tuple(ingress)),
            tags=ownership.tags(component, user_tags),
        )

    def opened(ports: Iterable[int], sources: Iterable[Id]) -> list[Ingress]:
        return [Ingress("tcp", port, port, source) for port in sorted(set(ports)) for source in sources]

    albs = load_balancer_groups or (Ref(security_group_address(ownership, account, region, "sg-alb")),)
    tasks = workload_groups or (Ref(security_group_address(ownership, account, region, "sg-tasks")),)
    found = []
    if not load_balancer_groups:
        found.append(
            group("sg-alb", "Load balancer: from the clients", opened(listener_ports, ingress_cidrs))
        )
    if not workload_groups:
        found.append(group("sg-tasks", "Tasks: from the load balancer only", opened(task_ports, albs)))
    if endpoints:
        found.append(group("sg-endpoints", "Endpoints: from the tasks only", opened(endpoint_ports, tasks)))
    return found


def security_group_address(ownership: tags.Ownership, account: str, region: str, component: str) -> Address:
    """The address of `sg-alb`, `sg-tasks` or `sg-endpoints`."""
    name = tags.component_name(ownership.infra_group, "", component)
    return Address(account=account, region=region, type=SecurityGroup.__name__, name=name)
