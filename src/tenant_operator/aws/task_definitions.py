"""Task definitions: a family's revisions are registered, compared, pruned; none is ever changed.

Fargate, one container, network mode awsvpc. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import fields
from typing import Any

from tenant_operator.aws import tagging
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired import tags
from tenant_operator.desired.resources import CONTAINER, Address, Live, Resource, TaskDefinition
from tenant_operator.plan.change import FieldChange

REVISION_TAG = tags.PREFIX + "revision"
"""The content's hash, for people and for cost reports; it is told apart from the ownership tags here."""

RESTART_LABEL = tags.PREFIX + "restart-nonce"
"""The Docker label that makes a revision new although nothing else in it is."""

KEPT_REVISIONS = 5
"""How many a family keeps to go back to (docs: old revisions are deregistered but for the last five)."""

_NEVER_SET = (
    "volumes",
    "proxyConfiguration",
    "ephemeralStorage",
    "pidMode",
    "ipcMode",
    "enableFaultInjection",
)
_NEVER_SET_ON_CONTAINER = (
    "dependsOn", "environmentFiles", "healthCheck", "linuxParameters", "memory", "memoryReservation", "mountPoints",
    "privileged", "readonlyRootFilesystem", "repositoryCredentials", "resourceRequirements", "startTimeout",
    "systemControls", "ulimits", "user", "volumesFrom", "workingDirectory",
)  # fmt: skip
"""What AWS leaves empty unless it is asked for: a revision that has it was registered by somebody else. It is a list of
known settings, because AWS adds new ones with defaults, and those must not look like drift."""

DELETED_PER_CALL = 10
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html"""


def content_hash(spec: TaskDefinition) -> str:
    """Twelve hexadecimal digits that two revisions share exactly when they run the same thing in the same way."""
    return _hash(_content(spec))[:12]


def digest(spec: TaskDefinition, ownership: Mapping[str, str]) -> str:
    """Sixteen hexadecimal digits of a revision with its tags: with its ARN, proof enough that it need not be read again."""
    return _hash(_content(spec) | {"tags": dict(ownership)})[:16]


def _content(spec: TaskDefinition) -> dict[str, Any]:
    return {item.name: getattr(spec, item.name) for item in fields(spec)}


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def recalled(arn: str, address: Address, spec: TaskDefinition, ownership: Mapping[str, str]) -> Live:
    """A revision that was read before, from its content and tags; attributes as `read_task_definition`."""
    attributes = {"revision": _revision(arn), "content": content_hash(spec)}
    return Live(address=address, id=arn, spec=spec, tags=dict(ownership), attributes=attributes)


async def register(caller: Caller, resource: Resource, *, maybe_registered: bool = False) -> Live:
    """Register a revision, tagged as it is made.

    RegisterTaskDefinition has no client token: each call makes one more revision. A revision too many does no harm but
    clutter, so only a caller who cannot know whether the last call was answered asks to look first.

    Args:
        caller: Bound to the account and Region.
        resource: What to register; the family is the address's name.
        maybe_registered: Look at the newest revision first, and take it when it is ours and has the same content. A
            revision that somebody else registered in the family stands in nobody's way.

    Raises:
        AwsError: AWS refused.
    """
    spec = _spec(resource)
    if maybe_registered:
        for arn in (await newest_task_definitions(caller, resource.address.name))[:1]:
            live = await read_task_definition(caller, arn)
            if live.spec == spec and tags.is_ours(live.tags, resource.tags.get(tags.INSTALLATION, "")):
                return live
    answer = await caller(
        "ecs",
        "register_task_definition",
        family=resource.address.name,
        **to_api(spec),
        tags=tagging.as_lower_list({**resource.tags, REVISION_TAG: content_hash(spec)}),
    )
    return _live(caller, answer["taskDefinition"], dict(resource.tags))


async def create_task_definition(caller: Caller, resource: Resource) -> Live:
    """Register the first revision of a family, or take the one that a lost answer or a crash has left."""
    return await register(caller, resource, maybe_registered=True)


async def update_task_definition(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Register another revision where the content differs; where only tags do, put them on the revision that is there.

    Raises:
        AwsError: AWS refused.
    """
    if all(change.field == "tags" for change in changes):
        return await with_tags(caller, resource, live)
    return await register(caller, resource)


