"""What a message of the drift feed says: an event of EventBridge, boiled down to what tells whom it concerns. Pure.

The shapes: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_cwe_events.html. They differ from service to service and
change without notice, so nothing is looked for at a fixed place: whatever text in the request, the answer and the resources
may be an id, an ARN or a name is gathered, and whoever knows what is ours compares.

Values are never logged: a request may hold secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tenant_operator.aws.limits import MAX_EVENT_DEPTH, MAX_EVENT_STRINGS
from tenant_operator.desired.drift_feed import CLOUDTRAIL

MAX_NAME = 2048
"""Characters; longer text is a document and names nothing."""

_ACCOUNT = re.compile(r"\d{12}")
_TASK_DEFINITION = re.compile(r":task-definition/([^:]+)(?::\d+)?$|^([A-Za-z0-9_-]{1,255}):\d+$")


class Unreadable(Exception):
    """A message that is no event of AWS's; the reason holds nothing of what was in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftEvent:
    """Somebody has called AWS, or something has happened in ECS."""

    id: str
    source: str
    """Such as aws.ecs"""
    kind: str
    """EventBridge's `detail-type`."""
    account: str
    region: str
    name: str
    """The call's name, or ECS's name of what happened; empty where it has none."""
    failed: bool
    """Whether AWS refused the call."""
    principal: str
    """ARN of whoever called, such as arn:aws:sts::111122223333:assumed-role/role/session; empty for ECS's own events."""
    request_id: str
    names: frozenset[str]
    """What may be ids, ARNs or names of resources."""

    @property
    def is_call(self) -> bool:
        """Whether somebody called AWS, rather than something having happened by itself."""
        return self.kind == CLOUDTRAIL


def parse(body: str) -> DriftEvent:
    """The event in a message's body.

    Raises:
        Unreadable: it is none.
    """
    try:
        event: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not JSON") from error
    if not isinstance(event, dict):
        raise Unreadable("it is not a JSON object")
    detail = event.get("detail")
    account, source = _text(event, "account"), _text(event, "source")
    if not isinstance(detail, dict) or not _ACCOUNT.fullmatch(account) or not source:
        raise Unreadable("it lacks detail, account or source")
    return DriftEvent(
        id=_text(event, "id"),
        source=source,
        kind=_text(event, "detail-type"),
        account=account,
        region=_text(event, "region"),
        name=_text(detail, "eventName"),
        failed=bool(detail.get("errorCode") or detail.get("errorMessage")),
        principal=_principal(detail.get("userIdentity")),
        request_id=_text(detail, "requestID"),
        names=frozenset(_names(event, detail)),
    )


def _names(event: Mapping[str, Any], detail: Mapping[str, Any]) -> Iterator[str]:
    places = (
        event.get("resources"),
        detail.get("requestParameters"),
        detail.get("responseElements"),
        detail.get("resources"),
        detail.get("clusterArn"),
        detail.get("taskDefinitionArn"),
    )
    for text in islice((text for place in places for text in _texts(place)), MAX_EVENT_STRINGS):
        if 0 < len(text) <= MAX_NAME:
            yield from _as_names(text)


def _texts(place: Any) -> Iterator[str]:
    """Every string below a place, as deep as any event of AWS's goes."""
    waiting = [(place, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            yield value
        elif depth < MAX_EVENT_DEPTH and isinstance(value, dict):
            waiting.extend((element, depth + 1) for element in value.values())
        elif depth < MAX_EVENT_DEPTH and isinstance(value, list):
            waiting.extend((element, depth + 1) for element in value)


def _as_names(text: str) -> Iterator[str]:
    """A text, and what else AWS calls the same thing."""
    yield text
    if text.startswith("/hostedzone/"):
        yield text.removeprefix("/hostedzone/")
    if text.endswith("."):
        yield text.rstrip(".").lower()
    elif "." in text and text != text.lower():
        yield text.lower()
    if text.startswith("arn:"):
        yield from _in_arn(text)
    family = _TASK_DEFINITION.search(text)
    if family is not None:
        yield family[1] or family[2]


def _in_arn(arn: str) -> Iterator[str]:
    """What an ARN names: the cluster of a service or task, a log group, a role."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return
    service, resource = parts[2], parts[5]
    if service == "ecs":
        steps = resource.split("/")
        if len(steps) >= 2:
            yield steps[1]
    elif service == "logs" and resource.startswith("log-group:"):
        yield resource.removeprefix("log-group:").removesuffix(":*")
        yield arn.removesuffix(":*")
    elif service == "iam" and "/" in resource:
        yield resource.rpartition("/")[2]


def _principal(identity: Any) -> str:
    if not isinstance(identity, dict):
        return ""
    return _text(identity, "arn") or _text(identity, "invokedBy")


def _text(of: Mapping[str, Any], key: str) -> str:
    found = of.get(key)
    return found if isinstance(found, str) else ""
