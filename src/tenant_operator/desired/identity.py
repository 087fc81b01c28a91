"""What a cell's account needs before any tenant: service-linked roles, the tier's two roles and its log group.

They belong to the tier, not to the cell: two cells of one tier in one account share them.
Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tenant_operator.api.iam import EXECUTION_POLICY
from tenant_operator.api.tier import Tier
from tenant_operator.desired import names, tags
from tenant_operator.desired.documents import canonical, filled
from tenant_operator.desired.resources import GLOBAL, Address, LogGroup, Resource, Role, ServiceLinkedRole

SERVICE_LINKED_ROLES = {
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
}


def identity(tier: Tier, *, installation: str, account: str, partition: str) -> list[Resource]:
    """The resources of the tier in one account."""
    ownership = tier_ownership(tier, installation)
    region = tier.spec.region
    fill = {"AccountId": account, "Region": region, "Partition": partition}
    found = [
        Resource(
            address=Address(account=account, region=GLOBAL, type=ServiceLinkedRole.__name__, name=name),
            spec=ServiceLinkedRole(service=service),
        )
        for name, service in SERVICE_LINKED_ROLES.items()
    ]
    iam = tier.spec.iam
    trust = canonical(_trust(account))
    execution_policies = {filled(arn, fill) for arn in iam.execution.managed_policy_arns}
    execution_inline = {
        **dict(iam.execution.inline_policies),
        EXECUTION_POLICY: _execution_policy(tier, log_group_address(tier, installation, account).name, fill),
    }
    for purpose, managed, inline in (
        ("task", {filled(arn, fill) for arn in iam.managed_policy_arns}, dict(iam.inline_policies)),
        ("execution", execution_policies, execution_inline),
    ):
        found.append(
            Resource(
                address=role_address(tier, installation, account, purpose),
                spec=Role(
                    trust=trust,
                    managed_policies=tuple(managed),
                    inline_policies=tuple(
                        (name, canonical(filled(doc, fill))) for name, doc in inline.items()
                    ),
                    permissions_boundary=filled(iam.permissions_boundary_arn, fill),
                ),
                tags=ownership.tags(f"role-{purpose}", tier.spec.tags),
            )
        )
    found.append(
        Resource(
            address=log_group_address(tier, installation, account),
            spec=LogGroup(retention_days=tier.spec.observability.log_retention_days),
            tags=ownership.tags("log-group", tier.spec.tags),
        )
    )
    return found


def tier_ownership(tier: Tier, installation: str) -> tags.Ownership:
    """The ownership tags of what belongs to the tier itself."""
    owner = tags.Owner(kind="Tier", namespace="", name=tier.metadata.name, uid=tier.metadata.uid)
    return tags.Ownership(installation=installation, owner=owner, tier=tier.metadata.name)


def role_address(tier: Tier, installation: str, account: str, purpose: str) -> Address:
    """The address of the tier's `task` or `execution` role in an account."""
    name = names.role(installation, tier.metadata.name, tier.spec.region, purpose)
    return Address(account=account, region=GLOBAL, type=Role.__name__, name=name)


def log_group_address(tier: Tier, installation: str, account: str) -> Address:
    """The address of the tier's log group in an account."""
    name = names.log_group(installation, tier.metadata.name)
    return Address(account=account, region=tier.spec.region, type=LogGroup.__name__, name=name)


def _trust(account: str) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            }
        ],
    }


def _execution_policy(tier: Tier, log_group: str, fill: Mapping[str, str]) -> Mapping[str, Any]:
    """What ECS needs to start the tier's tasks: pull images, write to the tier's log group, read its secrets.

    It is AmazonECSTaskExecutionRolePolicy with the logs narrowed to one group, and it needs no managed policy to exist.
    """
    logs = f"arn:{fill['Partition']}:logs:{fill['Region']}:{fill['AccountId']}:log-group:{log_group}:*"
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    statements = [
        {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", *pull], "Resource": "*"},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs},
    ]
    own = _secret_resources(tier.spec.workload.secrets.values())
    allowed = {
        prefix.replace("{tenantId}", "*") + "*" for prefix in tier.spec.allowed_tenants.secret_arn_prefixes
    }
    for action, service in (
        ("secretsmanager:GetSecretValue", ":secretsmanager:"),
        ("ssm:GetParameters", ":ssm:"),
    ):
        resources = sorted(arn for arn in own | allowed if service in arn)
        if resources:
            statements.append({"Effect": "Allow", "Action": action, "Resource": resources})
    return {"Version": "2012-10-17", "Statement": statements}


def _secret_resources(arns: Iterable[str]) -> set[str]:
    """Secrets Manager's `secret:name-AbCdEf:json-key:stage:id` names one key of the secret: the ARN ends before it."""
    return {":".join(arn.split(":")[:7]) if ":secretsmanager:" in arn else arn for arn in arns}
