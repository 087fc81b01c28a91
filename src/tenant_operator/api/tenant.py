"""Tenant: one customer, with ECS clusters of its own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from tenant_operator.api.constraints import (
    Constraint,
    Rule,
    Struct,
    between,
    elements,
    immutable,
    keyed,
    length,
)
from tenant_operator.api.objects import (
    AGE,
    READY,
    Column,
    Fingerprints,
    KubernetesObject,
    Status,
    condition_column,
    readable,
)
from tenant_operator.api.types import (
    TENANT_ID_PATTERN,
    HeaderValue,
    ObjectName,
    PathPrefix,
    Reference,
    TenantId,
)
from tenant_operator.api.workload import TenantWorkload


class TenantRouting(Struct):
    """How requests for this tenant are told."""

    path_prefix: PathPrefix | None = None
    """With the tier's routing by Path: the tenant's path prefix, at most 126 characters, such as /acme
    (which never takes /acmex). Absent: /<tenantId>."""
    header_value: HeaderValue | None = None
    """With the tier's routing by Header: the header's value for this tenant, at most 128 characters.
    Absent: the tenant id."""


class TenantPlacement(Struct):
    """In which infra groups the tenant lives; with the tier's endpoint mode PerTenant only."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.infraGroups) || size(self.infraGroups) == 0 || !has(self.spread)",
            "write placement.infraGroups (pinned by name) or placement.spread (so many of the operator's choice), "
            "not both",
        ),
    )

    infra_groups: Annotated[tuple[ObjectName, ...], elements(100)] = ()
    """Names of the infra groups in which the tenant lives, at most 100. Empty: the operator chooses."""
    spread: Annotated[int, between(1, 100)] | None = None
    """In how many infra groups of the operator's choice the tenant lives, 1–100. Absent: 1."""


class TenantSpec(Struct):
    """One customer of a tier."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.tenantId) == has(oldSelf.tenantId) && (!has(self.tenantId) || self.tenantId == oldSelf.tenantId)",
            "tenantId cannot change, nor be added or taken away; create a second Tenant with the other id",
        ),
    )

    tier_ref: Annotated[
        Reference,
        immutable(
            "tierRef cannot change; to promote, create a second Tenant with the same tenantId in the other tier"
        ),
    ]
    """The tier that the tenant belongs to. Immutable."""
    tenant_id: TenantId | None = None
    """Id of the tenant, unique in the tier: 1–32 lower-case letters, digits and inner hyphens. Absent:
    metadata.name. Immutable."""
    clusters: Annotated[int, between(1, 5)] = 1
    """Dedicated ECS clusters in each infra group that serves the tenant, 1–5."""
    routing: TenantRouting | None = None
    """How requests for this tenant are told."""
    placement: TenantPlacement | None = None
    """In which infra groups the tenant lives; with the tier's endpoint mode PerTenant only."""
    workload: TenantWorkload | None = None
    """What the tenant sets of its own. Absent: as the tier says."""
    suspended: bool = False
    """true: the route answers 503, tasks go to zero, nothing is deleted."""
    deletion_policy: Literal["Delete", "Retain"] = "Delete"
    """What happens in AWS when the Tenant is deleted. Delete: all of it goes. Retain: it stays, tagged as
    released and out of DNS."""
    paused: bool = False
    """true: nothing of the tenant is changed in AWS."""


class Effective(Struct):
    """What runs once the tier's and the tenant's fields are merged."""

    image: Annotated[str, length(512)] | None = None
    """Container image."""
    cpu: Annotated[int, between(0, 2**31 - 1)] | None = None
    """CPU units of a task."""
    memory: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Memory of a task in MiB."""
    replicas: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Tasks per cluster."""


