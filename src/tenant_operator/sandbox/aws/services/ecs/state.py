"""The clusters, task definitions, services and tasks of one account and Region."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface

Document = Mapping[str, Any]  # a structure of the API, by the members' own names

MAX_DEPLOYMENTS = 100  # ECS keeps them for 90 days
MAX_EVENTS = 100  # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html


class TaskStatus(StrEnum):
    """Where a task is.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
    """

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"  # its targets drain
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


STARTING = frozenset({TaskStatus.PROVISIONING, TaskStatus.PENDING})


@dataclass(slots=True)
class TaskDefinition:
    """One revision of a family; `document` is what Describe shows, without status and times."""

    arn: str
    family: str
    revision: int
    document: dict[str, Any]
    registered_at: datetime
    status: str = "ACTIVE"  # ACTIVE | INACTIVE | DELETE_IN_PROGRESS
    deregistered_at: datetime | None = None

    @property
    def containers(self) -> list[dict[str, Any]]:
        """The container definitions."""
        found: list[dict[str, Any]] = self.document["containerDefinitions"]
        return found

    @property
    def cpu_units(self) -> int:
        """Of a whole task; 1,024 are a vCPU."""
        return int(self.document.get("cpu", 0))


@dataclass(slots=True)
class Task:
    """A task of a service's deployment."""

    arn: str
    id: str
    cluster: Cluster
    service: Service
    deployment_id: str
    definition: TaskDefinition
    interface: Interface
    created_at: datetime
    status: TaskStatus = TaskStatus.PROVISIONING
    desired_status: str = "RUNNING"
    running_since: float = 0.0  # on the simulation's clock
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    registered: tuple[tuple[str, int], ...] = ()  # (target group ARN, container port)
    version: int = 0  # of its state, counted up by every change
    has_public_ip: bool = False
    loaded: bool = False  # its health check passes, if it is reached
    was_healthy: bool = False

    @property
    def stopping(self) -> bool:
        """On its way to STOPPED, or there."""
        return self.desired_status == "STOPPED"


@dataclass(slots=True)
class Deployment:
    """A rollout of a service's settings. The newest is PRIMARY; those being replaced are ACTIVE."""

    id: str
    definition: TaskDefinition
    network: Document
    load_balancers: tuple[Document, ...]
    capacity: Document  # launchType or capacityProviderStrategy, and platformVersion
    created_at: datetime
    updated_at: datetime
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    failed_tasks: int = 0
    completed_once: bool = False
    wait_until: float = 0.0  # no new task before this, after a failure
    rolls_back_to: Deployment | None = None  # what the circuit breaker went back to


@dataclass(slots=True)
class Service:
    """`settings` holds the members that Describe shows as they were given."""

    arn: str
    name: str
    cluster: Cluster
    account: str
    region: str
    settings: dict[str, Any]
    desired: int
    deployments: list[Deployment]  # newest first
    created_at: datetime
    created_by: str
    client_token: str = ""
    request: Document = field(default_factory=dict)  # CreateService's parameters, to recognise a repetition
    status: str = "ACTIVE"  # ACTIVE | DRAINING | INACTIVE
    steady: bool = False
    wake_at: float = 0.0  # when the scheduler looks again by itself, on the simulation's clock
    tasks: dict[str, Task] = field(default_factory=dict)  # by ARN, not STOPPED
    history: deque[Deployment] = field(default_factory=lambda: deque(maxlen=MAX_DEPLOYMENTS))  # oldest first
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))  # newest first

    @property
    def primary(self) -> Deployment:
        """The deployment that the service is going to, or is at."""
        return self.deployments[0]

    def of_deployment(self, deployment: Deployment) -> list[Task]:
        """The deployment's tasks that are not STOPPED."""
        return [task for task in self.tasks.values() if task.deployment_id == deployment.id]


@dataclass(slots=True)
class Cluster:
    """A cluster with its services by name; STOPPED tasks stay visible for a while."""

    arn: str
    name: str
    settings: dict[str, Any]
    status: str = "ACTIVE"
    services: dict[str, Service] = field(default_factory=dict)
    stopped: dict[str, Task] = field(default_factory=dict)

    def service(self, name_or_arn: str) -> Service | None:
        """By name, or by ARN."""
        return self.services.get(name_or_arn.rsplit("/", 1)[-1])

    def tasks(self) -> list[Task]:
        """All tasks that are not STOPPED."""
        return [task for service in self.services.values() for task in service.tasks.values()]


@dataclass(slots=True)
class EcsState:
    """Everything of one account and Region."""

    clusters: dict[str, Cluster] = field(default_factory=dict)  # by name
    families: dict[str, list[TaskDefinition]] = field(default_factory=dict)  # oldest revision first
    tasks_by_address: dict[tuple[str, str], Task] = field(default_factory=dict)  # (VPC id, private address)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)  # by ARN
    account_settings: dict[str, str] = field(default_factory=dict)
    cpu_in_use: int = 0  # CPU units of tasks that are not STOPPED, for Fargate's vCPU quota

    def cluster(self, name_or_arn: str | None) -> Cluster:
        """An ACTIVE cluster by name or ARN; `default` when not given.

        Raises:
            AwsFailure: ClusterNotFoundException.
        """
        found = self.clusters.get(cluster_name(name_or_arn))
        if found is None or found.status != "ACTIVE":
            raise AwsFailure("ClusterNotFoundException", "Cluster not found.")
        return found

    def definition(self, name: str) -> TaskDefinition | None:
        """By ARN, by `family:revision`, or the newest ACTIVE one of `family`."""
        short = name.rsplit("/", 1)[-1]
        family, _, revision = short.partition(":")
        revisions = self.families.get(family, [])
        if revision:
            number = int(revision) if revision.isdigit() else 0
            return revisions[number - 1] if 1 <= number <= len(revisions) else None
        return next((found for found in reversed(revisions) if found.status == "ACTIVE"), None)


def cluster_name(name_or_arn: str | None) -> str:
    """The name in a cluster's name or ARN."""
    return (name_or_arn or "default").rsplit("/", 1)[-1]


def invalid(message: str) -> AwsFailure:
    """InvalidParameterException."""
    return AwsFailure("InvalidParameterException", message)


def client_error(message: str) -> AwsFailure:
    """ClientException."""
    return AwsFailure("ClientException", message)
