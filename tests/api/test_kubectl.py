"""What a person sees with kubectl: columns, category, short names, field selectors, defaults, explanations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.manifests import NAMESPACE, manifest

if TYPE_CHECKING:
    from tests.api.conftest import Cluster

TRANSITION = "2026-05-12T10:00:00Z"


def _ready(status: str, reason: str, message: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": TRANSITION,
            "observedGeneration": 1,
        }
    ]


STATUSES: dict[str, dict[str, Any]] = {
    "Tier": {
        "endpoint": "tier.example.com",
        "mode": "Shared",
        "summary": {
            "cells": "1/2",
            "infraGroups": "2/3",
            "tenants": "38/40",
            "rollout": "12/40",
            "freeTenantSlots": 12,
        },
        "revision": "0123456789ab",
        "scaleUp": {"kind": "None", "reason": "12 tenant slots are free"},
        "conditions": _ready("True", "Ready", "38 of 40 tenants are ready"),
    },
    "Cell": {
        "summary": {"infraGroups": "2/2", "tenants": 17},
        "quotas": [{"code": "L-7EED9B64", "name": "Rules", "used": 3, "limit": 100, "source": "BuiltIn"}],
        "conditions": _ready("True", "Ready", "the account is reached"),
    },
    "InfraGroup": {
        "weight": 100,
        "network": {"vpcId": "vpc-1", "subnetIds": ["subnet-1"]},
        "loadBalancer": {"arn": "arn:aws:elasticloadbalancing:x", "dnsName": "x.elb.amazonaws.com"},
        "endpoints": [{"name": "aws-s3", "id": "vpce-1", "state": "available"}],
        "summary": {
            "tenants": 17,
            "freeTenantSlots": 33,
            "targetGroupsUsed": 17,
            "targetGroupsFree": 78,
            "rulesUsed": 17,
            "rulesFree": 83,
        },
        "conditions": _ready("False", "Provisioning", "the load balancer is provisioning"),
    },
    "Tenant": {
        "tenantId": "seen",
        "endpoint": "https://tier.example.com/seen",
        "effective": {"image": "app:1", "cpu": 1024, "memory": 4096, "replicas": 2},
        "placements": [
            {
                "infraGroup": "group-a",
                "cell": "cell-a",
                "account": "222222222222",
                "ready": True,
                "rulePriority": 100,
                "clusters": ["seen-1"],
                "targetGroups": ["seen-1"],
            }
        ],
        "summary": {"infraGroups": "2/2", "tasks": "4/4"},
        "revision": "0123456789ab",
        "release": {"cause": "Tier", "ownRevision": "0123456789ab", "completedAt": TRANSITION},
        "failedRevision": "ba9876543210",
        "conditions": _ready("True", "Ready", "served"),
    },
}
"""One status of each kind in which every field is set that is the kind's own."""

COMMON: dict[str, Any] = {
    "observedGeneration": 1,
    "aws": {
        "partition": "aws",
        "account": "222222222222",
        "region": "us-east-1",
        "roleArn": "arn:aws:iam::222222222222:role/x",
    },
    "lastHandledReconcileAt": "2026-05-12T10:00:00Z",
}


@pytest.fixture(scope="module")
def seen(cluster: Cluster) -> Cluster:
    """A cluster with one object of each kind, called `seen`, each with a status."""
    for kind, status in STATUSES.items():
        cluster.applied(manifest(kind, "seen"))
        patch = json.dumps({"status": {**COMMON, **status}})
        done = cluster.run(
            "patch", kind, "seen", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch
        )
        assert done.returncode == 0, done.stderr
    return cluster


def _table(cluster: Cluster, *arguments: str) -> tuple[list[str], list[str]]:
    done = cluster.run("get", *arguments, "-n", NAMESPACE)
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    return header.split(), row.split()


@pytest.mark.parametrize("kind", STATUSES)
def test_every_field_of_a_status_is_kept(seen: Cluster, kind: str) -> None:
    assert seen.get(kind, "seen")["status"] == {**COMMON, **STATUSES[kind]}


def test_columns_of_a_tier(seen: Cluster) -> None:
    header, row = _table(seen, "tier", "seen")
    assert header == ["NAME", "ENDPOINT", "MODE", "CELLS", "GROUPS", "TENANTS", "FREE", "READY", "AGE"]
    assert row[:-1] == ["seen", "tier.example.com", "Shared", "1/2", "2/3", "38/40", "12", "True"]


def test_columns_of_a_cell(seen: Cluster) -> None:
    header, row = _table(seen, "cell", "seen")
    assert header == ["NAME", "TIER", "ACCOUNT", "GROUPS", "TENANTS", "READY", "AGE"]
    assert row[:-1] == ["seen", "tier", "222222222222", "2/2", "17", "True"]


def test_columns_of_an_infra_group(seen: Cluster) -> None:
    header, row = _table(seen, "ig", "seen")
    assert header == ["NAME", "CELL", "WEIGHT", "TENANTS", "FREE", "READY", "AGE"]
    assert row[:-1] == ["seen", "cell", "100", "17", "33", "False"]


def test_columns_of_a_tenant(seen: Cluster) -> None:
    header, row = _table(seen, "tn", "seen")
    assert header == ["NAME", "TIER", "GROUPS", "ENDPOINT", "READY", "REASON", "AGE"]
    assert row[:-1] == ["seen", "tier", "2/2", "https://tier.example.com/seen", "True", "Ready"]


