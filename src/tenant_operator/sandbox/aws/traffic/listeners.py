"""A load balancer's listener as an HTTP server on loopback.

It acts on the rules in force (`Listener.served`), which lag behind those that Describe shows. TLS is not simulated: an HTTPS
listener speaks plain HTTP on the wire.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol

from tenant_operator.sandbox.aws.services.elbv2.state import Listener, LoadBalancer, Rule, TargetGroup
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.traffic import TENANT_HEADER, own_answers
from tenant_operator.sandbox.aws.traffic.counts import Counts, Passed
from tenant_operator.sandbox.aws.traffic.http1 import (
    HOP_BY_HOP,
    Connection,
    Headers,
    Malformed,
    Request,
    Response,
    header,
    request_reader,
)
from tenant_operator.sandbox.aws.traffic.rule_match import Asked, CompiledRule, compile_rules, evaluate
from tenant_operator.sandbox.aws.traffic.targets import (
    BadGateway,
    GatewayTimeout,
    TargetChoice,
    TargetConnections,
    choose_group,
)
from tenant_operator.sandbox.aws.traffic.task_servers import TaskServer
from tenant_operator.sandbox.aws.traffic.transforms import TransformFailed, transformed

log = logging.getLogger(__name__)

BACKLOG = 512
OPEN_POLL_SECONDS = 0.05  # how often a listener that is not ready yet is looked at
CLIENT_WENT_AWAY = 460


class Tasks(Protocol):
    """Where the servers of targets are found."""

    def server_of(
        self, load_balancer: LoadBalancer, group: TargetGroup, address: str, port: int
    ) -> TaskServer:
        """The server of a target. Raises BadGateway or GatewayTimeout: nothing is reached there."""
        ...


@dataclass(slots=True)
class _Outcome:
    """An answer, and what the counts and the log say of it."""

    response: Response
    passed: Passed


class ListenerServer:
    """One listener's socket and connections. It is bound at once, and accepts once the load balancer is active."""

    def __init__(
        self,
        sim: Simulation,
        listener: Listener,
        groups: Mapping[str, TargetGroup],
        tasks: Tasks,
        choice: TargetChoice,
        connections: TargetConnections,
        counts: Counts,
        rng: Random,
    ) -> None:
        self._rng = rng
        self._sim, self._listener, self._groups = sim, listener, groups
        self._tasks, self._choice, self._targets, self._counts = tasks, choice, connections, counts
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # nobody listens yet: connections are refused
        self.port: int = self._socket.getsockname()[1]
        self.key = key_of(listener)
        self._served: tuple[Rule, ...] = ()
        self._compiled: tuple[CompiledRule, ...] = ()
        self._serving: dict[Connection[Request], asyncio.Task[None]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        if self._is_ready():
            self._socket.listen(BACKLOG)  # what connects before the loop accepts waits

    def open(self) -> None:
        """Accept connections as soon as the load balancer is active. On the loop's thread."""
        self._opening = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """The listener or its load balancer is gone: refuse and reset. On the loop's thread."""
        if self._opening is not None:
            self._opening.cancel()
        if self._server is not None:
            self._server.close()
        self._socket.close()
        for connection, serving in list(self._serving.items()):
            serving.cancel()
            connection.reset()

    def _is_ready(self) -> bool:
        is_active = self._sim.now() >= self._listener.load_balancer.active_at
        return is_active and bool(self._listener.served)

    async def _accept(self) -> None:
        while not self._is_ready():  # noqa: ASYNC110  # time makes it ready: there is no event to wait for
            await asyncio.sleep(OPEN_POLL_SECONDS)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=self._socket, backlog=BACKLOG)

    # -- connections

    def _connection(self) -> Connection[Request]:
        return Connection(request_reader(), self._opened, self._closed)

    def _opened(self, connection: Connection[Request]) -> None:
        loop = asyncio.get_running_loop()
        self._serving[connection] = serving = loop.create_task(self._serve(connection))
        serving.add_done_callback(lambda done: _tell_what_broke(done, connection))
        loop.call_later(self._seconds("idle_timeout.timeout_seconds"), self._close_idle, connection)

    def _closed(self, connection: Connection[Request]) -> None:
        self._serving.pop(connection, None)

    def _close_idle(self, connection: Connection[Request]) -> None:
        """Close a connection on which nothing was asked for the idle timeout, else look again when it may be due."""
        if connection not in self._serving:
            return
        loop, idle_timeout = asyncio.get_running_loop(), self._seconds("idle_timeout.timeout_seconds")
        since = loop.time() if connection.is_waiting_since is None else connection.is_waiting_since
        left = since + idle_timeout - loop.time()
        if left <= 0:
            connection.close()
        else:
            loop.call_later(left, self._close_idle, connection)

    def _seconds(self, attribute: str) -> float:
        return self._attribute(attribute) * self._sim.durations.connection_factor

    def _attribute(self, name: str) -> int:
        return int(self._listener.load_balancer.attributes[name])

    async def _serve(self, connection: Connection[Request]) -> None:
        keep_until = self._sim.now() + self._seconds("client_keep_alive.seconds")
        try:
            while (request := await connection.receive()) is not None:
                outcome = await self._answer(request, connection.peer)
                closes = request.closes or self._sim.now() >= keep_until
                self._send(connection, request, outcome, closes=closes)
        except Malformed:
            self._send(connection, Request("GET", "/", []), self._own(400, None), closes=True)

    def _send(
        self, connection: Connection[Request], request: Request, outcome: _Outcome, *, closes: bool
    ) -> None:
        passed = outcome.passed if connection.is_open else replace(outcome.passed, status=CLIENT_WENT_AWAY)
        self._counts.note(passed, self._sim.now())
        response = outcome.response
        response.headers.append(("connection", "close" if closes else "keep-alive"))
        connection.send(response.encode(without_body=request.method == "HEAD"))
        if closes:
            connection.close()

    # -- requests

    def _rules(self) -> tuple[CompiledRule, ...]:
        if self._served is not self._listener.served:
            self._served = self._listener.served
            self._compiled = compile_rules(self._served)
        return self._compiled

    async def _answer(self, request: Request, source_ip: str) -> _Outcome:
        asked = Asked(request.method, request.host, request.path, request.query, request.headers, source_ip)
        rule = evaluate(self._rules(), asked)
        if rule is None:
            return self._own(500, request, "the listener has no rules")
        action = rule.actions[-1]
        match action["Type"]:
            case "forward":
                return await self._forward(rule, action["ForwardConfig"]["TargetGroups"], request, source_ip)
            case "redirect":
                listener = self._listener
                answer = own_answers.redirect(
                    action["RedirectConfig"], request, listener.protocol, listener.port
                )
                return self._outcome(answer, request)
            case _:
                return self._outcome(own_answers.fixed(action["FixedResponseConfig"]), request)

    async def _forward(
        self, rule: Rule, weighted: list[Mapping[str, Any]], request: Request, source_ip: str
    ) -> _Outcome:
        arn = choose_group(self._rng, weighted)
        group = self._groups.get(arn or "")
        if group is None:
            return self._own(503, request, "no target group has a weight")
        target = self._choice.choose(group)
        if target is None:
            return self._own(503, request, "no target is registered", group.name)
        try:
            sent = transformed(request, rule.transforms)
        except TransformFailed as error:
            return self._own(500, request, str(error), group.name)
        sent = replace(sent, headers=self._forwarded(sent.headers, source_ip))
        try:
            server = self._tasks.server_of(self._listener.load_balancer, group, target.id, target.port)
            factor = self._sim.durations.target_timeout_factor
            timeout = self._attribute("idle_timeout.timeout_seconds") * factor
            response = await self._targets.exchange(server, sent, timeout)
        except (BadGateway, GatewayTimeout) as error:
            status = 502 if isinstance(error, BadGateway) else 504
            return self._own(status, request, f"{target.id}:{target.port}: {error}", group.name)
        tenant, task = header(response.headers, TENANT_HEADER), server.task.id
        response.headers = [(name, value) for name, value in response.headers if name not in HOP_BY_HOP]
        return self._outcome(response, request, target_group=group.name, tenant=tenant, task=task)

    def _forwarded(self, headers: Headers, source_ip: str) -> Headers:
        """What a target gets: the client's headers, and who it was and what it asked.

        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
        """
        own = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id")
        kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP and name not in own]
        came_for = header(headers, "x-forwarded-for")
        trace = (
            header(headers, "x-amzn-trace-id")
            or f"Root=1-{int(time.time()):08x}-{self._rng.getrandbits(96):024x}"
        )
        return [
            *kept,
            ("x-forwarded-for", f"{came_for}, {source_ip}" if came_for else source_ip),
            ("x-forwarded-proto", self._listener.protocol.lower()),
            ("x-forwarded-port", str(self._listener.port)),
            ("x-amzn-trace-id", trace),
        ]

    def _own(
        self, status: int, request: Request | None, reason: str = "", target_group: str = ""
    ) -> _Outcome:
        return self._outcome(own_answers.error(status), request, reason=reason, target_group=target_group)

    def _outcome(self, response: Response, request: Request | None, **said: str) -> _Outcome:
        asked = (
            {} if request is None else {"method": request.method, "host": request.host, "path": request.path}
        )
        name = self._listener.load_balancer.name
        return _Outcome(response, Passed(name, response.status, **asked, **said))


def _tell_what_broke(serving: asyncio.Task[None], connection: Connection[Request]) -> None:
    """A bug of the sandbox ends its connection and stands in the log: nobody waits for an answer that never comes."""
    if not serving.cancelled() and (error := serving.exception()) is not None:
        log.error("a connection to a load balancer broke", exc_info=error)
        connection.reset()


def key_of(listener: Listener) -> tuple[str, int, str]:
    """What a listener's socket belongs to: with another port or protocol it is another one."""
    return listener.arn, listener.port, listener.protocol