class Changing(Struct):
    """What a change that is under way may need at most, while the old and the new stand side by side."""

    target_groups: Annotated[int, between(0, 2**31 - 1)] = 0
    """Target groups, each with a service."""
    clusters: Annotated[int, between(0, 2**31 - 1)] = 0
    """ECS clusters."""
    tasks: Annotated[int, between(0, 2**31 - 1)] = 0
    """Tasks of one service, with those that a rollout starts before it stops others."""
    cpu: Annotated[int, between(0, 2**31 - 1)] = 0
    """CPU units of one task (1024 = 1 vCPU)."""
    rules: Annotated[int, between(0, 2**31 - 1)] = 0
    """Listener rules."""
    both_providers: bool = False
    """Whether tasks on Fargate and on Fargate Spot may run at once."""


class Reserved(Struct):
    """The size that there is room for: nothing larger is made before it stands here."""

    clusters: Annotated[int, between(0, 2**31 - 1)] = 1
    """Dedicated ECS clusters."""
    replicas: Annotated[int, between(0, 2**31 - 1)] = 1
    """Tasks per cluster, at most."""
    maximum_percent: Annotated[int, between(0, 2**31 - 1)] = 200
    """How far a rollout may exceed the number of tasks."""
    cpu: Annotated[int, between(0, 2**31 - 1)] = 0
    """CPU units of a task (1024 = 1 vCPU)."""
    memory: Annotated[int, between(0, 2**31 - 1)] = 0
    """Memory of a task in MiB."""
    port: Annotated[int, between(0, 65535)] = 0
    """Port of the target groups; another port means other target groups, made beside these."""
    spot: bool = False
    """Whether tasks run on Fargate Spot."""
    suspended: bool = False
    """Whether the route answers 503."""
    records: bool = False
    """Whether the tenant has a record of its own."""
    changing: Changing | None = None
    """Only while a change is under way."""


class RunningDefinition(Struct):
    """A task definition that a service runs, and what it was when it was read: a revision never changes."""

    arn: Annotated[str, length(2048)]
    """ARN of the revision."""
    digest: Annotated[str, length(64)]
    """Digest of its content and tags."""


class Placement(Struct):
    """What the tenant has in one infra group."""

    infra_group: Annotated[str, length(40)]
    """Name of the infra group."""
    cell: Annotated[str, length(40)] | None = None
    """Name of its cell."""
    account: Annotated[str, length(12)] | None = None
    """AWS account."""
    ready: bool = False
    """Whether the tenant is served there as its spec says."""
    serves: bool = False
    """Whether requests that come there are answered for the tenant: it was ready there, and its rule is still in place,
    be it that a release is under way."""
    rule_priority: Annotated[int, between(1, 50000)] | None = None
    """Priority of its listener rule, which it keeps for life."""
    clusters: Annotated[tuple[Annotated[str, length(255)], ...], elements(10)] = ()
    """Names of its ECS clusters."""
    target_groups: Annotated[tuple[Annotated[str, length(255)], ...], elements(20)] = ()
    """Names of its target groups."""
    task_definitions: Annotated[tuple[RunningDefinition, ...], keyed("arn", 10)] = ()
    """What its services run: known after a restart without asking AWS again."""
    reserved: Reserved | None = None
    """The size that there is room for."""


class TenantSummary(Struct):
    """The tenant, counted."""

    infra_groups: Annotated[str, length(32)] | None = None
    """Infra groups that serve the tenant, of those that should: "2/2"."""
    tasks: Annotated[str, length(32)] | None = None
    """Tasks that run, of those that should: "2/2"."""


class Release(Struct):
    """The revision's way to the tenant's clusters."""

    cause: Literal["Created", "Edited", "Tier", "Idle"]
    """Why the tenant went to it. Created: its first. Edited: its own spec asked for it. Tier: the tier's
    rollout, in its turn. Idle: nothing of it ran, so there was nothing to wait for."""
    own_revision: Annotated[str, length(64)] | None = None
    """Digest of what the tenant itself sets of it; a change of its own does not wait for the tier's
    rollout."""
    started_at: Annotated[str, Constraint({"format": "date-time"})] | None = None
    """When the tenant was let go to it."""
    completed_at: Annotated[str, Constraint({"format": "date-time"})] | None = None
    """When every cluster was first seen to run it. Absent: not yet."""


