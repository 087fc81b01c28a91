"""Tasks as HTTP servers on loopback: each says which tenant, task and revision it is.

A server is opened when the first request is sent to its task, and goes with it: on SIGTERM it finishes the requests under
way, killed it resets its connections
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html).
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tenant_operator.sandbox.aws.services.ecs.state import Task, TaskStatus
from tenant_operator.sandbox.aws.traffic import TENANT_HEADER
from tenant_operator.sandbox.aws.traffic.http1 import Connection, Request, Response, request_reader

BACKLOG = 256
_UP = frozenset({TaskStatus.RUNNING, TaskStatus.DEACTIVATING})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a task answers, as a rehearsal wants it."""

    latency_ms: float = 0.0
    error_rate: float = 0.0  # of 1: how many answers are 500
    unhealthy: bool = False  # the health check path answers 503

    def changed(self, values: Mapping[str, Any]) -> Behaviour:
        """A copy with some values replaced.

        Raises:
            ValueError: a value out of range.
        """
        latency = float(values.get("latency_ms", self.latency_ms))
        error_rate = float(values.get("error_rate", self.error_rate))
        if not 0 <= latency <= 600_000:
            raise ValueError(f"latency_ms must be between 0 and 600000, not {latency}")
        if not 0 <= error_rate <= 1:
            raise ValueError(f"error_rate must be between 0 and 1, not {error_rate}")
        unhealthy = bool(values.get("unhealthy", self.unhealthy))
        return replace(self, latency_ms=latency, error_rate=error_rate, unhealthy=unhealthy)


USUAL = Behaviour()


class Behaviours:
    """Who behaves how: by the ARN of a task, a service (its later tasks too) or a cluster; the narrowest counts."""

    def __init__(self) -> None:
        self._by_arn: dict[str, Behaviour] = {}

    def of(self, task: Task) -> Behaviour:
        """How a task behaves."""
        if not self._by_arn:
            return USUAL
        for arn in (task.arn, task.service.arn, task.cluster.arn):
            if (found := self._by_arn.get(arn)) is not None:
                return found
        return USUAL

    def change(self, arn: str, values: Mapping[str, Any]) -> Behaviour:
        """Change how what has this ARN behaves. Raises ValueError."""
        changed = self._by_arn.get(arn, USUAL).changed(values)
        if changed == USUAL:
            self._by_arn.pop(arn, None)
        else:
            self._by_arn[arn] = changed
        return changed


class TaskServer:
    """The server of one task. All methods are called on the loop's thread."""

    def __init__(
        self,
        task: Task,
        behaviour: Callable[[Task], Behaviour],
        health_paths: frozenset[str],
        rng: Random,
    ) -> None:
        self.task = task
        self.identity = identity_of(task)
        self._behaviour, self._health_paths, self._rng = behaviour, health_paths, rng
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._serving: dict[Connection[Request], asyncio.Task[None]] = {}
        self._busy: set[Connection[Request]] = set()
        self._server: asyncio.Server | None = None
        self._is_ending = False
        loop = asyncio.get_running_loop()
        self._start = loop.create_task(self._accept())  # connections wait in the backlog until it runs

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=self._socket)

    def _connection(self) -> Connection[Request]:
        return Connection(request_reader(), self._opened, self._closed)

    def _opened(self, connection: Connection[Request]) -> None:
        self._serving[connection] = asyncio.get_running_loop().create_task(self._serve(connection))

    def _closed(self, connection: Connection[Request]) -> None:
        self._serving.pop(connection, None)

    async def _serve(self, connection: Connection[Request]) -> None:
        while (request := await connection.receive()) is not None:
            self._busy.add(connection)
            try:
                answer = await self._answer(request)
            finally:
                self._busy.discard(connection)
            if self._is_ending:
                answer.headers.append(("connection", "close"))
            connection.send(answer.encode(without_body=request.method == "HEAD"))
            if self._is_ending or request.closes:
                connection.close()

    async def _answer(self, request: Request) -> Response:
        behaviour = self._behaviour(self.task)
        if behaviour.latency_ms:
            await asyncio.sleep(behaviour.latency_ms / 1000)
        status = self._status(request, behaviour)
        body = {
            **self.identity,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "host": request.host,
            "headers": dict(request.headers),
        }
        headers = [("content-type", "application/json"), (TENANT_HEADER, self.identity["tenant"])]
        return Response(status, headers, json.dumps(body).encode())

    def _status(self, request: Request, behaviour: Behaviour) -> int:
        if not self.task.loaded:
            return 503  # its state is not in memory yet
        if request.path in self._health_paths:
            return 503 if behaviour.unhealthy else 200
        if behaviour.error_rate and self._rng.random() < behaviour.error_rate:
            return 500
        return 200

    def terminate(self, grace: float) -> None:
        """SIGTERM: take nothing new, finish what is under way within `grace` seconds."""
        self._stop_accepting()
        for connection in [found for found in self._serving if found not in self._busy]:
            connection.close()
        if self._busy:
            asyncio.get_running_loop().call_later(grace, self.kill)

    def kill(self) -> None:
        """SIGKILL: every connection is reset at once."""
        self._stop_accepting()
        for connection, serving in list(self._serving.items()):
            serving.cancel()
            connection.reset()

    def _stop_accepting(self) -> None:
        self._is_ending = True
        self._start.cancel()
        if self._server is not None:
            self._server.close()
        self._socket.close()


def is_up(task: Task) -> bool:
    """Whether its server can be reached."""
    return task.status in _UP and task.exit_code is None


def ports_of(task: Task) -> frozenset[int]:
    """The ports on which its containers answer."""
    mappings = (mapping for container in task.definition.containers for mapping in container["portMappings"])
    return frozenset(mapping["containerPort"] for mapping in mappings)


def identity_of(task: Task) -> dict[str, Any]:
    """What a task says of itself, whatever it is asked."""
    container = task.definition.containers[0]
    environment = {found["name"]: found["value"] for found in container.get("environment", ())}
    return {
        "tenant": environment.get("TENANT_ID", ""),
        "tier": environment.get("TIER_ID", ""),
        "cluster": task.cluster.name,
        "service": task.service.name,
        "task": task.id,
        "taskDefinition": task.definition.arn,
        "revision": task.definition.revision,
        "image": container["image"],
        "account": task.service.account,
        "region": task.service.region,
    }
