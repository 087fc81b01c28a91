"""A task as DescribeTasks and EventBridge show it.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.services.ecs.state import Task


def shown(task: Task) -> dict[str, Any]:
    """By the members' own names; dates are dates."""
    interface = task.interface
    shown: dict[str, Any] = {
        "taskArn": task.arn,
        "clusterArn": task.cluster.arn,
        "taskDefinitionArn": task.definition.arn,
        "group": f"service:{task.service.name}",
        "startedBy": task.deployment_id,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "availabilityZone": interface.availability_zone,
        "cpu": task.definition.document.get("cpu", ""),
        "memory": task.definition.document.get("memory", ""),
        "connectivity": "CONNECTED",
        "createdAt": task.created_at,
        "desiredStatus": task.desired_status,
        "lastStatus": task.status.value,
        "healthStatus": "UNKNOWN",
        "attachments": [
            {
                "id": interface.description.rsplit("/", 1)[-1],
                "type": "ElasticNetworkInterface",
                "status": "DELETED" if task.status.value == "STOPPED" else "ATTACHED",
                "details": [
                    {"name": "subnetId", "value": interface.subnet_id},
                    {"name": "networkInterfaceId", "value": interface.id},
                    {"name": "privateIPv4Address", "value": interface.private_ip},
                ],
            }
        ],
        "containers": [_container(task, container) for container in task.definition.containers],
        "version": 1,
    }
    ended = {
        "startedAt": task.started_at,
        "stoppingAt": task.stopping_at,
        "stoppedAt": task.stopped_at,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
    }
    return {**shown, **{name: value for name, value in ended.items() if value}}


def _container(task: Task, container: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "containerArn": f"{task.arn.replace(':task/', ':container/')}/{container['name']}",
        "taskArn": task.arn,
        "name": container["name"],
        "image": container["image"],
        "lastStatus": task.status.value if task.status.value in ("RUNNING", "STOPPED") else "PENDING",
        "networkInterfaces": [
            {
                "attachmentId": task.interface.description.rsplit("/", 1)[-1],
                "privateIpv4Address": task.interface.private_ip,
            }
        ],
        "cpu": str(container["cpu"]),
    }
    if task.container_reason:
        shown["reason"] = task.container_reason
    if task.exit_code is not None:
        shown["exitCode"] = task.exit_code
    return shown
