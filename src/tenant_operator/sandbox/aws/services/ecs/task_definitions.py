"""Task definitions: what Fargate takes, and revisions.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.ecs import tags
from tenant_operator.sandbox.aws.services.ecs.paging import page
from tenant_operator.sandbox.aws.services.ecs.state import EcsState, TaskDefinition, client_error, invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_SIZE = 64 * 1024
MAX_CONTAINERS = 10
MAX_DELETED = 10
MAX_STOP_TIMEOUT = 120
_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")
_GIB = 1024
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
_FARGATE_MEMORY = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
_KEPT = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "runtimePlatform",
    "ephemeralStorage",
    "pidMode",
    "proxyConfiguration",
)
_ECR_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")

behaviours = Behaviours("ecs")


def _state(sim: Simulation, call: Call) -> EcsState:
    return sim.state(EcsState, call.account, call.region)


@behaviours.answers("RegisterTaskDefinition")
def _register_task_definition(sim: Simulation, call: Call) -> Mapping[str, Any]:
    made = _register(sim, _state(sim, call), call)
    return {"taskDefinition": describe_definition(made), "tags": tags.shown(_state(sim, call), made.arn)}


@behaviours.answers("DescribeTaskDefinition")
def _describe_task_definition(sim: Simulation, call: Call) -> Mapping[str, Any]:
    found = _found(_state(sim, call), call.parameters["taskDefinition"])
    answer: dict[str, Any] = {"taskDefinition": describe_definition(found)}
    if "TAGS" in call.parameters.get("include", []):
        answer["tags"] = tags.shown(_state(sim, call), found.arn)
    return answer


@behaviours.answers("ListTaskDefinitions")
def _list_task_definitions(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """`familyPrefix` is the family's full name; oldest first unless sort=DESC."""
    family, status = call.parameters.get("familyPrefix"), call.parameters.get("status", "ACTIVE")
    families = _state(sim, call).families
    names = [family] if family is not None else sorted(families)
    arns = [found.arn for name in names for found in families.get(name, []) if found.status == status]
    if call.parameters.get("sort") == "DESC":
        arns.reverse()
    shown, token = page(arns, call.parameters)
    return {"taskDefinitionArns": shown, "nextToken": token}


@behaviours.answers("ListTaskDefinitionFamilies")
def _list_task_definition_families(sim: Simulation, call: Call) -> Mapping[str, Any]:
    prefix, status = call.parameters.get("familyPrefix", ""), call.parameters.get("status", "ACTIVE")
    names = [
        name
        for name, revisions in sorted(_state(sim, call).families.items())
        if name.startswith(prefix)
        and (status == "ALL" or any(found.status == "ACTIVE" for found in revisions) == (status == "ACTIVE"))
    ]
    shown, token = page(names, call.parameters)
    return {"families": shown, "nextToken": token}


