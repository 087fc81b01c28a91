"""Wrong manifests: `kubectl apply` refuses each, in words that say what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.manifests import EXISTING_NETWORK, HTTPS_LISTENER, Manifest, manifest
from tests.api.wrong_manifests import WRONG, Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.api.conftest import Cluster


@pytest.fixture(scope="module")
def refusals(cluster: Cluster) -> Mapping[str, str]:
    """What the API server says to all the wrong manifests, by name: one kubectl for all keeps the tests quick."""
    return cluster.refusals(each.manifest for each in WRONG)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong.kind}: {wrong.what}")
def test_wrong_manifest_is_refused_with_a_sentence(wrong: Wrong, refusals: Mapping[str, str]) -> None:
    assert wrong.object_name in refusals, "the API server took it"
    assert wrong.says in refusals[wrong.object_name]


def test_names_of_the_wrong_manifests_are_told_apart() -> None:
    assert len({wrong.object_name for wrong in WRONG}) == len(WRONG)


RIGHT: tuple[tuple[str, str, Manifest], ...] = (
    ("Tier", "zone by id", {"endpoint": {"hostedZone": {"name": None, "id": "Z0123456789ABCDEFGHIJ"}}}),
    ("Tier", "private zone by name", {"endpoint": {"hostedZone": {"private": True}}}),
    (
        "Tier",
        "zone of one label",
        {"endpoint": {"name": "tier.corp", "hostedZone": {"name": "corp", "private": True}}},
    ),
    ("Tier", "name that is its zone", {"endpoint": {"name": "example.com"}}),
    ("Tier", "header", {"routing": {"by": "Header", "header": "X-Customer"}}),
    ("Tier", "host", {"endpoint": {"mode": "PerTenant"}, "routing": {"by": "Host"}}),
    (
        "Tier",
        "path per tenant",
        {"endpoint": {"mode": "PerTenant"}, "routing": {"by": "Path", "stripPrefix": True}},
    ),
    ("Tier", "all namespaces", {"allowedTenants": {"namespaceSelector": {}}}),
    (
        "Tier",
        "one replica, stopped first",
        {"workload": {"replicas": 1, "deployment": {"minimumHealthyPercent": 0}}},
    ),
    ("Tier", "largest Fargate size", {"workload": {"cpu": 16384, "memory": 122880}}),
    ("Tier", "null for an optional field", {"endpoint": {"roleArn": None}}),
    (
        "Cell",
        "role in a partition",
        {"roleArn": "arn:aws-us-gov:iam::222222222222:role/path/x", "externalId": "42"},
    ),
    ("InfraGroup", "existing network", {"network": EXISTING_NETWORK}),
    ("InfraGroup", "https", {"loadBalancer": {"listener": HTTPS_LISTENER}}),
    (
        "InfraGroup",
        "https on port 80",
        {"loadBalancer": {"listener": {**HTTPS_LISTENER, "port": 80, "redirectHttp": False}}},
    ),
    ("InfraGroup", "zones by id", {"network": {"create": {"availabilityZones": ["use1-az1", "use1-az4"]}}}),
    ("InfraGroup", "shared address space", {"network": {"create": {"cidr": "100.64.16.0/20"}}}),
    ("InfraGroup", "drained", {"dnsWeight": 0}),
    ("Tenant", "deep prefix", {"routing": {"pathPrefix": "/eu/acme_corp.v2~x"}}),
    ("Tenant", "size of which half is the tier's", {"workload": {"memory": 30720}}),
    (
        "Tenant",
        "tier's variable becomes a secret",
        {
            "workload": {
                "environmentUnset": ["TOKEN"],
                "secrets": {"TOKEN": "arn:aws:ssm:us-east-1:222222222222:parameter/acme/token"},
            },
        },
    ),
    (
        "Tenant",
        "one key of a secret",
        {
            "workload": {
                "secrets": {"A": "arn:aws:secretsmanager:us-east-1:222222222222:secret:a/b-AbCdEf:key::"}
            },
        },
    ),
)


@pytest.mark.parametrize(("kind", "what", "spec"), RIGHT, ids=[f"{kind}: {what}" for kind, what, _ in RIGHT])
def test_right_manifest_is_taken(cluster: Cluster, kind: str, what: str, spec: Manifest) -> None:
    name = what.replace(" ", "-").replace(",", "").replace("'", "").lower()
    done = cluster.apply(
        manifest(kind, name, {**spec, **({"tenantId": "acme"} if kind == "Tenant" else {})}), dry=True
    )
    assert done.returncode == 0, done.stderr
