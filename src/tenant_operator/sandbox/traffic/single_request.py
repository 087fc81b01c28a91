"""One request, sent and shown as curl does."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.traffic.client import Answer, Client, RequestLost


def parse_headers(given: Sequence[str]) -> dict[str, str]:
    """Header lines such as `X-Tenant-Id: acme` by name.

    Raises:
        ValueError: a line without a name or a colon.
    """
    headers = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"{line!r} is no header such as 'X-Tenant-Id: acme'")
        headers[name.strip()] = value.strip()
    return headers


def send(
    endpoint: str, method: str, url: str, headers: Mapping[str, str], body: bytes, *, inside: bool
) -> Answer:
    """Send one request through the simulated AWS at `endpoint`; `inside` asks DNS from inside a VPC.

    Raises:
        SandboxError: no answer came; the message says why.
        ValueError: the URL is none.
    """

    async def ask() -> Answer:
        async with Client(endpoint, keep_alive=False, inside=inside) as client:
            return await client.request(method, url, headers=headers, body=body)

    try:
        return asyncio.run(ask())
    except RequestLost as error:
        raise SandboxError(str(error)) from error


def as_text(answer: Answer, *, with_head: bool) -> str:
    """The body, after the status line and the headers if wanted."""
    body = answer.body.decode(errors="replace")
    if not with_head:
        return body
    reason = http.client.responses.get(answer.status, "")
    head = [
        f"HTTP/1.1 {answer.status} {reason}",
        *(f"{name}: {text}" for name, text in answer.headers.items()),
    ]
    return "\n".join([*head, "", body])


def as_json(answer: Answer) -> str:
    """All that is known of an answer, as a JSON document; `body` is text, or what its JSON says."""
    try:
        body = answer.json()
    except ValueError:
        body = answer.body.decode(errors="replace")
    shown = {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": body,
        "tenant": answer.tenant,
        "loadBalancer": answer.load_balancer,
        "seconds": round(answer.seconds, 6),
    }
    return json.dumps(shown, indent=2)
