"""What CreateService and UpdateService refuse.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.ecs.state import (
    Cluster,
    Document,
    EcsState,
    TaskDefinition,
    client_error,
    invalid,
)
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Simulation

MAX_TARGET_GROUPS = 5
MAX_TASKS = 5_000
MAX_TOKEN = 36
MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5
MAX_GRACE_SECONDS = 2_147_483_647
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PROVIDERS = frozenset({"FARGATE", "FARGATE_SPOT"})


def name(value: str) -> None:
    """Raises AwsFailure: a name with other characters, or too long."""
    if not _NAME.fullmatch(value):
        raise invalid(
            "Identifier is not valid: up to 255 letters, numbers, underscores and hyphens are allowed."
        )


def client_token(value: str) -> None:
    """Raises AwsFailure: longer than 36 characters."""
    if len(value) > MAX_TOKEN:
        raise invalid(f"Client token must be at most {MAX_TOKEN} characters.")


def desired_count(value: int | None) -> int:
    """Raises AwsFailure: missing, negative or too large."""
    if value is None or not 0 <= value <= MAX_TASKS:
        raise invalid(
            f"Desired count must be between 0 and {MAX_TASKS} for services with the REPLICA strategy."
        )
    return value


def definition(state: EcsState, wanted: str) -> TaskDefinition:
    """Raises AwsFailure: unknown, or not ACTIVE any more."""
    found = state.definition(wanted)
    if found is None:
        raise client_error("TaskDefinition not found.")
    if found.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return found


def deployment_configuration(given: Mapping[str, Any]) -> dict[str, Any]:
    """With defaults filled in.

    Raises:
        AwsFailure: percentages that block every rollout.
    """
    made: dict[str, Any] = {
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
        **given,
    }
    if made["strategy"] != "ROLLING":
        raise invalid("The sandbox simulates the ROLLING deployment strategy only.")
    if made["maximumPercent"] == made["minimumHealthyPercent"] == 100:
        raise invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        )
    if made["maximumPercent"] < 100 or not 0 <= made["minimumHealthyPercent"] <= made["maximumPercent"]:
        raise invalid(
            "maximumPercent must be at least 100, and minimumHealthyPercent between 0 and maximumPercent."
        )
    return made


def rebalancing(value: str, configuration: Mapping[str, Any]) -> str:
    """Raises AwsFailure: Availability Zone rebalancing without room for it."""
    if value == "ENABLED" and configuration["maximumPercent"] <= 100:
        raise invalid("Availability Zone rebalancing needs a maximumPercent above 100.")
    return value


def grace_period(seconds: int, load_balancers: Sequence[Document]) -> int:
    """Raises AwsFailure: a grace period without a load balancer."""
    if not 0 <= seconds <= MAX_GRACE_SECONDS:
        raise invalid("Health check grace period must be between 0 and 2147483647 seconds.")
    if seconds and not load_balancers:
        raise invalid("Health check grace period is only valid for services configured to use load balancers")
    return seconds


def capacity(parameters: Mapping[str, Any], cluster: Cluster) -> dict[str, Any]:
    """The launch type or the capacity provider strategy.

    Raises:
        AwsFailure: both, or a provider that the cluster does not have.
    """
    strategy = parameters.get("capacityProviderStrategy") or []
    launch_type = parameters.get("launchType")
    if strategy and launch_type:
        raise invalid("Specifying both a launch type and capacity provider strategy is not supported.")
    if not strategy and launch_type is None:
        strategy = cluster.settings.get("defaultCapacityProviderStrategy", [])
    platform = {"platformVersion": parameters.get("platformVersion", "LATEST")}
    if not strategy:
        if launch_type not in (None, "FARGATE"):
            raise invalid("The sandbox simulates launch type FARGATE only.")
        return {"launchType": "FARGATE", **platform}
    associated = set(cluster.settings.get("capacityProviders", []))
    for entry in strategy:
        if entry["capacityProvider"] not in _PROVIDERS & associated:
            raise invalid(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
                "with the cluster. Associate the capacity provider with the cluster and try again."
            )
    return {"capacityProviderStrategy": [{"weight": 0, "base": 0, **entry} for entry in strategy], **platform}


def network(call: Call, given: Mapping[str, Any] | None) -> Document:
    """With defaults filled in.

    Raises:
        AwsFailure: missing, unknown subnets or security groups, or those of several VPCs.
    """
    given_vpc = (given or {}).get("awsvpcConfiguration")
    if not given_vpc or not given_vpc.get("subnets"):
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets, groups = given_vpc["subnets"], given_vpc.get("securityGroups", [])
    if len(subnets) > MAX_SUBNETS or len(groups) > MAX_SECURITY_GROUPS:
        raise invalid(
            f"At most {MAX_SUBNETS} subnets and {MAX_SECURITY_GROUPS} security groups can be specified."
        )
    backend = ec2_backends[call.account][call.region]
    vpcs = set()
    for subnet_id in subnets:
        subnet = next((zone[subnet_id] for zone in backend.subnets.values() if subnet_id in zone), None)
        if subnet is None:
            raise invalid(
                f"Error retrieving subnet information for [{subnet_id}]: The subnet ID '{subnet_id}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
        vpcs.add(subnet.vpc_id)
    if len(vpcs) > 1:
        raise invalid("All subnets must be in the same VPC.")
    of_vpc = backend.groups.get(next(iter(vpcs)), {})
    for group_id in groups:
        if group_id not in of_vpc:
            raise invalid(
                f"Error retrieving security group information for [{group_id}]: The security group '{group_id}' does "
                "not exist in the VPC of the subnets (ErrorCode: InvalidGroup.NotFound)"
            )
    default = [group.id for group in of_vpc.values() if group.name == "default"]
    return {
        "awsvpcConfiguration": {
            "subnets": list(subnets),
            "securityGroups": list(groups) or default,
            "assignPublicIp": given_vpc.get("assignPublicIp", "DISABLED"),
        }
    }


def load_balancers(
    sim: Simulation, call: Call, given: Sequence[Mapping[str, Any]], task_definition: TaskDefinition
) -> tuple[Document, ...]:
    """Raises AwsFailure: a group that is unknown, of the wrong type or unattached, or a container that is not there."""
    if len(given) > MAX_TARGET_GROUPS:
        raise invalid(f"load balancers can have at most {MAX_TARGET_GROUPS} items.")
    groups = sim.state(ElbState, call.account, call.region).target_groups
    for balancer in given:
        arn = balancer.get("targetGroupArn", "")
        group = groups.get(arn)
        if group is None:
            raise invalid(f"The target group with targetGroupArn {arn} does not exist.")
        if group.settings["TargetType"] != "ip":
            raise invalid(
                f"The provided target group {arn} has target type {group.settings['TargetType']}, which is "
                "incompatible with the awsvpc network mode specified in the task definition."
            )
        if group.load_balancer_arn is None:
            raise invalid(
                f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            )
        _check_container(balancer, task_definition)
    return tuple(dict(balancer) for balancer in given)


def _check_container(balancer: Mapping[str, Any], task_definition: TaskDefinition) -> None:
    wanted, port = balancer.get("containerName"), balancer.get("containerPort")
    container = next((found for found in task_definition.containers if found["name"] == wanted), None)
    if container is None:
        raise invalid(f"The container {wanted} does not exist in the task definition.")
    if port not in [mapping["containerPort"] for mapping in container["portMappings"]]:
        raise invalid(f"The container {wanted} did not have a container port {port} defined.")
