"""Clusters.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteCluster.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.roles import ECS_SERVICE_ROLE, make_service_linked_role
from tenant_operator.sandbox.aws.services.ecs import tags
from tenant_operator.sandbox.aws.services.ecs.paging import page
from tenant_operator.sandbox.aws.services.ecs.state import (
    STARTING,
    Cluster,
    EcsState,
    TaskStatus,
    cluster_name,
    invalid,
)
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_DESCRIBED = 100
_CLUSTERS = ("L-21C621EB", 10_000)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PROVIDERS = frozenset({"FARGATE", "FARGATE_SPOT"})
_KEPT = (
    "configuration",
    "settings",
    "capacityProviders",
    "defaultCapacityProviderStrategy",
    "serviceConnectDefaults",
)
_INCLUDED = {"CONFIGURATIONS": "configuration", "SETTINGS": "settings"}

behaviours = Behaviours("ecs")


def _state(sim: Simulation, call: Call) -> EcsState:
    return sim.state(EcsState, call.account, call.region)


@behaviours.answers("CreateCluster")
def _create_cluster(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Returns an existing ACTIVE cluster as it is: there is no AlreadyExists."""
    cluster = _create(sim, _state(sim, call), call)
    return {"cluster": _describe(_state(sim, call), cluster, {"TAGS", "SETTINGS", "CONFIGURATIONS"})}


@behaviours.answers("DescribeClusters")
def _describe_clusters(sim: Simulation, call: Call) -> Mapping[str, Any]:
    wanted = call.parameters.get("clusters") or ["default"]
    if len(wanted) > MAX_DESCRIBED:
        raise invalid(f"Clusters cannot have more than {MAX_DESCRIBED} elements.")
    included = set(call.parameters.get("include", []))
    found = [(name, _state(sim, call).clusters.get(cluster_name(name))) for name in wanted]
    return {
        "clusters": [
            _describe(_state(sim, call), cluster, included) for _, cluster in found if cluster is not None
        ],
        "failures": [
            {"arn": _arn(call, cluster_name(name)), "reason": "MISSING"}
            for name, cluster in found
            if cluster is None
        ],
    }


@behaviours.answers("ListClusters")
def _list_clusters(sim: Simulation, call: Call) -> Mapping[str, Any]:
    arns = [cluster.arn for cluster in _state(sim, call).clusters.values() if cluster.status == "ACTIVE"]
    shown, token = page(arns, call.parameters)
    return {"clusterArns": shown, "nextToken": token}


@behaviours.answers("UpdateCluster", "UpdateClusterSettings", "PutClusterCapacityProviders")
def _update_cluster(sim: Simulation, call: Call) -> Mapping[str, Any]:
    cluster = _state(sim, call).cluster(call.parameters["cluster"])
    _check_providers(call.parameters)
    cluster.settings.update({name: value for name, value in call.parameters.items() if name in _KEPT})
    return {"cluster": _describe(_state(sim, call), cluster, {"TAGS", "SETTINGS", "CONFIGURATIONS"})}


@behaviours.answers("DeleteCluster")
def _delete_cluster(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Refused while services are ACTIVE or tasks run; INACTIVE afterwards, still described by name."""
    cluster = _state(sim, call).cluster(call.parameters["cluster"])
    if any(service.status == "ACTIVE" for service in cluster.services.values()):
        message = "The Cluster cannot be deleted while Services are active."
        raise AwsFailure("ClusterContainsServicesException", message)
    if cluster.tasks():
        message = "The Cluster cannot be deleted while Tasks are active."
        raise AwsFailure("ClusterContainsTasksException", message)
    cluster.status = "INACTIVE"
    return {"cluster": _describe(_state(sim, call), cluster, set())}


def _create(sim: Simulation, state: EcsState, call: Call) -> Cluster:
    name = call.parameters.get("clusterName", "default")
    if not _NAME.fullmatch(name):
        raise invalid(
            "Identifier is not valid: up to 255 letters, numbers, underscores and hyphens are allowed."
        )
    make_service_linked_role(call.account, ECS_SERVICE_ROLE)
    existing = state.clusters.get(name)
    if existing is not None and existing.status == "ACTIVE":
        return existing
    code, default = _CLUSTERS
    active = sum(cluster.status == "ACTIVE" for cluster in state.clusters.values())
    if active >= sim.quota(call.account, call.region, code, default):
        raise AwsFailure(
            "LimitExceededException", "The maximum number of clusters per account has been reached."
        )
    _check_providers(call.parameters)
    tags.check(call.parameters.get("tags", []))
    settings = {name: value for name, value in call.parameters.items() if name in _KEPT}
    cluster = Cluster(_arn(call, name), name, settings)
    state.clusters[name] = cluster
    state.tags.pop(cluster.arn, None)
    tags.put(state, cluster.arn, call.parameters.get("tags", []))
    return cluster


def _check_providers(parameters: Mapping[str, Any]) -> None:
    providers = set(parameters.get("capacityProviders", []))
    strategy = {entry["capacityProvider"] for entry in parameters.get("defaultCapacityProviderStrategy", [])}
    if unknown := (providers | strategy) - _PROVIDERS:
        raise invalid(f"The specified capacity provider(s) were not found: {', '.join(sorted(unknown))}")


def _describe(state: EcsState, cluster: Cluster, included: set[str]) -> dict[str, Any]:
    tasks = cluster.tasks()
    shown: dict[str, Any] = {
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": sum(task.status is TaskStatus.RUNNING for task in tasks),
        "pendingTasksCount": sum(task.status in STARTING for task in tasks),
        "activeServicesCount": sum(service.status == "ACTIVE" for service in cluster.services.values()),
        "statistics": [],
        "tags": tags.shown(state, cluster.arn) if "TAGS" in included else [],
        "settings": [],
        "capacityProviders": cluster.settings.get("capacityProviders", []),
        "defaultCapacityProviderStrategy": cluster.settings.get("defaultCapacityProviderStrategy", []),
    }
    for name, member in _INCLUDED.items():
        if name in included and member in cluster.settings:
            shown[member] = cluster.settings[member]
    return shown


def _arn(call: Call, name: str) -> str:
    return f"arn:{call.partition}:ecs:{call.region}:{call.account}:cluster/{name}"
