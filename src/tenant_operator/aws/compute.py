"""ECS as the rest of the program sees it: the readings, and the writers by type.

Revisions of task definitions, target health and the reasons of failures are read on demand: see `aws.task_definitions`,
`aws.target_groups` and `aws.task_failures`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tenant_operator.aws import clusters, services, task_definitions
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.clusters import read_clusters
from tenant_operator.aws.services import read_services
from tenant_operator.aws.target_groups import read_target_health
from tenant_operator.aws.task_definitions import (
    digest,
    newest_task_definitions,
    prune,
    read_task_definition,
    recalled,
)
from tenant_operator.aws.task_failures import failure_detail
from tenant_operator.desired.resources import Cluster, Live, Resource, Service, Spec, TaskDefinition
from tenant_operator.plan.change import FieldChange

__all__ = [
    "CREATE",
    "DELETE",
    "UPDATE",
    "digest",
    "failure_detail",
    "newest_task_definitions",
    "prune",
    "read_clusters",
    "read_services",
    "read_target_health",
    "read_task_definition",
    "recalled",
]

CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    Cluster: clusters.create_cluster,
    TaskDefinition: task_definitions.create_task_definition,
    Service: services.create_service,
}

UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    Cluster: clusters.update_cluster,
    TaskDefinition: task_definitions.update_task_definition,
    Service: services.update_service,
}

DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    Cluster: clusters.delete_cluster,
    TaskDefinition: task_definitions.delete_task_definition,
    Service: services.delete_service,
}
