"""What other services see of IAM: whether a role exists, trusts them, and has been known for long enough.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.simulation import Simulation

ECS_SERVICE_ROLE = "AWSServiceRoleForECS"
_SERVICES = {ECS_SERVICE_ROLE: "ecs.amazonaws.com"}


def find_role(account: str, name: str) -> Any | None:
    """A role of an account by its name."""
    return next((role for role in iam_backends[account]["aws"].roles.values() if role.name == name), None)


def assumable_by(sim: Simulation, account: str, role_arn: str, service: str) -> bool:
    """Whether a service (`ecs-tasks.amazonaws.com`) can assume the role by now."""
    if role_arn.split(":")[4] != account:
        return False
    role = find_role(account, role_arn.rsplit("/", 1)[-1])
    if role is None or role.arn != role_arn:
        return False
    created = role.create_date.replace(tzinfo=UTC)
    age = (datetime.now(UTC) - created).total_seconds()
    return age >= sim.durations.role_propagation and _trusts(role.assume_role_policy_document, service)


def make_service_linked_role(account: str, name: str) -> None:
    """Make a service's own role, as the service does at its first use; an existing one stays."""
    if find_role(account, name) is None:
        service = _SERVICES[name]
        statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
        iam_backends[account]["aws"].create_role(
            name,
            json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            f"/aws-service-role/{service}/",
            permissions_boundary=None,
            description="",
            tags=[],
            max_session_duration="3600",
        )


def _trusts(document: str | Mapping[str, Any], service: str) -> bool:
    policy: Mapping[str, Any] = json.loads(document) if isinstance(document, str) else document
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        trusted = [services] if isinstance(services, str) else services
        if statement.get("Effect") == "Allow" and service in trusted:
            return True
    return False
