"""Rules that were tightened since an object was stored: it still gets its status, and still goes when it is deleted."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tenant_operator.api import GROUP, VERSION, crds, parse
from tests.api.manifests import Manifest, manifest

if TYPE_CHECKING:
    from tests.api.conftest import Cluster

OLD_GROUP = f"ratcheting.{GROUP}"
"""A copy of the CRDs, so that nobody else's are loosened meanwhile."""
BOUNDS = frozenset(
    {
        *(
            "maxLength",
            "minLength",
            "maximum",
            "minimum",
            "maxItems",
            "minItems",
            "maxProperties",
            "minProperties",
        ),
        *("enum", "x-kubernetes-validations"),
    }
)

STORED: dict[str, Manifest] = {
    "Tier": {
        "region": "Virginia",
        "endpoint": {"name": "Tier.Example.org.", "externalId": "x"},
        "routing": {"header": "*", "reservedPaths": ["*"]},
        "allowedTenants": {"overrides": ["everything"]},
        "workload": {"cpu": 999, "memory": 1, "replicas": 0, "environment": {"AWS_REGION": "x"}},
    },
    "Cell": {"accountId": "12", "roleArn": "a role of ::12:"},
    "InfraGroup": {
        "network": {"create": {"cidr": "8.8.8.8/30", "availabilityZones": ["x"]}},
        "loadBalancer": {"listener": {"protocol": "QUIC", "port": 0}},
        "dnsWeight": 1000,
    },
    "Tenant": {"tenantId": "A" * 50, "clusters": 9, "routing": {"pathPrefix": "*"}},
}
"""Specs that break today's rules at every level."""


def _copies(*, loose: bool) -> list[dict[str, Any]]:
    copies = []
    for crd in crds.manifests():
        copied = copy.deepcopy(crd)
        names = copied["spec"]["names"]
        copied["metadata"]["name"] = f"{names['plural']}.{OLD_GROUP}"
        copied["spec"]["group"] = OLD_GROUP
        del names["shortNames"], names["categories"]
        if loose:
            version = copied["spec"]["versions"][0]
            version["schema"]["openAPIV3Schema"] = _loosened(version["schema"]["openAPIV3Schema"])
        copies.append(copied)
    return copies


def _loosened(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_loosened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _loosened(value) for key, value in schema.items() if key not in BOUNDS}
    if "properties" in schema:
        kept["properties"] = {name: _loosened(value) for name, value in schema["properties"].items()}
    return kept


@pytest.fixture(scope="module")
def tightened(cluster: Cluster) -> Cluster:
    """A cluster that stored wrong objects under loose rules, and has got today's rules since."""
    cluster.applied(*_copies(loose=True))
    waiting = [f"crd/{crd['metadata']['name']}" for crd in _copies(loose=True)]
    assert cluster.run("wait", "--for=condition=Established", *waiting).returncode == 0
    for kind, spec in STORED.items():
        wrong = manifest(kind, f"{kind.lower()}-{'x' * 50}", spec)
        wrong["apiVersion"] = f"{OLD_GROUP}/{VERSION}"
        wrong["metadata"]["finalizers"] = [f"{GROUP}/finalizer"]
        cluster.applied(wrong)
    cluster.applied(*_copies(loose=False))
    return cluster


def _target(kind: str) -> tuple[str, ...]:
    return f"{kind.lower()}.{OLD_GROUP}", f"{kind.lower()}-{'x' * 50}", "-n", "api-tests"


@pytest.mark.parametrize("kind", STORED)
def test_object_stored_under_looser_rules_lives_on(tightened: Cluster, kind: str) -> None:
    target = _target(kind)
    status = {"observedGeneration": 1, "lastHandledReconcileAt": "now"}

    written = tightened.run(
        "patch", *target, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )
    assert written.returncode == 0, written.stderr

    paused = tightened.run("patch", *target, "--type=merge", "-p", '{"spec":{"paused":true}}')
    assert paused.returncode == 0, paused.stderr

    assert tightened.run("delete", *target, "--wait=false").returncode == 0
    released = tightened.run("patch", *target, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert released.returncode == 0, released.stderr
    assert "NotFound" in tightened.run("get", *target).stderr


@pytest.mark.parametrize("kind", ["Tier", "Cell", "Tenant"])
def test_object_stored_under_looser_rules_can_be_read(kind: str) -> None:
    wrong = manifest(kind, "x" * 50, STORED[kind])
    assert parse(wrong).metadata.name == "x" * 50


def test_wrong_field_must_be_mended_when_it_is_changed(tightened: Cluster) -> None:
    wrong = manifest("Cell", "mended", {"accountId": "12"})
    wrong["apiVersion"] = f"{OLD_GROUP}/{VERSION}"
    refused = tightened.apply(wrong)
    assert "an AWS account id is 12 digits" in refused.stderr or "at least 12 chars" in refused.stderr
