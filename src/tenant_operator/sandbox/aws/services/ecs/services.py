"""Services: create, update, delete, describe.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteService.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.roles import (
    ECS_SERVICE_ROLE,
    assumable_by,
    find_role,
    make_service_linked_role,
)
from tenant_operator.sandbox.aws.services.ecs import notices, service_checks, tags
from tenant_operator.sandbox.aws.services.ecs.events import say
from tenant_operator.sandbox.aws.services.ecs.paging import page
from tenant_operator.sandbox.aws.services.ecs.scheduler import Scheduler
from tenant_operator.sandbox.aws.services.ecs.state import (
    Cluster,
    Deployment,
    Document,
    EcsState,
    Service,
    Task,
    TaskDefinition,
    invalid,
)
from tenant_operator.sandbox.aws.services.ecs.task_life import TaskLife, is_starting
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_DESCRIBED = 10
_SERVICES_PER_CLUSTER = ("L-9EF96962", 5_000)
_DEFAULT_LIST = 10
# Members that are stored and shown as given, and start no deployment when they change.
_QUIET = ("enableECSManagedTags", "enableExecuteCommand", "propagateTags", "healthCheckGracePeriodSeconds")

behaviours = Behaviours("ecs")


def _state(sim: Simulation, call: Call) -> EcsState:
    return sim.state(EcsState, call.account, call.region)


@behaviours.answers("CreateService")
def _create_service(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Idempotent by clientToken only; a name is free again once the old service is INACTIVE."""
    service = _create(sim, _state(sim, call), call)
    sim.part(Scheduler).step(service)
    return {"service": _describe(_state(sim, call), service, with_tags=True)}


@behaviours.answers("UpdateService")
def _update_service(sim: Simulation, call: Call) -> Mapping[str, Any]:
    service = _active(_state(sim, call), call)
    _update(sim, _state(sim, call), service, call)
    sim.part(Scheduler).step(service)
    return {"service": _describe(_state(sim, call), service, with_tags=True)}


