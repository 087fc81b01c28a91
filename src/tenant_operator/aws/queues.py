"""SQS queues: reading those of given names, and making, changing and deleting one.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import Address, Live, Queue, Resource, Spec
from tenant_operator.plan.change import FieldChange

DELETED_RECENTLY = frozenset({"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"})
"""For a minute after a queue was deleted nobody may make another of its name."""


async def read_queues(caller: Caller, names: Sequence[str]) -> dict[Address, Live]:
    """The queues of these names that exist, whoever owns them. Costs three reads each.

    Raises:
        AwsError: a reading failed.
    """
    found = await asyncio.gather(*(_read(caller, name) for name in names))
    return {live.address: live for live in found if live is not None}


async def create_queue(caller: Caller, resource: Resource) -> Live:
    """Make a queue, tagged as it is made; one of ours that is there already is adopted.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name; RETRY within a minute of its deletion.
    """
    spec, name = cast("Queue", resource.spec), resource.address.name
    try:
        answer = await caller(
            "sqs", "create_queue", QueueName=name, Attributes=_attributes(spec), tags=dict(resource.tags)
        )
    except AwsError as error:
        if error.code in DELETED_RECENTLY:
            message = (
                f"queue {name} was deleted less than a minute ago, and SQS lets nobody make it anew so soon"
            )
            raise caller.error("sqs", "create_queue", error.code, message, Category.RETRY) from error
        if error.category is not Category.EXISTS:
            raise
        live = await _read(caller, name)
        if live is None:
            raise
        return adopted(caller, resource, live, "sqs", "create_queue")
    return Live(
        address=_address(caller, name),
        id=_arn(caller, name),
        spec=spec,
        tags=dict(resource.tags),
        attributes={"url": answer["QueueUrl"]},
    )


async def update_queue(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set the attributes and the tags right."""
    spec = cast("Queue", resource.spec)
    if any(change.field != "tags" for change in changes):
        attributes = {**_attributes(spec)}
        if spec.policy is None:
            attributes["Policy"] = ""
        if spec.undelivered is None:
            attributes["RedrivePolicy"] = ""
        await caller("sqs", "set_queue_attributes", QueueUrl=live.attributes["url"], Attributes=attributes)
    return await apply_tag_change(caller, replace(live, spec=spec), changes)


async def delete_queue(caller: Caller, live: Live) -> None:
    """Delete a queue with what is in it; one that is gone is done."""
    try:
        await caller("sqs", "delete_queue", QueueUrl=live.attributes["url"])
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _read(caller: Caller, name: str) -> Live | None:
    try:
        url = (await caller("sqs", "get_queue_url", QueueName=name))["QueueUrl"]
        answer, tags = await asyncio.gather(
            caller("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"]),
            caller("sqs", "list_queue_tags", QueueUrl=url),
        )
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    found: Mapping[str, str] = answer.get("Attributes") or {}
    redrive = _document(found.get("RedrivePolicy"))
    return Live(
        address=_address(caller, name),
        id=found.get("QueueArn") or _arn(caller, name),
        spec=Queue(
            retention_seconds=int(found.get("MessageRetentionPeriod", 0)),
            visibility_seconds=int(found.get("VisibilityTimeout", 0)),
            wait_seconds=int(found.get("ReceiveMessageWaitTimeSeconds", 0)),
            policy=canonical(policy) if (policy := _document(found.get("Policy"))) else None,
            undelivered=redrive.get("deadLetterTargetArn"),
            max_receives=int(redrive.get("maxReceiveCount", 0)),
        ),
        tags=dict(tags.get("Tags") or {}),
        attributes={"url": url},
    )


def _attributes(spec: Queue) -> dict[str, str]:
    found = {
        "MessageRetentionPeriod": str(spec.retention_seconds),
        "VisibilityTimeout": str(spec.visibility_seconds),
        "ReceiveMessageWaitTimeSeconds": str(spec.wait_seconds),
    }
    if spec.policy is not None:
        found["Policy"] = spec.policy
    if spec.undelivered is not None:
        redrive = {"deadLetterTargetArn": spec.undelivered, "maxReceiveCount": spec.max_receives}
        found["RedrivePolicy"] = canonical(redrive)
    return found


def _document(text: str | None) -> Mapping[str, Any]:
    """A JSON object; an empty one where somebody wrote something else."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {"unreadable": text}
    return found if isinstance(found, dict) else {"unreadable": text}


def _address(caller: Caller, name: str) -> Address:
    return Address(account=caller.account, region=caller.region, type=Queue.__name__, name=name)


def _arn(caller: Caller, name: str) -> str:
    return f"arn:{caller.partition}:sqs:{caller.region}:{caller.account}:{name}"


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {Queue: create_queue}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    Queue: update_queue
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {Queue: delete_queue}
