"""The manifests that are measured: a tier, its cells and infra groups, and any number of plain tenants."""

from __future__ import annotations

from typing import Any

API_VERSION = "tenant-operator.dev/v1alpha1"
NAMESPACE = "customers"
ZONE = "example.com"
ZONES = ["us-east-1a", "us-east-1b"]

Manifest = dict[str, Any]


def namespace() -> Manifest:
    """The namespace of all tenants."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"tenants": "allowed"}},
    }


def tier(name: str, *, mode: str = "Shared") -> Manifest:
    """A tier with the smallest tasks; AWS's own defaults everywhere."""
    spec = {
        "region": "us-east-1",
        "endpoint": {
            "name": f"{name}.us-east-1.{ZONE}",
            "hostedZone": {"name": ZONE},
            "mode": mode,
        },
        "allowedTenants": {"namespaceSelector": {"matchLabels": {"tenants": "allowed"}}},
        "privateLink": {"awsServices": ["ecr.api", "ecr.dkr", "s3", "logs"]},
        "workload": {
            "image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1",
            "cpu": 256,
            "memory": 512,
            "replicas": 1,
        },
    }
    return _object("Tier", name, spec)


def cell(name: str, tier: str, account: str) -> Manifest:
    """A cell whose account is reached through its role."""
    return _object(
        "Cell",
        name,
        {
            "tierRef": {"name": tier},
            "accountId": account,
            "roleArn": f"arn:aws:iam::{account}:role/tenant-operator",
        },
    )


def infra_group(name: str, cell: str, number: int) -> Manifest:
    """An infra group of two zones; `number`, from 0 to 255, makes its CIDR block its own."""
    return _object(
        "InfraGroup",
        name,
        {
            "cellRef": {"name": cell},
            "network": {"create": {"cidr": f"10.{number}.0.0/16", "availabilityZones": ZONES}},
            "loadBalancer": {"listener": {"port": 80, "protocol": "HTTP"}},
        },
    )


def tenants(tier: str, count: int) -> list[Manifest]:
    """Tenants `<tier>-0001` and so on, with nothing of their own."""
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "Tenant",
            "metadata": {"name": f"{tier}-{number:04}", "namespace": NAMESPACE},
            "spec": {"tierRef": {"name": tier}},
        }
        for number in range(1, count + 1)
    ]


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