@behaviours.answers("DeregisterTaskDefinition")
def _deregister_task_definition(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """INACTIVE: services that run it keep running it."""
    name = call.parameters["taskDefinition"]
    if ":" not in name.rsplit("/", 1)[-1]:
        raise invalid("The revision must be specified: family:revision.")
    found = _found(_state(sim, call), name)
    if found.status == "ACTIVE":
        found.status, found.deregistered_at = "INACTIVE", sim.timestamp()
    return {"taskDefinition": describe_definition(found)}


@behaviours.answers("DeleteTaskDefinitions")
def _delete_task_definitions(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Only INACTIVE revisions; each failure is told apart, the call itself succeeds."""
    names = call.parameters["taskDefinitions"]
    if len(names) > MAX_DELETED:
        raise invalid(f"Task definitions cannot have more than {MAX_DELETED} elements.")
    deleted, failures = [], []
    for name in names:
        found = _state(sim, call).definition(name)
        if found is None or found.status == "DELETE_IN_PROGRESS":
            failures.append({"arn": name, "reason": "The specified task definition does not exist."})
        elif found.status == "ACTIVE":
            reason = (
                "The specified task definition is still in ACTIVE status. "
                "Please deregister the target and try again."
            )
            failures.append({"arn": name, "reason": reason})
        else:
            found.status = "DELETE_IN_PROGRESS"
            deleted.append(describe_definition(found))
    return {"taskDefinitions": deleted, "failures": failures}


def describe_definition(found: TaskDefinition) -> dict[str, Any]:
    """As DescribeTaskDefinition shows it."""
    shown = {
        **found.document,
        "taskDefinitionArn": found.arn,
        "family": found.family,
        "revision": found.revision,
        "status": found.status,
        "registeredAt": found.registered_at,
    }
    if found.deregistered_at is not None:
        shown["deregisteredAt"] = found.deregistered_at
    return shown


def _found(state: EcsState, name: str) -> TaskDefinition:
    found = state.definition(name)
    if found is None:
        raise client_error("Unable to describe task definition.")
    return found


def _register(sim: Simulation, state: EcsState, call: Call) -> TaskDefinition:
    parameters = call.parameters
    family = parameters["family"]
    if not _FAMILY.fullmatch(family):
        raise client_error(
            "Family contains invalid characters: letters, numbers, hyphens and underscores are allowed."
        )
    _check_size(parameters)
    _check_containers(parameters)
    if "FARGATE" in parameters.get("requiresCompatibilities", []):
        _check_fargate(parameters)
    tags.check(parameters.get("tags", []))
    revisions = state.families.setdefault(family, [])
    revision = len(revisions) + 1
    document = {
        "containerDefinitions": [_filled_in(container) for container in parameters["containerDefinitions"]],
        "volumes": list(parameters.get("volumes", [])),
        "placementConstraints": list(parameters.get("placementConstraints", [])),
        "compatibilities": ["EC2", "FARGATE"] if parameters.get("networkMode") == "awsvpc" else ["EC2"],
        "registeredBy": call.principal.arn,
        **{name: parameters[name] for name in _KEPT if name in parameters},
    }
    arn = f"arn:{call.partition}:ecs:{call.region}:{call.account}:task-definition/{family}:{revision}"
    made = TaskDefinition(arn, family, revision, document, sim.timestamp())
    revisions.append(made)
    tags.put(state, arn, parameters.get("tags", []))
    return made


def _filled_in(container: Mapping[str, Any]) -> dict[str, Any]:
    """With the defaults that AWS shows."""
    made: dict[str, Any] = {
        "cpu": 0,
        "essential": True,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        **container,
    }
    made["portMappings"] = [
        {"hostPort": mapping["containerPort"], "protocol": "tcp", **mapping}
        for mapping in container.get("portMappings", [])
    ]
    return made


def _check_size(parameters: Mapping[str, Any]) -> None:
    if len(json.dumps(parameters, default=str)) > MAX_SIZE:
        raise client_error("Actual length: the task definition must be at most 65536 bytes.")


def _check_containers(parameters: Mapping[str, Any]) -> None:
    containers: Sequence[Mapping[str, Any]] = parameters["containerDefinitions"]
    if not containers:
        raise client_error("Container list cannot be empty.")
    if len(containers) > MAX_CONTAINERS:
        raise client_error(f"A task definition can have at most {MAX_CONTAINERS} containers.")
    names = [container.get("name") for container in containers]
    if len(set(names)) < len(names):
        raise client_error("Container names must be unique.")
    if not any(container.get("essential", True) for container in containers):
        raise client_error("At least one container must be essential.")
    for container in containers:
        _check_container(container, parameters)


def _check_container(container: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    if not container.get("name") or not container.get("image"):
        raise client_error("Container.name and Container.image should not be null or empty.")
    if container.get("secrets") and not parameters.get("executionRoleArn"):
        raise client_error(
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
        )
    variables = [variable["name"] for variable in container.get("environment", [])]
    for secret in container.get("secrets", []):
        if secret["name"] in variables or [s["name"] for s in container["secrets"]].count(secret["name"]) > 1:
            raise client_error(
                "The secret name must be unique and not shared with any new or existing environment variables "
                f"set on the container, such as '{secret['name']}'."
            )
    if container.get("stopTimeout", 0) > MAX_STOP_TIMEOUT:
        raise client_error(f"The stopTimeout must be at most {MAX_STOP_TIMEOUT} seconds on Fargate.")
    if parameters.get("networkMode") == "awsvpc":
        for mapping in container.get("portMappings", []):
            if mapping.get("hostPort", mapping["containerPort"]) not in (0, mapping["containerPort"]):
                raise client_error(
                    "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
                )


def _check_fargate(parameters: Mapping[str, Any]) -> None:
    if parameters.get("networkMode") != "awsvpc":
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    cpu, memory = parameters.get("cpu"), parameters.get("memory")
    if not cpu or not memory:
        raise client_error("Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    if not cpu.isdigit() or not memory.isdigit():
        raise client_error("The sandbox takes 'cpu' in CPU units and 'memory' in MiB, as plain numbers.")
    if int(memory) not in _FARGATE_MEMORY.get(int(cpu), ()):
        raise client_error("No Fargate configuration exists for given values.")
    for container in parameters["containerDefinitions"]:
        driver = (container.get("logConfiguration") or {}).get("logDriver")
        if driver == "awslogs" and not parameters.get("executionRoleArn"):
            raise client_error(
                "Fargate requires task definition to have execution role ARN to support log driver awslogs."
            )
        if _ECR_IMAGE.match(container["image"]) and not parameters.get("executionRoleArn"):
            raise client_error(
                "Fargate requires task definition to have execution role ARN to support ECR images."
            )
        if container.get("memory", 0) > int(memory):
            raise client_error(
                "The 'memory' setting for a container must not be larger than that of its task."
            )
