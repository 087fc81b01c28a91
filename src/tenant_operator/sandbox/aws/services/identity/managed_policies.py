"""AWS's own managed policies: every account has them, so an account of moto gets one when it is asked for.

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/about-managed-policy-reference.html
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.simulation import Simulation


@functools.cache
def _catalogue() -> Mapping[str, Mapping[str, Any]]:
    """By the part of the ARN after `policy`, such as /service-role/AmazonECSTaskExecutionRolePolicy."""
    policies: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return {f"{data['Path']}{name}": {**data, "Name": name} for name, data in policies.items()}


def provide(call: Call, arn: str) -> bool:
    """Whether a managed policy exists for the call's account; one of AWS's is put into moto's backend if it does."""
    backend = iam_backends[call.account][call.partition]
    _, is_aws, path = arn.partition(f"arn:{call.partition}:iam::aws:policy")
    data = _catalogue().get(path) if is_aws else None
    if data is not None and arn not in backend.managed_policies:
        policy = AWSManagedPolicy.from_data(data["Name"], call.account, backend.region_name, dict(data))
        backend.managed_policies[arn] = policy
    return arn in backend.managed_policies


def install(sim: Simulation) -> None:
    """Provide AWS's policies where they are named; refuse boundaries that are no policies."""

    @sim.validates(
        "iam",
        "AttachRolePolicy",
        "DetachRolePolicy",
        "AttachUserPolicy",
        "AttachGroupPolicy",
        "GetPolicy",
        "GetPolicyVersion",
        "ListPolicyVersions",
        "ListEntitiesForPolicy",
    )
    def by_arn(call: Call) -> None:
        provide(call, call.parameters["PolicyArn"])

    @sim.validates("iam", "CreateRole", "PutRolePermissionsBoundary")
    def boundary(call: Call) -> None:
        arn = call.parameters.get("PermissionsBoundary")
        if arn and not provide(call, arn):
            message = f"Scope ARN: {arn} does not exist or is not attachable."
            raise AwsFailure("NoSuchEntity", message, status=404)