def test_wide_columns_of_a_tenant(seen: Cluster) -> None:
    header, row = _table(seen, "tn", "seen", "-o", "wide")
    assert header[-3:] == ["IMAGE", "TASKS", "MESSAGE"]
    assert row[-3:] == ["app:1", "4/4", "served"]


def test_category_lists_all_four_kinds(seen: Cluster) -> None:
    done = seen.run("get", "tenancy", "-A", "-o", "name")
    assert done.returncode == 0, done.stderr
    kinds = {line.partition(".")[0] for line in done.stdout.splitlines() if line.endswith("/seen")}
    assert kinds == {"tier", "cell", "infragroup", "tenant"}


@pytest.mark.parametrize(
    ("kind", "reference"), [("Cell", "tierRef"), ("Tenant", "tierRef"), ("InfraGroup", "cellRef")]
)
def test_field_selector_finds_the_children_of_a_parent(cluster: Cluster, kind: str, reference: str) -> None:
    cluster.applied(
        manifest(kind, "child", {reference: {"name": "chosen"}}),
        manifest(kind, "other-child", {reference: {"name": "other"}}),
    )
    done = cluster.run("get", kind, "-A", "--field-selector", f"spec.{reference}.name=chosen", "-o", "name")
    assert done.stdout.split() == [f"{kind.lower()}.tenant-operator.dev/child"]


def test_status_is_a_subresource_that_apply_does_not_touch(seen: Cluster) -> None:
    before = seen.get("Tier", "seen")
    seen.applied({**manifest("Tier", "seen", {"paused": True}), "status": {"mode": "PerTenant"}})
    after = seen.get("Tier", "seen")
    assert after["status"] == before["status"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


DEFAULTS: dict[str, dict[str, Any]] = {
    "Tier": {
        "endpoint": {"mode": "Shared"},
        "routing": {"stripPrefix": False, "reservedPaths": []},
        "allowedTenants": {
            "tenantIdPrefixes": [],
            "overrides": ["cpu", "memory", "replicas", "healthCheck"],
            "imagePrefixes": [],
            "secretArnPrefixes": [],
            "max": {"clusters": 5, "replicas": 50, "cpu": 16384, "memory": 122880},
        },
        "privateLink": {"awsServices": ["ecr.api", "ecr.dkr", "s3", "logs"], "endpoints": []},
        "iam": {
            "managedPolicyArns": [],
            "inlinePolicies": {},
            "execution": {"managedPolicyArns": [], "inlinePolicies": {}},
        },
        "workload": {
            "command": [],
            "entryPoint": [],
            "compute": {"provider": "Fargate", "architecture": "X86_64"},
            "cpu": 1024,
            "memory": 4096,
            "port": 8080,
            "replicas": 2,
            "healthCheck": {
                "path": "/healthz",
                "intervalSeconds": 15,
                "timeoutSeconds": 5,
                "healthyThreshold": 2,
                "unhealthyThreshold": 3,
            },
            "startupGraceSeconds": 300,
            "stopTimeoutSeconds": 60,
            "deregistrationDelaySeconds": 300,
            "deployment": {"minimumHealthyPercent": 100, "maximumPercent": 200},
            "restartNonce": "",
            "environment": {},
            "secrets": {},
        },
        "drift": "Repair",
        "rollout": {"maxConcurrentTenants": 5, "pauseOnFailures": 1, "soakSeconds": 0},
        "observability": {"retainLogs": False, "logRetentionDays": 30},
        "placement": {"strategy": "Spread"},
        "limits": {"tenantsPerInfraGroup": 50, "infraGroupsPerCell": 4, "targetGroupHeadroom": 5},
        "tags": {},
        "paused": False,
    },
    "Cell": {"quotaOverrides": {}, "schedulable": True, "paused": False},
    "InfraGroup": {
        "loadBalancer": {
            "scheme": "internal",
            "ingressCidrs": [],
            "listener": {"certificateArns": []},
            "idleTimeoutSeconds": 60,
            "clientKeepAliveSeconds": 300,
            "deletionProtection": True,
        },
        "dnsWeight": 100,
        "schedulable": True,
        "paused": False,
    },
    "Tenant": {"clusters": 1, "suspended": False, "deletionPolicy": "Delete", "paused": False},
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_documented_defaults_are_filled_in_and_nothing_else(cluster: Cluster, kind: str) -> None:
    written = manifest(kind, "defaults")
    cluster.applied(written)
    assert cluster.get(kind, "defaults")["spec"] == _both(written["spec"], DEFAULTS[kind])


def _both(written: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    result = dict(written)
    for key, value in defaults.items():
        result[key] = _both(result[key], value) if key in result and isinstance(value, dict) else value
    return result


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("tier.spec.workload.memory", "in MiB"),
        ("tier.spec.workload.stopTimeoutSeconds", "Default: 60."),
        ("infragroup.spec.network.create.egress", "Absent: None."),
        ("tenant.spec.tenantId", "Absent: metadata.name."),
    ],
)
def test_explanation_tells_unit_and_default(cluster: Cluster, field: str, says: str) -> None:
    done = cluster.run("explain", field)
    assert done.returncode == 0, done.stderr
    assert says in " ".join(done.stdout.split())
