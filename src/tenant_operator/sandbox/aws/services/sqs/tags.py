"""Tags of queues.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.sqs import access
from tenant_operator.sandbox.aws.services.sqs.failures import invalid_parameter
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_TAGS = 50

behaviours = Behaviours("sqs")


def checked(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Raises AwsFailure: too many, too long, or reserved."""
    if len(tags) > MAX_TAGS:
        raise invalid_parameter(f"Too many tags added for queue, at most {MAX_TAGS} are allowed.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise invalid_parameter(f"Tag key {key!r} or its value is invalid.")
    return tags


@behaviours.answers("TagQueue")
def _tag(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    queue.tags.update(checked({**queue.tags, **call.parameters["Tags"]}))


@behaviours.answers("UntagQueue")
def _untag(sim: Simulation, call: Call) -> None:
    queue = access.used(sim, call)
    for key in call.parameters["TagKeys"]:
        queue.tags.pop(key, None)


@behaviours.answers("ListQueueTags")
def _list_tags(sim: Simulation, call: Call) -> Mapping[str, Any]:
    tags = access.used(sim, call).tags
    return {"Tags": dict(tags)} if tags else {}
