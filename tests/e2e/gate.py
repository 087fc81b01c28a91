"""A gate between the operator and what it writes to: it counts the writes, and strikes at one of them.

It is a plain HTTP proxy on loopback, before the simulated AWS and before the API server, so the operator under test is
the one that users run.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import threading
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

import aiohttp
import yaml
from aiohttp import web

READS = ("Describe", "List", "Get", "AssumeRole", "Receive", "TestDNS")
LARGEST_BODY = 64 * 1024 * 1024
_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "keep-alive"}


class When(StrEnum):
    """What happens to the write that is struck."""

    BEFORE = "killed before"
    """The operator is killed; the write never arrives."""
    AFTER = "killed after"
    """The write takes effect; the operator is killed before it hears of that."""
    RESET = "reset after"
    """The write takes effect; the connection is reset instead of an answer."""


@dataclass
class Strike:
    """At which write to strike, how, and what was struck."""

    at: int
    when: When
    struck: str = ""
    """The write that was struck; empty while none was."""
    done: threading.Event = field(default_factory=threading.Event)


@dataclass
class Gate:
    """Two proxies on loopback, for AWS and for Kubernetes; `kill` ends the operator at once."""

    aws: str
    kubeconfig: Path
    folder: Path
    kill: Callable[[], None]
    writes: list[str] = field(default_factory=list)
    """The writes that have come by, in order, such as `elbv2:CreateRule` or `patch tenants/status`."""
    strike: Strike | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        self._runners: list[web.AppRunner] = []
        self._ports: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        asyncio.run_coroutine_threadsafe(self._cancel_rest(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def environment(self) -> dict[str, str]:
        """What leads the operator through the gate."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports[0]}",
            "KUBECONFIG": str(self.folder / "gate.kubeconfig"),
        }

    def arm(self, at: int, when: When) -> Strike:
        """Count from now on, and strike at the write with this number (from 1)."""
        self.writes.clear()
        self.strike = Strike(at, when)
        return self.strike

    def count(self) -> None:
        """Count from now on, and strike nothing."""
        self.strike = None
        self.writes.clear()

    async def _start(self) -> None:
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
        )
        await self._listen(self.aws, aws_write, None, {})
        token = user.get("token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        await self._listen(
            cluster["server"], kubernetes_write, _context(cluster, user, self.kubeconfig.parent), headers
        )
        cluster.clear()
        cluster["server"] = f"http://127.0.0.1:{self._ports[1]}"
        config["users"][0]["user"] = {"token": "from-the-gate"}
        (self.folder / "gate.kubeconfig").write_text(yaml.safe_dump(config))

    async def _listen(
        self,
        upstream: str,
        write_of: Callable[[web.Request, bytes], str],
        context: ssl.SSLContext | None,
        headers: Mapping[str, str],
    ) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            write = write_of(request, body)
            if write:
                self.writes.append(write)
            strike = self.strike
            struck = (
                bool(write) and strike is not None and not strike.struck and len(self.writes) >= strike.at
            )
            if not struck or strike is None:
                with contextlib.suppress(ConnectionError):  # the operator has gone, or was killed
                    async with self._forward(request, body, upstream, context, headers) as answer:
                        return await _pass_on(request, answer)
                raise web.HTTPServiceUnavailable
            strike.struck = write
            if strike.when is not When.BEFORE:
                async with self._forward(request, body, upstream, context, headers) as answer:
                    await answer.read()
            if strike.when is not When.RESET:
                await asyncio.to_thread(self.kill)
            strike.done.set()
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPServiceUnavailable

        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runners.append(runner)
        self._ports.append(runner.addresses[0][1])

    @contextlib.asynccontextmanager
    async def _forward(
        self,
        request: web.Request,
        body: bytes,
        upstream: str,
        context: ssl.SSLContext | None,
        headers: Mapping[str, str],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            upstream.rstrip("/") + request.raw_path,
            data=body or None,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding"),
            headers={**sent, **headers},
            ssl=context if context is not None else True,
            allow_redirects=False,
        ) as answer:
            yield answer

    async def _stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        await self._session.close()

    @staticmethod
    async def _cancel_rest() -> None:
        """Watches that nobody reads any more end with the gate."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP - {"content-encoding"}}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def _context(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    """TLS to the API server, with the kubeconfig's authority and, where it has one, its client certificate."""
    context = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority", folder))
    if "client-certificate-data" in user or "client-certificate" in user:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
            pair.write(_pem(user, "client-certificate", folder) + _pem(user, "client-key", folder))
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _pem(holder: Mapping[str, Any], name: str, folder: Path) -> str:
    if f"{name}-data" in holder:
        return b64decode(str(holder[f"{name}-data"])).decode()
    return (folder / str(holder[name])).read_text()


def aws_write(request: web.Request, body: bytes) -> str:
    """The name of a request to AWS that changes something; empty for a reading."""
    target = request.headers.get("X-Amz-Target", "")
    if target:
        service, _, action = target.rpartition(".")
        service = service.partition("_")[0]
    elif request.path == "/" and body:
        found = parse_qs(body.decode("utf-8", "replace"))
        action, service = found.get("Action", [""])[0], "aws"
    else:
        action = "" if request.method == "GET" else f"{request.method} {request.path.split('/')[-1]}"
        service = "route53"
    return "" if not action or action.startswith(READS) else f"{service}:{action}"


def kubernetes_write(request: web.Request, body: bytes) -> str:
    """The name of a request to the API server that changes something; empty for a reading, an Event or a Lease."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return ""
    parts = [part for part in request.path.split("/") if part]
    if "events" in parts or "leases" in parts:
        return ""
    plural = next((p for p in parts if p in ("tiers", "cells", "infragroups", "tenants")), parts[-1])
    what = f"{plural}/status" if parts[-1] == "status" else plural
    finalizers = b"finalizers" in body and not what.endswith("/status")
    return f"{request.method.lower()} {what}{' (finalizers)' if finalizers else ''}"
