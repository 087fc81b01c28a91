"""InfraGroup: one VPC with one Application Load Balancer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tenant_operator.api.constraints import (
    Rule,
    Struct,
    between,
    elements,
    immutable,
    keyed,
    length,
    matching,
    rules,
)
from tenant_operator.api.objects import (
    AGE,
    NAME_RULE,
    READY,
    Column,
    Fingerprints,
    KubernetesObject,
    Status,
    readable,
)
from tenant_operator.api.types import (
    CertificateArn,
    Ipv4Cidr,
    Port,
    Reference,
    SecurityGroupId,
    SubnetId,
    VpcId,
    Zone,
)

Egress = Literal["None", "NatSingle", "NatPerZone"]
Scheme = Literal["internal", "internet-facing"]
Protocol = Literal["HTTP", "HTTPS"]


class CreateNetwork(Struct):
    """A VPC that the operator makes."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!isCIDR(self.cidr) || size(self.availabilityZones) <= "
            "(cidr(self.cidr).prefixLength() >= 20 ? 4 : cidr(self.cidr).prefixLength() == 19 ? 5 : 6)",
            "the block has no room for so many zones: a /20 takes four, a /19 five, a /18 or larger six; "
            "write fewer availabilityZones, or a larger block",
        ),
    )

    cidr: Annotated[
        Ipv4Cidr,
        immutable("network.create.cidr cannot change; create a second infra group with the other block"),
        rules(
            Rule(
                "!isCIDR(self) || (cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 20)",
                "must be a /16 to /20 block, such as 10.20.0.0/16",
            ),
            Rule(
                "!isCIDR(self) || ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].exists(block, "
                "cidr(block).containsCIDR(self))",
                "must be a private block: inside 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10",
            ),
        ),
    ]
    """IPv4 block of the VPC, /16 to /20, private, disjoint within the cell. Immutable."""
    availability_zones: Annotated[
        tuple[Zone, ...],
        elements(6, least=2),
        rules(
            Rule(
                "(self.join(',') + ',').startsWith(oldSelf.join(',') + ',')",
                "availabilityZones may only grow at the end: subnets are there in the order of the list; "
                "keep the zones as they were and add new ones behind them",
            )
        ),
    ]
    """Availability Zones, 2–6, by name (us-east-1a) or id (use1-az1). May grow at the end."""
    egress: Egress = "None"
    """Way to the Internet for tasks: None, NatSingle (one NAT gateway) or NatPerZone. None: images must
    come from ECR through the endpoints."""


class ExistingNetwork(Struct):
    """A VPC that is there already: the operator adds what the tenants need, and takes only that away again."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.endpointSubnetIds) || size(self.endpointSubnetIds) == 0 || !has(self.endpoints) || "
            "self.endpoints == 'Create'",
            "network.existing.endpointSubnetIds goes with endpoints: Create; with UseExisting leave it out",
        ),
    )

    vpc_id: Annotated[VpcId, immutable("network.existing.vpcId cannot change; create a second infra group")]
    """Id of the VPC. Immutable."""
    load_balancer_subnet_ids: Annotated[tuple[SubnetId, ...], elements(6, least=2)]
    """Subnets of the load balancer, 2–6, each in a zone of its own."""
    workload_subnet_ids: Annotated[tuple[SubnetId, ...], elements(16, least=1)]
    """Subnets of the tasks, 1–16."""
    endpoint_subnet_ids: Annotated[tuple[SubnetId, ...], elements(6)] = ()
    """Subnets of the VPC endpoints, at most 6, each in a zone of its own. Empty: those of the tasks."""
    load_balancer_security_group_ids: Annotated[tuple[SecurityGroupId, ...], elements(5)] = ()
    """Security groups of the load balancer, at most 5. Empty: the operator makes one."""
    workload_security_group_ids: Annotated[tuple[SecurityGroupId, ...], elements(5)] = ()
    """Security groups of the tasks, at most 5. Empty: the operator makes one."""
    endpoints: Literal["Create", "UseExisting"] = "Create"
    """Create: the operator makes the tier's VPC endpoints. UseExisting: they are there already."""


