"""What a tenant's author may ask for, as the platform team says in the tier."""

from __future__ import annotations

from typing import Annotated

from tenant_operator.api.constraints import Struct, between, elements, length, matching, one_of
from tenant_operator.api.selector import LabelSelector
from tenant_operator.api.types import SecretArnPrefix

OVERRIDES = (
    "cpu",
    "memory",
    "replicas",
    "healthCheck",
    "image",
    "environment",
    "secrets",
    "command",
    "routing",
    "placement",
)
"""What a tier may let its tenants set."""


class Ceilings(Struct):
    """The most that a tenant may ask for."""

    clusters: Annotated[int, between(1, 5)] = 5
    """Clusters per infra group, 1–5."""
    replicas: Annotated[int, between(1, 1000)] = 50
    """Tasks per cluster, 1–1000."""
    cpu: Annotated[int, between(256, 16384)] = 16384
    """CPU units of a task (1024 = 1 vCPU), 256–16384."""
    memory: Annotated[int, between(512, 122880)] = 122880
    """Memory of a task in MiB, 512–122880."""


class AllowedTenants(Struct):
    """What a tenant's author may ask for. A Tenant outside it gets Accepted=False."""

    namespace_selector: LabelSelector | None = None
    """Labels of the namespaces that tenants may come from; {} means all. Absent: only the operator's own
    namespace."""
    tenant_id_prefixes: Annotated[
        tuple[
            Annotated[
                str,
                length(63),
                matching(
                    "^([a-z0-9-]|[{]namespace[}])+$",
                    "a prefix is lower-case letters, digits and hyphens; {namespace} stands for the tenant's namespace",
                ),
            ],
            ...,
        ],
        elements(50),
    ] = ()
    """Beginnings that tenant ids must have one of, at most 50; "{namespace}-" stands for the tenant's
    namespace. Empty: any."""
    overrides: Annotated[tuple[Annotated[str, one_of(*OVERRIDES)], ...], elements(10)] = (
        "cpu",
        "memory",
        "replicas",
        "healthCheck",
    )
    """What a tenant may set of its own: cpu, memory, replicas, healthCheck, image, environment, secrets,
    command (with entryPoint), routing, placement."""
    image_prefixes: Annotated[
        tuple[
            Annotated[
                str,
                length(512),
                matching(
                    "^[A-Za-z0-9][A-Za-z0-9._/:-]*$",
                    "must be the beginning of an image, such as 222222222222.dkr.ecr.us-east-1.amazonaws.com/team",
                ),
            ],
            ...,
        ],
        elements(50),
    ] = ()
    """Registries and repositories that tenants' own images may come from, in whole segments, at most 50.
    Empty: any."""
    secret_arn_prefixes: Annotated[tuple[SecretArnPrefix, ...], elements(50)] = ()
    """Beginnings of the ARNs of secrets that tenants may name, at most 50; "{tenantId}" stands for the
    tenant's id. Empty: a tenant has no secrets of its own."""
    max: Ceilings = Ceilings()
    """The most that a tenant may ask for."""
