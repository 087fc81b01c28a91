"""What the tier's two roles may do: the task role and the execution role, which tenants inherit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tenant_operator.api.constraints import Rule, Struct, elements, entries, rules
from tenant_operator.api.types import Document, PolicyArn

EXECUTION_POLICY = "tenant-operator-execution"
"""The name of the execution role's inline policy that the operator writes."""

PolicyArns = Annotated[tuple[PolicyArn, ...], elements(20)]
InlinePolicies = Annotated[
    Mapping[str, Document],
    entries(10),
    rules(
        Rule(
            "self.all(name, name.matches('^[A-Za-z0-9+=,.@_-]{1,128}$'))",
            "the name of an inline policy is 1 to 128 letters, digits and + = , . @ _ -",
        ),
        Rule(
            f"self.all(name, name != '{EXECUTION_POLICY}')",
            f"{EXECUTION_POLICY} is the operator's own inline policy; choose another name",
        ),
    ),
]


class ExecutionRole(Struct):
    """What the execution role (image pulls, logs, secrets) may do beyond what ECS needs."""

    managed_policy_arns: PolicyArns = ()
    """ARNs of managed policies, at most 20; ${AccountId}, ${Region} and ${Partition} are filled in per
    cell."""
    inline_policies: InlinePolicies = Field(default={})
    """Name → policy document, at most 10; ${AccountId}, ${Region} and ${Partition} are filled in per cell."""


class Iam(Struct):
    """One task role and one execution role per tier and account; tenants inherit them."""

    managed_policy_arns: PolicyArns = ()
    """ARNs of the task role's managed policies, at most 20; ${AccountId}, ${Region} and ${Partition} are
    filled in per cell."""
    inline_policies: InlinePolicies = Field(default={})
    """Name → policy document of the task role, at most 10; ${AccountId}, ${Region} and ${Partition} are
    filled in per cell."""
    execution: ExecutionRole = ExecutionRole()
    """What the execution role may do beyond what ECS needs."""
    permissions_boundary_arn: PolicyArn | None = None
    """ARN of the policy that bounds both roles; ${AccountId} and ${Partition} are filled in per cell."""
