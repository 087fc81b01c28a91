"""Objects of moto's backends that no public method of theirs hands out by id."""

from __future__ import annotations

from typing import Any

from moto.acm.models import acm_backends
from moto.ssm.models import ssm_backends


def certificates(account: str, region: str) -> dict[str, Any]:
    """ACM's certificates by ARN."""
    found: dict[str, Any] = acm_backends[account][region]._certificates  # noqa: SLF001  # no public lookup without a raise
    return found


def parameters(account: str, region: str) -> dict[str, Any]:
    """Systems Manager's parameters by name."""
    found: dict[str, Any] = ssm_backends[account][region]._parameters  # noqa: SLF001  # the same
    return found
