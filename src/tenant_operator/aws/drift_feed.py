"""The drift feed as AWS has it: what is there of its queues, bus and rules, and the messages that wait in a queue."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenant_operator.aws import event_rules, queues
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.limits import MESSAGES_PER_RECEIVE
from tenant_operator.desired import names
from tenant_operator.desired.resources import Address, Live

WAIT_SECONDS = 20
"""The longest that SQS lets a receive wait; an empty queue costs three calls a minute."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a queue."""

    id: str
    receipt: str
    body: str
    sent: float
    """Seconds since the epoch."""


async def read_feed(caller: Caller, installation: str, *, home: bool) -> dict[Address, Live]:
    """The feed's rules in an account and Region; with `home` its queues and its bus, too.

    Raises:
        AwsError: a reading failed.
    """
    prefix = f"{names.installation_prefix(installation)}drift-"
    name = names.drift_feed(installation)
    if not home:
        return await event_rules.read_rules(caller, prefix)
    found = await asyncio.gather(
        queues.read_queues(caller, (names.drift_feed(installation, "undelivered"), name)),
        event_rules.read_buses(caller, name),
        event_rules.read_rules(caller, prefix, (event_rules.DEFAULT_BUS, name)),
    )
    return {address: live for part in found for address, live in part.items()}


async def receive(caller: Caller, queue: Live) -> list[Message]:
    """Up to ten messages; waits for the first up to `WAIT_SECONDS`.

    Raises:
        AwsError: NOT_FOUND when the queue has gone.
    """
    answer = await caller(
        "sqs",
        "receive_message",
        QueueUrl=queue.attributes["url"],
        MaxNumberOfMessages=MESSAGES_PER_RECEIVE,
        WaitTimeSeconds=WAIT_SECONDS,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    return [_message(found) for found in answer.get("Messages") or ()]


async def delete(caller: Caller, queue: Live, messages: Sequence[Message]) -> int:
    """Delete messages that were dealt with; returns how many SQS kept (they come again, which does no harm).

    Raises:
        AwsError: a call failed.
    """
    kept = 0
    for some in _batches(messages):
        entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(some)]
        answer = await caller(
            "sqs", "delete_message_batch", QueueUrl=queue.attributes["url"], Entries=entries
        )
        kept += len(answer.get("Failed") or ())
    return kept


async def give_back(caller: Caller, queue: Live, messages: Sequence[Message], seconds: int) -> None:
    """Let another process receive messages, `seconds` from now.

    Raises:
        AwsError: a call failed; they come again after the queue's visibility time-out.
    """
    for some in _batches(messages):
        entries = [
            {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
            for n, message in enumerate(some)
        ]
        await caller(
            "sqs", "change_message_visibility_batch", QueueUrl=queue.attributes["url"], Entries=entries
        )


def _batches(messages: Iterable[Message]) -> Iterable[tuple[Message, ...]]:
    found = iter(messages)
    while some := tuple(itertools.islice(found, MESSAGES_PER_RECEIVE)):
        yield some


def _message(found: Mapping[str, Any]) -> Message:
    sent = (found.get("Attributes") or {}).get("SentTimestamp", "0")
    return Message(
        id=found.get("MessageId", ""),
        receipt=found["ReceiptHandle"],
        body=found.get("Body", ""),
        sent=int(sent) / 1000,
    )
