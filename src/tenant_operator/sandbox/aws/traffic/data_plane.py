"""The event loop on which tasks and load balancers answer, and which sockets are open.

The control plane's threads ask for addresses and tell what is gone, always under the simulation's lock and without waiting for
the loop; the loop reads the state without the lock: it meets a change a moment earlier or later, as on AWS.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from random import Random

from tenant_operator.sandbox.aws.reachability import admits
from tenant_operator.sandbox.aws.services.ecs.scheduler import Scheduler
from tenant_operator.sandbox.aws.services.ecs.state import EcsState, Task
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, Listener, LoadBalancer, TargetGroup
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.traffic.counts import Counts
from tenant_operator.sandbox.aws.traffic.listeners import ListenerServer, key_of
from tenant_operator.sandbox.aws.traffic.targets import (
    BadGateway,
    GatewayTimeout,
    TargetChoice,
    TargetConnections,
)
from tenant_operator.sandbox.aws.traffic.task_servers import Behaviours, TaskServer, is_up, ports_of

DEFAULT_STOP_TIMEOUT = (
    30  # s; https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
)
_STOP_SECONDS = 5.0


class DataPlane:
    """All servers of a simulation."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._rng = Random(sim.rng.getrandbits(64))  # its own: requests leave a seeded run's ids as they are
        self.counts = Counts()
        self.behaviours = Behaviours()
        self._listeners: dict[
            tuple[str, int, str], ListenerServer
        ] = {}  # changed under the simulation's lock
        self._tasks: dict[str, TaskServer] = {}  # by ARN; the loop's thread only
        self._choice = TargetChoice(sim)
        self._connections = TargetConnections()
        self._loop: asyncio.AbstractEventLoop | None = None  # started when the first name is asked for
        sim.part(Scheduler).life.ended.append(self._end_task)

    def port_of(self, listener: Listener, state: ElbState) -> int:
        """The port on 127.0.0.1 that a listener has, or will have once its load balancer is active."""
        _, _, _, region, account, _ = listener.arn.split(":", 5)
        self._sim.state(EcsState, account, region)  # made here, under the lock: the loop only looks it up
        self._start()
        self.sweep()
        server = self._listeners.get(key_of(listener))
        if server is None:
            server = ListenerServer(
                self._sim,
                listener,
                state.target_groups,
                self,
                self._choice,
                self._connections,
                self.counts,
                self._rng,
            )
            self._listeners[server.key] = server
            self._tell(server.open)
        return server.port

    def sweep(self) -> None:
        """Close the sockets of listeners that are gone, or have another port or protocol now."""
        present = {
            key_of(listener)
            for _, _, state in self._sim.states(ElbState)
            for listener in state.listeners.values()
        }
        for key in self._listeners.keys() - present:
            self._tell(self._listeners.pop(key).close)

    def server_of(
        self, load_balancer: LoadBalancer, group: TargetGroup, address: str, port: int
    ) -> TaskServer:
        """The server of a task that is a target, opened at first use.

        Raises:
            BadGateway: the task does not run, or no container of it has the port.
            GatewayTimeout: there is no task at the address, or it is not reached.
        """
        _, _, _, region, account, _ = load_balancer.arn.split(":", 5)
        state = self._sim.state(EcsState, account, region)
        task = state.tasks_by_address.get((load_balancer.vpc_id, address))
        if task is None:
            raise GatewayTimeout("nothing is there")
        if not is_up(task) or port not in ports_of(task):
            raise BadGateway("the target refused the connection")
        if self._sim.reachability and not self._is_admitted(load_balancer, task, port):
            raise GatewayTimeout("the target's security groups do not let the load balancer in")
        server = self._tasks.get(task.arn)
        if server is None:
            paths = frozenset({str(group.settings.get("HealthCheckPath", "/"))})
            server = TaskServer(task, self.behaviours.of, paths, self._rng)
            self._tasks[task.arn] = server
        return server

    @staticmethod
    def _is_admitted(load_balancer: LoadBalancer, task: Task, port: int) -> bool:
        nodes = tuple(load_balancer.interfaces.values())
        return any(admits(task.interface, port, node) for node in nodes)

    # -- what ends

    def _end_task(self, task: Task, killed: bool) -> None:
        container = task.definition.containers[0]
        stop_timeout = container.get("stopTimeout", DEFAULT_STOP_TIMEOUT)
        grace = stop_timeout * self._sim.durations.stop_timeout_factor

        def end() -> None:
            server = self._tasks.pop(task.arn, None)
            if server is None:
                return
            if killed:
                server.kill()
            else:
                server.terminate(grace)
            self._connections.forget(server.port)

        self._tell(end)

    def _tell(self, action: Callable[[], None]) -> None:
        """Run something on the loop's thread; without a loop there is nothing to be told."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(action)

    # -- the loop

    def _start(self) -> None:
        if self._loop is not None:
            return
        self._loop = loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._run, args=(loop,), name="sandbox-aws-traffic", daemon=True)
        thread.start()

        def stop() -> None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_STOP_SECONDS)

        self._sim.when_stopped(stop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._close_all())
        finally:
            loop.close()

    async def _close_all(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        for server in self._tasks.values():
            server.kill()
        own = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not own]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next turn
