"""Manifests for end-to-end tests: small, and quick on the simulated AWS (no drain, two endpoints a group)."""

from __future__ import annotations

from typing import Any

API = "tenant-operator.dev/v1alpha1"
NAMESPACE = "customers"

Manifest = dict[str, Any]


def namespace(name: str = NAMESPACE, **labels: str) -> Manifest:
    """A namespace that tiers made by `tier` take tenants from."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"tenants": "allowed", **labels}},
    }


def tier(name: str = "tier-1", *, mode: str = "Shared", **spec: Any) -> Manifest:
    """A tier in us-east-1 under example.com that lets its tenants set anything."""
    workload = {
        "image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1",
        "cpu": 256,
        "memory": 512,
        "replicas": 1,
        "deregistrationDelaySeconds": 300,
        **spec.pop("workload", {}),
    }
    return {
        "apiVersion": API,
        "kind": "Tier",
        "metadata": {"name": name},
        "spec": {
            "region": "us-east-1",
            "endpoint": {
                "name": f"{name}.us-east-1.example.com",
                "hostedZone": {"name": "example.com"},
                "mode": mode,
            },
            "allowedTenants": {
                "namespaceSelector": {"matchLabels": {"tenants": "allowed"}},
                "overrides": [
                    "cpu", "memory", "replicas", "healthCheck", "image", "environment", "secrets", "command", "routing",
                    "placement",
                ],
            },
            "privateLink": {"awsServices": ["ecr.api"]},
            "workload": workload,
            **spec,
        },
    }  # fmt: skip


def cell(name: str = "cell-a", tier: str = "tier-1", account: str = "222222222222", **spec: Any) -> Manifest:
    """A cell whose account is reached through its role."""
    return {
        "apiVersion": API,
        "kind": "Cell",
        "metadata": {"name": name},
        "spec": {
            "tierRef": {"name": tier},
            "accountId": account,
            "roleArn": f"arn:aws:iam::{account}:role/tenant-operator",
            **spec,
        },
    }


def group(name: str = "group-1", cell: str = "cell-a", cidr: str = "10.20.0.0/16", **spec: Any) -> Manifest:
    """An infra group in two zones with an HTTP listener."""
    return {
        "apiVersion": API,
        "kind": "InfraGroup",
        "metadata": {"name": name},
        "spec": {
            "cellRef": {"name": cell},
            "network": {"create": {"cidr": cidr, "availabilityZones": ["us-east-1a", "us-east-1b"]}},
            "loadBalancer": {"listener": {"port": 80, "protocol": "HTTP"}},
            **spec,
        },
    }


def tenant(name: str, tier: str = "tier-1", namespace: str = NAMESPACE, **spec: Any) -> Manifest:
    """A tenant."""
    return {
        "apiVersion": API,
        "kind": "Tenant",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tierRef": {"name": tier}, **spec},
    }
