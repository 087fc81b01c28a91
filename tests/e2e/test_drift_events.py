"""With `--drift-events` what people change in AWS is noticed through EventBridge and SQS: sweeps are far too seldom here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e import census
from tests.e2e import manifests as m
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, DNS_ACCOUNT, REGION, Stage
from tests.e2e.test_drift import DRIFTS, Drift, events

pytestmark = pytest.mark.e2e

SWEEP_SECONDS = 3600.0
"""So that no sweep comes to the operator's help."""


def _delay(stage: Stage) -> str:
    """The deregistration delay of a tenant's target group, which a sweep reads once in two hours."""
    answer = stage.client("elbv2").describe_target_group_attributes(TargetGroupArn=_group_arn(stage))
    attributes = {a["Key"]: str(a["Value"]) for a in answer["Attributes"]}
    return attributes["deregistration_delay.timeout_seconds"]


def _group_arn(stage: Stage) -> str:
    name = stage.get("tenant", "delay", m.NAMESPACE)["status"]["placements"][0]["targetGroups"][0]
    return str(
        stage.client("elbv2").describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]
    )


def _shorten_delay(stage: Stage) -> None:
    stage.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=_group_arn(stage),
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
    )


def _rule_tags(stage: Stage) -> list[str]:
    arn = stage.rule_of("tags")["RuleArn"]
    [found] = stage.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return sorted(tag["Key"] for tag in found["Tags"])


def _untag_rule(stage: Stage) -> None:
    stage.client("elbv2").remove_tags(ResourceArns=[stage.rule_of("tags")["RuleArn"]], TagKeys=["team"])


FOUND_BY_EVENTS = {
    name: DRIFTS[name]
    for name in (
        "a rule is deleted", "a rule answers 503", "a health check is altered", "a service is deleted",
        "a service is scaled", "a service runs another image", "the tier's record is deleted",
        "security group rules are swapped", "an endpoint is deleted", "a listener answers something else",
        "a load balancer's time-out is altered", "a tag is taken off", "logs are kept for ever",
        "a role loses its policies",
    )
} | {
    "a deregistration delay is altered": Drift("tenant/delay", "TargetGroup", _shorten_delay, _delay),
    "a tag is taken off a rule": Drift("tenant/tags", "ListenerRule", _untag_rule, _rule_tags),
}  # fmt: skip
TENANTS = [d.owner.removeprefix("tenant/") for d in FOUND_BY_EVENTS.values() if d.owner.startswith("tenant/")]


def heard(stage: Stage, what: str) -> int:
    """How many messages of the feed came to something, as /healthz says."""
    return int(stage.operator.health()["driftEvents"].get(what, 0))


def listens(stage: Stage) -> bool:
    """Whether cell and tier say that events are on."""
    return all(
        stage.get(kind, name)["status"].get("driftEvents") == {"state": "On"}
        for kind, name in (("cell", "cell-a"), ("tier", "tier-1"))
    )


@pytest.fixture(scope="module")
def stage(new_stage: Callable[..., Stage]) -> Stage:
    """Tenants at rest, and an operator that is told of changes."""
    stage = new_stage(sweep_seconds=SWEEP_SECONDS, arguments=("--drift-events",))
    stage.apply(
        m.namespace(),
        m.tier("tier-1", tags={"team": "blue"}),
        m.cell("cell-a"),
        m.group("group-1", "cell-a"),
        *(m.tenant(name) for name in TENANTS),
    )
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    stage.await_condition("infragroup", "group-1", "EndpointReady", "InForce")
    stage.wait("events are on", lambda: listens(stage))
    await_silence(stage)
    return stage


def await_silence(stage: Stage) -> None:
    """Wait until nothing has been written in AWS for some looks at it."""
    last, looks = stage.aws.last_call(), 0

    def silent() -> bool:
        nonlocal last, looks
        writes = [
            w for w in stage.writes_since(last) if not w["action"].startswith(("Receive", "DeleteMessage"))
        ]
        looks = 0 if writes else looks + 1
        last = stage.aws.last_call()
        return looks > 12

    stage.wait("nothing is written any more", silent)


def repaired(stage: Stage, name: str, before: Any) -> None:
    drift, found = FOUND_BY_EVENTS[name], [None]

    def is_as_before() -> bool:
        found[0] = drift.look(stage)
        return bool(found[0] == before)

    try:
        stage.wait(f"{name}: it is as before", is_as_before)
    except AssertionError as error:
        raise AssertionError(f"before: {before}\nnow: {found[0]}\n{error}") from None


@pytest.mark.parametrize("name", FOUND_BY_EVENTS)
def test_what_people_change_is_repaired_without_a_sweep_and_an_event_says_so(stage: Stage, name: str) -> None:
    drift = FOUND_BY_EVENTS[name]
    before = drift.look(stage)
    assert before
    drift.spoil(stage)
    repaired(stage, name, before)
    stage.wait(
        f"an Event of {drift.owner} names the {drift.said}",
        lambda: any(drift.said in message for message in events(stage, drift.owner)),
    )


def test_the_operators_own_writes_wake_nobody_and_nothing_goes_round_in_circles(stage: Stage) -> None:
    stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    await_silence(stage)
    assert heard(stage, "own") > 0
    mark = stage.aws.last_call()
    stage.wait("the queue was asked again", lambda: stage.aws.calls(since=mark, action="ReceiveMessage"))
    assert [w["action"] for w in stage.writes_since(mark) if w["service"] != "sqs"] == []


