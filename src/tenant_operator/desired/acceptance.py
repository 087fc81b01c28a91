"""May this tenant exist as it is written? The tier's `allowedTenants`, reserved paths, conflicts, the merged workload.

Everything here depends on other objects or on merged values, so that the API server cannot see it; what comes out is a
reason and a sentence for the `Accepted` condition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tenant_operator.api import Tenant, Tier
from tenant_operator.desired.workload import Workload, problems

SCALARS = {
    "cpu": "cpu",
    "memory": "memory",
    "replicas": "replicas",
    "health_check": "healthCheck",
    "image": "image",
    "environment": "environment",
    "environment_unset": "environment",
    "secrets": "secrets",
    "secrets_unset": "secrets",
    "command": "command",
    "entry_point": "command",
}
"""Fields of a tenant's workload and the override that allows each. Others need no permission: they hurt nobody else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """Why a tenant is not accepted."""

    reason: str
    message: str


def objections(
    tier: Tier,
    tenant: Tenant,
    workload: Workload,
    *,
    namespace_labels: Mapping[str, str] | None,
    operator_namespace: str,
) -> Iterator[Objection]:
    """Everything that the tier's rules and the merged workload say against a tenant, most fundamental first."""
    yield from _namespace(tier, tenant, namespace_labels, operator_namespace)
    yield from _identity(tier, tenant)
    yield from _overrides(tier, tenant)
    yield from _ceilings(tier, tenant, workload)
    yield from _sources(tier, tenant)
    for problem in problems(workload):
        yield Objection(reason="InvalidWorkload", message=problem)


def _namespace(
    tier: Tier, tenant: Tenant, labels: Mapping[str, str] | None, operator_namespace: str
) -> Iterator[Objection]:
    selector = tier.spec.allowed_tenants.namespace_selector
    namespace = tenant.metadata.namespace
    if selector is None:
        if namespace != operator_namespace:
            yield Objection(
                reason="NamespaceNotAllowed",
                message=f"tier {tier.metadata.name} takes tenants from namespace {operator_namespace!r} only; create the "
                "tenant there, or have the platform team set allowedTenants.namespaceSelector",
            )
    elif labels is None or not selector.matches(labels):
        yield Objection(
            reason="NamespaceNotAllowed",
            message=f"the labels of namespace {namespace!r} do not match allowedTenants.namespaceSelector of tier "
            f"{tier.metadata.name}; label the namespace ({selector.describe()}) or use one that matches",
        )


def _identity(tier: Tier, tenant: Tenant) -> Iterator[Objection]:
    prefixes = tier.spec.allowed_tenants.tenant_id_prefixes
    wanted = [prefix.replace("{namespace}", tenant.metadata.namespace or "") for prefix in prefixes]
    if wanted and not any(tenant.tenant_id.startswith(prefix) for prefix in wanted):
        yield Objection(
            reason="TenantIdNotAllowed",
            message=f"tenantId {tenant.tenant_id!r} must start with {' or '.join(map(repr, wanted))} in tier "
            f"{tier.metadata.name}",
        )
    if tier.routing_by == "Path":
        for path in tier.spec.routing.reserved_paths:
            if overlap(tenant.path_prefix, path):
                yield Objection(
                    reason="ReservedPath",
                    message=f"pathPrefix {tenant.path_prefix!r} meets {path!r}, which tier {tier.metadata.name} reserves; "
                    "set routing.pathPrefix to another",
                )


def _overrides(tier: Tier, tenant: Tenant) -> Iterator[Objection]:
    allowed = set(tier.spec.allowed_tenants.overrides)
    asked = {name for field, name in SCALARS.items() if getattr(tenant.workload, field) is not None}
    routing = tenant.spec.routing
    if routing is not None and (routing.path_prefix is not None or routing.header_value is not None):
        asked.add("routing")
    if tenant.pinned_groups or tenant.spread_asked:
        asked.add("placement")
    refused = sorted(asked - allowed)
    if refused:
        yield Objection(
            reason="OverrideNotAllowed",
            message=f"tier {tier.metadata.name} does not let tenants set {', '.join(refused)}; leave it out, or have the "
            f"platform team add it to allowedTenants.overrides (now: {', '.join(sorted(allowed)) or 'none'})",
        )
    if tenant.pinned_groups and tier.mode == "Shared":
        yield Objection(
            reason="InvalidPlacement",
            message="placement.infraGroups works with endpoint mode PerTenant only: a Shared tenant lives in every "
            "serving group; leave placement out",
        )


