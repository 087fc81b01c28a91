"""Control routes: where a name leads, how tasks behave, and what has gone through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import ControlNotFound
from tenant_operator.sandbox.aws.services.ecs.scheduler import Scheduler
from tenant_operator.sandbox.aws.services.ecs.state import EcsState, Task, cluster_name
from tenant_operator.sandbox.aws.services.elbv2 import targets
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation
from tenant_operator.sandbox.aws.traffic.data_plane import DataPlane
from tenant_operator.sandbox.aws.traffic.names import NoSuchName, look_up
from tenant_operator.sandbox.aws.traffic.task_servers import identity_of

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
KILLED = 137  # 128 + SIGKILL

behaviours = Behaviours("traffic")


@behaviours.controls("GET", "dns")
@behaviours.controls("POST", "dns")
def _dns(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """{"name": …, "private": asked from inside a VPC, default false}: the load balancer that a client is sent to."""
    inside = body.get("private") in (True, "true")
    try:
        return look_up(sim, str(body["name"]), inside=inside)
    except NoSuchName as error:
        raise ControlNotFound(str(error)) from error


@behaviours.controls("GET", "traffic")
def _traffic(sim: Simulation, _body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Requests by load balancer, target group and tenant, and the last that went wrong."""
    return sim.part(DataPlane).counts.describe(sim.now())


@behaviours.controls("POST", "traffic/reset")
def _reset(sim: Simulation, _body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Count anew."""
    sim.part(DataPlane).counts.reset()
    return {}


@behaviours.controls("POST", "tasks/oom")
def _out_of_memory(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """One running task that fits {"account", "region", "cluster", "service", "task", "tenant", "tier"} is killed."""
    life = sim.part(Scheduler).life
    task = next((found for found in _selected(sim, body) if life.is_running(found)), None)
    if task is None:
        raise ValueError(f"no running task fits {dict(body)}")
    life.exit(task, KILLED, OUT_OF_MEMORY)
    return {"task": task.arn}


@behaviours.controls("POST", "tasks/behaviour")
def _change_behaviour(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the tasks that fit answer from now on: {"latency_ms": 200, "error_rate": 0.1, "unhealthy": true}.

    Without "task" it holds for the later tasks of their services too.
    """
    found = list(_selected(sim, body))
    if not found:
        raise ValueError(f"no task fits {dict(body)}")
    plane = sim.part(DataPlane)
    arns = {task.arn if "task" in body else task.service.arn for task in found}
    for arn in arns:
        plane.behaviours.change(arn, body)
    if "unhealthy" in body:
        for task in found:
            _set_health(sim, task, answers=not body["unhealthy"])
    return {"changed": sorted(arns)}


def _set_health(sim: Simulation, task: Task, *, answers: bool) -> None:
    scheduler = sim.part(Scheduler)
    for group, target in scheduler.life.targets_of(task):
        target.made_sick = not answers
        targets.set_answers(sim, group, target, answers and task.loaded, "Target.ResponseCodeMismatch")
    sim.after(0.0, lambda: scheduler.step(task.service))


def _selected(sim: Simulation, body: Mapping[str, Any]) -> Iterator[Task]:
    """The tasks that all given fields fit: names or ARNs, or who the task says it is."""
    for account, region, state in sim.states(EcsState):
        if body.get("account", account) != account or body.get("region", region) != region:
            continue
        for cluster in state.clusters.values():
            if "cluster" in body and cluster_name(str(body["cluster"])) != cluster.name:
                continue
            yield from (task for task in cluster.tasks() if _fits(task, body))


def _fits(task: Task, body: Mapping[str, Any]) -> bool:
    own = {**identity_of(task), "task": task.id}
    wanted = {name: str(body[name]) for name in ("service", "task", "tenant", "tier") if name in body}
    return all(own[name] == value.rsplit("/", 1)[-1] for name, value in wanted.items())


@behaviours.observes("elbv2", "DeleteListener", "DeleteLoadBalancer", "ModifyListener")
def _close_gone(sim: Simulation, _call: Call) -> None:
    sim.part(DataPlane).sweep()
