"""Rollouts: tasks start, register, turn healthy, replace the old ones, or fail and are rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.foundations.conftest import eventually
from tests.sandbox.aws.workloads.conftest import LOG_GROUP, Compute

BAD_IMAGE = "registry.example/app:bad"


@pytest.fixture
def bad_image(control: SandboxAWS) -> Iterator[str]:
    control.fail_images("*:bad")
    yield BAD_IMAGE
    control.fail_images()


def primary(compute: Compute) -> dict[str, object]:
    found: dict[str, object] = compute.service()["deployments"][0]
    return found


def test_tasks_are_pending_then_running(compute: Compute, slow: Callable[..., None]) -> None:
    slow(task_start=0.5)
    shown = compute.new_service(desiredCount=2)
    assert (shown["pendingCount"], shown["runningCount"]) == (2, 0)
    assert shown["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    compute.settle()
    assert "has reached a steady state." in compute.events()


def test_tasks_become_targets_and_the_deployment_waits_for_their_health(
    compute: Compute, slow: Callable[..., None]
) -> None:
    slow(task_load=0.8)
    group = compute.used_group()
    compute.new_service(group, desiredCount=2)
    eventually(lambda: bool(compute.service()["runningCount"] == 2))
    assert compute.health(group) == ["initial", "initial"]
    assert primary(compute)["rolloutState"] == "IN_PROGRESS"
    compute.settle()
    assert compute.health(group) == ["healthy", "healthy"]


def test_a_new_task_definition_replaces_tasks_without_a_gap(compute: Compute) -> None:
    group = compute.used_group()
    compute.new_service(group)
    compute.settle()
    new = compute.definition("registry.example/app:2")
    compute.ecs.update_service(cluster=compute.cluster, service="app", taskDefinition=new)
    assert [found["status"] for found in compute.service()["deployments"]] == ["PRIMARY", "ACTIVE"]
    seen: list[list[str]] = []
    while not compute.is_settled():
        seen.append(compute.health(group))
    assert all("healthy" in states for states in seen)
    assert any("draining" in states for states in seen)
    assert compute.service()["taskDefinition"] == new


def test_scaling_starts_no_deployment(compute: Compute) -> None:
    compute.new_service()
    compute.settle()
    before = primary(compute)["id"]
    compute.ecs.update_service(cluster=compute.cluster, service="app", desiredCount=3)
    eventually(lambda: bool(compute.service()["runningCount"] == 3))
    compute.ecs.update_service(cluster=compute.cluster, service="app", desiredCount=0)
    eventually(lambda: bool(compute.service()["runningCount"] == 0))
    assert primary(compute)["id"] == before


def test_the_breaker_rolls_a_bad_image_back(compute: Compute, bad_image: str) -> None:
    group = compute.used_group()
    compute.new_service(group)
    compute.settle()
    good = compute.service()["taskDefinition"]
    compute.ecs.update_service(
        cluster=compute.cluster, service="app", taskDefinition=compute.definition(bad_image)
    )
    eventually(lambda: bool(compute.service()["taskDefinition"] == good))
    compute.settle()
    assert "deployment failed: tasks failed to start." in compute.events()
    assert "rolling back to deployment" in compute.events()
    assert any(
        task["stoppedReason"].startswith("CannotPullContainerError") for task in compute.stopped_tasks()
    )


def test_a_deployment_that_was_rolled_back_can_be_looked_up_later(compute: Compute, bad_image: str) -> None:
    compute.new_service(compute.used_group())
    compute.settle()
    began, bad = datetime.now(UTC), compute.definition(bad_image)
    compute.ecs.update_service(cluster=compute.cluster, service="app", taskDefinition=bad)
    eventually(lambda: bool(compute.service()["taskDefinition"] != bad))
    compute.settle()

    def listed(**filters: object) -> list[dict[str, Any]]:
        answer = compute.ecs.list_service_deployments(
            cluster=compute.cluster, service=compute.service()["serviceArn"], **filters
        )
        return list(answer["serviceDeployments"])

    assert [found["status"] for found in listed()] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    [failed] = listed(status=["ROLLBACK_SUCCESSFUL"], createdAt={"after": began - timedelta(seconds=1)})
    assert listed(createdAt={"after": began + timedelta(hours=1)}) == []
    [revision] = compute.ecs.describe_service_revisions(
        serviceRevisionArns=[failed["targetServiceRevisionArn"]]
    )["serviceRevisions"]
    assert revision["taskDefinition"] == bad


def test_a_first_deployment_fails_with_the_breaker(compute: Compute, bad_image: str) -> None:
    compute.new_service(taskDefinition=compute.definition(bad_image))
    eventually(lambda: primary(compute)["rolloutState"] == "FAILED")
    assert primary(compute)["failedTasks"] == 3


def test_without_the_breaker_it_tries_for_ever(compute: Compute, bad_image: str) -> None:
    compute.new_service(taskDefinition=compute.definition(bad_image), deploymentConfiguration={})
    eventually(lambda: int(str(primary(compute)["failedTasks"])) > 3)
    assert primary(compute)["rolloutState"] == "IN_PROGRESS"


def test_a_failed_deployment_is_replaced_by_a_good_one(compute: Compute, bad_image: str) -> None:
    compute.new_service(taskDefinition=compute.definition(bad_image))
    eventually(lambda: primary(compute)["rolloutState"] == "FAILED")
    compute.ecs.update_service(cluster=compute.cluster, service="app", taskDefinition=compute.definition())
    compute.settle()


def test_a_grace_period_of_zero_kills_slow_starters(compute: Compute, slow: Callable[..., None]) -> None:
    slow(task_load=30.0)
    group = compute.used_group(HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    compute.new_service(group, healthCheckGracePeriodSeconds=0)
    eventually(lambda: bool(compute.stopped_tasks()))
    assert compute.stopped_tasks()[0]["stoppedReason"].startswith("Task failed ELB health checks")


def test_a_missing_log_group_keeps_tasks_from_starting(compute: Compute) -> None:
    definition = compute.definition()
    compute.account.client("logs").delete_log_group(logGroupName=LOG_GROUP)
    compute.new_service(taskDefinition=definition)
    eventually(lambda: bool(compute.stopped_tasks()))
    [task, *_] = compute.stopped_tasks()
    assert "The specified log group does not exist" in task["stoppedReason"]
    assert task["stopCode"] == "TaskFailedToStart"


def test_a_missing_secret_keeps_tasks_from_starting(compute: Compute) -> None:
    arn = f"arn:aws:secretsmanager:us-east-1:{compute.account.id}:secret:none-AbCdEf"
    container = compute.container(secrets=[{"name": "KEY", "valueFrom": arn}])
    compute.new_service(taskDefinition=compute.definition(containerDefinitions=[container]))
    eventually(lambda: bool(compute.stopped_tasks()))
    assert "ResourceInitializationError" in compute.stopped_tasks()[0]["stoppedReason"]


def test_a_role_that_does_not_trust_ecs_is_no_failed_task(compute: Compute) -> None:
    role = compute.new_role("other", "lambda.amazonaws.com")
    compute.new_service(taskDefinition=compute.definition(taskRoleArn=role))
    assert f"ECS was unable to assume the role '{role}'" in compute.events()
    assert primary(compute)["failedTasks"] == 0


def test_a_new_role_is_assumable_after_a_while(compute: Compute, slow: Callable[..., None]) -> None:
    definition = compute.definition()  # makes the role
    assert compute.cluster
    slow(role_propagation=1.5)
    parameters = compute.service_parameters(taskDefinition=definition)
    slow(role_propagation=0.0)
    compute.ecs.create_service(**parameters)
    compute.settle()


def test_a_vcpu_quota_keeps_tasks_from_being_placed(compute: Compute) -> None:
    quota = {"account": compute.account.id, "region": "us-east-1", "code": "L-3032A538", "value": 0.25}
    compute.account.control.request("POST", "quotas", quota)
    compute.new_service(desiredCount=2)
    eventually(lambda: bool(compute.service()["runningCount"] == 1))
    assert "limit on the number of vCPUs" in compute.events()


def test_a_task_out_of_memory_is_replaced(compute: Compute) -> None:
    compute.new_service(compute.used_group())
    compute.settle()
    gone = compute.account.control.out_of_memory(compute.cluster, account=compute.account.id)["task"]
    assert compute.service()["runningCount"] == 0
    compute.settle()
    [task] = [found for found in compute.stopped_tasks() if found["taskArn"] == gone]
    assert task["stoppedReason"] == "Essential container in task exited"
    assert (task["containers"][0]["exitCode"], "OutOfMemory" in task["containers"][0]["reason"]) == (
        137,
        True,
    )


def test_a_task_stopped_by_hand_is_replaced(compute: Compute) -> None:
    compute.new_service()
    compute.settle()
    [before] = compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"]
    compute.ecs.stop_task(cluster=compute.cluster, task=before)
    compute.settle()
    assert compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"] != [before]


def test_tasks_are_spread_over_the_subnets_and_hold_them(compute: Compute) -> None:
    compute.new_service(desiredCount=2)
    compute.settle()
    arns = compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"]
    tasks = compute.ecs.describe_tasks(cluster=compute.cluster, tasks=arns)["tasks"]
    details = [
        {entry["name"]: entry["value"] for entry in task["attachments"][0]["details"]} for task in tasks
    ]
    assert {found["subnetId"] for found in details} == set(compute.subnets)
    ids = [found["networkInterfaceId"] for found in details]
    interfaces = compute.account.client("ec2").describe_network_interfaces(NetworkInterfaceIds=ids)
    assert len(interfaces["NetworkInterfaces"]) == 2


def test_a_deleted_service_drains_its_targets(compute: Compute) -> None:
    group = compute.used_group()
    compute.new_service(group)
    compute.settle()
    compute.ecs.delete_service(cluster=compute.cluster, service="app", force=True)
    assert compute.health(group) == ["draining"]
    eventually(lambda: bool(compute.service()["status"] == "INACTIVE"))
    assert compute.health(group) == []
    compute.ecs.delete_cluster(cluster=compute.cluster)


def test_targets_wait_for_their_rule(compute: Compute) -> None:
    group = compute.used_group()
    compute.new_service(group)
    compute.settle()
    rules = compute.elb.describe_rules(ListenerArn=compute.listener)["Rules"]
    [rule] = [found["RuleArn"] for found in rules if not found["IsDefault"]]
    compute.elb.delete_rule(RuleArn=rule)
    assert compute.health(group) == ["unused"]
    compute.new_rule(77, group)
    eventually(lambda: compute.health(group) == ["healthy"])


def test_forcing_a_deployment_replaces_the_tasks(compute: Compute) -> None:
    compute.new_service()
    compute.settle()
    before = compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"]
    compute.ecs.update_service(cluster=compute.cluster, service="app", forceNewDeployment=True)
    compute.settle()
    assert not set(compute.ecs.list_tasks(cluster=compute.cluster)["taskArns"]) & set(before)