def _ceilings(tier: Tier, tenant: Tenant, workload: Workload) -> Iterator[Objection]:
    ceiling = tier.spec.allowed_tenants.max
    for name, value, most in (
        ("clusters", tenant.clusters, ceiling.clusters),
        ("replicas", workload.replicas, ceiling.replicas),
        ("cpu", workload.cpu, ceiling.cpu),
        ("memory", workload.memory, ceiling.memory),
    ):
        if value > most:
            yield Objection(
                reason="AboveMaximum",
                message=f"{name} {value} is above the {most} that allowedTenants.max of tier {tier.metadata.name} grants; "
                f"set it to {most} or less",
            )


def _sources(tier: Tier, tenant: Tenant) -> Iterator[Objection]:
    rules = tier.spec.allowed_tenants
    image = tenant.workload.image
    if (
        image is not None
        and rules.image_prefixes
        and not any(_whole_prefix(image, p) for p in rules.image_prefixes)
    ):
        yield Objection(
            reason="ImageNotAllowed",
            message=f"the image must come from {' or '.join(rules.image_prefixes)} in tier {tier.metadata.name}",
        )
    own = tenant.workload.secrets or {}
    prefixes = [prefix.replace("{tenantId}", tenant.tenant_id) for prefix in rules.secret_arn_prefixes]
    foreign = sorted(
        name for name, arn in own.items() if not any(arn.startswith(prefix) for prefix in prefixes)
    )
    if foreign:
        where = (
            " or ".join(prefixes) if prefixes else "nowhere: the tier allows tenants no secrets of their own"
        )
        yield Objection(
            reason="SecretNotAllowed",
            message=f"the secrets of {', '.join(foreign)} may come from {where}",
        )


def _whole_prefix(image: str, prefix: str) -> bool:
    """Whether a prefix covers an image in whole registry or repository segments (`…/team` covers `…/team/app:1`)."""
    return image == prefix or any(image.startswith(prefix.rstrip("/") + mark) for mark in "/:@")


def overlap(one: str, other: str) -> bool:
    """Whether one path prefix is a segment prefix of the other (`/a` and `/a/b`, never `/a` and `/ab`)."""
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def conflicting(tier: Tier, tenant: Tenant, others: Iterable[Tenant]) -> list[Tenant]:
    """The tenants with which this one cannot live in one tier: the same id, or a route that takes the other's."""
    return [other for other in others if not _same(tenant, other) and _conflict(tier, tenant, other)]


def _same(one: Tenant, other: Tenant) -> bool:
    return (one.metadata.namespace, one.metadata.name) == (other.metadata.namespace, other.metadata.name)


def _conflict(tier: Tier, one: Tenant, other: Tenant) -> bool:
    if one.tenant_id == other.tenant_id:
        return True
    if tier.routing_by == "Header":
        return one.header_value == other.header_value
    return tier.routing_by == "Path" and overlap(one.path_prefix, other.path_prefix)


def holder(candidates: Collection[Tenant], owner: tuple[str, str] | None) -> Tenant:
    """Who of some conflicting tenants holds: whom the AWS ownership tags name; then the older; then namespace/name.

    `owner` is (namespace, name) from the tags of what exists, or None.
    """
    for tenant in candidates:
        if owner == (tenant.metadata.namespace, tenant.metadata.name):
            return tenant
    return min(
        candidates,
        key=lambda t: (t.metadata.creation_timestamp or "", t.metadata.namespace or "", t.metadata.name),
    )
