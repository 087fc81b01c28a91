"""Whether the policy of a resource (a queue, an event bus) lets somebody act on it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tenant_operator.sandbox.aws import policy_conditions
from tenant_operator.sandbox.aws.calls import Principal
from tenant_operator.sandbox.aws.policy_conditions import listed


@dataclass(frozen=True, slots=True)
class Requester:
    """Who wants to act: all names by which a policy may call them, and the condition keys that are there."""

    principals: frozenset[str] = frozenset()  # ARNs and account ids
    service: str = ""  # "events.amazonaws.com", of an AWS service that acts for itself
    context: Mapping[str, str] = field(default_factory=dict)  # keys in lower case

    @classmethod
    def of(cls, principal: Principal) -> Requester:
        """Somebody who calls the API."""
        partition = principal.arn.split(":")[1]
        names = {principal.account, f"arn:{partition}:iam::{principal.account}:root", principal.arn}
        role = principal.arn
        if principal.role_name:
            role = f"arn:{partition}:iam::{principal.account}:role/{principal.role_name}"
        return cls(
            frozenset({*names, role}),
            context={"aws:principalarn": role, "aws:principalaccount": principal.account},
        )

    @classmethod
    def of_service(cls, service: str, source_arn: str, source_account: str) -> Requester:
        """An AWS service that acts on behalf of a resource of an account."""
        return cls(
            service=service,
            context={"aws:sourcearn": source_arn, "aws:sourceaccount": source_account},
        )


def allows(document: str, action: str, resource: str, requester: Requester) -> bool:
    """Whether some statement allows it and none denies it. An empty document allows nothing."""
    if not document:
        return False
    effects = {
        statement.get("Effect")
        for statement in listed(json.loads(document).get("Statement"))
        if _applies(statement, action, resource, requester)
    }
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Mapping[str, Any], action: str, resource: str, requester: Requester) -> bool:
    actions = [str(wanted).lower() for wanted in listed(statement.get("Action"))]
    resources = [str(wanted) for wanted in listed(statement.get("Resource"))]
    return (
        any(fnmatchcase(action.lower(), wanted) for wanted in actions)
        and any(fnmatchcase(resource, wanted) for wanted in resources)
        and _is_named(statement.get("Principal", {}), requester)
        and policy_conditions.hold(statement.get("Condition") or {}, requester.context)
    )


def _is_named(named: Any, requester: Requester) -> bool:
    if named == "*":
        return True
    if requester.service and requester.service in listed(named.get("Service")):
        return True
    wanted = {str(name) for name in listed(named.get("AWS"))}
    return "*" in wanted or bool(wanted & requester.principals)
