"""What one AWS resource looks like, as data: the vocabulary that desired state, observation and planning share.

A `Resource` is what should exist, a `Live` is what does. Both carry the same `Spec` type, so that a plan is a
comparison field by field. An `Address` names a resource before AWS has given it an id: it is derived from the identity
of the custom resource it belongs to, never random. Where one resource needs another's id, its spec holds a `Ref`, which
`resolve` replaces once that other resource is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypeVar

GLOBAL = "aws-global"
"""The Region of an address whose service has none (IAM, Route 53)."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """The identity of one AWS resource: account (12 digits), Region, type (the `Spec` class's name) and name.

    The name is the physical name where AWS gives names (load balancer, target group, cluster, role, log group), and
    `<owner>/<component>` where it does not (VPC, subnet, listener, rule): see `desired.names`.
    """

    account: str
    region: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type} {self.name} ({self.account}, {self.region})"


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that is known only once another resource exists: its id, or one of its attributes (`dns_name` …)."""

    address: Address
    attribute: str = "id"

    def __str__(self) -> str:
        return f"<{self.attribute} of {self.address.type} {self.address.name}>"


Id = str | Ref
"""An AWS id or ARN: a string in a live spec, a `Ref` in a desired one (or a string where the user named it)."""


def create_only(**kwargs: Any) -> Any:
    """A field that AWS fixes at creation: a change of it means another resource (another address), made first."""
    return field(metadata={"create_only": True}, **kwargs)


def unordered(**kwargs: Any) -> Any:
    """A tuple whose order means nothing: it is sorted when the spec is made."""
    return field(metadata={"unordered": True}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all resource specs. Frozen, comparable, made only of scalars, tuples, other dataclasses and `Ref`s."""

    taggable: ClassVar[bool] = True
    unexpected: tuple[str, ...] = unordered(default=())
    """Settings that a person made and this operator never does, in words; always empty in what is desired, so that they
    show as drift and the writer sets the whole resource right."""

    def __post_init__(self) -> None:
        for name in _unordered_fields(type(self)):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(sorted(value, key=repr) if len(value) > 1 else value))

    @cached_property
    def all_refs(self) -> tuple[Ref, ...]:
        """Every `Ref` in this spec, at any depth. It is asked for at each of several looks a visit takes."""
        values = (getattr(self, name) for name in _fields(type(self)))
        return tuple(ref for value in values if type(value) not in _PLAIN for ref in _refs(value))

    def refs(self) -> Iterator[Ref]:
        """The same, one after the other."""
        return iter(self.all_refs)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_FIELDS: dict[type, tuple[str, ...]] = {}
_UNORDERED: dict[type, tuple[str, ...]] = {}
"""Names of fields by type, once worked out: specs are walked through at every visit."""


def _fields(kind: type) -> tuple[str, ...]:
    """The names of a dataclass's fields; empty for any other type."""
    found = _FIELDS.get(kind)
    if found is None:
        items = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
        found = _FIELDS[kind] = tuple(item.name for item in items)
    return found


def _unordered_fields(kind: type[Spec]) -> tuple[str, ...]:
    found = _UNORDERED.get(kind)
    if found is None:
        items = dataclasses.fields(kind)
        found = _UNORDERED[kind] = tuple(item.name for item in items if item.metadata.get("unordered"))
    return found


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple):
        for element in value:
            if type(element) not in _PLAIN:
                yield from _refs(element)
    else:
        for name in _fields(type(value)):
            if type(element := getattr(value, name)) not in _PLAIN:
                yield from _refs(element)


S = TypeVar("S")


def resolve(value: S, lookup: Callable[[Ref], str | None]) -> S:
    """The same value with every `Ref` for which `lookup` has an answer replaced by it; the others stay."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Ref):
        found = lookup(value)
        return value if found is None else found  # type: ignore[return-value]  # a Ref stands where a str may
    if isinstance(value, Spec) and not value.all_refs:
        return value
    if isinstance(value, tuple):
        elements = tuple(resolve(element, lookup) for element in value)
        same = all(new is old for new, old in zip(elements, value, strict=True))
        return value if same else elements  # type: ignore[return-value]  # same shape
    changed = {
        name: new
        for name in _fields(type(value))
        if type(old := getattr(value, name)) not in _PLAIN and (new := resolve(old, lookup)) is not old
    }
    return dataclasses.replace(value, **changed) if changed else value  # type: ignore[type-var]  # it has fields


# --- Identity and logs ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ServiceLinkedRole(Spec):
    """A role that AWS makes for a service of its own; made once an account, never changed or deleted by us."""

    taggable: ClassVar[bool] = False
    service: str = create_only()
    """`ecs.amazonaws.com` or `elasticloadbalancing.amazonaws.com`"""


@dataclass(frozen=True, kw_only=True)
class Role(Spec):
    """An IAM role. Documents are canonical JSON (sorted keys, no blanks)."""

    trust: str
    managed_policies: tuple[str, ...] = unordered(default=())
    """ARNs"""
    inline_policies: tuple[tuple[str, str], ...] = unordered(default=())
    """(name, document)"""
    permissions_boundary: str | None = None


@dataclass(frozen=True, kw_only=True)
class LogGroup(Spec):
    """A CloudWatch log group."""

    retention_days: int | None


# --- Network --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Vpc(Spec):
    """A VPC."""

    cidr: str = create_only()
    dns_support: bool = True
    dns_hostnames: bool = True


@dataclass(frozen=True, kw_only=True)
class Subnet(Spec):
    """A subnet."""

    vpc: Id = create_only()
    cidr: str = create_only()
    zone: str = create_only()
    """The Availability Zone's name, such as us-east-1a."""


@dataclass(frozen=True, kw_only=True)
class InternetGateway(Spec):
    """An Internet gateway."""

    vpc: Id
    """The VPC that it is attached to."""


@dataclass(frozen=True, kw_only=True)
class ElasticIp(Spec):
    """An address for a NAT gateway."""


@dataclass(frozen=True, kw_only=True)
class NatGateway(Spec):
    """Live attribute `state`: pending, available, failed, deleting, deleted."""

    subnet: Id = create_only()
    allocation: Id = create_only()


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a route table."""

    destination: str
    """A CIDR block."""
    target: Id
    """An Internet gateway (igw-…) or a NAT gateway (nat-…)."""


@dataclass(frozen=True, kw_only=True)
class RouteTable(Spec):
    """The VPC's own local route and the routes of gateway endpoints are AWS's and are not listed."""

    vpc: Id = create_only()
    routes: tuple[Route, ...] = unordered(default=())
    subnets: tuple[Id, ...] = unordered(default=())
    """The subnets associated with it."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """One rule of a security group: a port range from one source."""

    protocol: str
    """tcp, udp, or -1 for all"""
    from_port: int
    to_port: int
    source: Id
    """A CIDR block or a security group's id."""


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Spec):
    """Egress is AWS's default (everything)."""

    vpc: Id = create_only()
    group_name: str = create_only()
    description: str = create_only()
    ingress: tuple[Ingress, ...] = unordered(default=())


