"""Whether a role's trust policy lets a principal assume it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenant_operator.sandbox.aws import policy_conditions
from tenant_operator.sandbox.aws.calls import Principal
from tenant_operator.sandbox.aws.policy_conditions import listed

_ACTIONS = ("sts:assumerole", "sts:*", "*")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for a role, and how."""

    principal: Principal
    role_arn: str = ""  # of the session's own role, when the principal is a role session
    session_name: str = ""
    external_id: str | None = None

    def names(self) -> frozenset[str]:
        """All ARNs and ids by which a policy may name the asking principal."""
        account = self.principal.account
        partition = self.principal.arn.split(":")[1]
        root = f"arn:{partition}:iam::{account}:root"
        return frozenset(filter(None, ("*", account, root, self.principal.arn, self.role_arn)))

    def context(self) -> dict[str, str]:
        """The condition keys that are there, in lower case."""
        found = {
            "aws:principalarn": self.role_arn or self.principal.arn,
            "aws:principalaccount": self.principal.account,
            "sts:rolesessionname": self.session_name,
        }
        return found if self.external_id is None else {**found, "sts:externalid": self.external_id}


def allows(document: str, asking: Asking) -> bool:
    """Whether some statement allows it and none denies it."""
    statements = [found for found in listed(json.loads(document).get("Statement")) if _applies(found, asking)]
    effects = {statement.get("Effect") for statement in statements}
    return "Allow" in effects and "Deny" not in effects


def principals(document: Mapping[str, Any]) -> list[str]:
    """The AWS principals that a trust policy names."""
    found: list[str] = []
    for statement in listed(document.get("Statement")):
        principal = statement.get("Principal", {})
        found += ["*"] if principal == "*" else listed(principal.get("AWS"))
    return found


def _applies(statement: Mapping[str, Any], asking: Asking) -> bool:
    actions = [str(action).lower() for action in listed(statement.get("Action"))]
    named = statement.get("Principal", {})
    wanted = {"*"} if named == "*" else set(map(str, listed(named.get("AWS"))))
    return (
        any(action in _ACTIONS for action in actions)
        and bool(wanted & asking.names())
        and policy_conditions.hold(statement.get("Condition") or {}, asking.context())
    )
