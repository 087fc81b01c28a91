"""The VPC endpoints of an infra group: AWS's own services, and the tier's providers. All are there before any tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tenant_operator.desired import tags
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import Address, Id, Resource, VpcEndpoint

GATEWAY_SERVICES = frozenset({"s3", "dynamodb"})
"""AWS services that a private VPC reaches through a gateway endpoint, which costs nothing
(https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html)."""


@dataclass(frozen=True, kw_only=True)
class EndpointDesign:
    """One endpoint that an infra group needs."""

    name: str
    """Unique in the group; it is the end of the component tag."""
    service: str
    """Full name, such as com.amazonaws.us-east-1.ecr.api"""
    gateway: bool = False
    ports: tuple[int, ...] = (443,)
    private_dns: bool = True
    policy: Mapping[str, object] | None = None

    @property
    def component(self) -> str:
        """The component tag."""
        return f"endpoint-{self.name}"


def aws_service(name: str, region: str) -> EndpointDesign:
    """The endpoint for one of AWS's own services, named as in `privateLink.awsServices` (`ecr.api`, `s3` …)."""
    gateway = name in GATEWAY_SERVICES
    return EndpointDesign(
        name=f"aws-{name}",
        service=f"com.amazonaws.{region}.{name}",
        gateway=gateway,
        ports=() if gateway else (443,),
        private_dns=not gateway,
    )


def address(ownership: tags.Ownership, account: str, region: str, design: EndpointDesign) -> Address:
    """The endpoint's address."""
    name = tags.component_name(ownership.infra_group, "", design.component)
    return Address(account=account, region=region, type=VpcEndpoint.__name__, name=name)


def endpoint(
    design: EndpointDesign,
    ownership: tags.Ownership,
    user_tags: Mapping[str, str],
    *,
    account: str,
    region: str,
    vpc: Id,
    subnets: tuple[Id, ...],
    security_groups: tuple[Id, ...],
    route_tables: tuple[Id, ...],
    available: bool,
) -> Resource:
    """One endpoint. Private DNS can be switched on only once the endpoint is `available`: until then it is off."""
    if design.gateway:
        spec = VpcEndpoint(
            vpc=vpc,
            service=design.service,
            endpoint_type="Gateway",
            route_tables=route_tables,
            policy=None if design.policy is None else canonical(design.policy),
        )
    else:
        spec = VpcEndpoint(
            vpc=vpc,
            service=design.service,
            endpoint_type="Interface",
            subnets=subnets,
            security_groups=security_groups,
            private_dns=design.private_dns and available,
            policy=None if design.policy is None else canonical(design.policy),
        )
    return Resource(
        address=address(ownership, account, region, design),
        spec=spec,
        tags=ownership.tags(design.component, user_tags),
    )
