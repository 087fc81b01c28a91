"""Throttles and faults on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, HTTPClientError

from tenant_operator.sandbox.aws.calls import Call, Principal
from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.aws.throttling import buckets_of
from tests.sandbox.aws.foundations.conftest import Account, refused


@pytest.fixture
def faults(account: Account) -> Iterator[SandboxAWS]:
    yield account.control
    account.control.clear_faults()


@pytest.fixture
def throttles(control: SandboxAWS) -> Iterator[SandboxAWS]:
    yield control
    control.throttles(enabled=False)


@pytest.mark.parametrize(
    ("service", "operation", "throttled", "denied"),
    [
        ("elbv2", "describe_load_balancers", "Throttling", "AccessDenied"),
        ("ecs", "list_clusters", "ThrottlingException", "AccessDeniedException"),
        ("ec2", "describe_vpcs", "RequestLimitExceeded", "UnauthorizedOperation"),
        ("route53", "list_hosted_zones", "Throttling", "AccessDenied"),
        ("service-quotas", "list_services", "TooManyRequestsException", "AccessDeniedException"),
        ("events", "list_rules", "ThrottlingException", "AccessDeniedException"),
        ("sqs", "list_queues", "RequestThrottled", "AccessDenied"),
    ],
)
def test_services_throttle_and_deny_in_their_own_words(
    account: Account, faults: SandboxAWS, service: str, operation: str, throttled: str, denied: str
) -> None:
    call = getattr(account.client(service), operation)
    for kind, code in (("throttle", throttled), ("deny", denied)):
        faults.add_fault(kind, account=account.id, count=1)
        with refused(code):
            call()


def test_a_fault_hits_as_often_as_it_is_told(account: Account, faults: SandboxAWS) -> None:
    ecs = account.client("ecs")
    faults.add_fault("error", account=account.id, service="ecs", action="List*", count=2, status=503)
    for _ in range(2):
        with refused("InternalFailure"):
            ecs.list_clusters()
    ecs.list_clusters()
    assert [fault["hits"] for fault in faults.faults()] == [2]


def test_a_fault_hits_only_what_it_names(account: Account, faults: SandboxAWS) -> None:
    faults.add_fault("deny", account=account.id, service="ecs", access="write")
    account.client("ecs").list_clusters()
    account.client("ec2").describe_vpcs()
    with refused("AccessDeniedException"):
        account.client("ecs").create_cluster(clusterName="c")


def test_a_connection_reset_before_the_call_leaves_no_effect(account: Account, faults: SandboxAWS) -> None:
    assert names_after_reset(account, faults, "reset-before") == []


def test_a_connection_reset_after_the_call_leaves_its_effect(account: Account, faults: SandboxAWS) -> None:
    assert names_after_reset(account, faults, "reset-after") == ["lost"]


def names_after_reset(account: Account, faults: SandboxAWS, kind: str) -> list[str]:
    ecs = account.client("ecs")
    faults.add_fault(kind, account=account.id, action="CreateCluster", count=1)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        ecs.create_cluster(clusterName="lost")
    return [arn.rsplit("/", 1)[-1] for arn in ecs.list_clusters()["clusterArns"]]


def test_a_timeout_ends_without_effect(account: Account, faults: SandboxAWS) -> None:
    ecs = account.client("ecs")
    faults.add_fault("timeout", account=account.id, action="CreateCluster", count=1, seconds=0.2)
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        ecs.create_cluster(clusterName="lost")
    assert ecs.list_clusters()["clusterArns"] == []


def test_a_delayed_call_is_answered(account: Account, faults: SandboxAWS) -> None:
    faults.add_fault("delay", account=account.id, seconds=0.1, count=1)
    assert account.client("ecs").list_clusters()["clusterArns"] == []


def test_buckets_are_as_deep_as_those_of_aws(account: Account, throttles: SandboxAWS) -> None:
    throttles.throttles(enabled=True)
    assert calls_until_throttled(account.client("ecs"), "delete_task_definitions") == 5
    assert calls_until_throttled(account.client("ecs"), "create_cluster") == 20


@pytest.mark.parametrize(("action", "rate"), [("PutRule", 50), ("ListRules", 50), ("PutEvents", 400)])
def test_event_bridges_buckets_are_those_of_aws(action: str, rate: int) -> None:
    caller = Principal("1", "arn:aws:iam::1:root", "AKIA")
    [bucket] = buckets_of(Call("1", "us-east-1", "events", action, {}, caller, "request-1"))
    assert (bucket.burst, bucket.refill) == (rate, rate)


def test_a_scaled_bucket_is_shallower(account: Account, throttles: SandboxAWS) -> None:
    throttles.throttles(enabled=True, scale=0.1)
    assert calls_until_throttled(account.client("ecs"), "create_cluster") == 2


def test_accounts_do_not_share_buckets(account: Account, new_account: Any, throttles: SandboxAWS) -> None:
    other = new_account()
    throttles.throttles(enabled=True, scale=0.05)
    calls_until_throttled(account.client("ecs"), "create_cluster")
    other.client("ecs").create_cluster()


def calls_until_throttled(ecs: Any, operation: str) -> int:
    """How many calls pass in a burst; the refill of a second or so is left out by its slowness."""
    call = getattr(ecs, operation)
    parameters = {"taskDefinitions": ["none:1"]} if operation == "delete_task_definitions" else {}
    for count in range(100):
        try:
            call(**parameters)
        except ecs.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "ThrottlingException":
                return count
            raise
    return 100
