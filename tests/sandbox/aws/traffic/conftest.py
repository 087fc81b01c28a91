"""Tenants behind one load balancer, and a client that calls them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.traffic.client import Answer, Client
from tests.sandbox.aws.foundations.conftest import Account, eventually
from tests.sandbox.aws.workloads.conftest import Compute, forward, path


@dataclass
class Web(Compute):
    """Tenants of one cluster, each with a service, a target group and a rule for its path."""

    groups: dict[str, str] = field(default_factory=dict)
    _priorities: itertools.count[int] = field(default_factory=lambda: itertools.count(100))

    @cached_property
    def name(self) -> str:
        """The load balancer's DNS name."""
        [found] = self.elb.describe_load_balancers(LoadBalancerArns=[self.load_balancer])["LoadBalancers"]
        name: str = found["DNSName"]
        return name

    @property
    def control(self) -> SandboxAWS:
        return self.account.control

    def open(self, tenant: str, *, tasks: int = 1) -> None:
        """A tenant under `/<its name>` with running, healthy tasks."""
        self.open_slowly(tenant, tasks=tasks)
        eventually(lambda: self.is_steady(tenant))
        eventually(lambda: self.health(self.groups[tenant]) == ["healthy"] * tasks)

    def open_slowly(self, tenant: str, *, tasks: int = 1) -> None:
        """The same with its rule in force, and tasks that are still starting."""
        group = self.new_group(Name=tenant)
        self.elb.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]
        )
        self.groups[tenant] = group
        self.put_in_force(path(f"/{tenant}", f"/{tenant}/*"), Actions=forward(group))
        self.new_service(group, serviceName=tenant, desiredCount=tasks, taskDefinition=self.revision(tenant))

    def revision(self, tenant: str, **members: Any) -> str:
        environment = [{"name": "TENANT_ID", "value": tenant}, {"name": "TIER_ID", "value": "gold"}]
        return self.definition(
            family=tenant, containerDefinitions=[self.container(environment=environment, **members)]
        )

    def is_steady(self, tenant: str) -> bool:
        found = self.service(tenant)
        return found["runningCount"] == found["desiredCount"] and len(found["deployments"]) == 1

    @property
    def in_force(self) -> set[str]:
        """The ARNs of the rules that requests meet now."""
        found = self.control.request("GET", "elbv2/served", query={"listener_arn": self.listener})
        return {rule["RuleArn"] for rule in found["rules"]}

    def target_ids(self, tenant: str) -> list[str]:
        found = self.elb.describe_target_health(TargetGroupArn=self.groups[tenant])
        return [target["Target"]["Id"] for target in found["TargetHealthDescriptions"]]

    def put_in_force(self, *conditions: dict[str, Any], **rule: Any) -> str:
        """A new rule that requests meet."""
        made = self.new_rule(next(self._priorities), **{"Conditions": list(conditions), **rule})
        eventually(lambda: made in self.in_force)
        return made

    def attributes(self, **values: str) -> None:
        """Change attributes of the load balancer; `__` is a dot."""
        changes = [{"Key": name.replace("__", "."), "Value": value} for name, value in values.items()]
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=self.load_balancer, Attributes=changes)

    def stop_tasks(self, tenant: str) -> None:
        for arn in self.ecs.list_tasks(cluster=self.cluster, serviceName=tenant)["taskArns"]:
            self.ecs.stop_task(cluster=self.cluster, task=arn)


@dataclass
class Browser:
    """Calls what is under a name."""

    client: Client
    name: str

    async def statuses(self, target: str, count: int) -> list[int]:
        return [(await self.get(target)).status for _ in range(count)]

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.client.request("GET", f"http://{self.name}{target}", headers=headers)


@pytest.fixture(scope="session")
def web(new_account: Callable[[], Account]) -> Web:
    """Two tenants that no test takes down: acme with two tasks, globex with one."""
    made = Web(new_account())
    made.open("acme", tasks=2)
    made.open("globex")
    return made


@pytest.fixture
async def client(running: AwsProcess) -> AsyncIterator[Client]:
    async with Client(running.endpoint_url) as made:
        yield made


@pytest.fixture
def browser(web: Web, client: Client) -> Browser:
    return Browser(client, web.name)
