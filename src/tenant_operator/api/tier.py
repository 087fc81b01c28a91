"""Tier: one release of the product in one Region, behind one stable DNS name."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tenant_operator.api.allowed_tenants import AllowedTenants
from tenant_operator.api.constraints import (
    Rule,
    Struct,
    between,
    elements,
    immutable,
    keyed,
    length,
    matching,
    one_of,
    rules,
)
from tenant_operator.api.iam import Iam
from tenant_operator.api.objects import (
    AGE,
    NAME_RULE,
    READY,
    Column,
    DriftEvents,
    KubernetesObject,
    Status,
    condition_column,
    readable,
)
from tenant_operator.api.private_link import PrivateLink
from tenant_operator.api.quota import Quota
from tenant_operator.api.types import (
    DnsName,
    ExternalId,
    HostedZoneId,
    PathPrefix,
    Region,
    RoleArn,
    Tags,
    ZoneName,
)
from tenant_operator.api.workload import TierWorkload

EndpointMode = Literal["Shared", "PerTenant"]
DriftMode = Literal["Repair", "Report"]
RoutingBy = Literal["Path", "Header", "Host"]

DEFAULT_HEADER = "X-Tenant-Id"
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


class HostedZone(Struct):
    """The Route 53 hosted zone that holds the name."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.id) != has(self.name)", "write exactly one of hostedZone.id and hostedZone.name"),
        Rule(
            "!has(self.private) || has(self.name)",
            "hostedZone.private goes with hostedZone.name only: an id says by itself which zone it is",
        ),
    )

    id: HostedZoneId | None = None
    """Its id, such as Z0123456789ABCDEFGHIJ; exactly one of id and name."""
    name: ZoneName | None = None
    """Its name, such as example.com, without a final dot; exactly one of id and name."""
    private: bool | None = None
    """With name: whether the private zone of that name is meant. Absent: false."""


class TierEndpoint(Struct):
    """The stable name under which clients reach the tier."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.hostedZone.name) || self.name == self.hostedZone.name || "
            "self.name.endsWith('.' + self.hostedZone.name)",
            "endpoint.name must be inside the hosted zone",
            "!has(self.hostedZone.name) ? '' : 'endpoint.name ' + self.name + ' is not inside the hosted zone ' + "
            "self.hostedZone.name + '; write a name that ends in .' + self.hostedZone.name",
        ),
        Rule(
            "!has(self.externalId) || has(self.roleArn)",
            "endpoint.externalId goes with endpoint.roleArn; write both",
        ),
    )

    name: Annotated[
        DnsName,
        immutable("endpoint.name cannot change: clients hold it; create a second tier with the new name"),
    ]
    """DNS name, at most 220 characters, inside the hosted zone. Immutable."""
    hosted_zone: Annotated[
        HostedZone, immutable("endpoint.hostedZone cannot change; create a second tier with the other zone")
    ]
    """The Route 53 hosted zone that holds the name. Immutable."""
    role_arn: RoleArn | None = None
    """IAM role in the account that owns the hosted zone; absent: the operator's own credentials."""
    external_id: ExternalId | None = None
    """External id that the role's trust policy asks for."""
    mode: Annotated[
        EndpointMode,
        rules(
            Rule(
                "oldSelf != 'PerTenant' || self == 'PerTenant'",
                "endpoint.mode goes from Shared to PerTenant and never back: tenants' own names are in use; "
                "create a second tier",
            )
        ),
    ] = "Shared"
    """Shared: all tenants behind the tier's one name, each in every infra group. PerTenant: each tenant has
    a name of its own and lives in some of the groups. May go from Shared to PerTenant, never back."""


class Routing(Struct):
    """How a request is told to be a tenant's."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.header) || (has(self.by) && self.by == 'Header')",
            "routing.header goes with routing.by: Header; leave it out, or write by: Header",
        ),
    )

    by: RoutingBy | None = None
    """Path, Header, or Host (with endpoint.mode PerTenant only). Absent: Path with mode Shared, Host with
    PerTenant. Immutable."""
    header: (
        Annotated[
            str,
            length(40),
            matching(
                "^[A-Za-z0-9!#$%&'+^_`|~.-]+$",
                "must be the name of an HTTP header, such as X-Tenant-Id, without wildcards",
            ),
            rules(
                Rule(
                    "self.lowerAscii() != 'host'",
                    "the Host header is not one to route by; write routing.by: Host",
                )
            ),
        ]
        | None
    ) = None
    """With Header: the header's name, at most 40 characters. Absent: X-Tenant-Id."""
    strip_prefix: bool = False
    """With Path: whether the tenant's prefix is taken away before the request reaches it (/acme/x arrives
    as /x)."""
    reserved_paths: Annotated[tuple[PathPrefix, ...], elements(20)] = ()
    """With Path: path prefixes that no tenant may take, at most 20."""


