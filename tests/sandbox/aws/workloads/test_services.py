"""ECS services: what CreateService, UpdateService and DeleteService refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import eventually, refused
from tests.sandbox.aws.workloads.conftest import Compute


def test_a_target_group_without_a_load_balancer_is_refused(compute: Compute) -> None:
    with refused("InvalidParameterException", "does not have an associated load balancer"):
        compute.new_service(compute.new_group())


def test_an_instance_target_group_is_refused(compute: Compute) -> None:
    with refused("InvalidParameterException", "incompatible with the awsvpc network mode"):
        compute.new_service(compute.used_group(TargetType="instance"))


def test_a_container_must_be_in_the_task_definition(compute: Compute) -> None:
    group = compute.used_group()
    for container, port, message in (("web", 8080, "does not exist"), ("app", 81, "container port 81")):
        target = {"targetGroupArn": group, "containerName": container, "containerPort": port}
        with refused("InvalidParameterException", message):
            compute.new_service(group, loadBalancers=[target])


def test_the_same_name_again_is_refused(compute: Compute) -> None:
    compute.new_service(desiredCount=0)
    with refused("InvalidParameterException", "not idempotent"):
        compute.new_service(desiredCount=0)


def test_the_same_call_with_a_client_token_is_answered_again(compute: Compute) -> None:
    parameters = compute.service_parameters(desiredCount=0, clientToken="one")
    first = compute.ecs.create_service(**parameters)["service"]["serviceArn"]
    assert compute.ecs.create_service(**parameters)["service"]["serviceArn"] == first
    with refused("InvalidParameterException", "not idempotent"):
        compute.ecs.create_service(**{**parameters, "clientToken": "two"})


def test_a_name_is_free_again_once_its_service_is_inactive(
    compute: Compute, slow: Callable[..., None]
) -> None:
    slow(service_inactive=0.5)
    parameters = compute.service_parameters(desiredCount=0)
    compute.ecs.create_service(**parameters)
    compute.ecs.delete_service(cluster=compute.cluster, service="app")
    assert compute.service()["status"] == "DRAINING"
    with refused("InvalidParameterException", "still Draining"):
        compute.ecs.create_service(**parameters)
    eventually(lambda: bool(compute.service()["status"] == "INACTIVE"))
    assert compute.ecs.create_service(**parameters)["service"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"desiredCount": None}, "Desired count"),
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0123"]}}},
            "InvalidSubnetID.NotFound",
        ),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
            "will block deployments",
        ),
        ({"healthCheckGracePeriodSeconds": 60}, "only valid for services configured to use load balancers"),
        ({"serviceName": "a b"}, "Identifier is not valid"),
        ({"clientToken": "t" * 37}, "at most 36"),
        (
            {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
            "not associated",
        ),
    ],
)
def test_bad_settings_are_refused(compute: Compute, parameters: dict[str, Any], message: str) -> None:
    wanted = compute.service_parameters(**parameters)
    with refused("InvalidParameterException", message):
        compute.ecs.create_service(**{name: value for name, value in wanted.items() if value is not None})


def test_an_unknown_task_definition_is_refused(compute: Compute) -> None:
    with refused("ClientException", "TaskDefinition not found"):
        compute.new_service(taskDefinition="none:1")


def test_an_inactive_task_definition_is_refused(compute: Compute) -> None:
    arn = compute.definition()
    compute.ecs.deregister_task_definition(taskDefinition=arn)
    with refused("ClientException", "inactive"):
        compute.new_service(taskDefinition=arn)


def test_a_spot_service_needs_the_provider_in_its_cluster(compute: Compute) -> None:
    compute.ecs.put_cluster_capacity_providers(
        cluster=compute.cluster,
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[],
    )
    wanted = compute.service_parameters(
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    )
    del wanted["launchType"]
    made = compute.ecs.create_service(**wanted)["service"]
    assert made["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE_SPOT"
    assert "launchType" not in made


def test_a_scaled_service_is_deleted_by_force_only(compute: Compute) -> None:
    compute.new_service()
    with refused("InvalidParameterException", "scaled above 0"):
        compute.ecs.delete_service(cluster=compute.cluster, service="app")
    compute.ecs.delete_service(cluster=compute.cluster, service="app", force=True)


def test_a_draining_service_cannot_be_updated(compute: Compute) -> None:
    compute.new_service(desiredCount=0)
    compute.ecs.delete_service(cluster=compute.cluster, service="app")
    with refused("ServiceNotActiveException"):
        compute.ecs.update_service(cluster=compute.cluster, service="app", desiredCount=1)


def test_an_unknown_service_is_not_found(compute: Compute) -> None:
    with refused("ServiceNotFoundException"):
        compute.ecs.update_service(cluster=compute.cluster, service="none", desiredCount=1)
    found = compute.ecs.describe_services(cluster=compute.cluster, services=["none"])
    assert found["failures"][0]["reason"] == "MISSING"


def test_ten_services_are_described_at_once(compute: Compute) -> None:
    names = [f"s{number}" for number in range(11)]
    with refused("InvalidParameterException", "more than 10"):
        compute.ecs.describe_services(cluster=compute.cluster, services=names)


def test_services_are_listed_in_pages_of_ten(compute: Compute) -> None:
    definition = compute.definition()
    for number in range(11):
        compute.new_service(serviceName=f"s{number}", desiredCount=0, taskDefinition=definition)
    pages = compute.ecs.get_paginator("list_services").paginate(cluster=compute.cluster)
    assert [len(page["serviceArns"]) for page in pages] == [10, 1]


def test_services_of_another_cluster_are_not_described(compute: Compute) -> None:
    compute.new_service(desiredCount=0)
    compute.ecs.create_cluster(clusterName="other")
    found = compute.ecs.describe_services(cluster="other", services=["app"])
    assert found["services"] == []


def test_the_first_service_of_an_account_waits_for_the_role_of_ecs(
    compute: Compute, slow: Callable[..., None]
) -> None:
    parameters = compute.service_parameters(desiredCount=0)
    slow(role_propagation=3600.0)
    with refused("InvalidParameterException", "Unable to assume the service linked role"):
        compute.ecs.create_service(**parameters)
