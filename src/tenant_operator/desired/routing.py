"""How a tenant is reached: the conditions of its rule, its name and its URL.

A path prefix `/acme` is rendered as the two patterns `/acme` and `/acme/*`, so that it never takes `/acmex`. In
`PerTenant` mode every rule carries the tenant's own host as well: no name can reach another tenant's path.
"""

from __future__ import annotations

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.desired.tenancy import Route


def host_of(tier: Tier, tenant: Tenant) -> str:
    """The tenant's own stable name (PerTenant): `<tenantId>.<endpoint.name>`."""
    return f"{tenant.tenant_id}.{tier.spec.endpoint.name}".lower()


def endpoint_name(tier: Tier, tenant: Tenant) -> str:
    """The DNS name under which the tenant is reached."""
    return host_of(tier, tenant) if tier.mode == "PerTenant" else tier.spec.endpoint.name.lower()


def route(tier: Tier, tenant: Tenant) -> Route:
    """The conditions of the tenant's listener rule."""
    by = tier.routing_by
    hosts = (host_of(tier, tenant),) if tier.mode == "PerTenant" else ()
    if by == "Header":
        return Route(hosts=hosts, header=(tier.routing_header, tenant.header_value))
    if by == "Host":
        return Route(hosts=hosts)
    prefix = tenant.path_prefix
    return Route(
        hosts=hosts,
        paths=(prefix, f"{prefix}/*"),
        strip_prefix=prefix if tier.spec.routing.strip_prefix else None,
    )


def url(tier: Tier, tenant: Tenant, groups: list[InfraGroup]) -> str:
    """The URL to hand to the customer: scheme and port as the serving groups' listeners have them."""
    listener = groups[0].spec.load_balancer.listener if groups else None
    scheme = "https" if listener is None or listener.protocol == "HTTPS" else "http"
    usual = 443 if scheme == "https" else 80
    port = "" if listener is None or listener.port == usual else f":{listener.port}"
    path = tenant.path_prefix if tier.routing_by == "Path" else "/"
    return f"{scheme}://{endpoint_name(tier, tenant)}{port}{path}"
