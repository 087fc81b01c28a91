"""Who may call, and what is answered to a call that is not simulated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.client import ControlError, SandboxAWS
from tenant_operator.sandbox.aws.front_door import FrontDoor
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.wire import HttpRequest
from tests.sandbox.aws.foundations.conftest import REGION, Account, client, refused

UNKNOWN = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "none"}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("elbv2", "describe_load_balancers", {}, "InvalidClientTokenId"),
        ("ec2", "describe_vpcs", {}, "AuthFailure"),
        ("ecs", "list_clusters", {}, "UnrecognizedClientException"),
        ("route53", "list_hosted_zones", {}, "InvalidClientTokenId"),
        ("sts", "get_caller_identity", {}, "InvalidClientTokenId"),
    ],
)
def test_an_unknown_key_is_refused(
    control: SandboxAWS, service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    stranger = client(control.endpoint, service, REGION, UNKNOWN)
    with refused(code):
        getattr(stranger, operation)(**parameters)


def test_a_wrong_session_token_is_refused(account: Account) -> None:
    forged = {**account.credentials, "aws_session_token": "forged"}
    with refused("InvalidClientTokenId"):
        client(account.control.endpoint, "elbv2", REGION, forged).describe_load_balancers()


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("elbv2", "describe_trust_stores", {}),
        ("ecs", "list_services_by_namespace", {"namespace": "app"}),
        ("ec2", "describe_capacity_blocks", {}),
        ("iam", "list_service_specific_credentials", {}),
    ],
)
def test_a_call_that_is_not_there_fails_loudly_and_is_not_retried(
    account: Account, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    before = account.control.last_call()
    with refused("SandboxNotImplemented"):
        getattr(account.client(service), operation)(**parameters)
    [call] = account.control.calls(before, account=account.id)
    assert (call["status"], call["code"]) == (501, "SandboxNotImplemented")


@pytest.mark.parametrize("register", ["handles", "validates", "observes"])
def test_a_broken_behaviour_is_told_apart_from_an_outage(register: str) -> None:
    sim = Simulation()
    key = sim.credentials.issue_user_key("111111111111", "arn:aws:iam::111111111111:root")

    def broken(_: Call) -> None:
        raise KeyError("oops")

    getattr(sim, register)("ecs", "ListClusters")(broken)
    answer = FrontDoor(sim).answer(request_of(key.access_key_id, b"{}"))
    sim.stop()
    assert answer.status == 501
    assert json.loads(answer.body) == {
        "__type": "SandboxNotImplemented",
        "message": "ecs.ListClusters: the sandbox broke: KeyError: 'oops'",
    }


def test_a_body_that_cannot_be_read_is_answered() -> None:
    sim = Simulation()
    key = sim.credentials.issue_user_key("111111111111", "arn:aws:iam::111111111111:root")
    answer = FrontDoor(sim).answer(request_of(key.access_key_id, b"[1]"))
    sim.stop()
    assert (answer.status, b"cannot read it" in answer.body) == (501, True)


def request_of(access_key_id: str, body: bytes) -> HttpRequest:
    """A ListClusters as it comes from the connection."""
    scope = f"{access_key_id}/20260101/{REGION}/ecs/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters",
        "content-type": "application/x-amz-json-1.1",
    }
    return HttpRequest("POST", "/", headers, body)


def test_regions_are_apart(account: Account) -> None:
    account.client("ecs").create_cluster(clusterName="here")
    assert account.client("ecs", "eu-west-1").list_clusters()["clusterArns"] == []


def test_calls_are_recorded_with_who_and_what(account: Account) -> None:
    before = account.control.last_call()
    account.client("ecs").create_cluster(clusterName="c")
    with refused("ClusterNotFoundException"):
        account.client("ecs").list_services(cluster="none")
    first, second = account.control.calls(before, account=account.id)
    assert (first["service"], first["action"], first["kind"], first["code"]) == (
        "ecs",
        "CreateCluster",
        "write",
        "",
    )
    assert (second["action"], second["kind"], second["code"]) == (
        "ListServices",
        "read",
        "ClusterNotFoundException",
    )
    assert f":{account.id}:" in first["principal"]


def test_calls_are_counted(account: Account) -> None:
    for _ in range(3):
        account.client("ecs").list_clusters()
    counted = [entry for entry in account.control.counters() if entry["account"] == account.id]
    [clusters] = [entry for entry in counted if entry["action"] == "ListClusters"]
    assert (clusters["count"], clusters["region"], clusters["kind"]) == (3, REGION, "read")


def test_the_control_api_says_what_to_write_instead(control: SandboxAWS) -> None:
    for path, body, message in (
        ("nothing", {}, "no route"),
        ("settings", {"durations": {"lunch": 1}}, "unknown duration 'lunch'"),
        ("settings", {"durations": {"task_load": -1}}, "at least 0"),
        ("settings", {"profile": "slow"}, "aws or fast"),
        ("faults", {"kind": "fire"}, "kind must be one of"),
        ("faults", {"kind": "deny", "acount": "1"}, "unknown field 'acount'"),
        ("throttles", {"scale": 0}, "above 0"),
        ("seed", {"accounts": []}, "unknown field 'accounts'"),
    ):
        with pytest.raises(ControlError, match=message):
            control.request("POST", path, body)
