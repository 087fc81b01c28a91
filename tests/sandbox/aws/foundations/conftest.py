"""One simulated AWS for the run, and for every test accounts of its own in it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.aws_process import AwsProcess

REGION = "us-east-1"
PATIENCE_SECONDS = 20.0
_SESSION = Session()  # its loader keeps what it has parsed
_accounts = itertools.count(700_000_000_001)


@dataclass(frozen=True)
class Account:
    """An account in which a test may do everything."""

    id: str
    control: SandboxAWS
    credentials: dict[str, str]
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3-like client, without retries: a refusal is seen as it is."""
        if (service, region) not in self._clients:
            self._clients[service, region] = client(self.control.endpoint, service, region, self.credentials)
        return self._clients[service, region]

    def vpc(self, cidr: str = "10.0.0.0/16", **attributes: bool) -> str:
        """A new VPC."""
        ec2 = self.client("ec2")
        vpc_id: str = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        for name, value in attributes.items():
            ec2.modify_vpc_attribute(VpcId=vpc_id, **{name: {"Value": value}})
        return vpc_id

    def subnet(self, vpc_id: str, number: int = 0, zone: str = "a") -> str:
        """A new subnet, 10.0.<number>.0/24."""
        made = self.client("ec2").create_subnet(
            VpcId=vpc_id, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )
        subnet_id: str = made["Subnet"]["SubnetId"]
        return subnet_id


def client(endpoint: str, service: str, region: str, credentials: dict[str, str]) -> Any:
    return _SESSION.create_client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
        **credentials,  # type: ignore[arg-type]  # botocore's stubs want each by name
    )


@contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """The call is refused with this code, and a message with these words in it."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert message in error["Message"]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fail after a time that is far too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def running() -> Iterator[AwsProcess]:
    with AwsProcess() as process:
        yield process


@pytest.fixture(scope="session")
def control(running: AwsProcess) -> SandboxAWS:
    return SandboxAWS(running.endpoint_url)


@pytest.fixture(scope="session")
def operator(running: AwsProcess) -> dict[str, str]:
    """The key that the server was started with."""
    return {
        "aws_access_key_id": running.access_key_id,
        "aws_secret_access_key": running.secret_access_key,
    }


@pytest.fixture(scope="session")
def new_account(control: SandboxAWS, operator: dict[str, str]) -> Callable[[], Account]:
    """Makes an account that nobody has used."""

    def make() -> Account:
        account = str(next(_accounts))
        seeded = control.seed(cell_accounts=[account], regions=[])
        sts = client(control.endpoint, "sts", REGION, operator)
        given = sts.assume_role(RoleArn=seeded["role_arns"][account], RoleSessionName="test")["Credentials"]
        return Account(
            account,
            control,
            {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            },
        )

    return make


@pytest.fixture
def account(new_account: Callable[[], Account]) -> Account:
    return new_account()


@pytest.fixture
def slow(control: SandboxAWS) -> Iterator[Callable[..., None]]:
    """Makes some durations long for one test."""
    before = control.settings()["durations"]

    def change(**durations: float) -> None:
        control.settings(durations=durations)

    yield change
    control.settings(durations=before)
