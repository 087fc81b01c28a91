"""Queues and their attributes.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.services.sqs import access, attributes, tags
from tenant_operator.sandbox.aws.services.sqs.failures import (
    invalid_attribute,
    invalid_parameter,
    no_such_queue,
    with_old_code,
)
from tenant_operator.sandbox.aws.services.sqs.state import Queue, SqsState, redrive_of
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

PURGE_PAUSE_SECONDS = 60  # one PurgeQueue a queue in this time
LIST_PAGE = 1000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")

behaviours = Behaviours("sqs")


@behaviours.answers("CreateQueue")
def _create_queue(sim: Simulation, call: Call) -> Mapping[str, Any]:
    name = call.parameters["QueueName"]
    if name.endswith(".fifo"):
        raise not_simulated("sqs", call.action, "FIFO queues are not simulated")
    if not _NAME.fullmatch(name):
        raise invalid_parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    state = sim.state(SqsState, call.account, call.region)
    wanted = attributes.check(call.action, call.parameters.get("Attributes") or {})
    found = state.queues.get(name)
    if found is not None:
        _check_same(found, wanted)
        return {"QueueUrl": access.url_of(sim, found)}
    deleted = state.deleted.get(name)
    if deleted is not None and sim.now() - deleted < sim.durations.queue_name_held:
        raise with_old_code(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )
    _check_dead_letter_queue(sim, call, wanted)
    now = int(time.time())
    queue = Queue(
        name,
        call.account,
        call.region,
        f"arn:{call.partition}:sqs:{call.region}:{call.account}:{name}",
        {**attributes.DEFAULTS, **_without_empty(wanted)},
        now,
        now,
        threading.Condition(sim.lock),
    )
    queue.tags.update(tags.checked(call.parameters.get("tags") or {}))
    state.queues[name] = queue
    return {"QueueUrl": access.url_of(sim, queue)}


def _check_same(queue: Queue, wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if queue.attributes.get(name, "") != value:
            raise AwsFailure(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {name}",
                query_code="QueueAlreadyExists",
            )


def _without_empty(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _check_dead_letter_queue(sim: Simulation, call: Call, values: Mapping[str, str]) -> None:
    if not values.get("RedrivePolicy"):
        return
    arn, _ = redrive_of(values["RedrivePolicy"])
    found = access.by_arn(sim, arn)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise invalid_attribute("RedrivePolicy", "Dead letter target does not exist.")


@behaviours.answers("DeleteQueue")
def _delete_queue(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    state = sim.state(SqsState, queue.account, queue.region)
    del state.queues[queue.name]
    state.deleted[queue.name] = sim.now()
    queue.gone = True
    queue.arrived.notify_all()


@behaviours.answers("GetQueueUrl")
def _get_queue_url(sim: Simulation, call: Call) -> Mapping[str, Any]:
    owner = call.parameters.get("QueueOwnerAWSAccountId") or call.account
    try:
        queue = access.find(sim, owner, call.region, call.parameters["QueueName"])
        access.check_allowed(call, queue, call.action)
    except AwsFailure as error:  # a stranger is not told what there is
        raise no_such_queue() from error
    return {"QueueUrl": access.url_of(sim, queue)}


@behaviours.answers("ListQueues")
def _list_queues(sim: Simulation, call: Call) -> Mapping[str, Any]:
    prefix = call.parameters.get("QueueNamePrefix") or ""
    queues = sim.state(SqsState, call.account, call.region).queues
    after = call.parameters.get("NextToken") or ""
    names = sorted(name for name in queues if name.startswith(prefix) and name > after)
    size = call.parameters.get("MaxResults")
    page = names[: size or LIST_PAGE]
    found = {"QueueUrls": [access.url_of(sim, queues[name]) for name in page]} if page else {}
    return {**found, "NextToken": page[-1]} if size and len(names) > size else found


@behaviours.answers("ListDeadLetterSourceQueues")
def _list_sources(sim: Simulation, call: Call) -> Mapping[str, Any]:
    target = access.used(sim, call)
    queues = sim.state(SqsState, target.account, target.region).queues.values()
    sources = [queue for queue in queues if queue.redrive and queue.redrive[0] == target.arn]
    return {"queueUrls": [access.url_of(sim, queue) for queue in sources]}


@behaviours.answers("GetQueueAttributes")
def _get_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    queue = access.used(sim, call)
    wanted = set(call.parameters.get("AttributeNames") or ())
    for name in wanted - attributes.KNOWN:
        raise attributes.unknown_attribute(name)
    visible, flying, delayed = queue.counts(sim.now())
    values = (queue.arn, visible, flying, delayed, queue.created, queue.modified)
    shown = {
        **queue.attributes,
        **{name: str(value) for name, value in zip(attributes.READ_ONLY, values, strict=True)},
    }
    if "All" not in wanted:
        shown = {name: value for name, value in shown.items() if name in wanted}
    return {"Attributes": shown} if shown else {}


@behaviours.answers("SetQueueAttributes")
def _set_attributes(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    values = attributes.check(call.action, call.parameters["Attributes"])
    _check_dead_letter_queue(sim, call, values)
    for name, value in values.items():
        if value:
            queue.attributes[name] = value
        else:
            queue.attributes.pop(name, None)
    queue.modified = int(time.time())


@behaviours.answers("PurgeQueue")
def _purge(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    if queue.purged_at is not None and sim.now() - queue.purged_at < PURGE_PAUSE_SECONDS:
        raise with_old_code(
            "PurgeQueueInProgress",
            f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
            status=403,
        )
    queue.purged_at = sim.now()
    for message in list(queue.messages.values()):
        queue.delete(message)
