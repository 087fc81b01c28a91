"""The simulated AWS with thousands of tenants in it: how long they take to make, memory, and what calls cost then."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.bench import plain_tenant
from tenant_operator.sandbox.bench.plain_tenant import Ground
from tenant_operator.sandbox.bench.prepared_calls import client, prepare, send
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.progress import Progress

GROUP_TENANTS = 50  # of one load balancer
GROUPS_IN_ACCOUNT = 20
THREADS = 8
READS = 100
_SETTLE_SECONDS = 300.0
_NOT_FOUND = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
_TRUST = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow",'
    '"Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}}'
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What so many tenants cost the simulated AWS. A tenant: target group, rule, cluster, task definition, service, task."""

    tenants: int
    made_in_seconds: float
    rss_mib: float
    calls_a_second: Mapping[str, float]
    cpu_milliseconds: Mapping[str, float]  # of a call


@dataclass(frozen=True, slots=True)
class _Group:
    ground: Ground
    account: str


def crowd(tenants: int, progress: Progress) -> Crowd:
    """Make so many tenants, wait until all their tasks run, and call.

    Raises:
        SandboxError: the simulated AWS does not start.
        TimeoutError: the tasks never run.
    """
    with AwsProcess() as process:
        control = SandboxAWS(process.endpoint_url)
        progress.step(f"Making {tenants} tenants in the simulated AWS")
        started = time.monotonic()
        groups = list(itertools.islice(_groups(process, control), -(-tenants // GROUP_TENANTS)))
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda n: _tenant(groups[n // GROUP_TENANTS], n), range(tenants)))
        _await_tasks(groups, tenants)
        made = time.monotonic() - started
        speeds = _measure(process, groups[-1], progress)
        return Crowd(
            tenants,
            made,
            ProcessUsage.of(process.pids["aws"]).rss_mib,
            {name: seen[0] for name, seen in speeds.items()},
            {name: seen[1] for name, seen in speeds.items()},
        )


def _groups(process: AwsProcess, control: SandboxAWS) -> Iterator[_Group]:
    for number in itertools.count():
        account = str(500_000_000_000 + number)
        role = str(control.seed(cell_accounts=[account], regions=[])["role_arns"][account])
        own = {
            "aws_access_key_id": process.access_key_id,
            "aws_secret_access_key": process.secret_access_key,
        }
        given = client("sts", process.endpoint_url, own).assume_role(RoleArn=role, RoleSessionName="bench")
        key = {
            "aws_access_key_id": given["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": given["Credentials"]["SecretAccessKey"],
            "aws_session_token": given["Credentials"]["SessionToken"],
        }
        yield from _account(process.endpoint_url, key, account)


def _account(endpoint: str, key: Mapping[str, str], account: str) -> Iterator[_Group]:
    ec2, elb, ecs, iam = (client(name, endpoint, key) for name in ("ec2", "elbv2", "ecs", "iam"))
    role = iam.create_role(RoleName="task", AssumeRolePolicyDocument=_TRUST)["Role"]["Arn"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number * 64}.0/18", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    for number in range(GROUPS_IN_ACCOUNT):
        balancer = elb.create_load_balancer(Name=f"g{number}", Subnets=subnets, Scheme="internal")
        listener = elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=_NOT_FOUND,
        )["Listeners"][0]["ListenerArn"]
        network = {"subnets": subnets}
        roles = {"taskRoleArn": role, "executionRoleArn": role}
        ground = Ground(elb=elb, ecs=ecs, listener=listener, vpc=vpc, network=network, roles=roles)
        yield _Group(ground, account)


def _tenant(group: _Group, number: int) -> None:
    name = f"t{number}"
    plain_tenant.make(group.ground, name, number % GROUP_TENANTS + 1, (f"/{name}/*",))


def _await_tasks(groups: list[_Group], tenants: int) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    last = groups[(tenants - 1) // GROUP_TENANTS]
    while True:
        [service] = last.ground.ecs.describe_services(
            cluster=f"t{tenants - 1}", services=[f"t{tenants - 1}"]
        )["services"]
        if service["deployments"][0]["rolloutState"] == "COMPLETED":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the last tenant's task does not run after {_SETTLE_SECONDS:.0f} s")
        time.sleep(0.5)


def _measure(process: AwsProcess, group: _Group, progress: Progress) -> dict[str, tuple[float, float]]:
    progress.step("Calling the simulated AWS with all of them in it")
    reads: dict[str, tuple[Any, dict[str, Any]]] = {
        "elbv2:describe_rules": (group.ground.elb, {"ListenerArn": group.ground.listener, "PageSize": 100}),
        "elbv2:describe_target_groups": (group.ground.elb, {"PageSize": 100}),
        "ecs:list_clusters": (group.ground.ecs, {}),
    }
    found: dict[str, tuple[float, float]] = {}
    for name, (service, parameters) in reads.items():
        calls = [prepare(service, name.split(":")[1], parameters)] * READS
        before = ProcessUsage.of(process.pids["aws"]).cpu_seconds
        seconds = send(process.endpoint_url, calls, connections=4)
        used = ProcessUsage.of(process.pids["aws"]).cpu_seconds - before
        found[name] = READS / seconds, 1000 * used / READS
    return found
