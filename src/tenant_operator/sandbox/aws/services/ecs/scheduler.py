"""The service scheduler: brings running tasks to what a service's deployments ask for, step by step.

A step is taken when something happened (a call, a task's change of state, a target found healthy), never by polling, so
that thousands of steady services cost nothing. Rolling updates and the circuit breaker:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ecs import notices
from tenant_operator.sandbox.aws.services.ecs.events import say
from tenant_operator.sandbox.aws.services.ecs.launch_checks import unassumable_role
from tenant_operator.sandbox.aws.services.ecs.state import Deployment, EcsState, Service, Task
from tenant_operator.sandbox.aws.services.ecs.task_life import TaskLife
from tenant_operator.sandbox.aws.services.elbv2 import targets
from tenant_operator.sandbox.aws.simulation import Simulation

# The circuit breaker trips at half the desired count of failed tasks, within these bounds.
FEWEST_FAILURES, MOST_FAILURES = 3, 200
FARGATE_VCPUS = ("L-3032A538", 4_000)  # quota code, and a default that few rehearsals reach
CPU_UNITS_PER_VCPU = 1024


class Scheduler:
    """Steps services. Called with the simulation's lock held."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.life = TaskLife(sim, self.step, self._count_failure)

    def step(self, service: Service) -> None:
        """Do what can be done now, and wake up again when the next thing is due."""
        if service.status == "INACTIVE":
            return
        began = self._sim.now()
        self._judge(service)
        self._retire(service)
        self._launch(service)
        self._conclude(service)
        self._plan_next_step(service, began)

    # -- health

    def is_healthy(self, task: Task) -> bool:
        """RUNNING, and healthy in every target group it is registered with."""
        return self.life.is_running(task) and all(
            targets.health(self._sim, group, target)[0] == "healthy"
            for group, target in self.life.targets_of(task)
        )

    def _judge(self, service: Service) -> None:
        """Remember which tasks have been healthy; replace those that are unhealthy past the grace period."""
        for task in list(service.tasks.values()):
            if task.stopping or not self.life.is_running(task):
                continue
            if self.is_healthy(task):
                task.was_healthy = True
                continue
            if self._sim.now() < self._grace_ends(service, task):
                continue
            for group, target in self.life.targets_of(task):
                state, reason = targets.health(self._sim, group, target)
                if state == "unhealthy":
                    say(
                        self._sim,
                        service,
                        f"(port {target.port}) is unhealthy in (target-group {group.arn}) due to (reason {reason})",
                    )
                    self.life.fail(
                        task,
                        "ServiceSchedulerInitiated",
                        f"Task failed ELB health checks in (target-group {group.arn})",
                    )
                    break

    def _grace_ends(self, service: Service, task: Task) -> float:
        return task.running_since + float(service.settings.get("healthCheckGracePeriodSeconds", 0))

    # -- fewer tasks

    def _retire(self, service: Service) -> None:
        primary = service.primary
        mine = _active(service.of_deployment(primary))
        surplus = mine[service.desired :] if len(mine) > service.desired else []
        if surplus:
            keep = sorted(mine, key=lambda task: not self.is_healthy(task))[: service.desired]
            self._stop(
                service,
                [task for task in mine if task not in keep],
                f"Scaling activity initiated by (deployment {primary.id})",
            )
        old = _active(task for task in service.tasks.values() if task.deployment_id != primary.id)
        if old and primary.rollout_state != "FAILED":
            self._stop(
                service,
                self._replaced(service, mine, old),
                f"Scaling activity initiated by (deployment {primary.id})",
            )

    def _replaced(self, service: Service, mine: Sequence[Task], old: Sequence[Task]) -> list[Task]:
        """Old tasks that may go: those that new healthy ones stand in for, and as many as room is needed for."""
        configuration = service.settings["deploymentConfiguration"]
        least = math.ceil(service.desired * configuration["minimumHealthyPercent"] / 100)
        most = math.floor(service.desired * configuration["maximumPercent"] / 100)
        healthy_new = sum(self.is_healthy(task) for task in mine)
        healthy_old = [task for task in old if self.is_healthy(task)]
        excess = len(old) - max(0, service.desired - healthy_new)
        if len(service.tasks) >= most and len(mine) < service.desired:
            excess = max(excess, len(service.tasks) - most + 1)
        spare = max(0, healthy_new + len(healthy_old) - least)
        sick = [task for task in old if task not in healthy_old]
        chosen = sick[: max(0, excess)]
        return chosen + healthy_old[: max(0, min(excess - len(chosen), spare))]

    def _stop(self, service: Service, tasks: Sequence[Task], reason: str) -> None:
        for task in tasks:
            self.life.stop(task, "ServiceSchedulerInitiated", reason)
        if tasks:
            service.steady = False
            named = " ".join(f"(task {task.id})" for task in tasks)
            say(self._sim, service, f"has stopped {len(tasks)} running tasks: {named}.")

    # -- more tasks

    def _launch(self, service: Service) -> None:
        primary = service.primary
        if (
            service.status != "ACTIVE"
            or primary.rollout_state == "FAILED"
            or self._sim.now() < primary.wait_until
        ):
            return
        most = math.floor(
            service.desired * service.settings["deploymentConfiguration"]["maximumPercent"] / 100
        )
        missing = service.desired - len(_active(service.of_deployment(primary)))
        started: list[Task] = []
        for _ in range(min(missing, max(most, service.desired) - len(service.tasks))):
            task = self._launch_one(service, primary)
            if task is None:
                primary.wait_until = self._sim.now() + self._sim.durations.task_retry
                break
            started.append(task)
        if started:
            service.steady = False
            named = " ".join(f"(task {task.id})" for task in started)
            say(self._sim, service, f"has started {len(started)} tasks: {named}.")

    def _launch_one(self, service: Service, deployment: Deployment) -> Task | None:
        role_arn = unassumable_role(self._sim, service, deployment.definition)
        if role_arn is not None:
            say(
                self._sim,
                service,
                f"failed to launch a task with (error ECS was unable to assume the role '{role_arn}' that was provided "
                "for this task. Please verify that the role being passed has the proper trust relationship and "
                "permissions and that your IAM user has permissions to pass this role.).",
            )
            return None
        if not self._has_room(service, deployment):
            say(
                self._sim,
                service,
                "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run "
                "concurrently.",
            )
            self._tell_unplaced(service, "RESOURCE:FARGATE")
            return None
        try:
            return self.life.start(service, deployment)
        except AwsFailure as failure:
            say(self._sim, service, f"was unable to place a task. Reason: {failure.message}")
            self._tell_unplaced(service, "RESOURCE:ENI")
            return None

    def _tell_unplaced(self, service: Service, reason: str) -> None:
        notices.service_action(self._sim, service, "SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", reason)

    def _has_room(self, service: Service, deployment: Deployment) -> bool:
        state = self._sim.state(EcsState, service.account, service.region)
        code, default = FARGATE_VCPUS
        limit = self._sim.quota(service.account, service.region, code, default) * CPU_UNITS_PER_VCPU
        return state.cpu_in_use + deployment.definition.cpu_units <= limit

    # -- deployments

    def _conclude(self, service: Service) -> None:
        """Complete the primary deployment once its tasks alone run, all healthy."""
        primary = service.primary
        mine = service.of_deployment(primary)
        satisfied = len(service.tasks) == len(mine) == service.desired and all(
            self.is_healthy(task) for task in mine
        )
        service.deployments = [
            deployment
            for deployment in service.deployments
            if deployment is primary
            or service.of_deployment(deployment)
            or (deployment.completed_once and not satisfied)
            or (deployment.rollout_state == "FAILED" and not satisfied)
        ]
        if not satisfied or service.status != "ACTIVE" or primary.rollout_state == "FAILED":
            return
        if primary.rollout_state == "IN_PROGRESS":
            primary.rollout_state, primary.completed_once = "COMPLETED", True
            primary.rollout_reason = f"ECS deployment {primary.id} completed."
            primary.updated_at = self._sim.timestamp()
            say(self._sim, service, f"(deployment {primary.id}) deployment completed.")
            notices.deployment_changed(self._sim, service, primary)
        if not service.steady:
            service.steady = True
            say(self._sim, service, "has reached a steady state.")
            notices.service_action(self._sim, service, "SERVICE_STEADY_STATE", "INFO")

    def _count_failure(self, task: Task) -> None:
        """A task of the primary deployment ended before it was ever healthy."""
        service, now = task.service, self._sim.now()
        deployment = next((found for found in service.deployments if found.id == task.deployment_id), None)
        if deployment is None:
            return
        deployment.wait_until = now + self._sim.durations.task_retry
        if task.was_healthy or deployment.completed_once:
            return
        deployment.failed_tasks += 1
        if deployment.failed_tasks == FEWEST_FAILURES:
            say(
                self._sim,
                service,
                "is unable to consistently start tasks successfully. For more information, see the Troubleshooting "
                "section of the Amazon ECS Developer Guide.",
            )
            notices.service_action(self._sim, service, "SERVICE_TASK_START_IMPAIRED", "WARN")
        breaker = service.settings["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
        limit = min(max(FEWEST_FAILURES, math.ceil(service.desired / 2)), MOST_FAILURES)
        if (
            breaker.get("enable")
            and deployment is service.primary
            and deployment.rollout_state == "IN_PROGRESS"
            and deployment.failed_tasks >= limit
        ):
            self._fail(service, deployment, roll_back=bool(breaker.get("rollback")))

    def _fail(self, service: Service, deployment: Deployment, *, roll_back: bool) -> None:
        deployment.rollout_state = "FAILED"
        deployment.rollout_reason = "ECS deployment circuit breaker: tasks failed to start."
        deployment.updated_at = self._sim.timestamp()
        say(self._sim, service, f"(deployment {deployment.id}) deployment failed: tasks failed to start.")
        notices.deployment_changed(self._sim, service, deployment)
        last_good = next((found for found in service.deployments[1:] if found.completed_once), None)
        if not roll_back or last_good is None:
            return
        deployment.status, deployment.rolls_back_to = "ACTIVE", last_good
        deployment.rollout_reason = (
            f"ECS deployment circuit breaker: rolling back to deploymentId {last_good.id}."
        )
        last_good.status, last_good.rollout_state = "PRIMARY", "IN_PROGRESS"
        last_good.rollout_reason = "ECS deployment circuit breaker: rollback in progress."
        last_good.wait_until = 0.0
        last_good.updated_at = self._sim.timestamp()
        service.deployments.remove(last_good)
        service.deployments.insert(0, last_good)
        say(self._sim, service, f"rolling back to deployment {last_good.id}.")
        notices.deployment_changed(self._sim, service, last_good)

    # -- time

    def _plan_next_step(self, service: Service, began: float) -> None:
        """Wake up when the next target turns healthy or unhealthy, or a pause after a failure ends.

        What falls due while the step runs may have been missed by it, so everything after its beginning counts.
        """
        due = [moment for moment in self._moments(service) if moment > began]
        if not due:
            return
        soonest, now = min(due), self._sim.now()
        if now < service.wake_at <= soonest:
            return
        service.wake_at = soonest

        def wake() -> None:
            if service.wake_at == soonest:
                service.wake_at = 0.0
            self.step(service)

        self._sim.after(max(0.0, soonest - now), wake)

    def _moments(self, service: Service) -> Iterable[float]:
        if len(_active(service.of_deployment(service.primary))) < service.desired:
            yield service.primary.wait_until
        for task in service.tasks.values():
            if task.stopping or not self.life.is_running(task):
                continue
            for group, target in self.life.targets_of(task):
                if target.answers:
                    yield targets.healthy_at(self._sim, group, target)
                else:
                    unhealthy = targets.unhealthy_at(self._sim, group, target)
                    yield max(unhealthy, self._grace_ends(service, task))


def _active(tasks: Iterable[Task]) -> list[Task]:
    return [task for task in tasks if not task.stopping]
