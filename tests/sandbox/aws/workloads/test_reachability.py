"""With the setting `reachability`: tasks need ways out, and security groups that let them be reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.foundations.conftest import REGION, eventually
from tests.sandbox.aws.workloads.conftest import PORT, Compute

ECR_IMAGE = f"222222222222.dkr.ecr.{REGION}.amazonaws.com/app:1"


@pytest.fixture(autouse=True)
def reachability(control: SandboxAWS) -> Iterator[None]:
    control.settings(reachability=True)
    yield
    control.settings(reachability=False)


def reason(compute: Compute) -> str:
    eventually(lambda: bool(compute.stopped_tasks()))
    found: str = compute.stopped_tasks()[0]["stoppedReason"]
    return found


def security_group(compute: Compute, name: str) -> str:
    made = compute.account.client("ec2").create_security_group(
        GroupName=name, Description=name, VpcId=compute.vpc
    )
    group_id: str = made["GroupId"]
    return group_id


def admit(compute: Compute, group: str, source: str, port: int) -> None:
    permission = {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "UserIdGroupPairs": [{"GroupId": source}],
    }
    compute.account.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])


def add_endpoints(compute: Compute, tasks: str) -> None:
    """Everything that a task in a private subnet needs to start."""
    ec2 = compute.account.client("ec2")
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=compute.vpc, **{attribute: {"Value": True}})
    endpoints = security_group(compute, "endpoints")
    admit(compute, endpoints, tasks, 443)
    for service in ("ecr.api", "ecr.dkr", "logs"):
        ec2.create_vpc_endpoint(
            VpcId=compute.vpc,
            VpcEndpointType="Interface",
            ServiceName=f"com.amazonaws.{REGION}.{service}",
            SubnetIds=compute.subnets,
            SecurityGroupIds=[endpoints],
            PrivateDnsEnabled=True,
        )
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [compute.vpc]}])["RouteTables"]
    ec2.create_vpc_endpoint(
        VpcId=compute.vpc,
        ServiceName=f"com.amazonaws.{REGION}.s3",
        RouteTableIds=[table["RouteTableId"] for table in tables],
    )
    mine = [{"Name": "vpc-id", "Values": [compute.vpc]}]
    eventually(
        lambda: all(
            found["State"].lower() == "available"
            for found in ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
        )
    )


def network(compute: Compute, group: str) -> dict[str, object]:
    return {"awsvpcConfiguration": {"subnets": compute.subnets, "securityGroups": [group]}}


def test_a_private_subnet_without_endpoints_reaches_no_registry(compute: Compute) -> None:
    compute.new_service(taskDefinition=compute.definition(ECR_IMAGE))
    assert "cannot pull registry auth from Amazon ECR" in reason(compute)


def test_a_private_subnet_reaches_no_public_registry(compute: Compute) -> None:
    container = compute.container("registry.example/app:1")
    del container["logConfiguration"]
    compute.new_service(taskDefinition=compute.definition(containerDefinitions=[container]))
    assert "i/o timeout" in reason(compute)


def test_endpoints_are_enough_to_start(compute: Compute) -> None:
    tasks = security_group(compute, "tasks")
    add_endpoints(compute, tasks)
    compute.new_service(
        taskDefinition=compute.definition(ECR_IMAGE), networkConfiguration=network(compute, tasks)
    )
    compute.settle()


def test_a_target_is_healthy_once_its_security_group_lets_the_load_balancer_in(compute: Compute) -> None:
    balancer, tasks = security_group(compute, "balancer"), security_group(compute, "tasks")
    add_endpoints(compute, tasks)
    arn = compute.new_load_balancer(SecurityGroups=[balancer])
    group = compute.new_group(HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2)
    compute.new_rule(1, group, listener=compute.new_listener(arn))
    compute.new_service(
        group,
        taskDefinition=compute.definition(ECR_IMAGE),
        networkConfiguration=network(compute, tasks),
        healthCheckGracePeriodSeconds=600,
    )
    eventually(lambda: compute.health(group) == ["unhealthy"])
    admit(compute, tasks, balancer, PORT)
    eventually(lambda: compute.health(group) == ["healthy"])
    compute.settle()