@dataclass(frozen=True, kw_only=True)
class VpcEndpoint(Spec):
    """Live attributes: `state` (lower-cased: pendingacceptance, pending, available, rejected, failed, …)."""

    vpc: Id = create_only()
    service: str = create_only()
    """Such as com.amazonaws.us-east-1.ecr.api"""
    endpoint_type: str = create_only()
    """Interface | Gateway"""
    subnets: tuple[Id, ...] = unordered(default=())
    security_groups: tuple[Id, ...] = unordered(default=())
    route_tables: tuple[Id, ...] = unordered(default=())
    private_dns: bool = False
    policy: str | None = None
    """Canonical JSON; None: AWS's default, which allows everything."""


# --- Load balancing -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LoadBalancer(Spec):
    """An Application Load Balancer. Live attributes: `state`, `dns_name`, `zone_id` (CanonicalHostedZoneId), `vpc`."""

    scheme: str = create_only()
    """internal | internet-facing"""
    subnets: tuple[Id, ...] = unordered()
    security_groups: tuple[Id, ...] = unordered()
    idle_timeout_seconds: int = 60
    client_keep_alive_seconds: int = 3600
    deletion_protection: bool = False


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """An answer by the load balancer itself."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class RedirectToHttps:
    """HTTP 301 to the same URL on HTTPS."""

    port: int = 443


@dataclass(frozen=True, slots=True)
class Forward:
    """Target groups with their weights (0–999), sorted; one target group always has the weight 1 or 0."""

    targets: tuple[tuple[Id, int], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(sorted(self.targets, key=repr)))

    def weights(self) -> dict[Id, int]:
        """The weights by target group."""
        return dict(self.targets)


ListenerAction = FixedResponse | RedirectToHttps | Forward


@dataclass(frozen=True, kw_only=True)
class Listener(Spec):
    """A listener of a load balancer."""

    load_balancer: Id = create_only()
    port: int = create_only()
    protocol: str
    """HTTP | HTTPS"""
    default_action: ListenerAction
    certificates: tuple[str, ...] = ()
    """ARNs; the first is the default certificate, the others are for SNI (sorted)."""
    ssl_policy: str | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a target group tells healthy targets; times in seconds."""

    path: str
    interval_seconds: int
    timeout_seconds: int
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: str = "200"


