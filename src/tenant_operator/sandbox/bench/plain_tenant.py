"""One tenant made by hand: the five writes of a boto3 script that tags nothing and keeps nothing in mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WRITES = (
    "elbv2:CreateTargetGroup",
    "elbv2:CreateRule",
    "ecs:CreateCluster",
    "ecs:RegisterTaskDefinition",
    "ecs:CreateService",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where tenants are made.

    Attributes:
        elb: a boto3 client of Elastic Load Balancing in the group's account.
        ecs: one of ECS.
        listener: the ARN of the group's listener.
        vpc: the VPC's id.
        network: the services' `awsvpcConfiguration`.
        roles: `taskRoleArn` and `executionRoleArn`, which Fargate wants for an image from ECR.
    """

    elb: Any
    ecs: Any
    listener: str
    vpc: str
    network: Mapping[str, Any]
    roles: Mapping[str, str]


def make(ground: Ground, name: str, priority: int, paths: Sequence[str]) -> str:
    """Make a target group, a rule for some paths, a cluster, a task definition and a service of one task.

    Returns:
        The cluster's ARN.
    """
    group = ground.elb.create_target_group(
        Name=name, Protocol="HTTP", Port=8080, VpcId=ground.vpc, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    ground.elb.create_rule(
        ListenerArn=ground.listener,
        Priority=priority,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": list(paths)}}],
        Actions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    cluster = str(ground.ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"])
    definition = ground.ecs.register_task_definition(
        family=name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "app",
                "image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1",
                "portMappings": [{"containerPort": 8080}],
            }
        ],
        **ground.roles,
    )["taskDefinition"]["taskDefinitionArn"]
    ground.ecs.create_service(
        cluster=cluster,
        serviceName=name,
        taskDefinition=definition,
        desiredCount=1,
        launchType="FARGATE",
        loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}],
        networkConfiguration={"awsvpcConfiguration": ground.network},
    )
    return cluster
