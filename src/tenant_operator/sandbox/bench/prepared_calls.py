"""API calls that botocore has serialised and signed beforehand, sent over bare connections.

So the time that a call takes is the server's, not the client library's: botocore needs a millisecond and more of its own.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.session import Session

_SESSION = Session()  # its loader keeps what it has parsed


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """One HTTP request."""

    target: str
    headers: Mapping[str, str]
    body: bytes
    method: str


def client(service: str, endpoint: str, key: Mapping[str, str]) -> Any:
    """A client without retries; `key` holds botocore's `aws_access_key_id` and so on."""
    return _SESSION.create_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
        **key,  # type: ignore[arg-type]  # botocore's stubs want each by name
    )


def prepare(client: Any, operation: str, parameters: Mapping[str, Any]) -> PreparedCall:
    """What a client would send; nothing is sent."""
    taken: list[Any] = []

    def take(request: Any, **_: Any) -> None:
        taken.append(request)
        raise _NotSent

    client.meta.events.register_first("before-send", take, unique_id="prepare")
    with suppress(_NotSent):
        getattr(client, operation)(**parameters)
    client.meta.events.unregister("before-send", unique_id="prepare")
    [request] = taken
    parts = urlsplit(request.url)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body or b""
    return PreparedCall(
        parts.path + (f"?{parts.query}" if parts.query else ""),
        headers,
        body if isinstance(body, bytes) else str(body).encode(),
        request.method,
    )


class _NotSent(Exception):
    """The request was taken before it was sent."""


def send(endpoint: str, calls: Sequence[PreparedCall], connections: int) -> float:
    """Send all of them over so many connections at once; the seconds that it took.

    Raises:
        RuntimeError: a call was refused.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        for _ in pool.map(lambda number: _send(endpoint, calls[number::connections]), range(connections)):
            pass
    return time.monotonic() - started


def _send(endpoint: str, calls: Sequence[PreparedCall]) -> None:
    host = urlsplit(endpoint)
    connection = http.client.HTTPConnection(str(host.hostname), host.port, timeout=60)
    for call in calls:
        connection.request(call.method, call.target, call.body, dict(call.headers))
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{answer.status}: {text[:400]!r}")
    connection.close()