@dataclass(frozen=True, kw_only=True)
class TargetGroup(Spec):
    """Targets are IP addresses, registered by ECS only. Live attribute `load_balancer`: the ARN it is used by, or ""."""

    vpc: Id = create_only()
    port: int = create_only()
    protocol: str = create_only(default="HTTP")
    health_check: HealthCheck
    deregistration_delay_seconds: int = 300


@dataclass(frozen=True, kw_only=True)
class ListenerRule(Spec):
    """One tenant's rule. The priority is given at creation and kept for life: a live attribute, `priority`, no field."""

    listener: Id = create_only()
    paths: tuple[str, ...] = unordered(default=())
    hosts: tuple[str, ...] = unordered(default=())
    header: tuple[str, str] | None = None
    """(name, value)"""
    action: ListenerAction
    strip_prefix: str | None = None
    """With `/acme`, a request for `/acme/x` reaches the target as `/x` (a url-rewrite transform)."""


# --- Compute --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Cluster(Spec):
    """An ECS cluster of one tenant. Live attribute `status`."""

    spot: bool = False
    """Whether FARGATE_SPOT is among its capacity providers."""


@dataclass(frozen=True, kw_only=True)
class TaskDefinition(Spec):
    """The newest active revision of a family; every change registers another. Live id: the revision's ARN."""

    image: str
    cpu: int
    """CPU units"""
    memory: int
    """MiB"""
    architecture: str
    """X86_64 | ARM64"""
    port: int
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = unordered(default=())
    secrets: tuple[tuple[str, str], ...] = unordered(default=())
    """(variable, ARN)"""
    stop_timeout_seconds: int = 30
    task_role: Id
    execution_role: Id
    log_group: str
    log_region: str
    log_stream_prefix: str
    restart_nonce: str = ""


@dataclass(frozen=True, kw_only=True)
class Service(Spec):
    """One tenant's ECS service. Live attributes: see `ServiceState` (attribute `state`)."""

    cluster: Id = create_only()
    """The cluster's ARN"""
    target_group: Id
    """Another one only when somebody has deleted the first: another port is another service."""
    container_port: int = create_only()
    task_definition: Id
    desired_count: int
    subnets: tuple[Id, ...] = unordered()
    security_groups: tuple[Id, ...] = unordered()
    spot: bool = False
    grace_seconds: int = 0
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200