async def delete_task_definition(caller: Caller, live: Live) -> None:
    """Take a whole family away: every revision is deregistered, then deleted.

    Raises:
        AwsError: AWS refused.
    """
    arns = await newest_task_definitions(caller, live.address.name)
    for arn in arns:
        await deregister(caller, arn)
    for start in range(0, len(arns), DELETED_PER_CALL):
        chunk = arns[start : start + DELETED_PER_CALL]
        await caller("ecs", "delete_task_definitions", taskDefinitions=chunk)


async def read_task_definition(
    caller: Caller, arn: str, known: MutableMapping[str, Live] | None = None
) -> Live:
    """One revision in our terms. Live attributes: `revision` (a number), `content` (its hash as it was tagged).

    Args:
        caller: Bound to the account and Region.
        arn: The revision.
        known: Revisions read before: a revision never changes (but for its tags, so put what an update returns there
            too), so what is found is kept there for ever.

    Raises:
        AwsError: AWS refused the reading; NOT_FOUND or SPEC when there is no such revision.
    """
    if known is not None and arn in known:
        return known[arn]
    answer = await caller("ecs", "describe_task_definition", taskDefinition=arn, include=["TAGS"])
    live = _live(caller, answer["taskDefinition"], tagging.from_lower_list(answer.get("tags")))
    if known is not None:
        known[arn] = live
    return live


async def newest_task_definitions(caller: Caller, family: str) -> list[str]:
    """The ARNs of a family's active revisions, newest first.

    Raises:
        AwsError: AWS refused the reading.
    """
    arns = await caller.pages(
        "ecs",
        "list_task_definitions",
        "taskDefinitionArns",
        familyPrefix=family,
        status="ACTIVE",
        sort="DESC",
    )
    # AWS takes the whole name of a family here; a stand-in that takes it for a prefix must not mix families up.
    mine = [arn for arn in arns if _family(arn) == family]
    return sorted(mine, key=_revision, reverse=True)


async def deregister(caller: Caller, arn: str) -> None:
    """Make a revision INACTIVE: services that run it go on, new ones cannot take it. One that has gone is done.

    Raises:
        AwsError: AWS refused.
    """
    try:
        await caller("ecs", "deregister_task_definition", taskDefinition=arn)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def prune(
    caller: Caller, family: str, *, keep: int = KEPT_REVISIONS, in_use: Collection[str] = ()
) -> tuple[str, ...]:
    """Deregister a family's old revisions.

    Args:
        caller: Bound to the account and Region.
        family: The family.
        keep: How many of the newest stay.
        in_use: ARNs that stay whatever their age.

    Returns:
        The ARNs that were deregistered.

    Raises:
        AwsError: AWS refused.
    """
    old = [arn for arn in (await newest_task_definitions(caller, family))[keep:] if arn not in in_use]
    for arn in old:
        await deregister(caller, arn)
    return tuple(old)


def to_api(spec: TaskDefinition) -> dict[str, Any]:
    """The parameters of RegisterTaskDefinition, but for family and tags."""
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.image,
        "essential": True,
        "portMappings": [{"containerPort": spec.port, "protocol": "tcp"}],
        "environment": [{"name": name, "value": value} for name, value in spec.environment],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in spec.secrets],
        "stopTimeout": spec.stop_timeout_seconds,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": spec.log_group,
                "awslogs-region": spec.log_region,
                "awslogs-stream-prefix": spec.log_stream_prefix,
            },
        },
    }
    if spec.command:
        container["command"] = list(spec.command)
    if spec.entry_point:
        container["entryPoint"] = list(spec.entry_point)
    if spec.restart_nonce:
        container["dockerLabels"] = {RESTART_LABEL: spec.restart_nonce}
    return {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(spec.cpu),
        "memory": str(spec.memory),
        "runtimePlatform": {"cpuArchitecture": spec.architecture, "operatingSystemFamily": "LINUX"},
        "taskRoleArn": str(spec.task_role),
        "executionRoleArn": str(spec.execution_role),
        "containerDefinitions": [container],
    }