def test_somebody_else_with_the_operators_own_role_and_session_name_is_noticed(stage: Stage) -> None:
    before = FOUND_BY_EVENTS["a rule is deleted"].look(stage)
    operators(stage, "elbv2").delete_rule(RuleArn=stage.rule_of("rule")["RuleArn"])
    repaired(stage, "a rule is deleted", before)


def operators(stage: Stage, service: str) -> Any:
    """A client whose calls CloudTrail cannot tell from the operator's by who made them."""
    environment, url = stage.sandbox.operator_environment(), stage.sandbox.aws_endpoint_url
    config = Config(proxies={})
    own: Any = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    sts = own.client("sts", endpoint_url=url, config=config)
    keys = sts.assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT_A}:role/tenant-operator", RoleSessionName="tenant-operator"
    )["Credentials"]
    session: Any = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=REGION,
    )
    return session.client(service, endpoint_url=url, config=config)


def queue_urls(stage: Stage) -> list[str]:
    """The feed's queue first, then the one for what could not be read."""
    found = (
        stage.client("sqs", DNS_ACCOUNT).list_queues(QueueNamePrefix="sandbox-drift-").get("QueueUrls", [])
    )
    return sorted(found, key=lambda url: "undelivered" in url)


POISON = (
    "",
    "not JSON",
    "[1, 2]",
    json.dumps({"detail": "nothing", "account": ACCOUNT_A}),
    "[" * 50_000,
    json.dumps(
        {"source": "aws.ec2", "account": ACCOUNT_A, "detail": {"requestParameters": {"x": ["y" * 200_000]}}}
    ),
)


def test_poison_in_the_queue_stops_nothing(stage: Stage) -> None:
    sqs, url = stage.client("sqs", DNS_ACCOUNT), queue_urls(stage)[0]
    before = heard(stage, "unreadable")
    for body in POISON[1:]:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    stage.wait("they were looked at", lambda: heard(stage, "unreadable") >= before + len(POISON) - 2)
    look = FOUND_BY_EVENTS["a health check is altered"]
    expected = look.look(stage)
    look.spoil(stage)
    repaired(stage, "a health check is altered", expected)


def test_a_queue_that_somebody_deletes_is_made_anew_and_what_nobody_heard_of_is_found(stage: Stage) -> None:
    sqs, url = stage.client("sqs", DNS_ACCOUNT), queue_urls(stage)[0]
    sqs.delete_queue(QueueUrl=url)
    unheard = FOUND_BY_EVENTS["a listener answers something else"]
    expected = unheard.look(stage)
    unheard.spoil(stage)
    stage.wait("the queue is there again", lambda: len(queue_urls(stage)) == 2)
    repaired(stage, "a listener answers something else", expected)
    look = FOUND_BY_EVENTS["a health check is altered"]
    expected = look.look(stage)
    look.spoil(stage)
    repaired(stage, "a health check is altered", expected)


def test_the_rules_in_an_account_go_with_its_last_cell(stage: Stage) -> None:
    stage.apply(m.cell("cell-b", account=ACCOUNT_B))
    stage.await_ready("cell", "cell-b")
    events_of_b = stage.client("events", ACCOUNT_B)
    assert len(events_of_b.list_rules(NamePrefix="sandbox-drift-")["Rules"]) == 3
    stage.delete("cell", "cell-b")
    stage.await_gone("cell", "cell-b")
    assert events_of_b.list_rules(NamePrefix="sandbox-drift-")["Rules"] == []


def test_a_cell_whose_account_does_not_permit_it_says_so_and_works_all_the_same(stage: Stage) -> None:
    fault = stage.aws.add_fault("deny", service="events", account=ACCOUNT_B)
    stage.apply(m.cell("cell-b", account=ACCOUNT_B))
    stage.await_ready("cell", "cell-b")
    status = stage.wait(
        "it says that it gets no events", lambda: stage.get("cell", "cell-b")["status"].get("driftEvents")
    )
    assert status["state"] == "Unavailable"
    assert "events:" in status["message"]
    stage.aws.clear_faults(fault)
    stage.delete("cell", "cell-b")
    stage.await_gone("cell", "cell-b")


def feed(stage: Stage) -> list[str]:
    """Everything of the feed that there is in AWS."""
    found = queue_urls(stage)
    for account in (DNS_ACCOUNT, ACCOUNT_A, ACCOUNT_B):
        client = stage.client("events", account)
        found += [rule["Arn"] for rule in client.list_rules(NamePrefix="sandbox-drift-")["Rules"]]
        buses = client.list_event_buses(NamePrefix="sandbox-drift-")["EventBuses"]
        found += [bus["Arn"] for bus in buses]
    return found


def test_switched_off_everything_of_it_is_removed(stage: Stage) -> None:
    assert len(feed(stage)) >= 6
    stage.operator.stop()
    environment, log = stage.sandbox.operator_environment(), stage.operator.log
    stage.operator = OperatorProcess(environment, log, sweep_seconds=SWEEP_SECONDS)
    stage.operator.start()
    stage.wait("nothing of the feed is left", lambda: not feed(stage))
    stage.wait(
        "the status does not speak of it",
        lambda: "driftEvents" not in stage.get("tier", "tier-1")["status"],
    )


def test_the_log_of_all_this_has_no_tracebacks(stage: Stage) -> None:
    assert census.indiscretions(stage) == []
