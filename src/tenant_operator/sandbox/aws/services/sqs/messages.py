"""Sending, receiving and deleting messages.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
"""

from __future__ import annotations

import base64
import hashlib
import struct
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.sqs import access
from tenant_operator.sandbox.aws.services.sqs.failures import (
    invalid_parameter,
    no_such_queue,
    with_old_code,
)
from tenant_operator.sandbox.aws.services.sqs.state import MAX_IN_FLIGHT, Message, Queue
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

LONGEST_WAIT_SECONDS = 20
MOST_AT_ONCE = 10
LONGEST_INVISIBLE_SECONDS = 43_200

behaviours = Behaviours("sqs")


# -- sending


@behaviours.answers("SendMessage")
def _send_message(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return send(sim, access.used(sim, call), call.parameters, call.principal.access_key_id)


def send(sim: Simulation, queue: Queue, parameters: Mapping[str, Any], sender_id: str) -> Mapping[str, Any]:
    """Put a message into a queue.

    Args:
        sim: The simulation.
        queue: Where to.
        parameters: MessageBody, and optionally DelaySeconds and MessageAttributes.
        sender_id: Shown as the message's SenderId.

    Raises:
        AwsFailure: an empty body, one that is too long, a delay out of range.
    """
    body, attributes = parameters.get("MessageBody") or "", parameters.get("MessageAttributes") or {}
    delay = parameters.get("DelaySeconds")
    size = len(body.encode()) + sum(_attribute_size(name, value) for name, value in attributes.items())
    if not body:
        raise AwsFailure("MissingRequiredParameterException", "The request must contain MessageBody.")
    if size > queue.number("MaximumMessageSize"):
        raise invalid_parameter(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.number('MaximumMessageSize')} bytes."
        )
    if delay is not None and not 0 <= delay <= 900:
        raise invalid_parameter(f"Value {delay} for parameter DelaySeconds is invalid. Reason: 0 to 900.")
    now = sim.now()
    message = Message(
        str(uuid.UUID(int=sim.rng.getrandbits(128), version=4)),
        body,
        attributes,
        sender_id,
        int(time.time() * 1000),
        now,
    )
    queue.put(message, now + (queue.number("DelaySeconds") if delay is None else delay), now)
    made = {"MessageId": message.id, "MD5OfMessageBody": _md5(body.encode())}
    return {**made, "MD5OfMessageAttributes": _md5_of_attributes(attributes)} if attributes else made


def _attribute_size(name: str, value: Mapping[str, Any]) -> int:
    content = value.get("StringValue", "").encode() or value.get("BinaryValue") or b""
    return len(name.encode()) + len(value.get("DataType", "").encode()) + len(content)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _md5_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html."""
    parts: list[bytes] = []
    for name in sorted(attributes):
        value = attributes[name]
        kind: str = value["DataType"]
        binary = kind.startswith("Binary")
        content = value["BinaryValue"] if binary else value["StringValue"].encode()
        for part in (name.encode(), kind.encode()):
            parts += [struct.pack("!I", len(part)), part]
        parts += [b"\x02" if binary else b"\x01", struct.pack("!I", len(content)), content]
    return _md5(b"".join(parts))


# -- receiving


@behaviours.answers("ReceiveMessage")
def _receive_message(sim: Simulation, call: Call) -> Mapping[str, Any]:
    queue = access.used(sim, call)
    most = _in_range(call, "MaxNumberOfMessages", 1, MOST_AT_ONCE, 1)
    wait = _in_range(
        call, "WaitTimeSeconds", 0, LONGEST_WAIT_SECONDS, queue.number("ReceiveMessageWaitTimeSeconds")
    )
    hidden = _in_range(
        call, "VisibilityTimeout", 0, LONGEST_INVISIBLE_SECONDS, queue.number("VisibilityTimeout")
    )
    deadline = sim.now() + wait
    while not (received := list(_take(sim, queue, most, hidden))):
        _await_messages(sim, queue, deadline)
        if queue.gone:
            raise no_such_queue()
        if sim.now() >= deadline:
            return {}
    return {"Messages": [_shown(call, queue, message) for message in received]}


def _in_range(call: Call, name: str, lowest: int, highest: int, default: int) -> int:
    value = call.parameters.get(name)
    if value is None:
        return default
    if not lowest <= value <= highest:
        raise invalid_parameter(
            f"Value {value} for parameter {name} is invalid. Reason: Must be >= {lowest} and <= {highest}, "
            "if provided."
        )
    return int(value)


def _await_messages(sim: Simulation, queue: Queue, deadline: float) -> None:
    """Waiting on the condition gives the simulation's lock to others."""
    until = min(deadline, queue.next_change() or deadline)
    if until > sim.now():
        queue.arrived.wait(until - sim.now())


