"""Accounts with a network, a load balancer and what a service needs to run in them."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import REGION, Account, eventually

NOT_FOUND = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
LOG_GROUP = "app"
GOOD_IMAGE = "registry.example/app:1"
PORT = 8080


@dataclass
class LoadBalancing:
    """One VPC with two subnets, and as many load balancers, listeners, groups and rules as a test asks for."""

    account: Account
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @cached_property
    def elb(self) -> Any:
        return self.account.client("elbv2")

    @cached_property
    def vpc(self) -> str:
        return self.account.vpc()

    @cached_property
    def subnets(self) -> list[str]:
        return [self.account.subnet(self.vpc, number, zone) for number, zone in enumerate("ab")]

    @cached_property
    def load_balancer(self) -> str:
        return self.new_load_balancer()

    @cached_property
    def listener(self) -> str:
        return self.new_listener(self.load_balancer)

    def new_load_balancer(self, **parameters: Any) -> str:
        wanted = {
            "Name": f"lb-{next(self._numbers)}",
            "Subnets": self.subnets,
            "Scheme": "internal",
            **parameters,
        }
        arn: str = self.elb.create_load_balancer(**wanted)["LoadBalancers"][0]["LoadBalancerArn"]
        return arn

    def new_listener(self, load_balancer: str, port: int = 80, **parameters: Any) -> str:
        wanted = {"Protocol": "HTTP", "DefaultActions": NOT_FOUND, **parameters}
        made = self.elb.create_listener(LoadBalancerArn=load_balancer, Port=port, **wanted)
        arn: str = made["Listeners"][0]["ListenerArn"]
        return arn

    def new_group(self, **parameters: Any) -> str:
        wanted = {
            "Name": f"tg-{next(self._numbers)}",
            "Protocol": "HTTP",
            "Port": PORT,
            "VpcId": self.vpc,
            "TargetType": "ip",
            **parameters,
        }
        arn: str = self.elb.create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def new_rule(self, priority: int, *groups: str, listener: str = "", **parameters: Any) -> str:
        """A rule for the path `/<priority>`, to the groups or a fixed answer."""
        wanted = {"Conditions": [path(f"/{priority}")], "Actions": forward(*groups) if groups else NOT_FOUND}
        made = self.elb.create_rule(
            ListenerArn=listener or self.listener, Priority=priority, **{**wanted, **parameters}
        )
        arn: str = made["Rules"][0]["RuleArn"]
        return arn

    def used_group(self, **parameters: Any) -> str:
        """A target group that a rule forwards to."""
        group = self.new_group(**parameters)
        self.new_rule(next(self._numbers) + 1, group)
        return group

    def priorities(self) -> dict[str, str]:
        """Rule ARN → priority, in the order in which they are evaluated."""
        rules = self.elb.describe_rules(ListenerArn=self.listener)["Rules"]
        return {rule["RuleArn"]: rule["Priority"] for rule in rules}

    def health(self, group: str) -> list[str]:
        """The states of all targets of a group."""
        found = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(target["TargetHealth"]["State"] for target in found)


@dataclass
class Compute(LoadBalancing):
    """The same, with roles, a log group and an ECS cluster."""

    @cached_property
    def ecs(self) -> Any:
        return self.account.client("ecs")

    @cached_property
    def cluster(self) -> str:
        arn: str = self.ecs.create_cluster(clusterName="cell")["cluster"]["clusterArn"]
        return arn

    @cached_property
    def role(self) -> str:
        self.account.client("logs").create_log_group(logGroupName=LOG_GROUP)
        return self.new_role("task")

    def new_role(self, name: str, service: str = "ecs-tasks.amazonaws.com") -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        arn: str = made["Role"]["Arn"]
        return arn

    def container(self, image: str = GOOD_IMAGE, **members: Any) -> dict[str, Any]:
        options = {"awslogs-group": LOG_GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
        return {
            "name": "app",
            "image": image,
            "portMappings": [{"containerPort": PORT}],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **members,
        }

    def definition(self, image: str = GOOD_IMAGE, **parameters: Any) -> str:
        wanted = {
            "family": "app",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": self.role,
            "taskRoleArn": self.role,
            "containerDefinitions": [self.container(image)],
            **parameters,
        }
        arn: str = self.ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"]
        return arn

    def service_parameters(self, group: str | None = None, **parameters: Any) -> dict[str, Any]:
        target = {"targetGroupArn": group, "containerName": "app", "containerPort": PORT}
        wanted: dict[str, Any] = {
            "cluster": self.cluster,
            "serviceName": "app",
            "taskDefinition": parameters.pop("taskDefinition", None) or self.definition(),
            "desiredCount": 1,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": self.subnets}},
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        }
        if group is not None:
            wanted |= {"loadBalancers": [target], "healthCheckGracePeriodSeconds": 60}
        return {**wanted, **parameters}

    def new_service(self, group: str | None = None, **parameters: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.ecs.create_service(**self.service_parameters(group, **parameters))[
            "service"
        ]
        return made

    def service(self, name: str = "app") -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster=self.cluster, services=[name])["services"][
            0
        ]
        return found

    def events(self) -> str:
        """All event messages, newest first."""
        return "\n".join(event["message"] for event in self.service()["events"])

    def is_settled(self) -> bool:
        """One deployment, COMPLETED, all its tasks running."""
        found = self.service()
        [primary, *others] = found["deployments"]
        return (
            not others
            and primary["rolloutState"] == "COMPLETED"
            and primary["runningCount"] == found["desiredCount"]
        )

    def settle(self) -> None:
        eventually(self.is_settled)

    def stopped_tasks(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=self.cluster, desiredStatus="STOPPED")["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        return found


def path(*values: str) -> dict[str, Any]:
    """A path-pattern condition."""
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def header(name: str, *values: str) -> dict[str, Any]:
    """An http-header condition."""
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}


def forward(*groups: str, weight: int = 1) -> list[dict[str, Any]]:
    """A forward action to groups of one weight."""
    weighted = [{"TargetGroupArn": group, "Weight": weight} for group in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}]


def rewrite(pattern: str, replacement: str) -> dict[str, Any]:
    """A url-rewrite transform."""
    return {
        "Type": "url-rewrite",
        "UrlRewriteConfig": {"Rewrites": [{"Regex": pattern, "Replace": replacement}]},
    }


@pytest.fixture
def balancing(account: Account) -> LoadBalancing:
    return LoadBalancing(account)


@pytest.fixture
def compute(account: Account) -> Compute:
    return Compute(account)
