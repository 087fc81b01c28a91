"""ECS services of tenants: reading, making, changing, deleting.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tenant_operator.aws import tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.aws.visibility import creation_token
from tenant_operator.desired.resources import CONTAINER, Address, Live, Resource, Service, ServiceState
from tenant_operator.plan.change import FieldChange

SERVICES_PER_CALL = 10
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html"""

BREAKER = {"enable": True, "rollback": True}
"""Without the circuit breaker a rollout that cannot work stays IN_PROGRESS for ever
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html)."""

NO_REBALANCING = "DISABLED"
"""Rebalancing over zones stops tasks that serve, which loses the state that they hold in memory."""


async def read_services(
    caller: Caller, cluster: Live, names_of_services: Iterable[str]
) -> dict[Address, Live]:
    """The services of one cluster; INACTIVE ones do not exist any more, DRAINING ones still do.

    Live attribute `state`: a `ServiceState`. When the cluster has more active services than were found by name, all of
    its services are listed, so that one that nobody expects is seen too. A cluster that has gone has no services.

    Args:
        caller: Bound to the cluster's account and Region.
        cluster: The cluster, as `read_clusters` shows it.
        names_of_services: The names to look for.

    Raises:
        AwsError: AWS refused a reading.
    """
    wanted = sorted(set(names_of_services))
    try:
        found = await _describe(caller, cluster.id, wanted)
        active = sum(service["status"] == "ACTIVE" for service in found)
        if active < int(cluster.attributes.get("services", 0)):
            arns = await caller.pages("ecs", "list_services", "serviceArns", cluster=cluster.id)
            seen = {service["serviceArn"] for service in found}
            found += await _describe(caller, cluster.id, [arn for arn in arns if arn not in seen])
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return {}
        raise
    lives = (_live(caller, service) for service in found if service["status"] != "INACTIVE")
    return {live.address: live for live in lives}


