"""Why a service's tasks do not stay up, in a sentence for a condition.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-errors.html
"""

from __future__ import annotations

from typing import Any

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import scrubbed
from tenant_operator.desired.resources import CONTAINER, Live, Service, ServiceState

TASKS_LOOKED_AT = 10
"""ListTasks gives no order, so a few are read to find the newest among them."""

MAX_DETAIL = 400
"""Characters: it goes into a condition's message with more beside it."""

SCALED_IN = "Scaling activity initiated by"
"""How the reason begins when a rollout or a smaller count stopped the task: that is no failure."""

_EXIT_CODES = {
    1: "the application failed",
    125: "the container could not be started",
    126: "the command cannot be executed",
    127: "the command was not found",
    134: "the application aborted",
    137: "killed: out of memory, or it did not stop within stopTimeoutSeconds",
    139: "segmentation fault",
    143: "stopped by SIGTERM",
}


async def failure_detail(caller: Caller, live: Live) -> str:
    """What stopped the newest of a service's stopped tasks, else the service's newest event; empty when all is quiet.

    ECS shows stopped tasks for about an hour. The text holds no secrets.

    Raises:
        AwsError: AWS refused the reading.
    """
    if not isinstance(live.spec, Service):
        raise TypeError(f"{live.address} is not an ECS service")
    newest = await _newest_stopped(caller, str(live.spec.cluster), live.address.name.partition("/")[2])
    state = live.attributes.get("state")
    text = sentence(newest) if newest is not None else ""
    if not text and isinstance(state, ServiceState):
        text = state.event
    text = scrubbed(text)
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1].rstrip() + "…"


async def _newest_stopped(caller: Caller, cluster: str, service: str) -> dict[str, Any] | None:
    listed = await caller(
        "ecs",
        "list_tasks",
        cluster=cluster,
        serviceName=service,
        desiredStatus="STOPPED",
        maxResults=TASKS_LOOKED_AT,
    )
    if not listed["taskArns"]:
        return None
    answer = await caller("ecs", "describe_tasks", cluster=cluster, tasks=listed["taskArns"])
    failed = [task for task in answer["tasks"] if not task.get("stoppedReason", "").startswith(SCALED_IN)]
    return max(failed, key=lambda task: str(task.get("stoppedAt", "")), default=None)


def sentence(task: dict[str, Any]) -> str:
    """The task's reason, and the container's where the task's only says that a container ended."""
    reason = str(task.get("stoppedReason", "")).strip().rstrip(".")
    container: dict[str, Any] = next(
        (c for c in task.get("containers", ()) if c.get("name") == CONTAINER), {}
    )
    parts = [reason] if reason else []
    if detail := str(container.get("reason", "")).strip().rstrip("."):
        parts.append(detail)
    elif (code := container.get("exitCode")) is not None and int(code) != 0:
        known = _EXIT_CODES.get(int(code))
        parts.append(f"exit code {code}" + (f" ({known})" if known else ""))
    return "; ".join(dict.fromkeys(parts))
