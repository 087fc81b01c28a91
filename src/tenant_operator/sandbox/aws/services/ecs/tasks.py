"""Tasks as the API shows them, StopTask, and what a rehearsal may do to them.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.ecs import task_document
from tenant_operator.sandbox.aws.services.ecs.paging import page
from tenant_operator.sandbox.aws.services.ecs.scheduler import Scheduler
from tenant_operator.sandbox.aws.services.ecs.state import Cluster, EcsState, Task, invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_DESCRIBED = 100

behaviours = Behaviours("ecs")


def _cluster_of(sim: Simulation, call: Call) -> Cluster:
    return sim.state(EcsState, call.account, call.region).cluster(call.parameters.get("cluster"))


@behaviours.answers("ListTasks")
def _list_tasks(sim: Simulation, call: Call) -> Mapping[str, Any]:
    cluster, wanted = _cluster_of(sim, call), call.parameters
    stopped = wanted.get("desiredStatus") == "STOPPED"
    tasks = [*cluster.tasks(), *cluster.stopped.values()]
    arns = [task.arn for task in tasks if task.stopping is stopped and _is_wanted(task, wanted)]
    shown, token = page(arns, wanted)
    return {"taskArns": shown, "nextToken": token}


@behaviours.answers("DescribeTasks")
def _describe_tasks(sim: Simulation, call: Call) -> Mapping[str, Any]:
    wanted = call.parameters["tasks"]
    if len(wanted) > MAX_DESCRIBED:
        raise invalid(f"Tasks cannot have more than {MAX_DESCRIBED} elements.")
    cluster = _cluster_of(sim, call)
    found = [(name, _find(cluster, name)) for name in wanted]
    return {
        "tasks": [task_document.shown(task) for _, task in found if task is not None],
        "failures": [{"arn": name, "reason": "MISSING"} for name, task in found if task is None],
    }


@behaviours.answers("StopTask")
def _stop_task(sim: Simulation, call: Call) -> Mapping[str, Any]:
    task = _find(_cluster_of(sim, call), call.parameters["task"])
    if task is None:
        raise invalid("The referenced task was not found.")
    if not task.stopping:
        sim.part(Scheduler).life.stop(
            task, "UserInitiated", call.parameters.get("reason", "Task stopped by user")
        )
        sim.part(Scheduler).step(task.service)
    return {"task": task_document.shown(task)}


@behaviours.observes("ec2", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress")
def _probe_again(sim: Simulation, call: Call) -> None:
    """A changed security group lets health checks in, or keeps them out."""
    scheduler = sim.part(Scheduler)
    if not sim.reachability:
        return
    for cluster in sim.state(EcsState, call.account, call.region).clusters.values():
        for task in cluster.tasks():
            if scheduler.life.is_running(task):
                scheduler.life.probe(task)
                scheduler.step(task.service)


@behaviours.controls("POST", "ecs/fail-image")
def _fail_image(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """{"patterns": ["*:bad"]}: images that match cannot be pulled from now on; an empty list heals them."""
    patterns = body.get("patterns", [])
    if not isinstance(patterns, list):
        raise TypeError('patterns must be a list of shell patterns, such as ["*:bad"]')
    sim.part(Scheduler).life.failing_images = tuple(str(pattern) for pattern in patterns)
    return {"patterns": patterns}


def _is_wanted(task: Task, wanted: Mapping[str, Any]) -> bool:
    service, family = wanted.get("serviceName"), wanted.get("family")
    return (service is None or service.rsplit("/", 1)[-1] == task.service.name) and family in (
        None,
        task.definition.family,
    )


def _find(cluster: Cluster, name: str) -> Task | None:
    arn = f"{cluster.arn.replace(':cluster/', ':task/')}/{name.rsplit('/', 1)[-1]}"
    for service in cluster.services.values():
        if arn in service.tasks:
            return service.tasks[arn]
    return cluster.stopped.get(arn)
