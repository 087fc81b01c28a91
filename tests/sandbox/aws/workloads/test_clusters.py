"""ECS clusters and task definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import eventually, refused
from tests.sandbox.aws.workloads.conftest import Compute


def test_creating_a_cluster_again_gives_the_same_one_unchanged(compute: Compute) -> None:
    compute.ecs.create_cluster(clusterName="cell", tags=[{"key": "a", "value": "1"}])
    again = compute.ecs.create_cluster(clusterName="cell", tags=[{"key": "b", "value": "2"}])["cluster"]
    assert again["tags"] == [{"key": "a", "value": "1"}]


def test_a_cluster_with_services_cannot_be_deleted(compute: Compute) -> None:
    compute.new_service(desiredCount=0)
    with refused("ClusterContainsServicesException"):
        compute.ecs.delete_cluster(cluster=compute.cluster)


def test_a_cluster_with_tasks_cannot_be_deleted(compute: Compute, slow: Callable[..., None]) -> None:
    compute.new_service()
    compute.settle()
    slow(task_stop=600)
    compute.ecs.delete_service(cluster=compute.cluster, service="app", force=True)
    with refused("ClusterContainsTasksException"):
        compute.ecs.delete_cluster(cluster=compute.cluster)


def test_a_deleted_cluster_is_inactive_and_unlisted(compute: Compute) -> None:
    compute.ecs.delete_cluster(cluster=compute.cluster)
    [shown] = compute.ecs.describe_clusters(clusters=["cell"])["clusters"]
    assert shown["status"] == "INACTIVE"
    assert compute.ecs.list_clusters()["clusterArns"] == []
    with refused("ClusterNotFoundException"):
        compute.ecs.delete_cluster(cluster="cell")


def test_an_unknown_cluster_is_a_failure_not_an_error(compute: Compute) -> None:
    found = compute.ecs.describe_clusters(clusters=["none"])
    assert (found["clusters"], found["failures"][0]["reason"]) == ([], "MISSING")


def test_clusters_are_listed_in_pages(compute: Compute) -> None:
    for number in range(3):
        compute.ecs.create_cluster(clusterName=f"cell-{number}")
    pages = compute.ecs.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["clusterArns"]) for page in pages] == [2, 1]


def test_tags_are_shown_when_asked_for(compute: Compute) -> None:
    compute.ecs.tag_resource(resourceArn=compute.cluster, tags=[{"key": "tenant", "value": "acme"}])
    assert compute.ecs.describe_clusters(clusters=["cell"])["clusters"][0]["tags"] == []
    [shown] = compute.ecs.describe_clusters(clusters=["cell"], include=["TAGS"])["clusters"]
    assert shown["tags"] == [{"key": "tenant", "value": "acme"}]
    compute.ecs.untag_resource(resourceArn=compute.cluster, tagKeys=["tenant"])
    assert compute.ecs.list_tags_for_resource(resourceArn=compute.cluster)["tags"] == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cpu": "256", "memory": "4096"}, "No Fargate configuration exists"),
        ({"cpu": "300", "memory": "512"}, "No Fargate configuration exists"),
        ({"networkMode": "bridge"}, "only supports network mode"),
        ({"executionRoleArn": ""}, "execution role ARN to support log driver"),
        ({"family": "a/b"}, "Family contains invalid characters"),
        ({"containerDefinitions": []}, "cannot be empty"),
    ],
)
def test_task_definitions_that_fargate_cannot_run_are_refused(
    compute: Compute, parameters: dict[str, Any], message: str
) -> None:
    with refused("ClientException", message):
        compute.definition(**parameters)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"stopTimeout": 121}, "at most 120"),
        ({"portMappings": [{"containerPort": 80, "hostPort": 81}]}, "must match"),
        ({"memory": 1024}, "must not be larger"),
        (
            {
                "environment": [{"name": "KEY", "value": "1"}],
                "secrets": [{"name": "KEY", "valueFrom": "arn:aws:secretsmanager:us-east-1:1:secret:x"}],
            },
            "The secret name must be unique",
        ),
    ],
)
def test_containers_that_fargate_cannot_run_are_refused(
    compute: Compute, members: dict[str, Any], message: str
) -> None:
    with refused("ClientException", message):
        compute.definition(containerDefinitions=[compute.container(**members)])


def test_a_task_definition_is_shown_with_defaults(compute: Compute) -> None:
    arn = compute.definition()
    shown = compute.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    [container] = shown["containerDefinitions"]
    assert container["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert (container["essential"], container["cpu"], container["environment"]) == (True, 0, [])
    assert shown["status"] == "ACTIVE"


def test_revisions_are_listed_by_family_newest_first(compute: Compute) -> None:
    arns = [compute.definition() for _ in range(3)]
    compute.definition(family="other")
    listed = compute.ecs.list_task_definitions(familyPrefix="app", sort="DESC")["taskDefinitionArns"]
    assert listed == arns[::-1]
    compute.ecs.deregister_task_definition(taskDefinition=arns[1])
    inactive = compute.ecs.list_task_definitions(familyPrefix="app", status="INACTIVE")["taskDefinitionArns"]
    assert inactive == [arns[1]]
    assert compute.ecs.describe_task_definition(taskDefinition="app")["taskDefinition"]["revision"] == 3


def test_only_inactive_revisions_are_deleted(compute: Compute) -> None:
    arn = compute.definition()
    assert compute.ecs.delete_task_definitions(taskDefinitions=[arn])["failures"]
    compute.ecs.deregister_task_definition(taskDefinition=arn)
    deleted = compute.ecs.delete_task_definitions(taskDefinitions=[arn])
    assert (deleted["taskDefinitions"][0]["status"], deleted["failures"]) == ("DELETE_IN_PROGRESS", [])


def test_a_cluster_counts_what_runs_in_it(compute: Compute) -> None:
    compute.new_service(desiredCount=2)

    def counted() -> tuple[int, int]:
        [shown] = compute.ecs.describe_clusters(clusters=["cell"])["clusters"]
        return shown["activeServicesCount"], shown["runningTasksCount"]

    eventually(lambda: counted() == (1, 2))