CONTAINER = "app"
"""The name of the one container in a tenant's task definition."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What ECS says of a service: `DescribeServices`, boiled down to what decisions need."""

    status: str
    """ACTIVE | DRAINING | INACTIVE"""
    running: int
    pending: int
    rollout: str
    """Of the PRIMARY deployment: COMPLETED | IN_PROGRESS | FAILED"""
    rollout_reason: str
    primary_task_definition: str
    """ARN of the PRIMARY deployment's task definition."""
    deployments: int
    """How many deployments there are; 1 when settled."""
    failed_tasks: int
    event: str
    """The newest service event's message."""
    failed_task_definition: str = ""
    """ARN of the task definition of a deployment that failed, while ECS still shows it."""


# --- DNS ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Record(Spec):
    """A weighted alias record (type A) of a hosted zone."""

    taggable: ClassVar[bool] = False
    zone: str = create_only()
    """The hosted zone's id, without /hostedzone/"""
    name: str = create_only()
    """Lower case, no trailing dot."""
    set_identifier: str = create_only()
    """`<installation>/<infra group>`"""
    weight: int
    """1–255"""
    alias_dns_name: Id
    alias_zone: Id


# --- Drift events ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Queue(Spec):
    """A standard SQS queue. Live attribute `url`."""

    retention_seconds: int
    visibility_seconds: int = 30
    wait_seconds: int = 20
    """How long a receive waits for a message (long polling)."""
    policy: str | None = None
    """Canonical JSON; None: nobody but the account itself."""
    undelivered: str | None = None
    """ARN of the queue that takes what was received `max_receives` times without being deleted."""
    max_receives: int = 0


@dataclass(frozen=True, kw_only=True)
class EventBus(Spec):
    """An EventBridge bus of our own."""

    policy: str | None
    """Canonical JSON"""


@dataclass(frozen=True, kw_only=True)
class EventRule(Spec):
    """An EventBridge rule with one target."""

    bus: str = create_only()
    """The bus's name; `default` for the one on which AWS's own events are."""
    pattern: str
    """Canonical JSON"""
    target: str
    """ARN of a queue, or of a bus in another account."""
    enabled: bool = True


TYPES: Mapping[str, type[Spec]] = {
    kind.__name__: kind
    for kind in (
        ServiceLinkedRole, Role, LogGroup, Vpc, Subnet, InternetGateway, ElasticIp, NatGateway, RouteTable, SecurityGroup,
        VpcEndpoint, LoadBalancer, Listener, TargetGroup, ListenerRule, Cluster, TaskDefinition, Service, Record,
        Queue, EventBus, EventRule,
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that should exist."""

    address: Address
    spec: Spec
    tags: Mapping[str, str] = field(default_factory=dict)
    """All of its tags: ownership and the user's. Empty where AWS takes none."""
    after: tuple[Address, ...] = ()
    """Resources that must be whole first, beyond those that the spec refers to."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A resource as AWS shows it."""

    address: Address
    id: str
    """The id or ARN by which AWS's other calls name it."""
    spec: Spec
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What AWS decides and we only read: states, DNS names, a rule's priority; see the spec's docstring."""

    def value(self, attribute: str) -> str | None:
        """The id, or a live attribute, for a `Ref`; None when AWS has not given it yet."""
        found = self.id if attribute == "id" else self.attributes.get(attribute)
        return None if found in (None, "") else str(found)


World = Mapping[Address, Live]
"""What exists, by address. What is not in it does not exist, as far as the reading that made it went."""


def lookup_in(world: World) -> Callable[[Ref], str | None]:
    """A `lookup` for `resolve` that answers from a world."""

    def lookup(ref: Ref) -> str | None:
        live = world.get(ref.address)
        return None if live is None else live.value(ref.attribute)

    return lookup
