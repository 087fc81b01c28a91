"""The VPC endpoints that a tier asks every infra group to have."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tenant_operator.api.constraints import Rule, Struct, elements, keyed, length, matching, rules
from tenant_operator.api.types import Document, Port

HTTPS_PORT = 443


class Endpoint(Struct):
    """One interface endpoint."""

    name: Annotated[
        str,
        length(40),
        matching(
            "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
            "an endpoint's name is lower-case letters, digits and inner hyphens, such as feature-store",
        ),
        rules(
            Rule("!self.startsWith('aws-')", "endpoint names that begin with aws- are those of awsServices")
        ),
    ]
    """Name of the endpoint in the tier, at most 40 characters."""
    service_name: Annotated[
        str,
        length(255),
        matching(
            "^[a-z0-9-]+([.][a-z0-9_-]+)+$",
            "must be the full name of an endpoint service, such as "
            "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
        ),
    ]
    """Full name of the endpoint service, such as com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0."""
    ports: Annotated[tuple[Port, ...], elements(10, least=1)] = (HTTPS_PORT,)
    """TCP ports that tasks may reach on the endpoint, 1–65535, at most 10."""
    private_dns: bool = True
    """Whether the service's own DNS name leads to the endpoint; switched on once the endpoint is
    available."""
    policy: Document | None = None
    """Endpoint policy, at most 20,480 characters as JSON. Absent: AWS's, which allows everything."""


class PrivateLink(Struct):
    """VPC endpoints that every infra group gets, before any tenant arrives."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.endpoints) || self.endpoints.all(one, self.endpoints.exists_one(other, "
            "other.serviceName == one.serviceName))",
            "two endpoints have the same serviceName; one endpoint serves all tenants, so keep one of them",
        ),
    )

    aws_services: Annotated[
        tuple[
            Annotated[
                str,
                length(63),
                matching(
                    "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
                    "must be the short name of an AWS service, such as ecr.api (without com.amazonaws and the Region)",
                ),
            ],
            ...,
        ],
        elements(50),
    ] = ("ecr.api", "ecr.dkr", "s3", "logs")
    """Short names of AWS services, at most 50. The default is what a private VPC needs to start tasks at
    all; s3 is a gateway endpoint."""
    endpoints: Annotated[tuple[Endpoint, ...], keyed("name", 30)] = ()
    """Interface endpoints for other services, at most 30."""