async def create_service(caller: Caller, resource: Resource) -> Live:
    """Make a service; its tasks start at once.

    Raises:
        AwsError: RETRY while a role or the target group's load balancer is not usable yet, or while a service of the
            same name still drains; EXISTS with code `ForeignOwner` when the name is somebody else's.
    """
    spec = _spec(resource)
    try:
        answer = await caller(
            "ecs",
            "create_service",
            cluster=str(spec.cluster),
            serviceName=_service_name(resource.address),
            clientToken=creation_token(resource.address, str(spec.target_group), str(spec.task_definition)),
            taskDefinition=str(spec.task_definition),
            desiredCount=spec.desired_count,
            loadBalancers=_load_balancers(spec),
            healthCheckGracePeriodSeconds=spec.grace_seconds,
            networkConfiguration=_network(spec),
            deploymentConfiguration=_deployment(spec),
            availabilityZoneRebalancing=NO_REBALANCING,
            propagateTags="SERVICE",
            enableECSManagedTags=False,
            tags=tagging.as_lower_list(resource.tags),
            **(_providers(spec) if spec.spot else {"launchType": "FARGATE"}),
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        return await _existing(caller, resource, error)
    live = _live(caller, answer["service"])
    return replace(live, tags=dict(resource.tags))


async def update_service(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set what differs right, in one call; what does not differ is not sent.

    A changed number of tasks starts no new deployment. A changed task definition, target group, network or capacity
    provider does.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the service has gone or is draining.
    """
    wanted = changed_parameters(_spec(resource), {change.field for change in changes})
    if wanted:
        answer = await caller(
            "ecs", "update_service", cluster=str(_live_spec(live).cluster), service=live.id, **wanted
        )
        live = replace(_live(caller, answer["service"]), tags=live.tags)
    return await with_tags(caller, resource, live)


async def restart_service(caller: Caller, live: Live) -> Live:
    """Replace all tasks by new ones of the same definition, keeping to the deployment's percentages.

    Raises:
        AwsError: AWS refused.
    """
    cluster = str(_live_spec(live).cluster)
    answer = await caller("ecs", "update_service", cluster=cluster, service=live.id, forceNewDeployment=True)
    return replace(_live(caller, answer["service"]), tags=live.tags)


async def delete_service(caller: Caller, live: Live) -> None:
    """Begin to delete a service: its tasks are told to stop first, so that it need not be forced.

    It is DRAINING, then INACTIVE. One that has gone, or drains already, is done.

    Raises:
        AwsError: AWS refused; SPEC while tasks run.
    """
    spec = _live_spec(live)
    state = live.attributes.get("state")
    if isinstance(state, ServiceState) and state.status == "DRAINING":
        return
    try:
        if spec.desired_count > 0:
            await caller("ecs", "update_service", cluster=str(spec.cluster), service=live.id, desiredCount=0)
        await caller("ecs", "delete_service", cluster=str(spec.cluster), service=live.id, force=False)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _existing(caller: Caller, resource: Resource, error: AwsError) -> Live:
    """What has the name already: ours is taken, one that drains is waited for."""
    cluster = str(_spec(resource).cluster)
    for service in await _describe(caller, cluster, [_service_name(resource.address)]):
        if service["status"] == "DRAINING":
            message = f"the service {service['serviceName']} that had the name before is still draining"
            raise caller.error("ecs", "create_service", "ServiceDraining", message, Category.RETRY)
        if service["status"] == "ACTIVE":
            return adopted(caller, resource, _live(caller, service), "ecs", "create_service")
    raise error


async def _describe(caller: Caller, cluster: str, services: Sequence[str]) -> list[dict[str, Any]]:
    chunks = [
        services[start : start + SERVICES_PER_CALL] for start in range(0, len(services), SERVICES_PER_CALL)
    ]
    answers = await asyncio.gather(
        *(
            caller("ecs", "describe_services", cluster=cluster, services=list(chunk), include=["TAGS"])
            for chunk in chunks
        )
    )
    return [service for answer in answers for service in answer["services"]]


def changed_parameters(spec: Service, fields: set[str]) -> dict[str, Any]:
    """The parameters of an UpdateService for the fields that differ."""
    everything = "unexpected" in fields
    wanted: dict[str, Any] = {}
    if "desired_count" in fields:
        wanted["desiredCount"] = spec.desired_count
    if "task_definition" in fields:
        wanted["taskDefinition"] = str(spec.task_definition)
    if "target_group" in fields:
        wanted["loadBalancers"] = _load_balancers(spec)
    if "grace_seconds" in fields:
        wanted["healthCheckGracePeriodSeconds"] = spec.grace_seconds
    if everything or fields & {"subnets", "security_groups"}:
        wanted["networkConfiguration"] = _network(spec)
    if everything or fields & {"minimum_healthy_percent", "maximum_percent"}:
        wanted["deploymentConfiguration"] = _deployment(spec)
    if everything:
        wanted["availabilityZoneRebalancing"] = NO_REBALANCING
    if "spot" in fields:
        # An empty strategy means the launch type that the service was made with; by itself it moves no task.
        wanted |= _providers(spec) if spec.spot else {"capacityProviderStrategy": []}
        wanted["forceNewDeployment"] = True
    return wanted


def _providers(spec: Service) -> dict[str, Any]:
    return (
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]} if spec.spot else {}
    )


def _load_balancers(spec: Service) -> list[dict[str, Any]]:
    return [
        {
            "targetGroupArn": str(spec.target_group),
            "containerName": CONTAINER,
            "containerPort": spec.container_port,
        }
    ]


def _network(spec: Service) -> dict[str, Any]:
    return {
        "awsvpcConfiguration": {
            "subnets": [str(subnet) for subnet in spec.subnets],
            "securityGroups": [str(group) for group in spec.security_groups],
            "assignPublicIp": "DISABLED",
        }
    }


def _deployment(spec: Service) -> dict[str, Any]:
    return {
        "deploymentCircuitBreaker": BREAKER,
        "minimumHealthyPercent": spec.minimum_healthy_percent,
        "maximumPercent": spec.maximum_percent,
    }


def _live(caller: Caller, service: dict[str, Any]) -> Live:
    cluster = service["clusterArn"]
    network = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    deployment = service.get("deploymentConfiguration") or {}
    balancers = service.get("loadBalancers") or [{}]
    spec = Service(
        cluster=cluster,
        target_group=balancers[0].get("targetGroupArn", ""),
        container_port=int(balancers[0].get("containerPort", 0)),
        task_definition=service.get("taskDefinition", ""),
        desired_count=int(service.get("desiredCount", 0)),
        subnets=tuple(network.get("subnets") or ()),
        security_groups=tuple(network.get("securityGroups") or ()),
        spot=any(
            p["capacityProvider"] == "FARGATE_SPOT" for p in service.get("capacityProviderStrategy") or ()
        ),
        grace_seconds=int(service.get("healthCheckGracePeriodSeconds") or 0),
        minimum_healthy_percent=int(deployment.get("minimumHealthyPercent", 100)),
        maximum_percent=int(deployment.get("maximumPercent", 200)),
        unexpected=tuple(_unexpected(service, network, deployment)),
    )
    address = Address(
        account=caller.account,
        region=caller.region,
        type=Service.__name__,
        name=f"{cluster.rsplit('/', 1)[-1]}/{service['serviceName']}",
    )
    return Live(
        address=address,
        id=service["serviceArn"],
        spec=spec,
        tags=tagging.from_lower_list(service.get("tags")),
        attributes={"state": _state(service)},
    )


def _unexpected(
    service: dict[str, Any], network: dict[str, Any], deployment: dict[str, Any]
) -> Iterable[str]:
    if network.get("assignPublicIp", "DISABLED") != "DISABLED":
        yield "tasks get public addresses"
    breaker = deployment.get("deploymentCircuitBreaker", BREAKER)
    if not breaker.get("enable") or not breaker.get("rollback"):
        yield "the deployment circuit breaker is off"
    if service.get("availabilityZoneRebalancing", NO_REBALANCING) != NO_REBALANCING:
        yield "rebalancing over zones is on"


def _state(service: dict[str, Any]) -> ServiceState:
    deployments = service.get("deployments") or ()
    primary: dict[str, Any] = next((d for d in deployments if d.get("status") == "PRIMARY"), {})
    failed = [deployment for deployment in deployments if deployment.get("rolloutState") == "FAILED"]
    newest_failed: dict[str, Any] = max(failed, key=_age, default={})
    events = service.get("events") or [{}]
    newest = max(events, key=lambda event: str(event.get("createdAt", "")))
    return ServiceState(
        status=service["status"],
        running=int(service.get("runningCount", 0)),
        pending=int(service.get("pendingCount", 0)),
        rollout=primary.get("rolloutState") or "IN_PROGRESS",
        rollout_reason=primary.get("rolloutStateReason", ""),
        primary_task_definition=primary.get("taskDefinition", ""),
        deployments=len(deployments),
        failed_tasks=int(primary.get("failedTasks", 0)),
        event=newest.get("message", ""),
        failed_task_definition=newest_failed.get("taskDefinition", ""),
    )


def _age(deployment: dict[str, Any]) -> str:
    """What sorts the younger of two deployments last."""
    return str(deployment.get("createdAt", ""))


def _service_name(address: Address) -> str:
    return address.name.partition("/")[2]


def _spec(resource: Resource) -> Service:
    if not isinstance(resource.spec, Service):
        raise TypeError(f"{resource.address} is not an ECS service")
    return resource.spec


def _live_spec(live: Live) -> Service:
    if not isinstance(live.spec, Service):
        raise TypeError(f"{live.address} is not an ECS service")
    return live.spec
