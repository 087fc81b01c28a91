"""Physical names of AWS resources: derived from identity, stable for life, unique, within AWS's limits.

A name is `<readable start>-<10 hex of sha256 of the full identity>`: never a plain truncation, so that two long names
with one start stay two names. The installation's id is part of every identity, so that two installations in one account
never meet. Limits: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html (32,
alphanumeric and hyphens), https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (64).
"""

from __future__ import annotations

import hashlib
import re

LOAD_BALANCER_MAX = 32
TARGET_GROUP_MAX = 32
ROLE_MAX = 64
HASH_LENGTH = 10


def short_hash(*identity: str) -> str:
    """Ten hexadecimal digits that stand for the whole identity (its parts may hold any character but NUL)."""
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:HASH_LENGTH]


def _slug(text: str, length: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:length].strip("-") or "x"


def installation_prefix(installation: str) -> str:
    """What every physical name of an installation starts with; a cheap first filter, never proof of ownership."""
    return f"{_slug(installation, 8)}-"


def load_balancer(installation: str, infra_group: str) -> str:
    """At most 32 characters; never starts with `internal-`, which AWS reserves."""
    prefix = installation_prefix(installation)
    prefix = "t" + prefix if prefix.startswith("internal-") else prefix
    digest = short_hash(installation, "load-balancer", infra_group)
    return f"{prefix}{_slug(infra_group, LOAD_BALANCER_MAX - len(prefix) - HASH_LENGTH - 1)}-{digest}"


def target_group(installation: str, tier: str, tenant: str, infra_group: str, slot: int, port: int) -> str:
    """At most 32 characters. The port is in the identity: another port is another target group, made beside the old.

    The tenant's ECS service in this slot has the same name.
    """
    prefix = installation_prefix(installation)
    digest = short_hash(installation, "target-group", tier, tenant, infra_group, str(slot), str(port))
    return f"{prefix}{_slug(tenant, TARGET_GROUP_MAX - len(prefix) - HASH_LENGTH - 1)}-{digest}"


def cluster(installation: str, tier: str, tenant: str, infra_group: str, slot: int) -> str:
    """An ECS cluster's name, and its task-definition family's; far below ECS's 255 characters."""
    digest = short_hash(installation, "cluster", tier, tenant, infra_group, str(slot))
    return f"{installation_prefix(installation)}{_slug(tier, 40)}-{_slug(tenant, 32)}-{slot}-{digest}"


def role(installation: str, tier: str, region: str, purpose: str) -> str:
    """At most 64 characters; roles are global, so the Region is in the name. `purpose`: `task` or `execution`."""
    digest = short_hash(installation, "role", tier, region, purpose)
    head = f"{installation_prefix(installation)}{_slug(region, 16)}-{purpose}-"
    return f"{head}{_slug(tier, ROLE_MAX - len(head) - HASH_LENGTH - 1)}-{digest}"


def log_group(installation: str, tier: str) -> str:
    """One log group per tier and account; within CloudWatch's 512 characters."""
    return f"/tenant-operator/{_slug(installation, 64)}-{short_hash(installation)}/{tier}"


def drift_feed(installation: str, purpose: str = "") -> str:
    """The name of a queue, bus or rule that brings drift events; at most 64 characters, letters, digits and hyphens."""
    middle = f"drift-{purpose}-" if purpose else "drift-"
    return f"{installation_prefix(installation)}{middle}{short_hash(installation, 'drift', purpose)}"


def set_identifier(installation: str, infra_group: str) -> str:
    """A weighted record's identity (a contract), at most 128 characters."""
    return f"{installation}/{infra_group}"


def client_token(*identity: str) -> str:
    """An idempotency token of 32 ASCII characters (ECS allows 36, EC2 64)."""
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]
