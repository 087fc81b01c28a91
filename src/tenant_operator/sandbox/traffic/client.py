"""A client of services in the simulated AWS: asks DNS, keeps to the TTL, keeps connections alive, sends `Host`.

TLS is not simulated: for `https` the names of the listener's certificates are compared with the host, and plain HTTP goes over
the wire.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from tenant_operator.sandbox.aws.traffic import TENANT_HEADER
from tenant_operator.sandbox.aws.traffic.http1 import (
    Connection,
    Malformed,
    Request,
    Response,
    header,
    response_reader,
)

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
# https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2: these may be sent again when a kept connection turns out closed
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


class RequestLost(Exception):
    """No answer came; the message says why, `load_balancer` where it was lost (empty: before any was reached)."""

    def __init__(self, message: str, load_balancer: str = "") -> None:
        super().__init__(message)
        self.load_balancer = load_balancer


class NameNotFound(RequestLost):
    """DNS has no answer (NXDOMAIN)."""


class CertificateMismatch(RequestLost):
    """No certificate of the listener is for the host."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    load_balancer: str  # the DNS name of the one that answered
    seconds: float  # from asking until the whole answer was there

    @property
    def tenant(self) -> str:
        """The tenant whose task answered; empty: the load balancer itself did."""
        return self.headers.get(TENANT_HEADER, "")

    def json(self) -> Any:
        """The body, parsed. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class _Resolved:
    target: str
    listeners: tuple[Mapping[str, Any], ...]
    expires: float  # on the monotonic clock


@dataclass(slots=True)
class _Line:
    """A connection to a load balancer."""

    connection: Connection[Response]
    load_balancer: str
    is_reused: bool = False


@dataclass(slots=True)
class Client:
    """Sends requests. As an asynchronous context manager it closes its connections in the end.

    Arguments:
        endpoint: the simulated AWS (http://127.0.0.1:…).
        keep_alive: use connections again, as long as the load balancer keeps them, whatever DNS says meanwhile: this is
            what browsers and connection pools do. False: a connection a request.
        ttl_scale: seconds that an answer of DNS is kept, times its TTL; absent: as the simulated AWS's settings say.
        inside: ask DNS from inside a VPC, where private zones answer.
        timeout: seconds until an answer counts as lost.
    """

    endpoint: str
    keep_alive: bool = True
    ttl_scale: float | None = None
    inside: bool = False
    timeout: float = TIMEOUT_SECONDS
    _resolved: dict[str, _Resolved] = field(default_factory=dict)
    _resolving: dict[str, asyncio.Task[_Resolved]] = field(default_factory=dict)
    _idle: defaultdict[tuple[str, str, int], list[_Line]] = field(default_factory=lambda: defaultdict(list))

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request and wait for its answer, whatever its status.

        Raises:
            RequestLost: the name does not resolve, nothing listens, the connection was reset, or no answer came in time.
            ValueError: the URL is none.
        """
        began = time.monotonic()
        parts = _checked(url)
        line = await self._line(parts)
        request = _request(method.upper(), parts, headers or {}, body)
        try:
            response = await self._exchange(line, request)
        except _ConnectionStale:
            line = await self._connect(parts)
            response = await self._exchange(line, request)
        if self.keep_alive and not response.closes and line.connection.is_open:
            self._idle[_key(parts)].append(line)
        else:
            line.connection.close()
        seconds = time.monotonic() - began
        return Answer(response.status, dict(response.headers), response.body, line.load_balancer, seconds)

    async def close(self) -> None:
        """Close all connections that are not in use."""
        for lines in self._idle.values():
            for line in lines:
                line.connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- connections

    async def _line(self, parts: SplitResult) -> _Line:
        idle = self._idle.get(_key(parts))
        while idle:
            line = idle.pop()
            if line.connection.is_open:
                line.is_reused = True
                return line
        return await self._connect(parts)

    async def _connect(self, parts: SplitResult) -> _Line:
        host = str(parts.hostname)
        resolved = await self._resolve(host)
        listener = _listener(resolved, parts)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(response_reader()), listener["address"], listener["at"]
                )
        except OSError as error:  # TimeoutError is one
            self._resolved.pop(host, None)  # another address may do better next time
            raise RequestLost(f"connection to {resolved.target} refused: {error}", resolved.target) from error
        return _Line(connection, resolved.target)

    async def _exchange(self, line: _Line, request: Request) -> Response:
        line.connection.reader.expects_head_only = request.method == "HEAD"
        line.connection.send(request.encode())
        try:
            async with asyncio.timeout(self.timeout):
                response = await line.connection.receive()
        except TimeoutError:
            line.connection.reset()
            raise RequestLost(f"no answer within {self.timeout:g} s", line.load_balancer) from None
        except Malformed as error:
            line.connection.reset()
            raise RequestLost(f"the answer is no HTTP: {error}", line.load_balancer) from error
        except asyncio.CancelledError:
            line.connection.reset()
            raise
        if response is None:
            may_repeat = (
                line.is_reused and request.method in _IDEMPOTENT and not line.connection.reader.is_amid
            )
            if may_repeat:
                raise _ConnectionStale
            raise RequestLost("the connection was closed before an answer came", line.load_balancer)
        return response

    # -- names

    async def _resolve(self, host: str) -> _Resolved:
        known = self._resolved.get(host)
        if known is not None and known.expires > time.monotonic():
            return known
        asking = self._resolving.get(host)
        if asking is None:  # one question at a time, however many requests wait for it
            asking = self._resolving[host] = asyncio.create_task(self._ask(host))
            asking.add_done_callback(lambda _: self._resolving.pop(host, None))
        return await asyncio.shield(asking)

    async def _ask(self, host: str) -> _Resolved:
        found = await self._control("dns", {"name": host, "private": self.inside})
        seconds = found["expiresIn"] if self.ttl_scale is None else found["ttl"] * self.ttl_scale
        resolved = _Resolved(found["target"], tuple(found["listeners"]), time.monotonic() + seconds)
        self._resolved[host] = resolved
        return resolved

    async def _control(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        url = urlsplit(self.endpoint)
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(response_reader()), str(url.hostname), url.port or 80
            )
            async with asyncio.timeout(self.timeout):
                headers = [("host", url.netloc), ("connection", "close")]
                sent = Request("POST", f"/_sandbox/{route}", headers, json.dumps(body).encode())
                connection.send(sent.encode())
                answer = await connection.receive()
        except OSError as error:
            raise RequestLost(f"the simulated AWS at {self.endpoint} does not answer: {error}") from error
        connection.close()
        if answer is None:
            raise RequestLost(f"the simulated AWS at {self.endpoint} closed the connection")
        found: dict[str, Any] = json.loads(answer.body)
        if answer.status == 404:
            raise NameNotFound(f"{body['name']} does not resolve ({found['error']})")
        if answer.status != 200:
            raise RequestLost(f"the simulated AWS answered {answer.status}: {found.get('error')}")
        return found


