"""The least that makes a valid object of each kind, and how to bend it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from tenant_operator.api import API_VERSION, KINDS

Manifest = dict[str, Any]

NAMESPACE = "api-tests"

_SPECS: Mapping[str, Manifest] = {
    "Tier": {
        "region": "us-east-1",
        "endpoint": {"name": "tier.example.com", "hostedZone": {"name": "example.com"}},
        "workload": {"image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1.4.2"},
    },
    "Cell": {"tierRef": {"name": "tier"}, "accountId": "222222222222"},
    "InfraGroup": {
        "cellRef": {"name": "cell"},
        "network": {
            "create": {"cidr": "10.20.0.0/16", "availabilityZones": ["us-east-1a", "us-east-1b"]},
        },
        "loadBalancer": {"listener": {"protocol": "HTTP", "port": 80}},
    },
    "Tenant": {"tierRef": {"name": "tier"}},
}

EXISTING_NETWORK: Manifest = {
    "create": None,
    "existing": {
        "vpcId": "vpc-0123456789abcdef0",
        "loadBalancerSubnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "workloadSubnetIds": ["subnet-0123456789abcdef2"],
    },
}
HTTPS_LISTENER: Manifest = {
    "protocol": "HTTPS",
    "port": 443,
    "certificateArns": [
        "arn:aws:acm:us-east-1:222222222222:certificate/12345678-1234-1234-1234-123456789012",
    ],
}


def manifest(kind: str, name: str, spec: Mapping[str, Any] | None = None) -> Manifest:
    """A minimal valid manifest of a kind, with `spec` merged over it; a value of None takes a field away."""
    namespaced = kind in {each.KIND for each in KINDS if each.NAMESPACED}
    metadata = {"name": name, **({"namespace": NAMESPACE} if namespaced else {})}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": merged(_SPECS[kind], spec or {}),
    }


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Manifest:
    """A JSON merge patch (RFC 7386) over a copy of `base`."""
    result = copy.deepcopy(dict(base))
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def as_yaml(*manifests: Manifest) -> str:
    """A stream of manifests for `kubectl apply -f -`."""
    return yaml.safe_dump_all(manifests)
