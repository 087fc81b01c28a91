"""What the operator is measured against: a bare boto3 script that makes the same five writes for each tenant.

It keeps nothing in mind, looks at nothing, tags nothing and would repair nothing; it only uses threads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tenant_operator.sandbox.bench import plain_tenant
from tenant_operator.sandbox.bench.plain_tenant import Ground
from tenant_operator.sandbox.bench.rehearsal import Rehearsal

THREADS = 16
"""More do not make it quicker: the simulated AWS is one process."""
_DESCRIBED = (
    10  # services a call, https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
)
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class BareSeconds:
    """How long it took: its writes alone, and until every task ran (it looks at every service again and again)."""

    writes: float
    until_running: float


@dataclass(frozen=True, slots=True)
class BareScript:
    """The script, for one ready and empty infra group."""

    ground: Ground

    @classmethod
    def for_group(cls, rehearsal: Rehearsal, group: str, account: str) -> BareScript:
        """A script that fills a group which the operator has made ready."""
        status = rehearsal.status("infragroup", group)
        ec2, elb, iam = (rehearsal.client(service, account) for service in ("ec2", "elbv2", "iam"))
        vpc = status["network"]["vpcId"]
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        listeners = elb.describe_listeners(LoadBalancerArn=status["loadBalancer"]["arn"])["Listeners"]
        arns = [role["Arn"] for role in iam.list_roles()["Roles"]]
        ground = Ground(
            elb=rehearsal.client("elbv2", account, connections=THREADS),
            ecs=rehearsal.client("ecs", account, connections=THREADS),
            listener=listeners[0]["ListenerArn"],
            vpc=vpc,
            network={
                "subnets": status["network"]["subnetIds"][:2],
                "securityGroups": [groups[0]["GroupId"]],
                "assignPublicIp": "DISABLED",
            },
            roles={
                "taskRoleArn": next(arn for arn in arns if "-task-" in arn),
                "executionRoleArn": next(arn for arn in arns if "-execution-" in arn),
            },
        )
        return cls(ground)

    def run(self, tenants: int) -> BareSeconds:
        """Make everything for so many tenants.

        Raises:
            TimeoutError: their tasks never run.
        """
        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            services = list(pool.map(self._onboard, range(1, tenants + 1)))
            written = time.monotonic()
            while not all(pool.map(self._run, _chunks(services))):
                if time.monotonic() - written > _PATIENCE_SECONDS:
                    raise TimeoutError(f"the bare script's tasks do not run after {_PATIENCE_SECONDS:.0f} s")
                time.sleep(_POLL_SECONDS)
        return BareSeconds(writes=written - started, until_running=time.monotonic() - started)

    def _onboard(self, number: int) -> tuple[str, str]:
        name = f"bare-{number:04}"
        return plain_tenant.make(self.ground, name, number, (f"/{name}", f"/{name}/*")), name

    def _run(self, services: Sequence[tuple[str, str]]) -> bool:
        """Whether some services run; each is in a cluster of its own, so each is a call."""
        for cluster, name in services:
            found = self.ground.ecs.describe_services(cluster=cluster, services=[name])["services"][0]
            if found["deployments"][0]["rolloutState"] != "COMPLETED":
                return False
        return True


def _chunks(services: Sequence[tuple[str, str]]) -> list[Sequence[tuple[str, str]]]:
    return [services[start : start + _DESCRIBED] for start in range(0, len(services), _DESCRIBED)]
