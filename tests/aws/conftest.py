"""The simulated AWS on loopback, and for every test an account of its own in it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import pytest_asyncio

from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.caller import Caller
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Live, Resource, Spec
from tenant_operator.sandbox.aws.credentials import AccessKey
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tenant_operator.sandbox.aws.server import SimulatedAws

REGION = "us-east-1"
INSTALLATION = "prod"
_accounts = itertools.count(500_000_000_001)
_people = boto3.Session()


@pytest.fixture(scope="session")
def simulated_aws() -> Iterator[SimulatedAws]:
    """One server for the whole run."""
    with pytest.MonkeyPatch.context() as environment:
        for name in (
            "AWS_CA_BUNDLE",
            "REQUESTS_CA_BUNDLE",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "https_proxy",
        ):
            environment.delenv(name, raising=False)
        aws = SimulatedAws(seed=1)
        aws.start()
        environment.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        yield aws
        aws.stop()


@dataclass
class Cell:
    """An account of the simulated AWS with a VPC in it, and a person's own way in."""

    aws: SimulatedAws
    caller: Caller
    key: AccessKey
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    seen: int = 0

    def client(self, service: Any) -> Any:
        """A client with which a person changes things behind the operator's back."""
        return _people.client(
            service,
            region_name=REGION,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=self.key.access_key_id,
            aws_secret_access_key=self.key.secret_access_key,
        )

    def address(self, kind: type[Spec], name: str) -> Address:
        """An address in this account."""
        return Address(account=self.caller.account, region=REGION, type=kind.__name__, name=name)

    def resource(self, name: str, spec: Spec, component: str = "x", tenant: str = "acme") -> Resource:
        """A resource of a tenant in this account."""
        owner = tags.Owner(kind="Tenant", namespace="customers", name=tenant, uid=f"uid-{tenant}")
        ownership = tags.Ownership(
            installation=INSTALLATION,
            owner=owner,
            tier="tier-1",
            cell="cell-a",
            infra_group="ig-1",
            tenant=tenant,
        )
        return Resource(
            address=self.address(type(spec), name), spec=spec, tags=ownership.tags(component, {"team": "x"})
        )

    def new_calls(self, access: str = "write") -> list[str]:
        """What the account was asked to do since the last time this was asked."""
        found = self.aws.door.log.since(self.seen, {"account": self.caller.account})
        self.seen = max((record.sequence for record in found), default=self.seen)
        return [record.action for record in found if access in ("*", record.kind)]

    def lose_answer(self, action: str) -> None:
        """The next such call takes effect, but its answer never arrives."""
        self.aws.door.faults.add(
            Fault(kind=FaultKind.RESET_AFTER, account=self.caller.account, action=action, count=1)
        )


@pytest_asyncio.fixture
async def cell(simulated_aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cell]:
    """A fresh account."""
    account = str(next(_accounts))
    key = simulated_aws.sim.credentials.issue_user_key(
        account, f"arn:aws:iam::{account}:user/tenant-operator"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    accounts = Accounts()
    caller = await accounts.caller(AccountRef(), REGION)
    found = Cell(simulated_aws, caller, key)
    ec2 = found.client("ec2")
    found.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number, zone in enumerate(("us-east-1a", "us-east-1b", "us-east-1c")):
        subnet = ec2.create_subnet(VpcId=found.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)
        found.subnets.append(subnet["Subnet"]["SubnetId"])
    for name in ("one", "two"):
        group = ec2.create_security_group(VpcId=found.vpc, GroupName=name, Description=name)
        found.security_groups.append(group["GroupId"])
    found.new_calls()
    yield found
    accounts.close()


def converged(resource: Resource, live: Live) -> bool:
    """Whether a plan would find nothing to do."""
    put, drop = tags.changes(resource.tags, live.tags)
    return live.spec == resource.spec and not put and not drop