class _ConnectionStale(Exception):
    """The load balancer closed a kept connection before it saw the request."""


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no URL such as http://acme.example.com/orders")
    return parts


def _key(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, str(parts.hostname), parts.port or _PORTS[parts.scheme]


def _request(method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> Request:
    given = [(name.lower(), value) for name, value in headers.items()]
    usual = [
        ("host", parts.netloc.rpartition("@")[2]),
        ("user-agent", "tenant-operator-sandbox"),
        ("accept", "*/*"),
    ]
    sent = [(name, value) for name, value in usual if not header(given, name)] + given
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Request(method, target, sent, body)


def _listener(resolved: _Resolved, parts: SplitResult) -> Mapping[str, Any]:
    """Raises RequestLost: nothing listens on the port, it speaks another protocol, or has no certificate for the host."""
    scheme, host, port = _key(parts)
    listener = next((found for found in resolved.listeners if found["port"] == port), None)
    if listener is None:
        raise RequestLost(f"nothing listens on port {port} of {resolved.target}", resolved.target)
    if listener["protocol"].lower() != scheme:
        protocol = listener["protocol"]
        raise RequestLost(
            f"port {port} of {resolved.target} speaks {protocol}, not {scheme}", resolved.target
        )
    names = listener["certificateNames"]
    if scheme == "https" and not any(covers(name, host) for name in names):
        known = ", ".join(names) or "nothing"
        raise CertificateMismatch(
            f"no certificate of {resolved.target} is for {host}: they are for {known}", resolved.target
        )
    return listener


def covers(certificate_name: str, host: str) -> bool:
    """Whether a certificate's name is for a host; `*` stands for one label (RFC 9525, section 6.3)."""
    name, host = certificate_name.lower(), host.lower()
    if name.startswith("*."):
        first, _, rest = host.partition(".")
        return bool(first) and rest == name[2:]
    return name == host