def from_api(definition: dict[str, Any]) -> TaskDefinition:
    """A revision of an answer in our terms; what our terms cannot say stands in `unexpected`."""
    containers: Sequence[dict[str, Any]] = definition.get("containerDefinitions") or ()
    container = next((c for c in containers if c.get("name") == CONTAINER), {})
    logs = container.get("logConfiguration") or {}
    options = logs.get("options") or {}
    ports = container.get("portMappings") or [{}]
    labels = container.get("dockerLabels") or {}
    return TaskDefinition(
        image=container.get("image", ""),
        cpu=int(definition.get("cpu") or 0),
        memory=int(definition.get("memory") or 0),
        architecture=(definition.get("runtimePlatform") or {}).get("cpuArchitecture", "X86_64"),
        port=int(ports[0].get("containerPort", 0)),
        command=tuple(container.get("command") or ()),
        entry_point=tuple(container.get("entryPoint") or ()),
        environment=tuple((entry["name"], entry["value"]) for entry in container.get("environment") or ()),
        secrets=tuple((entry["name"], entry["valueFrom"]) for entry in container.get("secrets") or ()),
        stop_timeout_seconds=int(container.get("stopTimeout", 30)),
        task_role=definition.get("taskRoleArn", ""),
        execution_role=definition.get("executionRoleArn", ""),
        log_group=options.get("awslogs-group", ""),
        log_region=options.get("awslogs-region", ""),
        log_stream_prefix=options.get("awslogs-stream-prefix", ""),
        restart_nonce=labels.get(RESTART_LABEL, ""),
        unexpected=tuple(_unexpected(definition, containers, container)),
    )


def _unexpected(
    definition: dict[str, Any], containers: Sequence[dict[str, Any]], container: dict[str, Any]
) -> Iterable[str]:
    """What makes a revision one that this operator did not register."""
    if definition.get("networkMode") != "awsvpc":
        yield f"network mode {definition.get('networkMode')}"
    yield from (f"a container {other.get('name')}" for other in containers if other is not container)
    if len(container.get("portMappings") or ()) > 1:
        yield "more than one port"
    yield from (name for name in _NEVER_SET if definition.get(name))
    yield from (f"{name} of the container" for name in _NEVER_SET_ON_CONTAINER if container.get(name))
    if (driver := (container.get("logConfiguration") or {}).get("logDriver", "awslogs")) != "awslogs":
        yield f"log driver {driver}"


def _live(caller: Caller, definition: dict[str, Any], found: dict[str, str]) -> Live:
    arn = definition["taskDefinitionArn"]
    address = Address(
        account=caller.account, region=caller.region, type=TaskDefinition.__name__, name=definition["family"]
    )
    return Live(
        address=address,
        id=arn,
        spec=from_api(definition),
        tags={key: value for key, value in found.items() if key != REVISION_TAG},
        attributes={"revision": _revision(arn), "content": found.get(REVISION_TAG, "")},
    )


def _family(arn: str) -> str:
    return arn.rsplit("/", 1)[-1].rpartition(":")[0]


def _revision(arn: str) -> int:
    return int(arn.rpartition(":")[2])


def _spec(resource: Resource) -> TaskDefinition:
    if not isinstance(resource.spec, TaskDefinition):
        raise TypeError(f"{resource.address} is not a task definition")
    return resource.spec
