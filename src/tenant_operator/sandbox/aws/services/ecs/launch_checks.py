"""Why a task cannot start: its roles, its image, its secrets, its log group. In the words of AWS.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends

from tenant_operator.sandbox.aws.moto_objects import parameters
from tenant_operator.sandbox.aws.reachability import reaches_internet, reaches_service
from tenant_operator.sandbox.aws.roles import assumable_by
from tenant_operator.sandbox.aws.services.ecs.state import Service, Task, TaskDefinition
from tenant_operator.sandbox.aws.simulation import Simulation

_TASKS = "ecs-tasks.amazonaws.com"
_ECR_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")


def unassumable_role(sim: Simulation, service: Service, definition: TaskDefinition) -> str | None:
    """The first of the task's roles that ECS cannot assume: missing, not trusting ECS tasks, or too new."""
    for member in ("taskRoleArn", "executionRoleArn"):
        role_arn = definition.document.get(member)
        if role_arn and not assumable_by(sim, service.account, role_arn, _TASKS):
            return str(role_arn)
    return None


def start_failure(sim: Simulation, task: Task, failing_images: Sequence[str]) -> str | None:
    """The stoppedReason of a task that is placed but cannot start, or None."""
    for container in task.definition.containers:
        reason = (
            _network_failure(sim, task, container)
            or _secret_failure(task.service, container)
            or _log_failure(task.service, container)
            or _image_failure(container["image"], failing_images)
        )
        if reason is not None:
            return reason
    return None


def _network_failure(sim: Simulation, task: Task, container: dict[str, Any]) -> str | None:
    """What a task cannot reach: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html."""
    if not sim.reachability or reaches_internet(task.interface, public_ip=task.has_public_ip):
        return None
    missing = [name for name in _services_needed(container) if not reaches_service(sim, task.interface, name)]
    if "ecr.api" in missing:
        return (
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth "
            "from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network "
            "configuration."
        )
    if {"secretsmanager", "ssm"} & set(missing):
        return (
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets: There "
            f"is a connection issue between the task and {missing[0]}. Check your task network configuration."
        )
    if missing == ["logs"]:
        return (
            "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch "
            "log group defined in the task definition. There is a connection issue between the task and Amazon "
            "CloudWatch. Check your network configuration."
        )
    if missing or not _ECR_IMAGE.match(container["image"]):
        image = container["image"]
        return (
            f"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: "
            f'failed to do request: Head "https://{image}": dial tcp: i/o timeout'
        )
    return None


def _services_needed(container: dict[str, Any]) -> Iterator[str]:
    if _ECR_IMAGE.match(container["image"]):
        yield from ("ecr.api", "ecr.dkr", "s3")
    for secret in container.get("secrets", []):
        yield "secretsmanager" if ":secretsmanager:" in secret["valueFrom"] else "ssm"
    if (container.get("logConfiguration") or {}).get("logDriver") == "awslogs":
        yield "logs"


def _image_failure(image: str, failing: Sequence[str]) -> str | None:
    if not any(fnmatchcase(image, pattern) for pattern in failing):
        return None
    return (
        f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: "
        f"{image}: not found"
    )


def _log_failure(service: Service, container: dict[str, Any]) -> str | None:
    configuration = container.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    if configuration.get("logDriver") != "awslogs" or options.get("awslogs-create-group") == "true":
        return None
    region = options.get("awslogs-region", service.region)
    if options.get("awslogs-group") in logs_backends[service.account][region].groups:
        return None
    return (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
        "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. "
        ": exit status 1"
    )


def _secret_failure(service: Service, container: dict[str, Any]) -> str | None:
    for secret in container.get("secrets", []):
        arn = str(secret["valueFrom"])
        if not _secret_exists(service, arn):
            return (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
                "failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch "
                f"secret {arn} from secrets manager: ResourceNotFoundException: Secrets Manager can't find the "
                "specified secret."
            )
    return None


def _secret_exists(service: Service, arn: str) -> bool:
    parts = arn.split(":")
    if len(parts) < 6:  # a plain name is one of the Systems Manager parameter store
        return arn in parameters(service.account, service.region)
    region, account = parts[3], parts[4]
    if parts[2] == "ssm":
        return parts[5].removeprefix("parameter") in parameters(account, region)
    secret_arn = ":".join(parts[:7])
    return any(
        secret.arn in (secret_arn, arn) or secret.arn.rsplit("-", 1)[0] == secret_arn
        for secret in secretsmanager_backends[account][region].secrets.values()
    )