class TenantStatus(Status):
    """What the operator has seen and done."""

    fingerprints: Fingerprints | None = None
    """With the tier's drift: Report: what each AWS resource was last brought to, as a fingerprint. A resource that differs
    from a spec whose fingerprint is still the same has drifted."""
    tenant_id: Annotated[str, length(63)] | None = None
    """The tenant's id."""
    endpoint: Annotated[str, length(1024)] | None = None
    """URL under which the tenant is reached."""
    effective: Effective | None = None
    """What runs once the tier's and the tenant's fields are merged."""
    placements: Annotated[tuple[Placement, ...], keyed("infraGroup", 100)] = ()
    """What the tenant has in each infra group, at most 100."""
    summary: TenantSummary | None = None
    """The tenant, counted."""
    revision: Annotated[str, length(64)] | None = None
    """Digest of what tasks run, or are being brought to run. It differs from what the spec and the tier's come
    to while the tenant waits for its turn in the tier's rollout."""
    release: Release | None = None
    """The revision's way to the tenant's clusters."""
    failed_revision: Annotated[str, length(64)] | None = None
    """The revision that ECS rolled back; it is not tried again until the spec changes."""


class Tenant(KubernetesObject):
    """One customer, with ECS clusters of its own."""

    KIND: ClassVar[str] = "Tenant"
    PLURAL: ClassVar[str] = "tenants"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("tn",)
    NAMESPACED: ClassVar[bool] = True
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.tierRef.name",)
    ROOT_RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"oldSelf.hasValue() || has(self.spec.tenantId) || self.metadata.name.matches('{TENANT_ID_PATTERN}')",
            "metadata.name is no tenant id (1 to 32 lower-case letters, digits and inner hyphens); write spec.tenantId",
            optional_old_self=True,
        ),
    )
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Tier", path=".spec.tierRef.name", description="Tier"),
        Column(
            name="Groups",
            path=".status.summary.infraGroups",
            description="Infra groups that serve it, of all",
        ),
        Column(name="Endpoint", path=".status.endpoint", description="URL under which the tenant is reached"),
        READY,
        condition_column("Reason", "Ready", "reason", "Why it is Ready or not"),
        AGE,
        Column(name="Image", path=".status.effective.image", description="Container image", wide=True),
        Column(name="Tasks", path=".status.summary.tasks", description="Tasks that run, of all", wide=True),
        condition_column("Message", "Ready", "message", "Why, in words", wide=True),
    )

    spec: TenantSpec
    status: Annotated[TenantStatus, readable(TenantStatus)] = TenantStatus()

    @property
    def tenant_id(self) -> str:
        """The tenant's id: spec.tenantId, else metadata.name."""
        return self.spec.tenant_id or self.metadata.name

    @property
    def path_prefix(self) -> str:
        """The tenant's path prefix, with routing by Path: as the spec says, else `/<tenantId>`."""
        routing = self.spec.routing
        return (routing.path_prefix if routing else None) or f"/{self.tenant_id}"

    @property
    def header_value(self) -> str:
        """The header's value for the tenant, with routing by Header: as the spec says, else the tenant id."""
        routing = self.spec.routing
        return (routing.header_value if routing else None) or self.tenant_id

    @property
    def clusters(self) -> int:
        """Dedicated clusters in each infra group."""
        return self.spec.clusters

    @property
    def workload(self) -> TenantWorkload:
        """What the tenant sets of its own; all absent where it sets nothing."""
        return self.spec.workload or NOTHING_OF_ITS_OWN

    @property
    def pinned_groups(self) -> tuple[str, ...]:
        """The infra groups to which the tenant is pinned; empty when the operator chooses."""
        return self.spec.placement.infra_groups if self.spec.placement else ()

    @property
    def spread(self) -> int:
        """In how many infra groups of the operator's choice the tenant lives."""
        return (self.spec.placement.spread if self.spec.placement else None) or 1

    @property
    def spread_asked(self) -> bool:
        """Whether the spec says in how many infra groups the tenant lives."""
        return self.spec.placement is not None and self.spec.placement.spread is not None


NOTHING_OF_ITS_OWN = TenantWorkload()