def _take(sim: Simulation, queue: Queue, most: int, hidden: int) -> Iterator[Message]:
    now = sim.now()
    queue.refresh(now)
    if len(queue.messages) >= MAX_IN_FLIGHT and queue.counts(now)[1] >= MAX_IN_FLIGHT:
        raise AwsFailure("OverLimit", "Too many messages are in flight.", status=403, query_code="OverLimit")
    redrive, taken, again = queue.redrive, 0, []
    while queue.waiting and taken < most:
        message = queue.waiting.popleft()
        if message.deleted or message.in_flight:
            continue
        if redrive is not None and message.receive_count >= redrive[1]:
            _to_dead_letters(sim, queue, message, redrive[0])
            continue
        message.receive_count += 1
        message.first_received_ms = message.first_received_ms or int(time.time() * 1000)
        if sim.rng.random() < sim.imperfections.queue_duplicated:
            again.append(message)  # some server of the queue does not know yet that it is in flight
        else:
            queue.hide(message, now + hidden)
        taken += 1
        yield message
    queue.waiting.extendleft(again)


def _to_dead_letters(sim: Simulation, queue: Queue, message: Message, target_arn: str) -> None:
    target = access.by_arn(sim, target_arn)
    queue.delete(message)
    if target is None:
        return
    source = {"DeadLetterQueueSourceArn": queue.arn}
    moved = replace(message, deleted=False, receive_count=0, first_received_ms=0, system_attributes=source)
    target.put(moved, sim.now(), sim.now())


def _shown(call: Call, queue: Queue, message: Message) -> dict[str, Any]:
    system = {
        "SenderId": message.sender_id,
        "SentTimestamp": str(message.sent_ms),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": str(message.first_received_ms),
        **message.system_attributes,
    }
    asked = {
        *(call.parameters.get("AttributeNames") or ()),
        *(call.parameters.get("MessageSystemAttributeNames") or ()),
    }
    shown: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": _handle(queue, message),
        "MD5OfBody": _md5(message.body.encode()),
        "Body": message.body,
    }
    if chosen := {name: value for name, value in system.items() if name in asked or "All" in asked}:
        shown["Attributes"] = chosen
    patterns = call.parameters.get("MessageAttributeNames") or ()
    if matched := {
        name: value
        for name, value in message.attributes.items()
        if any(_matches(name, pattern) for pattern in patterns)
    }:
        shown["MessageAttributes"] = matched
        shown["MD5OfMessageAttributes"] = _md5_of_attributes(matched)
    return shown


def _matches(name: str, pattern: str) -> bool:
    if pattern in ("All", ".*"):
        return True
    return name.startswith(pattern[:-2]) if pattern.endswith(".*") else name == pattern


# -- what is done with a received message


def _handle(queue: Queue, message: Message) -> str:
    text = f"{queue.arn} {message.id} {message.receive_count}"
    return base64.b64encode(text.encode()).decode()


def received(queue: Queue, handle: str) -> Message | None:
    """The message that a receipt handle stands for; None when it is gone, or was received again since.

    Raises:
        AwsFailure: ReceiptHandleIsInvalid: no handle of this queue's.
    """
    try:
        arn, message_id, count = base64.b64decode(handle, validate=True).decode().split(" ")
    except ValueError as error:
        raise _invalid_handle(handle) from error
    if arn != queue.arn or not count.isdigit():
        raise _invalid_handle(handle)
    message = queue.messages.get(message_id)
    return message if message is not None and message.receive_count == int(count) else None


def _invalid_handle(handle: str) -> AwsFailure:
    return AwsFailure("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not valid.')


@behaviours.answers("DeleteMessage")
def _delete_message(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    delete(queue, call.parameters["ReceiptHandle"])


def delete(queue: Queue, handle: str) -> None:
    """Delete a message. A handle that is no longer the message's newest deletes nothing, and is no error."""
    message = received(queue, handle)
    if message is not None:
        queue.delete(message)


@behaviours.answers("ChangeMessageVisibility")
def _change_visibility(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    change_visibility(sim, queue, call.parameters["ReceiptHandle"], call.parameters["VisibilityTimeout"])


def change_visibility(sim: Simulation, queue: Queue, handle: str, seconds: int) -> None:
    """Hide a message for so long from now on; 0 shows it at once.

    Raises:
        AwsFailure: a time out of range, or a message that is not in flight.
    """
    if not 0 <= seconds <= LONGEST_INVISIBLE_SECONDS:
        raise invalid_parameter(f"Value {seconds} for parameter VisibilityTimeout is invalid.")
    message = received(queue, handle)
    if message is None or not message.in_flight:
        raise with_old_code(
            "MessageNotInflight",
            f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
            "available for visibility timeout change.",
        )
    queue.hide(message, sim.now() + seconds)
    queue.arrived.notify_all()
