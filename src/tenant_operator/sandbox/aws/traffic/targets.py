"""Which target a forwarded request goes to, and the way to it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#routing-configuration
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tenant_operator.sandbox.aws.services.elbv2 import targets
from tenant_operator.sandbox.aws.services.elbv2.state import Target, TargetGroup
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.traffic.http1 import (
    Connection,
    Malformed,
    Request,
    Response,
    response_reader,
)
from tenant_operator.sandbox.aws.traffic.task_servers import TaskServer

KEPT_CONNECTIONS = 32  # idle ones a task; more are closed
KEPT_SECONDS = (
    5.0  # an idle one is closed after this, or twice as long: thousands of tasks share the process's sockets
)


class BadGateway(Exception):
    """The target refused, reset, or answered something else than HTTP."""


class GatewayTimeout(Exception):
    """The target did not answer in time."""


def choose_group(rng: Random, groups: Sequence[Mapping[str, Any]]) -> str | None:
    """The ARN of one of a forward action's target groups, by weight; None when all weights are 0.

    A group without healthy targets keeps its share: weighted groups do not stand in for one another.
    """
    if len(groups) == 1:
        return str(groups[0]["TargetGroupArn"])
    weights = [group["Weight"] for group in groups]
    if not any(weights):
        return None
    return str(rng.choices(groups, weights)[0]["TargetGroupArn"])


class TargetChoice:
    """Round robin over a group's healthy targets; over all of them when none is healthy (fail open)."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._turns: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

    def choose(self, group: TargetGroup) -> Target | None:
        """The next target; None when none is registered that is not draining."""
        registered = [target for target in tuple(group.targets.values()) if target.draining_until is None]
        if not registered:
            return None
        healthy = [target for target in registered if self._is_healthy(group, target)] or registered
        return healthy[next(self._turns[group.arn]) % len(healthy)]

    def _is_healthy(self, group: TargetGroup, target: Target) -> bool:
        state = targets.health(self._sim, group, target)[0]
        # A group that no rule names any more is unused, but rules still in force go on to send requests to it.
        return state == "healthy" or (state == "unused" and target.answers)


@dataclass(frozen=True, slots=True)
class _Kept:
    connection: Connection[Response]
    since: float  # on the loop's clock


class TargetConnections:
    """Connections to tasks, kept open between requests."""

    def __init__(self) -> None:
        self._idle: defaultdict[int, list[_Kept]] = defaultdict(list)  # by port, used longest ago first
        self._sweep: asyncio.TimerHandle | None = None

    async def exchange(self, server: TaskServer, request: Request, seconds: float) -> Response:
        """Send a request to a task and return its answer.

        Raises:
            BadGateway: the task refused or reset.
            GatewayTimeout: no answer within `seconds`.
        """
        connection = await self._connection(server.port)
        connection.reader.expects_head_only = request.method == "HEAD"
        connection.send(request.encode())
        try:
            async with asyncio.timeout(seconds):
                response = await connection.receive()
        except TimeoutError:
            connection.reset()
            raise GatewayTimeout(f"no answer within {seconds:g} s") from None
        except Malformed as error:
            connection.reset()
            raise BadGateway(str(error)) from error
        except asyncio.CancelledError:
            connection.reset()
            raise
        if response is None:
            raise BadGateway("the target closed the connection")
        self._keep(server.port, connection, response)
        return response

    def _keep(self, port: int, connection: Connection[Response], response: Response) -> None:
        if response.closes or len(self._idle[port]) >= KEPT_CONNECTIONS:
            connection.close()
        else:
            loop = asyncio.get_running_loop()
            self._idle[port].append(_Kept(connection, loop.time()))
            if self._sweep is None:
                self._sweep = loop.call_later(KEPT_SECONDS, self._close_unused)

    def _close_unused(self) -> None:
        loop, self._sweep = asyncio.get_running_loop(), None
        for port, kept in list(self._idle.items()):
            while kept and (kept[0].since <= loop.time() - KEPT_SECONDS or not kept[0].connection.is_open):
                kept.pop(0).connection.close()
            if not kept:
                del self._idle[port]
        if self._idle:
            self._sweep = loop.call_later(KEPT_SECONDS, self._close_unused)

    async def _connection(self, port: int) -> Connection[Response]:
        idle = self._idle.get(port)
        while idle:
            if (connection := idle.pop().connection).is_open:
                return connection
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(lambda: Connection(response_reader()), "127.0.0.1", port)
        except OSError as error:
            raise BadGateway(f"the target refused the connection: {error.strerror}") from error
        return made

    def forget(self, port: int) -> None:
        """Close what is idle to a task that ended."""
        for kept in self._idle.pop(port, ()):
            kept.connection.close()