class Rollout(Struct):
    """How a change of the tier's workload that replaces tasks (such as its image) reaches many tenants."""

    max_concurrent_tenants: Annotated[int, between(1, 1000)] = 5
    """How many tenants take the change at the same time, 1–1,000. What a tenant's author changes in the
    tenant itself does not wait, and new tenants begin with the change."""
    pause_on_failures: Annotated[int, between(1, 1000)] = 1
    """After so many tenants whose release failed (ECS rolled it back) no further tenant takes the change,
    until the tier's workload is another one, 1–1,000."""
    soak_seconds: Annotated[int, between(0, 86400)] = 0
    """How long a success is watched before the next takes the change, in seconds: from cluster to cluster of
    one tenant, and from tenant to tenant; 0–86,400 (a day)."""


class Observability(Struct):
    """Logs: one log group per tier and account, with streams that begin with the tenant id."""

    retain_logs: bool = False
    """Whether the log group outlives the tier."""
    log_retention_days: Annotated[int, one_of(*RETENTION_DAYS)] = 30
    """Days that logs are kept; one of CloudWatch's numbers (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365,
    …)."""


class TierPlacement(Struct):
    """How tenants are placed in infra groups."""

    strategy: Literal["Spread", "Pack"] = "Spread"
    """Spread: a new tenant goes to the infra groups with the fewest tenants. Pack: to those with the most that still
    have room, so that few load balancers are paid for. Nobody is ever moved."""


class Limits(Struct):
    """How far infra groups and cells are filled."""

    tenants_per_infra_group: Annotated[int, between(1, 100)] = 50
    """Tenants in one infra group, 1–100 (each needs a listener rule and a target group, of which AWS allows
    100)."""
    infra_groups_per_cell: Annotated[int, between(1, 50)] = 4
    """Infra groups in one cell, 1–50."""
    target_group_headroom: Annotated[int, between(0, 95)] = 5
    """Target groups of a load balancer that stay free for changes, 0–95."""


_BY = "(has({0}.routing.by) ? {0}.routing.by : {0}.endpoint.mode == 'PerTenant' ? 'Host' : 'Path')"
_BY_NOW, _BY_BEFORE = _BY.format("self"), _BY.format("oldSelf")


class TierSpec(Struct):
    """One release of the product in one Region."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"{_BY_NOW} != 'Host' || self.endpoint.mode == 'PerTenant'",
            "routing.by: Host works with endpoint.mode: PerTenant only, where tenants have names of their own; "
            "write by: Path or by: Header",
        ),
        Rule(
            f"{_BY_NOW} == {_BY_BEFORE}",
            "routing.by cannot change: clients send requests that way",
            f"'routing.by cannot change: clients send requests by ' + {_BY_BEFORE} + '; write routing.by: ' + "
            f"{_BY_BEFORE} + ', or create a second tier (absent, it means Path with endpoint.mode Shared and Host "
            "with PerTenant)'",
        ),
        Rule(
            f"!self.routing.stripPrefix || {_BY_NOW} == 'Path'",
            "routing.stripPrefix works with routing.by: Path only; leave it out",
        ),
        Rule(
            f"size(self.routing.reservedPaths) == 0 || {_BY_NOW} == 'Path'",
            "routing.reservedPaths works with routing.by: Path only; leave it out",
        ),
    )

    region: Annotated[Region, immutable("region cannot change; create a second tier in the other Region")]
    """AWS Region, such as us-east-1. Immutable."""
    endpoint: TierEndpoint
    """The stable name under which clients reach the tier."""
    routing: Routing = Routing()
    """How a request is told to be a tenant's."""
    allowed_tenants: AllowedTenants = AllowedTenants()
    """What a tenant's author may ask for. A Tenant outside it gets Accepted=False."""
    private_link: PrivateLink = PrivateLink()
    """VPC endpoints that every infra group gets, before any tenant arrives."""
    iam: Iam = Iam()
    """One task role and one execution role per tier and account; tenants inherit them."""
    workload: TierWorkload
    """What tenants run unless they say otherwise."""
    rollout: Rollout = Rollout()
    """How a change of the tier's workload reaches many tenants."""
    observability: Observability = Observability()
    """Logs: one log group per tier and account, with streams that begin with the tenant id."""
    placement: TierPlacement = TierPlacement()
    """How tenants are placed in infra groups."""
    limits: Limits = Limits()
    """How far infra groups and cells are filled."""
    drift: DriftMode = "Repair"
    """What is done about changes that somebody else makes in AWS. Repair: they are undone, and an Event says what was
    found. Report: the condition Drifted and an Event say so, and nothing of what drifted is changed."""
    tags: Tags = Field(default={})
    """Tags on every AWS resource of the tier, for cost allocation; at most 30."""
    paused: bool = False
    """true: nothing of the tier, its cells, infra groups and tenants is changed in AWS."""


