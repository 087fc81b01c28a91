"""Counting what there is in AWS: one of each thing, and a log that a person may read."""

from __future__ import annotations

from collections import Counter

from tests.e2e import inventory
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, Stage

PREFIX = "tenant-operator.dev/"
IDENTITY = tuple(PREFIX + key for key in ("kind", "namespace", "name", "infra-group", "component"))
KINDS = ("tiers", "cells", "infragroups", "tenants")

EC2 = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
)
"""How EC2 lists what it has: the call, the list in the answer, the id."""


def identities(stage: Stage, account: str) -> Counter[tuple[str, ...]]:
    """How many owned things there are of each identity: owner, infra group, component."""
    there = _ids(stage, account)
    return Counter(
        tuple(tags.get(key, "") for key in IDENTITY)
        for name, tags in inventory.owned(stage, account).items()
        if name.startswith("arn:") or name in there
    )


def _ids(stage: Stage, account: str) -> set[str]:
    """The EC2 resources that there are: tags alone outlive what they are on."""
    ec2 = stage.client("ec2", account)
    return {
        str(found[id_])
        for operation, items, id_ in EC2
        for found in getattr(ec2, operation)()[items]
        if found.get("State", "").lower() not in ("deleting", "deleted")
    }


def duplicates(stage: Stage) -> list[str]:
    """Everything of which there is more than one, though it should be the only one; empty when all is well."""
    found = []
    for account in (ACCOUNT_A, ACCOUNT_B):
        found += [f"{account} {identity} x{n}" for identity, n in identities(stage, account).items() if n > 1]
        arns = stage.client("ecs", account).list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
        families = Counter(arn.rsplit(":", 1)[0] for arn in arns)
        found += [f"{family} has {n} revisions" for family, n in families.items() if n > 1]
    names = Counter((r["Name"], r["SetIdentifier"]) for r in stage.records("example.com"))
    return found + [f"record {name} x{n}" for name, n in names.items() if n > 1]


def of_tenants(stage: Stage, account: str) -> Counter[str]:
    """How many things of each component tenants have in an account: `cluster-1`, `rule` …"""
    found: Counter[str] = Counter()
    for identity, n in identities(stage, account).items():
        if identity[0] == "Tenant":
            found[identity[-1]] += n
    return found


def without_finalizer(stage: Stage) -> list[str]:
    """The objects that Kubernetes would let go although AWS still holds what is theirs."""
    return [
        f"{kind} {found['metadata']['name']}"
        for kind in KINDS
        for found in stage.list(kind)
        if not found["metadata"].get("finalizers")
    ]


def is_empty(stage: Stage) -> bool:
    """Whether no custom resource is left."""
    return not any(stage.list(kind) for kind in KINDS)


def indiscretions(stage: Stage, *secrets: str) -> list[str]:
    """Lines of the operator's log that nobody should have to see: tracebacks, and secret values."""
    environment = stage.sandbox.aws_environment()
    words = ("Traceback", "nobody foresaw", environment["AWS_SECRET_ACCESS_KEY"], *secrets)
    lines = stage.operator.log.read_text(errors="replace").splitlines()
    return [line for line in lines if any(word in line for word in words)]
