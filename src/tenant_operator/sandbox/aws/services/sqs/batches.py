"""The calls that take up to ten entries, each of which succeeds or fails by itself.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.sqs import access, messages
from tenant_operator.sandbox.aws.services.sqs.attributes import MAX_MESSAGE_BYTES
from tenant_operator.sandbox.aws.services.sqs.failures import with_old_code
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MOST_ENTRIES = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")

behaviours = Behaviours("sqs")


@behaviours.answers("SendMessageBatch")
def _send(sim: Simulation, call: Call) -> Mapping[str, Any]:
    queue = access.used(sim, call, "SendMessage")
    if sum(len(entry["MessageBody"].encode()) for entry in call.parameters["Entries"]) > MAX_MESSAGE_BYTES:
        raise with_old_code(
            "BatchRequestTooLong", f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes."
        )
    sender = call.principal.access_key_id
    return _each(call, lambda entry: messages.send(sim, queue, entry, sender))


@behaviours.answers("DeleteMessageBatch")
def _delete(sim: Simulation, call: Call) -> Mapping[str, Any]:
    queue = access.used(sim, call, "DeleteMessage")
    return _each(call, lambda entry: messages.delete(queue, entry["ReceiptHandle"]))


@behaviours.answers("ChangeMessageVisibilityBatch")
def _change_visibility(sim: Simulation, call: Call) -> Mapping[str, Any]:
    queue = access.used(sim, call, "ChangeMessageVisibility")
    default = queue.number("VisibilityTimeout")

    def change(entry: Mapping[str, Any]) -> None:
        seconds = entry.get("VisibilityTimeout", default)
        messages.change_visibility(sim, queue, entry["ReceiptHandle"], seconds)

    return _each(call, change)


def _each(call: Call, act: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]) -> Mapping[str, Any]:
    entries = call.parameters["Entries"]
    _check(entries)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **(act(entry) or {})})
        except AwsFailure as error:
            reason = {"Code": error.query_code or error.code, "Message": error.message}
            failed.append({"Id": entry["Id"], "SenderFault": True, **reason})
    return {"Successful": done, "Failed": failed}


def _check(entries: list[Mapping[str, Any]]) -> None:
    if not entries:
        raise with_old_code("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST_ENTRIES:
        raise with_old_code(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST_ENTRIES}. You have sent {len(entries)}.",
        )
    ids = [entry["Id"] for entry in entries]
    if any(not _ID.fullmatch(entry_id) for entry_id in ids):
        raise with_old_code(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at "
            "most 80 letters long.",
        )
    if len(set(ids)) != len(ids):
        raise with_old_code(
            "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."
        )
