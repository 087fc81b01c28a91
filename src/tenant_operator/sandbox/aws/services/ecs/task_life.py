"""The life of a task: PROVISIONING → PENDING → RUNNING → DEACTIVATING → DEPROVISIONING → STOPPED.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.reachability import admits
from tenant_operator.sandbox.aws.services.ecs import notices, service_calls
from tenant_operator.sandbox.aws.services.ecs.events import say
from tenant_operator.sandbox.aws.services.ecs.launch_checks import start_failure
from tenant_operator.sandbox.aws.services.ecs.state import (
    STARTING,
    Deployment,
    EcsState,
    Service,
    Task,
    TaskStatus,
)
from tenant_operator.sandbox.aws.services.elbv2 import targets
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, Target, TargetGroup
from tenant_operator.sandbox.aws.simulation import Simulation


class TaskLife:
    """Starts and stops tasks.

    `changed` is told when a service's tasks changed, `failed` when a task ended by itself.
    """

    def __init__(
        self, sim: Simulation, changed: Callable[[Service], None], failed: Callable[[Task], None]
    ) -> None:
        self._sim = sim
        self._changed = changed
        self._failed = failed
        self.ended: list[Callable[[Task, bool], None]] = []  # told of SIGTERM (False) or SIGKILL (True)
        self.failing_images: tuple[str, ...] = ()  # shell patterns of images that cannot be pulled

    def start(self, service: Service, deployment: Deployment) -> Task:
        """Place a task of a deployment.

        Raises:
            AwsFailure: the subnets have no free address.
        """
        sim = self._sim
        task_id = sim.hex_id(32)
        task = Task(
            arn=f"{service.cluster.arn.replace(':cluster/', ':task/')}/{task_id}",
            id=task_id,
            cluster=service.cluster,
            service=service,
            deployment_id=deployment.id,
            definition=deployment.definition,
            interface=self._attach(service, deployment),
            has_public_ip=deployment.network["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED",
            created_at=sim.timestamp(),
        )
        service.tasks[task.arn] = task
        self._state(service).tasks_by_address[_address(task)] = task
        self._state(service).cpu_in_use += task.definition.cpu_units
        notices.task_changed(sim, task)
        sim.after(sim.durations.task_provisioning, lambda: self._pend(task))
        return task

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Take a task out of its target groups, let it drain, and stop it."""
        self._begin_to_stop(task, code, reason)
        drained_after = self._deregister(task)
        if drained_after > 0 and task.status is TaskStatus.RUNNING:
            self._move(task, TaskStatus.DEACTIVATING)
            self._sim.after(drained_after, lambda: self._deprovision(task))
        else:
            self._deprovision(task)

    def fail(self, task: Task, code: str, reason: str) -> None:
        """Stop a task that could not start or is unhealthy: its service's deployment counts a failure."""
        if not task.stopping:
            self.stop(task, code, reason)
            self._failed(task)

    def exit(self, task: Task, exit_code: int, reason: str) -> None:
        """The essential container ended by itself; nothing is waited for."""
        if task.stopping:
            return
        task.exit_code, task.container_reason = exit_code, reason
        self._signal(task, killed=True)
        self._begin_to_stop(task, "EssentialContainerExited", "Essential container in task exited")
        self._deregister(task)
        self._deprovision(task)
        self._failed(task)
        self._changed(task.service)

    @staticmethod
    def is_running(task: Task) -> bool:
        """RUNNING and meant to."""
        return task.status is TaskStatus.RUNNING and not task.stopping

    def targets_of(self, task: Task) -> list[tuple[TargetGroup, Target]]:
        """The target groups that the task is registered with; those that are gone are left out."""
        groups = self._sim.state(ElbState, task.service.account, task.service.region).target_groups
        found = []
        for arn, port in task.registered:
            group = groups.get(arn)
            target = group.targets.get((task.interface.private_ip, port)) if group else None
            if group is not None and target is not None:
                found.append((group, target))
        return found

    # -- starting

    def _pend(self, task: Task) -> None:
        if task.stopping:
            return
        self._move(task, TaskStatus.PENDING)
        self._sim.after(self._sim.durations.task_start, lambda: self._run(task))

    def _run(self, task: Task) -> None:
        if task.stopping:
            return
        reason = start_failure(self._sim, task, self.failing_images)
        if reason is not None:
            task.container_reason = reason if reason.startswith("CannotPull") else ""
            self.fail(task, "TaskFailedToStart", reason)
        else:
            task.started_at, task.running_since = self._sim.timestamp(), self._sim.now()
            self._move(task, TaskStatus.RUNNING)
            self._register(task)
            self._sim.after(self._sim.durations.task_load, lambda: self._load(task))
        self._changed(task.service)

    def _load(self, task: Task) -> None:
        if task.stopping:
            return
        task.loaded = True
        self.probe(task)
        self._changed(task.service)

    def probe(self, task: Task) -> None:
        """Let health checks pass where the load balancers reach the loaded task."""
        if not task.loaded:
            return
        for group, target in self.targets_of(task):
            if target.made_sick:
                continue
            reached = self._is_reached(task, group, target.port)
            targets.set_answers(self._sim, group, target, reached, "" if reached else "Target.Timeout")

    def _look_again(self, service: Service) -> None:
        for task in service.tasks.values():
            if self.is_running(task):
                self.probe(task)
        self._changed(service)

    def _is_reached(self, task: Task, group: TargetGroup, port: int) -> bool:
        if not self._sim.reachability or group.load_balancer_arn is None:
            return True
        state = self._sim.state(ElbState, task.service.account, task.service.region)
        nodes = state.load_balancers[group.load_balancer_arn].interfaces.values()
        return any(admits(task.interface, port, node) for node in nodes)

    def _register(self, task: Task) -> None:
        service = task.service
        deployment = next(found for found in service.deployments if found.id == task.deployment_id)
        groups = self._sim.state(ElbState, service.account, service.region).target_groups
        registered = []
        for balancer in deployment.load_balancers:
            group = groups.get(balancer["targetGroupArn"])
            if group is None:
                say(
                    self._sim,
                    service,
                    f"failed to register targets in (target-group {balancer['targetGroupArn']})",
                )
                continue
            address, port = task.interface.private_ip, balancer["containerPort"]
            targets.register(
                self._sim, group, address, port, task.interface.availability_zone, answers=task.loaded
            )
            group.watchers[service.arn] = lambda: self._look_again(service)
            registered.append((group.arn, port))
            say(self._sim, service, f"registered 1 targets in (target-group {group.arn})")
            service_calls.register(self._sim, service, group.arn, address, port)
        task.registered = tuple(registered)

    def _attach(self, service: Service, deployment: Deployment) -> Interface:
        """In the subnet with the fewest of the service's tasks, as ECS spreads over Availability Zones."""
        network = deployment.network["awsvpcConfiguration"]
        used = Counter(task.interface.subnet_id for task in service.tasks.values())
        subnet_id = min(network["subnets"], key=lambda candidate: used[candidate])
        subnet: Any = ec2_backends[service.account][service.region].get_subnet(subnet_id)
        return self._sim.interfaces.attach(
            account=service.account,
            region=service.region,
            vpc_id=subnet.vpc_id,
            subnet_id=subnet.id,
            availability_zone=subnet.availability_zone,
            cidr_block=subnet.cidr_block,
            security_group_ids=tuple(network.get("securityGroups", ())),
            owner="task",
            description=f"{service.cluster.arn.replace(':cluster/', ':attachment/')}/{self._sim.hex_id(32)}",
        )

    # -- stopping

    def _begin_to_stop(self, task: Task, code: str, reason: str) -> None:
        task.desired_status = "STOPPED"
        task.stopping_at = self._sim.timestamp()
        task.stop_code, task.stopped_reason = code, reason

    def _deregister(self, task: Task) -> float:
        """Returns the seconds until all its targets have drained."""
        longest = 0.0
        for group, target in self.targets_of(task):
            longest = max(longest, targets.deregister(self._sim, group, target.id, target.port))
            say(self._sim, task.service, f"deregistered 1 targets in (target-group {group.arn})")
            service_calls.deregister(self._sim, task.service, group.arn, target.id, target.port)
        if longest > 0:
            say(self._sim, task.service, "has begun draining connections on 1 tasks.")
        return longest

    def _deprovision(self, task: Task) -> None:
        self._move(task, TaskStatus.DEPROVISIONING)  # first: nobody opens a server for it any more
        self._signal(task, killed=False)
        self._sim.after(self._sim.durations.task_stop, lambda: self._end(task))

    def _end(self, task: Task) -> None:
        task.stopped_at = self._sim.timestamp()
        self._move(task, TaskStatus.STOPPED)
        del task.service.tasks[task.arn]
        del self._state(task.service).tasks_by_address[_address(task)]
        self._state(task.service).cpu_in_use -= task.definition.cpu_units
        self._sim.interfaces.release(task.interface.id)
        task.cluster.stopped[task.arn] = task
        self._sim.after(self._sim.durations.stopped_task_memory, lambda: self._forget(task))
        self._changed(task.service)

    def _move(self, task: Task, status: TaskStatus) -> None:
        task.status = status
        notices.task_changed(self._sim, task)

    def _signal(self, task: Task, *, killed: bool) -> None:
        for tell in self.ended:
            tell(task, killed)

    @staticmethod
    def _forget(task: Task) -> None:
        task.cluster.stopped.pop(task.arn, None)

    def _state(self, service: Service) -> EcsState:
        return self._sim.state(EcsState, service.account, service.region)


def _address(task: Task) -> tuple[str, str]:
    return task.interface.vpc_id, task.interface.private_ip


def is_starting(task: Task) -> bool:
    """PROVISIONING or PENDING, and meant to run."""
    return task.status in STARTING and not task.stopping