@behaviours.answers("DeleteService")
def _delete_service(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """DRAINING until its tasks are gone, then INACTIVE; refused at a desired count above 0 unless forced."""
    service = _active(_state(sim, call), call)
    if service.desired > 0 and not call.parameters.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    service.status, service.desired = "DRAINING", 0
    sim.part(Scheduler).step(service)
    _await_inactive(sim, service)
    return {"service": _describe(_state(sim, call), service)}


@behaviours.answers("DescribeServices")
def _describe_services(sim: Simulation, call: Call) -> Mapping[str, Any]:
    wanted = call.parameters["services"]
    if len(wanted) > MAX_DESCRIBED:
        raise invalid(f"Services cannot have more than {MAX_DESCRIBED} elements.")
    cluster = _state(sim, call).cluster(call.parameters.get("cluster"))
    with_tags = "TAGS" in call.parameters.get("include", [])
    found = [(name, cluster.service(name)) for name in wanted]
    return {
        "services": [
            _describe(_state(sim, call), service, with_tags) for _, service in found if service is not None
        ],
        "failures": [
            {"arn": _arn(cluster, name.rsplit("/", 1)[-1]), "reason": "MISSING"}
            for name, service in found
            if service is None
        ],
    }


@behaviours.answers("ListServices")
def _list_services(sim: Simulation, call: Call) -> Mapping[str, Any]:
    cluster = _state(sim, call).cluster(call.parameters.get("cluster"))
    arns = [service.arn for service in cluster.services.values() if service.status != "INACTIVE"]
    shown, token = page(arns, call.parameters, default=_DEFAULT_LIST)
    return {"serviceArns": shown, "nextToken": token}


def _create(sim: Simulation, state: EcsState, call: Call) -> Service:
    parameters = call.parameters
    name, token = parameters["serviceName"], parameters.get("clientToken", "")
    service_checks.name(name)
    service_checks.client_token(token)
    cluster = state.cluster(parameters.get("cluster"))
    existing = cluster.services.get(name)
    if existing is not None and existing.status != "INACTIVE":
        return _same(existing, token, parameters)
    _check_service_role(sim, call.account)
    code, default = _SERVICES_PER_CLUSTER
    if len(cluster.services) >= sim.quota(call.account, call.region, code, default):
        raise AwsFailure(
            "LimitExceededException", "The maximum number of services per cluster has been reached."
        )
    if parameters.get("schedulingStrategy", "REPLICA") != "REPLICA":
        raise invalid("The sandbox simulates the REPLICA scheduling strategy only.")
    definition = service_checks.definition(state, parameters.get("taskDefinition", ""))
    balancers = service_checks.load_balancers(sim, call, parameters.get("loadBalancers", []), definition)
    configuration = service_checks.deployment_configuration(parameters.get("deploymentConfiguration", {}))
    desired = service_checks.desired_count(parameters.get("desiredCount"))
    tags.check(parameters.get("tags", []))
    settings = {
        "deploymentConfiguration": configuration,
        "healthCheckGracePeriodSeconds": service_checks.grace_period(
            parameters.get("healthCheckGracePeriodSeconds", 0), balancers
        ),
        "availabilityZoneRebalancing": service_checks.rebalancing(
            parameters.get(
                "availabilityZoneRebalancing",
                "ENABLED" if configuration["maximumPercent"] > 100 else "DISABLED",
            ),
            configuration,
        ),
        "enableECSManagedTags": parameters.get("enableECSManagedTags", False),
        "enableExecuteCommand": parameters.get("enableExecuteCommand", False),
        "propagateTags": parameters.get("propagateTags", "NONE"),
    }
    service = Service(
        arn=_arn(cluster, name),
        name=name,
        cluster=cluster,
        account=call.account,
        region=call.region,
        settings=settings,
        desired=desired,
        deployments=[],
        created_at=sim.timestamp(),
        created_by=call.principal.arn,
        client_token=token,
        request=parameters,
    )
    network = service_checks.network(call, parameters.get("networkConfiguration"))
    _deploy(sim, service, definition, network, balancers, service_checks.capacity(parameters, cluster))
    cluster.services[name] = service
    state.tags.pop(service.arn, None)
    tags.put(state, service.arn, parameters.get("tags", []))
    return service


def _same(existing: Service, token: str, parameters: Mapping[str, Any]) -> Service:
    if existing.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if token and token == existing.client_token and parameters == existing.request:
        return existing
    raise invalid("Creation of service was not idempotent.")


def _check_service_role(sim: Simulation, account: str) -> None:
    """ECS makes its own role at the first use of a cluster; until IAM knows it everywhere, services are refused."""
    role = find_role(account, ECS_SERVICE_ROLE)
    if role is None or not assumable_by(sim, account, role.arn, "ecs.amazonaws.com"):
        make_service_linked_role(account, ECS_SERVICE_ROLE)
        message = (
            "Unable to assume the service linked role. Please verify that the ECS service linked role exists."
        )
        raise invalid(message)


def _update(sim: Simulation, state: EcsState, service: Service, call: Call) -> None:
    """A change of what tasks are made of starts a new deployment; one of their number does not."""
    parameters, primary = call.parameters, service.primary
    wanted = _wanted_deployment(sim, state, service, call)
    _, _, balancers, _ = wanted
    service.settings = _changed_settings(service, parameters, balancers)
    if "desiredCount" in parameters:
        service.desired = service_checks.desired_count(parameters["desiredCount"])
        service.steady = False
    current = (primary.definition, primary.network, primary.load_balancers, primary.capacity)
    if wanted != current or parameters.get("forceNewDeployment"):
        _deploy(sim, service, *wanted)


def _wanted_deployment(
    sim: Simulation, state: EcsState, service: Service, call: Call
) -> tuple[TaskDefinition, Document, tuple[Document, ...], Document]:
    parameters, primary = call.parameters, service.primary
    definition, balancers = primary.definition, primary.load_balancers
    if "taskDefinition" in parameters:
        definition = service_checks.definition(state, parameters["taskDefinition"])
    if "loadBalancers" in parameters or definition is not primary.definition:
        wanted = parameters.get("loadBalancers", balancers)
        balancers = service_checks.load_balancers(sim, call, wanted, definition)
    network, capacity = primary.network, primary.capacity
    if "networkConfiguration" in parameters:
        network = service_checks.network(call, parameters["networkConfiguration"])
    if parameters.keys() & {"capacityProviderStrategy", "platformVersion"}:
        capacity = service_checks.capacity(parameters, service.cluster)
    return definition, network, balancers, capacity


def _changed_settings(
    service: Service, parameters: Mapping[str, Any], balancers: tuple[Document, ...]
) -> dict[str, Any]:
    settings = {**service.settings, **{name: parameters[name] for name in _QUIET if name in parameters}}
    if "deploymentConfiguration" in parameters:
        merged = {**settings["deploymentConfiguration"], **parameters["deploymentConfiguration"]}
        settings["deploymentConfiguration"] = service_checks.deployment_configuration(merged)
    rebalancing = parameters.get("availabilityZoneRebalancing", settings["availabilityZoneRebalancing"])
    settings["availabilityZoneRebalancing"] = service_checks.rebalancing(
        rebalancing, settings["deploymentConfiguration"]
    )
    if "healthCheckGracePeriodSeconds" in parameters:
        service_checks.grace_period(settings["healthCheckGracePeriodSeconds"], balancers)
    return settings


def _deploy(
    sim: Simulation,
    service: Service,
    definition: TaskDefinition,
    network: Mapping[str, Any],
    balancers: tuple[Mapping[str, Any], ...],
    capacity: Mapping[str, Any],
) -> None:
    """Start a new PRIMARY deployment; the one before becomes ACTIVE and is replaced step by step."""
    if service.deployments:
        service.primary.status = "ACTIVE"
    now = sim.timestamp()
    deployment = Deployment(
        id=f"ecs-svc/{sim.rng.randrange(10**18, 10**19)}",
        definition=definition,
        network=network,
        load_balancers=balancers,
        capacity=capacity,
        created_at=now,
        updated_at=now,
    )
    deployment.rollout_reason = f"ECS deployment {deployment.id} in progress."
    service.deployments.insert(0, deployment)
    service.history.append(deployment)
    service.steady = False
    notices.deployment_changed(sim, service, deployment)


def _await_inactive(sim: Simulation, service: Service) -> None:
    """INACTIVE a while after the last task is gone."""

    def look() -> None:
        if service.tasks:
            sim.after(sim.durations.service_inactive, look)
            return
        service.status = "INACTIVE"
        service.deployments = []
        say(sim, service, "has been deleted.")

    sim.after(sim.durations.service_inactive, look)


def _active(state: EcsState, call: Call) -> Service:
    service = state.cluster(call.parameters.get("cluster")).service(call.parameters["service"])
    if service is None or service.status == "INACTIVE":
        raise AwsFailure("ServiceNotFoundException", "Service not found.")
    if service.status != "ACTIVE":
        raise AwsFailure("ServiceNotActiveException", "Service was not ACTIVE.")
    return service


def _describe(state: EcsState, service: Service, with_tags: bool = False) -> dict[str, Any]:
    tasks = list(service.tasks.values())
    shown: dict[str, Any] = {
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.cluster.arn,
        "status": service.status,
        "desiredCount": service.desired,
        "runningCount": sum(map(TaskLife.is_running, tasks)),
        "pendingCount": sum(map(is_starting, tasks)),
        "serviceRegistries": [],
        "deployments": [_describe_deployment(service, deployment) for deployment in service.deployments],
        "events": list(service.events),
        "createdAt": service.created_at,
        "createdBy": service.created_by,
        "placementConstraints": [],
        "placementStrategy": [],
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "roleArn": f"arn:aws:iam::{service.account}:role/aws-service-role/ecs.amazonaws.com/{ECS_SERVICE_ROLE}",
        "platformFamily": "Linux",
        "loadBalancers": [],
        **service.settings,
    }
    if service.deployments:
        primary = service.primary
        shown |= {
            "taskDefinition": primary.definition.arn,
            "loadBalancers": list(primary.load_balancers),
            "networkConfiguration": primary.network,
            **primary.capacity,
        }
    if with_tags:
        shown["tags"] = tags.shown(state, service.arn)
    return shown


def _describe_deployment(service: Service, deployment: Deployment) -> dict[str, Any]:
    tasks: list[Task] = service.of_deployment(deployment)
    primary = deployment is service.primary
    return {
        "id": deployment.id,
        "status": deployment.status,
        "taskDefinition": deployment.definition.arn,
        "desiredCount": service.desired if primary else sum(not task.stopping for task in tasks),
        "pendingCount": sum(map(is_starting, tasks)),
        "runningCount": sum(map(TaskLife.is_running, tasks)),
        "failedTasks": deployment.failed_tasks,
        "createdAt": deployment.created_at,
        "updatedAt": deployment.updated_at,
        "networkConfiguration": deployment.network,
        "rolloutState": deployment.rollout_state,
        "rolloutStateReason": deployment.rollout_reason,
        "platformFamily": "Linux",
        **deployment.capacity,
    }


def _arn(cluster: Cluster, name: str) -> str:
    return f"{cluster.arn.replace(':cluster/', ':service/')}/{name}"
