"""An infra group as a whole: its network (made or existing), endpoints, security groups, load balancer and listeners."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tenant_operator.api import Cell, InfraGroup, Tier
from tenant_operator.desired import load_balancer as balancers
from tenant_operator.desired import network as networks
from tenant_operator.desired import private_link, tags
from tenant_operator.desired.documents import filled
from tenant_operator.desired.placed import GroupSite
from tenant_operator.desired.resources import Address, Id, InternetGateway, Ref, Resource, RouteTable


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the specs do not say and AWS does: zone names for zone ids, an existing network's facts."""

    zones: tuple[str, ...] = ()
    """Of a network to be made: the zones' names, in the spec's order."""
    vpc_cidrs: tuple[str, ...] = ()
    """Of an existing network."""
    workload_route_tables: tuple[str, ...] = ()
    """Of an existing network: the route tables of its workload subnets, where gateway endpoints belong."""
    endpoint_zones: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The zones in which each endpoint service is offered; empty: in all."""
    zone_of_subnet: Mapping[str, str] = field(default_factory=dict)
    """Of an existing network."""


@dataclass(frozen=True, kw_only=True)
class GroupDesign:
    """An infra group's specs, joined: what its resources are worked out from."""

    tier: Tier
    cell: Cell
    group: InfraGroup
    installation: str
    partition: str
    surroundings: Surroundings = field(default_factory=Surroundings)

    @property
    def name(self) -> str:
        """The infra group's name."""
        return self.group.metadata.name

    @property
    def account(self) -> str:
        """The cell's account, 12 digits."""
        return self.cell.spec.account_id

    @property
    def region(self) -> str:
        """The tier's Region."""
        return self.tier.spec.region

    @property
    def ownership(self) -> tags.Ownership:
        """The ownership tags of what belongs to the group."""
        metadata = self.group.metadata
        owner = tags.Owner(kind="InfraGroup", namespace="", name=metadata.name, uid=metadata.uid)
        return tags.Ownership(
            installation=self.installation,
            owner=owner,
            tier=self.tier.metadata.name,
            cell=self.cell.metadata.name,
            infra_group=metadata.name,
        )

    @property
    def network(self) -> networks.NetworkDesign | None:
        """The network to be made; None where an existing one is named."""
        create = self.group.spec.network.create
        if create is None:
            return None
        return networks.NetworkDesign(
            account=self.account,
            region=self.region,
            cidr=create.cidr,
            zones=self.surroundings.zones or tuple(create.availability_zones),
            egress=create.egress,
            public=self.group.spec.load_balancer.scheme == "internet-facing",
            ownership=self.ownership,
            user_tags=self.tier.spec.tags,
        )

    @property
    def balancer(self) -> balancers.LoadBalancerDesign:
        """The load balancer's part of the spec."""
        spec = self.group.spec.load_balancer
        listener = spec.listener
        return balancers.LoadBalancerDesign(
            account=self.account,
            region=self.region,
            scheme=spec.scheme,
            port=listener.port,
            protocol=listener.protocol,
            certificates=tuple(listener.certificate_arns or ()),
            ssl_policy=listener.ssl_policy,
            redirect_http=bool(listener.redirect_http),
            idle_timeout_seconds=spec.idle_timeout_seconds,
            client_keep_alive_seconds=spec.client_keep_alive_seconds,
            deletion_protection=spec.deletion_protection,
        )

    def site(self) -> GroupSite:
        """The group as its tenants' resources see it."""
        existing = self.group.spec.network.existing
        made = self.network
        sg_tasks = Ref(networks.security_group_address(self.ownership, self.account, self.region, "sg-tasks"))
        if made is not None:
            vpc: Id = made.vpc
            subnets = made.subnets("tasks")
            groups: tuple[Id, ...] = (sg_tasks,)
        else:
            assert existing is not None, "the API server lets a network be one of the two"
            vpc = existing.vpc_id
            subnets = tuple(existing.workload_subnet_ids)
            groups = tuple(existing.workload_security_group_ids or ()) or (sg_tasks,)
        place = (self.installation, self.name, self.account, self.region)
        return GroupSite(
            installation=self.installation,
            tier=self.tier.metadata.name,
            cell=self.cell.metadata.name,
            infra_group=self.name,
            partition=self.partition,
            account=self.account,
            region=self.region,
            vpc=vpc,
            workload_subnets=subnets,
            workload_security_groups=groups,
            listener=balancers.listener_address(*place, self.balancer.port),
            load_balancer=balancers.load_balancer_address(*place),
        )

    def endpoint_designs(self) -> list[private_link.EndpointDesign]:
        """The endpoints that the tier's spec asks every group to have; none where the network brings its own."""
        existing = self.group.spec.network.existing
        if existing is not None and existing.endpoints == "UseExisting":
            return []
        spec = self.tier.spec.private_link
        fill = {"AccountId": self.account, "Region": self.region, "Partition": self.partition}
        return [
            *(private_link.aws_service(name, self.region) for name in spec.aws_services),
            *(
                private_link.EndpointDesign(
                    name=endpoint.name,
                    service=endpoint.service_name,
                    ports=tuple(endpoint.ports or (443,)),
                    private_dns=endpoint.private_dns is not False,
                    policy=None if endpoint.policy is None else filled(endpoint.policy, fill),
                )
                for endpoint in spec.endpoints
            ),
        ]

    def resources(self, *, task_ports: Iterable[int], available: Collection[Address]) -> list[Resource]:
        """Everything that the group needs before it takes tenants.

        `task_ports`: the ports on which its tenants' tasks listen. `available`: the endpoints that are available, whose
        private DNS can be switched on.

        Raises:
            ValueError: the VPC's CIDR block has no room for so many zones.
        """
        made, existing = self.network, self.group.spec.network.existing
        site, ownership, user_tags = self.site(), self.ownership, self.tier.spec.tags
        designs = self.endpoint_designs()
        interfaces = [design for design in designs if not design.gateway]
        found = [] if made is None else networks.network(made)
        if made is not None:
            zone_of: Mapping[Id, str] = dict(zip(made.subnets("endpoints"), made.zones, strict=True))
            endpoint_subnets, balancer_subnets = made.subnets("endpoints"), made.subnets("lb")
            route_tables = made.task_route_tables()
            balancer_groups: tuple[Id, ...] = ()
            workload_groups: tuple[Id, ...] = ()
            cidrs: tuple[str, ...] = (made.cidr,)
        else:
            assert existing is not None, "the API server lets a network be one of the two"
            workload = tuple(existing.workload_subnet_ids)
            endpoint_subnets = tuple(existing.endpoint_subnet_ids or ()) or workload
            balancer_subnets = tuple(existing.load_balancer_subnet_ids)
            route_tables = self.surroundings.workload_route_tables
            zone_of = dict(self.surroundings.zone_of_subnet.items())
            balancer_groups = tuple(existing.load_balancer_security_group_ids or ())
            workload_groups = tuple(existing.workload_security_group_ids or ())
            cidrs = self.surroundings.vpc_cidrs
        found += networks.security_groups(
            ownership,
            user_tags,
            account=self.account,
            region=self.region,
            vpc=site.vpc,
            listener_ports=self.balancer.listener_ports,
            ingress_cidrs=tuple(self.group.spec.load_balancer.ingress_cidrs or ()) or cidrs,
            task_ports=task_ports,
            endpoint_ports=[port for design in interfaces for port in design.ports],
            load_balancer_groups=balancer_groups,
            workload_groups=workload_groups,
            endpoints=bool(interfaces),
        )
        own_group = networks.security_group_address(ownership, self.account, self.region, "sg-endpoints")
        found += [
            private_link.endpoint(
                design,
                ownership,
                user_tags,
                account=self.account,
                region=self.region,
                vpc=site.vpc,
                subnets=self._offered(design.service, endpoint_subnets, zone_of),
                security_groups=(Ref(own_group),),
                route_tables=route_tables,
                available=private_link.address(ownership, self.account, self.region, design) in available,
            )
            for design in designs
        ]
        alb_group = networks.security_group_address(ownership, self.account, self.region, "sg-alb")
        found += balancers.load_balancer(
            self.balancer,
            ownership,
            user_tags,
            subnets=balancer_subnets,
            security_groups=balancer_groups or (Ref(alb_group),),
            after=self._routed() if made is not None and made.public else (),
        )
        return found

    def _offered(self, service: str, subnets: tuple[Id, ...], zone_of: Mapping[Id, str]) -> tuple[Id, ...]:
        """The subnets in the zones in which an endpoint service is offered."""
        zones = self.surroundings.endpoint_zones.get(service)
        return subnets if not zones else tuple(subnet for subnet in subnets if zone_of.get(subnet) in zones)

    def _routed(self) -> tuple[Address, ...]:
        """What an Internet-facing load balancer's subnets need first: a gateway, and the route to it."""
        made = self.network
        assert made is not None
        return (made.address(InternetGateway, "internet-gateway"), made.address(RouteTable, "routes-lb"))
