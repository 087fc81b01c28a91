"""Whether EventBridge may assume a target's role, and whether that role may do what the target needs.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-identity-based.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.policy_conditions import listed
from tenant_operator.sandbox.aws.simulation import Simulation

_SERVICE = "events.amazonaws.com"


def may(sim: Simulation, account: str, role_arn: str, action: str, resource: str) -> bool:
    """The role is this account's, trusts EventBridge, and one of its policies allows the action."""
    _ = sim
    partition = role_arn.split(":")[1] if role_arn.count(":") >= 5 else "aws"
    roles = iam_backends[account][partition].roles.values()
    role = next((found for found in roles if found.arn == role_arn), None)
    if role is None or not _trusts(role.assume_role_policy_document):
        return False
    effects = {
        statement.get("Effect")
        for document in _documents(role)
        for statement in listed(document.get("Statement"))
        if _covers(statement, action, resource)
    }
    return "Allow" in effects and "Deny" not in effects


def _trusts(document: str) -> bool:
    return any(
        statement.get("Effect") == "Allow"
        and _SERVICE in listed(statement.get("Principal", {}).get("Service"))
        for statement in listed(json.loads(document).get("Statement"))
        if isinstance(statement.get("Principal"), dict)
    )


def _documents(role: Any) -> Iterator[Mapping[str, Any]]:
    for text in role.policies.values():
        yield json.loads(text)
    for policy in role.managed_policies.values():
        yield json.loads(policy.document)


def _covers(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return any(
        fnmatchcase(action.lower(), str(wanted).lower()) for wanted in listed(statement.get("Action"))
    ) and any(fnmatchcase(resource, str(wanted)) for wanted in listed(statement.get("Resource")))
