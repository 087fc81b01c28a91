"""The Application Load Balancer of an infra group, with its listeners.

The default action never forwards: it answers 404 and names no tenant. Tenants are reached by rules only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenant_operator.desired import names, tags
from tenant_operator.desired.resources import (
    Address,
    FixedResponse,
    Id,
    Listener,
    LoadBalancer,
    RedirectToHttps,
    Ref,
    Resource,
)

NOT_FOUND = FixedResponse(status=404, body="not found\n")
DEFAULT_SSL_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""What AWS recommends for new HTTPS listeners
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html)."""
HTTP_PORT = 80


@dataclass(frozen=True, kw_only=True)
class LoadBalancerDesign:
    """What an infra group's spec says of its load balancer."""

    account: str
    region: str
    scheme: str
    port: int
    protocol: str
    certificates: tuple[str, ...]
    ssl_policy: str | None
    redirect_http: bool
    idle_timeout_seconds: int
    client_keep_alive_seconds: int
    deletion_protection: bool

    @property
    def listener_ports(self) -> tuple[int, ...]:
        """The ports that clients may connect to."""
        redirects = self.protocol == "HTTPS" and self.redirect_http and self.port != HTTP_PORT
        return (self.port, HTTP_PORT) if redirects else (self.port,)


def load_balancer_address(installation: str, infra_group: str, account: str, region: str) -> Address:
    """The load balancer's address."""
    name = names.load_balancer(installation, infra_group)
    return Address(account=account, region=region, type=LoadBalancer.__name__, name=name)


def listener_address(installation: str, infra_group: str, account: str, region: str, port: int) -> Address:
    """The address of the listener at a port."""
    name = f"{names.load_balancer(installation, infra_group)}:{port}"
    return Address(account=account, region=region, type=Listener.__name__, name=name)


def load_balancer(
    design: LoadBalancerDesign,
    ownership: tags.Ownership,
    user_tags: Mapping[str, str],
    *,
    subnets: tuple[Id, ...],
    security_groups: tuple[Id, ...],
    after: tuple[Address, ...] = (),
) -> list[Resource]:
    """The load balancer and its listeners. `after`: what must be there first (an Internet gateway's route)."""
    place = (ownership.installation, ownership.infra_group, design.account, design.region)
    balancer = Resource(
        address=load_balancer_address(*place),
        spec=LoadBalancer(
            scheme=design.scheme,
            subnets=subnets,
            security_groups=security_groups,
            idle_timeout_seconds=design.idle_timeout_seconds,
            client_keep_alive_seconds=design.client_keep_alive_seconds,
            deletion_protection=design.deletion_protection,
        ),
        tags=ownership.tags("load-balancer", user_tags),
        after=after,
    )
    secure = design.protocol == "HTTPS"
    first, *more = design.certificates or ("",)
    found = [
        balancer,
        Resource(
            address=listener_address(*place, design.port),
            spec=Listener(
                load_balancer=Ref(balancer.address),
                port=design.port,
                protocol=design.protocol,
                default_action=NOT_FOUND,
                certificates=(first, *sorted(more)) if secure else (),
                ssl_policy=(design.ssl_policy or DEFAULT_SSL_POLICY) if secure else None,
            ),
            tags=ownership.tags("listener", user_tags),
        ),
    ]
    if len(design.listener_ports) > 1:
        found.append(
            Resource(
                address=listener_address(*place, HTTP_PORT),
                spec=Listener(
                    load_balancer=Ref(balancer.address),
                    port=HTTP_PORT,
                    protocol="HTTP",
                    default_action=RedirectToHttps(port=design.port),
                ),
                tags=ownership.tags("listener-redirect", user_tags),
            )
        )
    return found
