"""A dry run of the writers: every call they would make is answered here, and none leaves the process."""

from __future__ import annotations

import ast
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

import tenant_operator.aws
from tenant_operator.aws import writers
from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.dry_run.answers import NotImagined, answered
from tenant_operator.aws.dry_run.transport import DryRunTransport
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.task_definitions import prune
from tenant_operator.desired.resources import (
    Cluster,
    EventBus,
    HealthCheck,
    Ingress,
    LoadBalancer,
    LogGroup,
    Resource,
    SecurityGroup,
    Subnet,
    TargetGroup,
    TaskDefinition,
    Vpc,
)
from tenant_operator.plan.change import FieldChange
from tests.aws.conftest import REGION, Cell

SERVICES = ("ec2", "elbv2", "ecs", "iam", "logs", "route53", "events", "sqs")
READS = ("describe_", "list_", "get_")
BY_THE_FEED = {
    "receive_message",
    "delete_message",
    "delete_message_batch",
    "change_message_visibility_batch",
}
"""What the drift feed calls; a dry run has none."""


def operations(service: str) -> set[str]:
    """boto3's names of everything that a service can do."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name) for name in model.operation_names}


def words() -> set[str]:
    """Every string that stands alone in the modules that call AWS."""
    return {
        node.value
        for module in Path(tenant_operator.aws.__path__[0]).glob("*.py")
        if module.name != "limits.py"  # it names operations that nobody makes, too
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_write_that_the_writers_know_has_its_answer() -> None:
    everything = {name for service in SERVICES for name in operations(service)}
    writes = {word for word in words() & everything if not word.startswith(READS)}
    assert "create_vpc" in writes
    assert writes - {name for _, name in answered()} - BY_THE_FEED == set()


def test_every_answer_is_to_an_operation_that_aws_has() -> None:
    known = {(service, name) for service in SERVICES for name in operations(service)}
    assert answered() - known == set()


def wanted(cell: Cell) -> list[Resource]:
    """One of each kind that stands on nothing new."""
    check = HealthCheck(
        path="/", interval_seconds=15, timeout_seconds=5, healthy_threshold=2, unhealthy_threshold=3
    )
    return [
        cell.resource("ig-1/acme/vpc", Vpc(cidr="10.9.0.0/16"), "vpc"),
        cell.resource(
            "ig-1/acme/subnet", Subnet(vpc=cell.vpc, cidr="10.0.9.0/24", zone="us-east-1a"), "subnet"
        ),
        cell.resource(
            "ig-1/acme/sg",
            SecurityGroup(
                vpc=cell.vpc, group_name="prod-acme", description="d", ingress=(Ingress("tcp", 80, 80, "10.0.0.0/8"),)
            ),
            "sg",
        ),
        cell.resource(
            "prod-acme",
            LoadBalancer(
                scheme="internal",
                subnets=tuple(cell.subnets[:2]),
                security_groups=tuple(cell.security_groups[:1]),
                idle_timeout_seconds=120,
            ),
            "load-balancer",
        ),
        cell.resource(
            "prod-acme-tg",
            TargetGroup(vpc=cell.vpc, port=80, health_check=check, deregistration_delay_seconds=30),
            "target-group-1",
        ),
        cell.resource("prod-acme", Cluster(), "cluster-1"),
        cell.resource(
            "prod-acme",
            TaskDefinition(
                image="app:1", cpu=256, memory=512, architecture="X86_64", port=80, task_role="",
                execution_role=f"arn:aws:iam::{cell.caller.account}:role/e",
                log_group="g", log_region=REGION, log_stream_prefix="p", environment=(("A", "1"),),
            ),
            "task-definition-1",
        ),
        cell.resource("/prod/acme", LogGroup(retention_days=30), "log-group"),
        cell.resource("prod-drift", EventBus(policy=None), "bus"),
    ]  # fmt: skip


KINDS = (
    "Vpc", "Subnet", "SecurityGroup", "LoadBalancer", "TargetGroup", "Cluster", "TaskDefinition", "LogGroup", "EventBus",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dry_creation_makes_the_calls_of_a_real_one_and_comes_to_the_same(
    cell: Cell, kind: str
) -> None:
    resource = next(r for r in wanted(cell) if r.address.type == kind)
    transport = DryRunTransport()
    accounts = Accounts(transport)
    dry = await writers.create(await accounts.caller(AccountRef(), REGION), resource)
    assert cell.new_calls() == []
    real = await writers.create(cell.caller, resource)
    assert [call.action for call in transport.calls] == cell.new_calls()
    assert (dry.spec, dry.tags, dry.address) == (real.spec, real.tags, real.address)
    accounts.close()


async def test_a_changed_task_definition_is_the_next_revision(cell: Cell) -> None:
    resource = next(r for r in wanted(cell) if r.address.type == "TaskDefinition")
    made = [await writers.create(cell.caller, resource)]
    cell.new_calls()
    transport = DryRunTransport()
    accounts = Accounts(transport)
    caller = await accounts.caller(AccountRef(), REGION)
    await prune(caller, resource.address.name)  # reads what there is
    live = await writers.update(
        caller, resource, made[0], (FieldChange(field="image", old="app:1", new="app:2"),)
    )
    assert live.attributes["revision"] == made[0].attributes["revision"] + 1
    assert await prune(caller, resource.address.name, keep=1) == (made[0].id,)
    assert await prune(caller, resource.address.name, keep=1) == ()
    assert cell.new_calls() == []
    accounts.close()


async def test_a_write_that_nobody_has_imagined_is_an_error_and_is_not_sent(cell: Cell) -> None:
    accounts = Accounts(DryRunTransport())
    caller = await accounts.caller(AccountRef(), REGION)
    with pytest.raises(NotImagined, match="run_instances"):
        await caller("ec2", "run_instances", MinCount=1, MaxCount=1)
    assert cell.new_calls() == []
    accounts.close()


async def test_a_reading_is_made_once_and_a_refused_one_is_remembered(cell: Cell) -> None:
    transport = DryRunTransport()
    accounts = Accounts(transport)
    caller = await accounts.caller(AccountRef(), REGION)
    for _ in range(2):
        await caller("ec2", "describe_vpcs")
    for _ in range(2):
        with pytest.raises(AwsError):
            await caller("ec2", "describe_vpcs", VpcIds=["vpc-nonsense"])
    assert cell.new_calls("*").count("DescribeVpcs") == 2
    accounts.close()
