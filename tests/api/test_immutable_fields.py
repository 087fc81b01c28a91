"""What never changes: `kubectl apply` of another value is refused, and says what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.manifests import EXISTING_NETWORK, HTTPS_LISTENER, Manifest, manifest

if TYPE_CHECKING:
    from tests.api.conftest import Cluster

PER_TENANT: Manifest = {"endpoint": {"mode": "PerTenant"}}

CHANGES: tuple[tuple[str, str, Manifest, Manifest, str], ...] = (
    ("Tier", "region", {}, {"region": "eu-west-1"}, "create a second tier in the other Region"),
    ("Tier", "endpoint name", {}, {"endpoint": {"name": "new.example.com"}}, "endpoint.name cannot change"),
    (
        "Tier",
        "hosted zone",
        {},
        {"endpoint": {"hostedZone": {"name": None, "id": "Z0123456789"}}},
        "endpoint.hostedZone cannot change",
    ),
    ("Tier", "mode back to Shared", PER_TENANT, {"endpoint": {"mode": "Shared"}}, "and never back"),
    ("Tier", "mode back by leaving it out", PER_TENANT, {"endpoint": {"mode": None}}, "and never back"),
    ("Tier", "routing", {"routing": {"by": "Path"}}, {"routing": {"by": "Header"}}, "write routing.by: Path"),
    ("Tier", "routing by default", {}, {"routing": {"by": "Header"}}, "clients send requests by Path"),
    (
        "Tier",
        "routing left out",
        {"routing": {"by": "Header"}},
        {"routing": None},
        "write routing.by: Header",
    ),
    ("Tier", "routing by way of the mode", {}, PER_TENANT, "write routing.by: Path"),
    ("Cell", "tier", {}, {"tierRef": {"name": "other"}}, "tierRef cannot change"),
    ("Cell", "account", {}, {"accountId": "333333333333"}, "accountId cannot change"),
    ("InfraGroup", "cell", {}, {"cellRef": {"name": "other"}}, "cellRef cannot change"),
    (
        "InfraGroup",
        "cidr",
        {},
        {"network": {"create": {"cidr": "10.21.0.0/16"}}},
        "network.create.cidr cannot change",
    ),
    ("InfraGroup", "made network", {}, {"network": EXISTING_NETWORK}, "stays created or existing for ever"),
    (
        "InfraGroup",
        "VPC",
        {"network": EXISTING_NETWORK},
        {"network": {"existing": {"vpcId": "vpc-0123456789abcdef9"}}},
        "network.existing.vpcId cannot change",
    ),
    (
        "InfraGroup",
        "zone taken away",
        {"network": {"create": {"availabilityZones": ["us-east-1a", "us-east-1b", "us-east-1c"]}}},
        {"network": {"create": {"availabilityZones": ["us-east-1a", "us-east-1b"]}}},
        "may only grow at the end",
    ),
    (
        "InfraGroup",
        "zone added in front",
        {},
        {"network": {"create": {"availabilityZones": ["us-east-1c", "us-east-1a", "us-east-1b"]}}},
        "may only grow at the end",
    ),
    (
        "InfraGroup",
        "scheme",
        {},
        {"loadBalancer": {"scheme": "internet-facing", "ingressCidrs": ["0.0.0.0/0"]}},
        "loadBalancer.scheme cannot change",
    ),
    ("Tenant", "tier", {}, {"tierRef": {"name": "other"}}, "with the same tenantId in the other tier"),
    ("Tenant", "id", {"tenantId": "acme"}, {"tenantId": "globex"}, "tenantId cannot change"),
    ("Tenant", "id added", {}, {"tenantId": "globex"}, "nor be added or taken away"),
    ("Tenant", "id taken away", {"tenantId": "acme"}, {"tenantId": None}, "nor be added or taken away"),
)


@pytest.mark.parametrize(
    ("number", "change"), list(enumerate(CHANGES)), ids=[f"{change[0]}: {change[1]}" for change in CHANGES]
)
def test_changed_immutable_field_is_refused(
    cluster: Cluster, number: int, change: tuple[str, str, Manifest, Manifest, str]
) -> None:
    kind, _, before, after, says = change
    first = manifest(kind, f"immutable-{number}", before)
    cluster.applied(first)

    refused = cluster.apply({**first, "spec": manifest(kind, "x", _merged(before, after))["spec"]}, dry=True)

    assert refused.returncode != 0, "the API server took it"
    assert says in refused.stderr


ALLOWED: tuple[tuple[str, str, Manifest, Manifest], ...] = (
    ("Tier", "mode-with-path", {}, {"endpoint": {"mode": "PerTenant"}, "routing": {"by": "Path"}}),
    ("Tier", "path-written-out", {}, {"routing": {"by": "Path"}}),
    (
        "Tier",
        "other-image",
        {},
        {"workload": {"image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:2"}},
    ),
    (
        "InfraGroup",
        "further-zone",
        {},
        {"network": {"create": {"availabilityZones": ["us-east-1a", "us-east-1b", "us-east-1c"]}}},
    ),
    ("InfraGroup", "other-listener", {}, {"loadBalancer": {"listener": HTTPS_LISTENER}}),
    ("Tenant", "other-prefix", {}, {"routing": {"pathPrefix": "/other"}}),
)


@pytest.mark.parametrize(
    ("kind", "name", "before", "after"), ALLOWED, ids=[f"{a[0]}: {a[1]}" for a in ALLOWED]
)
def test_other_field_may_change(
    cluster: Cluster, kind: str, name: str, before: Manifest, after: Manifest
) -> None:
    cluster.applied(manifest(kind, name, before))
    cluster.applied(manifest(kind, name, _merged(before, after)))


def _merged(before: Manifest, after: Manifest) -> Manifest:
    """Both patches in one; where both are maps, key by key."""
    result = dict(before)
    for key, value in after.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