class Network(Struct):
    """The VPC: exactly one of create and existing, for ever."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.create) != has(self.existing)",
            "write exactly one of network.create and network.existing",
        ),
        Rule(
            "has(self.create) == has(oldSelf.create)",
            "a network stays created or existing for ever; create a second infra group with the other",
        ),
    )

    create: CreateNetwork | None = None
    """A VPC that the operator makes."""
    existing: ExistingNetwork | None = None
    """A VPC that is there already."""


def _is_https(given: dict[str, Any]) -> bool:
    return given.get("protocol") == "HTTPS"


class Listener(Struct):
    """Where the load balancer listens."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.protocol != 'HTTPS' || (has(self.certificateArns) && size(self.certificateArns) > 0)",
            "HTTPS needs listener.certificateArns: write the ARN of at least one certificate, "
            "or protocol: HTTP with port: 80",
        ),
        Rule(
            "self.protocol != 'HTTP' || !has(self.certificateArns) || size(self.certificateArns) == 0",
            "HTTP has no listener.certificateArns; leave them out, or write protocol: HTTPS with port: 443",
        ),
        Rule(
            "self.protocol != 'HTTP' || !has(self.sslPolicy)",
            "HTTP has no listener.sslPolicy; leave it out, or write protocol: HTTPS",
        ),
        Rule(
            "self.protocol != 'HTTP' || !has(self.redirectHttp)",
            "listener.redirectHttp sends HTTP to HTTPS, so it goes with protocol: HTTPS; leave it out",
        ),
        Rule(
            "self.protocol != 'HTTPS' || self.port != 80 || (has(self.redirectHttp) && !self.redirectHttp)",
            "listener.redirectHttp needs port 80 for itself; write another port, or redirectHttp: false",
        ),
    )

    protocol: Protocol
    """HTTP or HTTPS."""
    port: Port
    """Port, 1–65535; usually 443 with HTTPS and 80 with HTTP."""
    certificate_arns: Annotated[tuple[CertificateArn, ...], elements(25, kind="atomic")] = ()
    """With HTTPS: ARNs of 1–25 certificates in the cell's account and Region; the first is the default.
    With endpoint.mode PerTenant they must cover *.<endpoint.name> and <endpoint.name>."""
    ssl_policy: (
        Annotated[
            str,
            length(128),
            matching(
                "^ELBSecurityPolicy-[A-Za-z0-9-]+$",
                "must be the name of one of ELB's policies, such as ELBSecurityPolicy-TLS13-1-2-2021-06",
            ),
        ]
        | None
    ) = None
    """With HTTPS: ELB's security policy. Absent: ELBSecurityPolicy-TLS13-1-2-2021-06."""
    redirect_http: bool = Field(default_factory=_is_https)
    """With HTTPS: whether port 80 redirects to it. Absent: true with HTTPS."""


class LoadBalancer(Struct):
    """The Application Load Balancer."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.scheme != 'internet-facing' || size(self.ingressCidrs) > 0",
            "an internet-facing load balancer needs loadBalancer.ingressCidrs; "
            "write 0.0.0.0/0 if all the world may connect",
        ),
    )

    scheme: Annotated[
        Scheme,
        immutable(
            "loadBalancer.scheme cannot change in AWS; create a second infra group with the other scheme"
        ),
    ] = "internal"
    """internal or internet-facing. Immutable."""
    ingress_cidrs: Annotated[tuple[Ipv4Cidr, ...], elements(50)] = ()
    """IPv4 blocks that may connect, at most 50. Empty: the VPC's own; required when internet-facing."""
    listener: Listener
    """Where the load balancer listens."""
    idle_timeout_seconds: Annotated[int, between(1, 4000)] = 60
    """Seconds after which an idle connection is closed, 1–4000."""
    client_keep_alive_seconds: Annotated[int, between(60, 604800)] = 300
    """Seconds that a client may hold a connection after DNS has moved on, 60–604800."""
    deletion_protection: bool = True
    """Whether AWS protects it from being deleted; lifted by the operator once deletion is permitted."""


