"""What ECS puts on the event bus by itself, and the calls it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.events.conftest import API_CALL, Queue
from tests.sandbox.aws.workloads.conftest import Compute

Trail = Callable[..., Queue]
DEPLOYMENT, ACTION, TASK = "ECS Deployment State Change", "ECS Service Action", "ECS Task State Change"


def until(queue: Queue, *wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """All events until each wanted one has come."""
    found: list[dict[str, Any]] = []
    while not all(any(is_wanted(event) for event in found) for is_wanted in wanted):
        found += queue.events()
    return found


def named(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: bool(event["detail"].get("eventName") == name)


def of(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The detail of the event with this name."""
    found: dict[str, Any] = next(event["detail"] for event in events if named(name)(event))
    return found


def test_a_rollout_is_told_from_beginning_to_end(compute: Compute, trail: Trail) -> None:
    queue = trail("aws.ecs", types=(DEPLOYMENT, ACTION))
    service = compute.new_service(compute.used_group())
    events = until(queue, named("SERVICE_DEPLOYMENT_COMPLETED"), named("SERVICE_STEADY_STATE"))
    assert all(event["resources"] == [service["serviceArn"]] for event in events)
    begun, done = of(events, "SERVICE_DEPLOYMENT_IN_PROGRESS"), of(events, "SERVICE_DEPLOYMENT_COMPLETED")
    assert begun["deploymentId"] == done["deploymentId"] == service["deployments"][0]["id"]
    assert "clusterArn" not in done
    assert of(events, "SERVICE_STEADY_STATE")["clusterArn"] == compute.cluster
    assert {event["detail"]["eventType"] for event in events} == {"INFO"}


def test_a_failed_rollout_is_told_as_an_error(
    compute: Compute, trail: Trail, control: SandboxAWS, request: pytest.FixtureRequest
) -> None:
    queue = trail("aws.ecs", types=(DEPLOYMENT, ACTION))
    request.addfinalizer(control.fail_images)
    control.fail_images("registry.example/bad:*")
    compute.new_service(taskDefinition=compute.definition("registry.example/bad:1"))
    events = until(queue, named("SERVICE_DEPLOYMENT_FAILED"), named("SERVICE_TASK_START_IMPAIRED"))
    assert of(events, "SERVICE_DEPLOYMENT_FAILED")["eventType"] == "ERROR"


def test_each_state_of_a_task_is_told(compute: Compute, trail: Trail) -> None:
    queue = trail("aws.ecs", types=(TASK,))
    compute.new_service()
    compute.settle()
    [task] = compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"]
    compute.ecs.stop_task(cluster=compute.cluster, task=task, reason="by hand")
    events = until(queue, lambda event: bool(event["detail"]["lastStatus"] == "STOPPED"))
    mine = [event["detail"] for event in events if event["resources"] == [task]]
    states = {detail["version"]: detail["lastStatus"] for detail in mine}
    assert [states[version] for version in sorted(states)][:3] == ["PROVISIONING", "PENDING", "RUNNING"]
    stopped = next(detail for detail in mine if detail["lastStatus"] == "STOPPED")
    assert stopped["stoppedReason"] == "by hand"
    assert stopped["group"] == "service:app"


def test_ecs_registers_targets_by_its_own_role(compute: Compute, trail: Trail) -> None:
    group = compute.used_group()
    parameters = compute.service_parameters(group)
    queue = trail("aws.elasticloadbalancing", types=(API_CALL,))
    compute.ecs.create_service(**parameters)
    detail = of(until(queue, named("RegisterTargets")), "RegisterTargets")
    assert detail["requestParameters"]["targetGroupArn"] == group
    issuer = detail["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert (issuer["userName"], detail["userIdentity"]["invokedBy"]) == (
        "AWSServiceRoleForECS",
        "ecs.amazonaws.com",
    )
