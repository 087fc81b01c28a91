"""Queues and rules of a test's own account, and what arrives in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import REGION, Account, eventually
from tests.sandbox.aws.workloads.conftest import compute

__all__ = ["compute"]

API_CALL = "AWS API Call via CloudTrail"


@dataclass
class Queue:
    """A queue in an account."""

    account: Account
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def sqs(self) -> Any:
        return self.account.client("sqs")

    @cached_property
    def url(self) -> str:
        made: str = self.sqs.create_queue(QueueName=self.name, Attributes=self.attributes)["QueueUrl"]
        return made

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{self.account.id}:{self.name}"

    def allow(self, principal: Any, **condition: Any) -> None:
        """Its policy lets a principal send."""
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        policy = {"Version": "2012-10-17", "Statement": [{**statement, **condition}]}
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def send(self, *bodies: str, **parameters: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **parameters)

    def receive(self, wait: int = 0, **parameters: Any) -> list[dict[str, Any]]:
        asked = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], **parameters}
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=self.url, WaitTimeSeconds=wait, **asked
        ).get("Messages", [])
        return found

    def delete(self, message: Mapping[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def events(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many events; they are deleted."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            for message in self.receive(wait=1):
                found.append(json.loads(message["Body"]))
                self.delete(message)
            return len(found) >= count

        eventually(enough)
        return found

    def counts(self) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        shown = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return (
            int(shown["ApproximateNumberOfMessages"]),
            int(shown["ApproximateNumberOfMessagesNotVisible"]),
            int(shown["ApproximateNumberOfMessagesDelayed"]),
        )


@dataclass
class Bus:
    """An account's default bus."""

    account: Account

    @cached_property
    def events(self) -> Any:
        return self.account.client("events")

    @property
    def arn(self) -> str:
        return f"arn:aws:events:{REGION}:{self.account.id}:event-bus/default"

    def rule(
        self, pattern: Mapping[str, Any], *targets: Mapping[str, Any], name: str = "rule", **values: Any
    ) -> str:
        """A rule with targets; its ARN."""
        arn: str = self.events.put_rule(Name=name, EventPattern=json.dumps(pattern), **values)["RuleArn"]
        if targets:
            numbered = [{"Id": f"t{number}", **target} for number, target in enumerate(targets)]
            self.events.put_targets(Rule=name, Targets=numbered)
        return arn

    def put(self, detail: Mapping[str, Any], source: str = "app", **entry: Any) -> dict[str, Any]:
        put = {"Source": source, "DetailType": "Tested", "Detail": json.dumps(detail), **entry}
        [result] = self.events.put_events(Entries=[put])["Entries"]
        found: dict[str, Any] = result
        return found

    def failures(self) -> list[dict[str, str]]:
        """Deliveries that failed."""
        query = {"account": self.account.id, "region": REGION}
        found: list[dict[str, str]] = self.account.control.request("GET", "events/failures", query=query)[
            "failures"
        ]
        return found


@pytest.fixture
def queue(account: Account) -> Queue:
    return Queue(account, "feed")


@pytest.fixture
def bus(account: Account) -> Bus:
    return Bus(account)


@pytest.fixture
def trail(bus: Bus, queue: Queue) -> Callable[..., Queue]:
    """A queue that gets the account's events of some sources."""

    def listen(*sources: str, types: Sequence[str] = (API_CALL,)) -> Queue:
        _ = queue.url
        rule = bus.rule({"source": list(sources), "detail-type": list(types)}, {"Arn": queue.arn})
        queue.allow({"Service": "events.amazonaws.com"}, Condition={"ArnEquals": {"aws:SourceArn": rule}})
        return queue

    return listen
