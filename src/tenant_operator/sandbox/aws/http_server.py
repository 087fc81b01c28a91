"""A small threaded HTTP/1.1 server with keep-alive: a thread a connection, and the power to reset one."""

from __future__ import annotations

import http.client
import logging
import socket
import socketserver
import struct
import sys
from collections.abc import Callable

from tenant_operator.sandbox.aws.front_door import ConnectionDropped
from tenant_operator.sandbox.aws.wire import HttpAnswer, HttpRequest

log = logging.getLogger(__name__)

MAX_LINE = 65_536
MAX_BODY = 16 * 1024 * 1024  # far above any control-plane request of AWS
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST

Answer = Callable[[HttpRequest], HttpAnswer]


class _Connection(socketserver.StreamRequestHandler):
    """Answers requests of one connection until the client closes it."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        try:
            while (request := self._read()) is not None:
                self._write(request, server.answer(request))
                if request.headers.get("connection", "").lower() == "close":
                    return
        except ConnectionDropped:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.connection.close()
        except (ConnectionError, TimeoutError):
            return  # the client went away: nobody is left to be told

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return  # already closed by a reset

    def _read(self) -> HttpRequest | None:
        line = self.rfile.readline(MAX_LINE)
        if line in (b"\r\n", b"\n"):
            line = self.rfile.readline(MAX_LINE)
        parts = line.decode("latin-1").split()
        if len(parts) != 3:
            return None
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(MAX_LINE)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length") or 0)
        if length > MAX_BODY:
            return None
        return HttpRequest(parts[0], parts[1], headers, self.rfile.read(length) if length else b"")

    def _write(self, request: HttpRequest, answer: HttpAnswer) -> None:
        reason = http.client.responses.get(answer.status, "Unknown")
        lines = [
            f"HTTP/1.1 {answer.status} {reason}",
            f"Content-Length: {len(answer.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        body = b"" if request.method == "HEAD" else answer.body
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


class Server(socketserver.ThreadingTCPServer):
    """Serves `answer` on an address; port 0 takes a free one."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        super().__init__((host, port), _Connection)
        self.answer = answer

    @property
    def endpoint(self) -> str:
        """`http://<host>:<port>`."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the base class's own
        """Log what broke a connection; the others go on."""
        log.error("a connection of %s broke", client_address, exc_info=sys.exc_info())
