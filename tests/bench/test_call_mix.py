"""The calls by which the simulated AWS and plain moto are compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.bench.call_mix import kinds
from tenant_operator.sandbox.bench.prepared_calls import PreparedCall, client, prepare, send


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsProcess]:
    with AwsProcess() as process:
        yield process


def key(aws: AwsProcess) -> dict[str, str]:
    return {"aws_access_key_id": aws.access_key_id, "aws_secret_access_key": aws.secret_access_key}


def test_every_prepared_call_is_answered(aws: AwsProcess) -> None:
    mix = kinds(aws.endpoint_url, key(aws))
    assert {kind.writes for kind in mix} == {True, False}
    control = SandboxAWS(aws.endpoint_url)
    before = control.last_call()
    for kind in mix:
        send(aws.endpoint_url, kind.calls[:2], connections=2)
    assert [call["code"] for call in control.calls(before)] == [""] * 2 * len(mix)


def test_preparing_a_call_sends_nothing(aws: AwsProcess) -> None:
    control = SandboxAWS(aws.endpoint_url)
    before = control.last_call()
    prepare(client("ecs", aws.endpoint_url, key(aws)), "create_cluster", {"clusterName": "never"})
    assert control.calls(before) == []


def test_a_refused_call_ends_the_measurement(aws: AwsProcess) -> None:
    wrong = PreparedCall("/", {}, b"", "POST")
    with pytest.raises(RuntimeError, match="403"):
        send(aws.endpoint_url, [wrong], connections=1)
