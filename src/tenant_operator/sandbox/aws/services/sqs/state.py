"""The queues of one account and Region, and the messages in them.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

from __future__ import annotations

import heapq
import itertools
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_IN_FLIGHT = 120_000  # of a standard queue

_order = itertools.count()


def redrive_of(document: str) -> tuple[str, int]:
    """A RedrivePolicy's target ARN and receive count."""
    policy = json.loads(document)
    return str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])


@dataclass(slots=True, eq=False)
class Message:
    """One message. Times are seconds on the simulation's clock, or epoch milliseconds where AWS shows them."""

    id: str
    body: str
    attributes: Mapping[str, Any]  # MessageAttributes
    sender_id: str
    sent_ms: int
    sent_at: float
    system_attributes: dict[str, str] = field(default_factory=dict)
    receive_count: int = 0
    first_received_ms: int = 0
    visible_at: float = 0.0
    in_flight: bool = False
    deleted: bool = False


@dataclass(slots=True, eq=False)
class Queue:
    """A queue: what is waiting to be received, and what is hidden until a time (delayed, or in flight)."""

    name: str
    account: str
    region: str
    arn: str
    attributes: dict[str, str]
    created: int  # epoch seconds
    modified: int
    arrived: threading.Condition  # on the simulation's lock
    tags: dict[str, str] = field(default_factory=dict)
    waiting: deque[Message] = field(default_factory=deque)
    hidden: list[tuple[float, int, Message]] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)  # by id, all that are not deleted
    purged_at: float | None = None
    gone: bool = False

    def number(self, name: str) -> int:
        """A numeric attribute."""
        return int(self.attributes[name])

    @property
    def redrive(self) -> tuple[str, int] | None:
        """The dead-letter queue's ARN, and how often a message may be received before it goes there."""
        text = self.attributes.get("RedrivePolicy")
        return redrive_of(text) if text else None

    def put(self, message: Message, visible_at: float, now: float) -> None:
        """Take in a message, visible now or later."""
        self.messages[message.id] = message
        message.visible_at = visible_at
        if visible_at <= now:
            self.waiting.append(message)
        else:
            heapq.heappush(self.hidden, (visible_at, next(_order), message))
        self.arrived.notify_all()

    def hide(self, message: Message, until: float) -> None:
        """In flight until a time."""
        message.in_flight = True
        message.visible_at = until
        heapq.heappush(self.hidden, (until, next(_order), message))

    def delete(self, message: Message) -> None:
        """Gone for good."""
        message.deleted = True
        self.messages.pop(message.id, None)

    def refresh(self, now: float) -> None:
        """Bring back what is due, and forget what is too old."""
        while self.hidden and self.hidden[0][0] <= now:
            due, _, message = heapq.heappop(self.hidden)
            if not message.deleted and message.visible_at == due:
                message.in_flight = False
                self.waiting.append(message)
        retention = self.number("MessageRetentionPeriod")
        while self.messages:
            oldest = next(iter(self.messages.values()))
            if now - oldest.sent_at <= retention:
                return
            self.delete(oldest)

    def next_change(self) -> float | None:
        """When the next hidden message becomes visible."""
        return self.hidden[0][0] if self.hidden else None

    def counts(self, now: float) -> tuple[int, int, int]:
        """Messages that are visible, in flight, delayed."""
        self.refresh(now)
        flying = sum(message.in_flight for message in self.messages.values())
        delayed = sum(
            not message.in_flight and message.visible_at > now for message in self.messages.values()
        )
        return len(self.messages) - flying - delayed, flying, delayed


@dataclass(slots=True)
class SqsState:
    """Everything of one account and Region."""

    queues: dict[str, Queue] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)  # name → when, on the simulation's clock
