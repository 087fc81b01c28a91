"""What ECS itself puts on the account's default event bus, beside what CloudTrail says of calls.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tenant_operator.sandbox.aws.services.ecs import task_document
from tenant_operator.sandbox.aws.services.ecs.state import Deployment, Service, Task
from tenant_operator.sandbox.aws.services.events import delivery
from tenant_operator.sandbox.aws.simulation import Simulation

SOURCE = "aws.ecs"


def service_action(sim: Simulation, service: Service, name: str, severity: str, reason: str = "") -> None:
    """An "ECS Service Action", such as SERVICE_STEADY_STATE; `severity` is INFO, WARN or ERROR."""
    detail = {
        "eventType": severity,
        "eventName": name,
        "clusterArn": service.cluster.arn,
        "createdAt": _milliseconds(sim.timestamp()),
    }
    _put(sim, service, "ECS Service Action", service.arn, {**detail, "reason": reason} if reason else detail)


def deployment_changed(sim: Simulation, service: Service, deployment: Deployment) -> None:
    """An "ECS Deployment State Change": its rollout is IN_PROGRESS, COMPLETED or FAILED."""
    detail = {
        "eventType": "ERROR" if deployment.rollout_state == "FAILED" else "INFO",
        "eventName": f"SERVICE_DEPLOYMENT_{deployment.rollout_state}",
        "deploymentId": deployment.id,
        "updatedAt": _milliseconds(deployment.updated_at),
        "reason": deployment.rollout_reason,
    }
    _put(sim, service, "ECS Deployment State Change", service.arn, detail)


def task_changed(sim: Simulation, task: Task) -> None:
    """An "ECS Task State Change": the task as it is now, with the number of its states so far."""
    task.version += 1
    service = task.service
    if not delivery.is_heard(sim, service.account, service.region):
        return
    shown = _as_json(task_document.shown(task))
    detail = {**shown, "version": task.version, "updatedAt": _milliseconds(sim.timestamp())}
    _put(sim, service, "ECS Task State Change", task.arn, detail)


def _put(
    sim: Simulation, service: Service, detail_type: str, resource: str, detail: Mapping[str, Any]
) -> None:
    account, region = service.account, service.region
    if not delivery.is_heard(sim, account, region):
        return
    event = delivery.envelope(sim, account, region, SOURCE, detail_type, detail, [resource])
    delivery.put_on_default_bus(sim, account, region, event)


def _milliseconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _as_json(value: Any) -> Any:
    match value:
        case dict():
            return {name: _as_json(item) for name, item in value.items() if item is not None}
        case list() | tuple():
            return [_as_json(item) for item in value]
        case datetime():
            return _milliseconds(value)
        case _:
            return value
