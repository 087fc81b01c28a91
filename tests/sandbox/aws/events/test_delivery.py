"""From a bus to queues, in the same account and across accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.sandbox.aws.events.conftest import Bus, Queue
from tests.sandbox.aws.foundations.conftest import REGION, Account, eventually

FROM_APP = {"source": ["app"]}
EVENT_BRIDGE = {"Service": "events.amazonaws.com"}


def test_a_matching_event_comes_to_the_queue_unchanged(bus: Bus, queue: Queue) -> None:
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    bus.rule({"source": ["app"], "detail": {"n": [{"numeric": [">", 1]}]}}, {"Arn": queue.arn})
    bus.put({"n": 1})
    put = bus.put({"n": 2}, Resources=["arn:x"])
    [event] = queue.events()
    assert event["id"] == put["EventId"]
    assert (event["account"], event["region"]) == (bus.account.id, REGION)
    assert (event["detail-type"], event["detail"], event["resources"]) == ("Tested", {"n": 2}, ["arn:x"])


def test_a_disabled_rule_takes_nothing(bus: Bus, queue: Queue) -> None:
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    bus.rule(FROM_APP, {"Arn": queue.arn})
    bus.events.disable_rule(Name="rule")
    bus.put({"n": 1})
    bus.events.enable_rule(Name="rule")
    bus.put({"n": 2})
    assert [event["detail"] for event in queue.events()] == [{"n": 2}]


def test_a_target_may_take_a_part_or_a_constant(bus: Bus, queue: Queue) -> None:
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    bus.rule(FROM_APP, {"Arn": queue.arn, "InputPath": "$.detail"}, {"Arn": queue.arn, "Input": '"hello"'})
    bus.put({"n": 1})
    assert sorted(map(str, queue.events(2))) == ["hello", "{'n': 1}"]


def test_a_queue_that_does_not_allow_it_gets_nothing(bus: Bus, queue: Queue) -> None:
    _ = queue.url
    bus.rule(FROM_APP, {"Arn": queue.arn})
    other_rule = f"arn:aws:events:{REGION}:{bus.account.id}:rule/other"
    queue.allow(EVENT_BRIDGE, Condition={"ArnEquals": {"aws:SourceArn": other_rule}})
    bus.put({})
    eventually(lambda: [found["code"] for found in bus.failures()] == ["NO_PERMISSIONS"])
    assert queue.receive() == []


def test_what_cannot_be_delivered_goes_to_the_dead_letters(bus: Bus, queue: Queue) -> None:
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    rule = bus.rule(FROM_APP, {"Arn": f"{queue.arn}-none", "DeadLetterConfig": {"Arn": queue.arn}})
    put = bus.put({})
    [message] = queue.receive(wait=10, MessageAttributeNames=["All"])
    assert json.loads(message["Body"])["id"] == put["EventId"]
    told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (told["RULE_ARN"], told["ERROR_CODE"]) == (rule, "RESOURCE_NOT_FOUND")


def test_another_accounts_bus_gets_events_once_it_allows_them(
    bus: Bus, queue: Queue, new_account: Callable[[], Account]
) -> None:
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    bus.rule(FROM_APP, {"Arn": queue.arn})
    cell = Bus(new_account())
    cell.rule(FROM_APP, {"Arn": bus.arn})
    cell.put({"n": 1})
    eventually(lambda: [found["code"] for found in cell.failures()] == ["NO_PERMISSIONS"])
    bus.events.put_permission(Action="events:PutEvents", Principal=cell.account.id, StatementId="cell")
    cell.put({"n": 2})
    [event] = queue.events()
    assert (event["account"], event["detail"]) == (cell.account.id, {"n": 2})


def test_an_event_from_another_bus_is_not_sent_on_to_a_third(
    bus: Bus, queue: Queue, new_account: Callable[[], Account]
) -> None:
    third, first = bus, Bus(new_account())
    second = Bus(new_account())
    for sender, receiver in ((first, second), (second, third)):
        sender.rule(FROM_APP, {"Arn": receiver.arn})
        receiver.events.put_permission(
            Action="events:PutEvents", Principal=sender.account.id, StatementId="sender"
        )
    _ = queue.url
    queue.allow(EVENT_BRIDGE)
    third.rule(FROM_APP, {"Arn": queue.arn})
    first.put({"from": "first"})
    for _ in range(2):  # by the time that the second one is there, the first bus's would be, too
        second.put({"from": "second"})
        assert [event["detail"] for event in queue.events()] == [{"from": "second"}]


def test_another_accounts_queue_needs_a_role_as_well(
    queue: Queue, new_account: Callable[[], Account]
) -> None:
    cell = Bus(new_account())
    role_arn = f"arn:aws:iam::{cell.account.id}:role/sender"
    _ = queue.url
    queue.allow({"AWS": role_arn})
    cell.rule(FROM_APP, {"Arn": queue.arn})
    cell.put({"n": 1})
    eventually(lambda: len(cell.failures()) == 1)
    make_sender(cell.account, queue.arn)
    cell.events.put_targets(Rule="rule", Targets=[{"Id": "t0", "Arn": queue.arn, "RoleArn": role_arn}])
    cell.put({"n": 2})
    assert [event["detail"] for event in queue.events()] == [{"n": 2}]


def make_sender(account: Account, queue_arn: str) -> None:
    """A role that EventBridge may assume, and that may send to the queue."""
    trust = {"Effect": "Allow", "Principal": EVENT_BRIDGE, "Action": "sts:AssumeRole"}
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue_arn}
    iam = account.client("iam")
    iam.create_role(RoleName="sender", AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName="sender", PolicyName="send", PolicyDocument=document(send))


def document(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