class InfraGroupSpec(Struct):
    """One VPC with one Application Load Balancer."""

    cell_ref: Annotated[
        Reference, immutable("cellRef cannot change; create a second infra group in the other cell")
    ]
    """The cell that the infra group belongs to. Immutable."""
    network: Network
    """The VPC: exactly one of create and existing, for ever."""
    load_balancer: LoadBalancer
    """The Application Load Balancer."""
    dns_weight: Annotated[int, between(0, 255)] = 100
    """Share of the tier's name, 0–255, relative to the other infra groups. 0: the record is removed."""
    schedulable: bool = True
    """false: no new tenants here."""
    paused: bool = False
    """true: nothing of the infra group and its tenants there is changed in AWS."""


class NetworkStatus(Struct):
    """The VPC and its subnets."""

    vpc_id: Annotated[str, length(64)] | None = None
    """Id of the VPC."""
    subnet_ids: Annotated[tuple[Annotated[str, length(64)], ...], elements(64)] = ()
    """Ids of the subnets that the operator made."""


class LoadBalancerStatus(Struct):
    """The load balancer."""

    arn: Annotated[str, length(2048)] | None = None
    """Its ARN."""
    dns_name: Annotated[str, length(255)] | None = None
    """Its own DNS name."""


class EndpointStatus(Struct):
    """One VPC endpoint."""

    name: Annotated[str, length(128)]
    """Name in the tier's privateLink; of AWS's own services with aws- before it."""
    id: Annotated[str, length(64)] | None = None
    """Id of the VPC endpoint."""
    state: Annotated[str, length(64)] | None = None
    """State, as EC2 says it: available, pendingacceptance, pending, rejected, failed, …"""


class InfraGroupSummary(Struct):
    """What the infra group holds and may hold."""

    tenants: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Tenants that are placed here."""
    free_tenant_slots: Annotated[int, between(0, 2**31 - 1)] | None = None
    """How many more tenants of one cluster it can take."""
    target_groups_used: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Target groups in use, or kept for tenants that are placed here."""
    target_groups_free: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Target groups that may still be made."""
    rules_used: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Listener rules in use, or kept for tenants that are placed here."""
    rules_free: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Listener rules that may still be made."""
    target_groups_of_others: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Target groups at the load balancer that belong to no tenant here: made by hand, or left behind by Retain."""
    rules_of_others: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Listener rules at the load balancer that belong to no tenant here."""


class InfraGroupStatus(Status):
    """What the operator has seen and done."""

    fingerprints: Fingerprints | None = None
    """With the tier's drift: Report: what each AWS resource was last brought to, as a fingerprint. A resource that differs
    from a spec whose fingerprint is still the same has drifted."""
    network: NetworkStatus | None = None
    """The VPC and its subnets."""
    load_balancer: LoadBalancerStatus | None = None
    """The load balancer."""
    endpoints: Annotated[tuple[EndpointStatus, ...], keyed("name", 100)] = ()
    """The VPC endpoints and their states."""
    weight: Annotated[int, between(0, 255)] | None = None
    """The weight in force in the tier's name; 0: no record."""
    summary: InfraGroupSummary | None = None
    """What the infra group holds and may hold."""


class InfraGroup(KubernetesObject):
    """One VPC with one Application Load Balancer."""

    KIND: ClassVar[str] = "InfraGroup"
    PLURAL: ClassVar[str] = "infragroups"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ig",)
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.cellRef.name",)
    ROOT_RULES: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Cell", path=".spec.cellRef.name", description="Cell"),
        Column(
            name="Weight",
            path=".status.weight",
            type="integer",
            description="Weight in force in the tier's name",
        ),
        Column(
            name="Tenants", path=".status.summary.tenants", type="integer", description="Tenants placed here"
        ),
        Column(
            name="Free",
            path=".status.summary.freeTenantSlots",
            type="integer",
            description="Room for so many more tenants of one cluster",
        ),
        READY,
        AGE,
    )

    spec: InfraGroupSpec
    status: Annotated[InfraGroupStatus, readable(InfraGroupStatus)] = InfraGroupStatus()