class TierSummary(Struct):
    """The tier's children, counted."""

    cells: Annotated[str, length(32)] | None = None
    """Cells that are Ready, of all: "2/2"."""
    infra_groups: Annotated[str, length(32)] | None = None
    """Infra groups that are Ready, of all."""
    tenants: Annotated[str, length(32)] | None = None
    """Tenants that are Ready, of all."""
    rollout: Annotated[str, length(32)] | None = None
    """Tenants that run what the tier's workload makes of their spec, of all that it is about: "12/40"."""
    free_tenant_slots: Annotated[int, between(0, 2**31 - 1)] | None = None
    """How many more tenants of one cluster the tier can take."""
    records_of_others: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Records in the hosted zone that belong to no tier of this installation."""


class ScaleUp(Struct):
    """How to make more room."""

    kind: Literal["Tenant", "InfraGroup", "Cell", "None"]
    """What to make bigger or to add."""
    reason: Annotated[str, length(1024, least=0)] = ""
    """Why, with the number that led to it."""
    manifest: Annotated[str, length(8192, least=0)] | None = None
    """What to apply, as YAML: the infra group or cell to add. It changes only when the advice does."""


class TierStatus(Status):
    """What the operator has seen and done."""

    drift_events: DriftEvents | None = None
    """Whether AWS's events of changes reach the operator from here; absent where it does not ask for them."""
    endpoint: Annotated[str, length(255)] | None = None
    """The DNS name under which clients reach the tier."""
    mode: EndpointMode | None = None
    """The endpoint mode in force."""
    summary: TierSummary | None = None
    """The tier's children, counted."""
    revision: Annotated[str, length(64)] | None = None
    """Digest of the tier's workload, as far as it replaces tasks: the revision of a tenant that overrides
    nothing of it."""
    scale_up: ScaleUp | None = None
    """How to make more room."""
    quotas: Annotated[tuple[Quota, ...], keyed("code", 10)] = ()
    """The hosted zone's limits; an account's are in its Cell."""


class Tier(KubernetesObject):
    """One release of the product in one Region, behind one stable DNS name."""

    KIND: ClassVar[str] = "Tier"
    PLURAL: ClassVar[str] = "tiers"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("tier",)
    ROOT_RULES: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Endpoint", path=".spec.endpoint.name", description="Stable DNS name"),
        Column(name="Mode", path=".spec.endpoint.mode", description="Shared or PerTenant"),
        Column(name="Cells", path=".status.summary.cells", description="Cells ready, of all"),
        Column(name="Groups", path=".status.summary.infraGroups", description="Infra groups ready, of all"),
        Column(name="Tenants", path=".status.summary.tenants", description="Tenants ready, of all"),
        Column(
            name="Free",
            path=".status.summary.freeTenantSlots",
            type="integer",
            description="Room for so many more tenants of one cluster",
        ),
        READY,
        AGE,
        Column(
            name="Rollout",
            path=".status.summary.rollout",
            description="Tenants on the tier's workload as it is now, of all",
            wide=True,
        ),
        condition_column("Rolling", "RolloutComplete", "reason", "How its rollout stands", wide=True),
    )

    spec: TierSpec
    status: Annotated[TierStatus, readable(TierStatus)] = TierStatus()

    @property
    def mode(self) -> EndpointMode:
        """Shared or PerTenant."""
        return self.spec.endpoint.mode

    @property
    def routing_by(self) -> RoutingBy:
        """How requests are told apart: as the spec says, else by Path in Shared mode and by Host in PerTenant mode."""
        return self.spec.routing.by or ("Host" if self.mode == "PerTenant" else "Path")

    @property
    def routing_header(self) -> str:
        """The header that names the tenant, with routing by Header."""
        return self.spec.routing.header or DEFAULT_HEADER
