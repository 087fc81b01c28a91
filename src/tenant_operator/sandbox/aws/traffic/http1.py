"""HTTP/1.1 on asyncio's transports, as little of it as requests between clients, load balancers and tasks need.

Messages are read whole (https://www.rfc-editor.org/rfc/rfc9112): a body has a length, comes in chunks, or ends with the
connection. Header names are lower case in memory and on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

MAX_LINE = (
    16 * 1024
)  # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024  # a sandbox's requests are small; what is larger is a mistake
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST
_BODYLESS = frozenset({204, 304})

Headers = list[tuple[str, str]]


class Malformed(Exception):
    """What came is not HTTP, or larger than allowed."""


@dataclass(slots=True)
class Request:
    """A request; `target` is path and query as they came."""

    may_end_with_connection: ClassVar[bool] = False  # its body
    method: str
    target: str
    headers: Headers
    body: bytes = b""
    version: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, or nothing."""
        return self.target.partition("?")[2]

    @property
    def host(self) -> str:
        """The Host header without a port, in lower case."""
        return header(self.headers, "host").partition(":")[0].lower()

    @property
    def is_bodyless(self) -> bool:
        """Whether it has no body, whatever its headers say."""
        return False

    @property
    def closes(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        asked = header(self.headers, "connection").lower()
        return asked == "close" or (self.version == "HTTP/1.0" and asked != "keep-alive")

    def encode(self) -> bytes:
        """As sent."""
        length = str(len(self.body)) if self.body else ""
        return _head(f"{self.method} {self.target} HTTP/1.1", self.headers, length) + self.body


@dataclass(slots=True)
class Response:
    """An answer."""

    may_end_with_connection: ClassVar[bool] = True  # its body
    status: int
    headers: Headers
    body: bytes = b""

    @property
    def is_bodyless(self) -> bool:
        """Whether it has no body, whatever its headers say."""
        return self.status in _BODYLESS

    @property
    def closes(self) -> bool:
        """Whether the connection ends with it."""
        return header(self.headers, "connection").lower() == "close"

    def encode(self, *, without_body: bool = False) -> bytes:
        """As sent; `without_body` to a HEAD request, whose answer says how long the body would have been."""
        reason = http.client.responses.get(self.status, "Unknown")
        length = header(self.headers, "content-length") if without_body and not self.body else ""
        sent = _head(f"HTTP/1.1 {self.status} {reason}", self.headers, length or str(len(self.body)))
        return sent if without_body else sent + self.body


def header(headers: Iterable[tuple[str, str]], name: str) -> str:
    """The first value of a header (`name` in lower case), or nothing."""
    for found, value in headers:
        if found == name:
            return value
    return ""


def _head(first_line: str, headers: Headers, content_length: str) -> bytes:
    lines = [first_line, *(f"{name}: {value}" for name, value in headers if name != "content-length")]
    if content_length:
        lines.append(f"content-length: {content_length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


class Message(Protocol):
    """What requests and answers have in common."""

    may_end_with_connection: ClassVar[bool]
    headers: Headers
    body: bytes

    @property
    def is_bodyless(self) -> bool:
        """Whether it has no body, whatever its headers say."""
        ...


MessageT = TypeVar("MessageT", bound=Message)


class Reader(Generic[MessageT]):
    """Puts messages together from the bytes of one connection.

    `expects_head_only` is set by a client before the answer to a HEAD request comes.
    """

    def __init__(self, begin: Callable[[list[str], Headers], MessageT]) -> None:
        self._begin = begin
        self._buffer = bytearray()
        self._message: MessageT | None = None
        self._length: int | None = 0  # of the body; None: up to the end of the connection
        self._chunked = False
        self.expects_head_only = False

    @property
    def is_amid(self) -> bool:
        """Whether part of a message is here."""
        return self._message is not None or bool(self._buffer)

    def feed(self, data: bytes) -> list[MessageT]:
        """The messages that are whole now.

        Raises:
            Malformed: it is not HTTP.
        """
        self._buffer += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def end(self) -> MessageT | None:
        """The message that ends with the connection, if one does."""
        if self._message is None or self._length is not None or self._chunked:
            return None
        message, self._message = self._message, None
        message.body = bytes(self._buffer)
        return message

    def _next(self) -> MessageT | None:
        if self._message is None and not self._read_head():
            return None
        message = self._message
        assert message is not None
        body = self._read_chunks() if self._chunked else self._read_length()
        if body is None:
            return None
        message.body, self._message = body, None
        return message

    def _read_head(self) -> bool:
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Malformed("the headers are too long")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        if end > MAX_HEAD or max(map(len, lines)) > MAX_LINE:
            raise Malformed("the request line or the headers are too long")
        headers: Headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Malformed("a header line has no name")
            headers.append((name.lower(), value.strip()))
        self._message = self._begin(lines[0].split(" ", 2), headers)
        self._measure(self._message)
        return True

    def _measure(self, message: MessageT) -> None:
        """How the body ends."""
        self._chunked = header(message.headers, "transfer-encoding").lower() == "chunked"
        length = header(message.headers, "content-length")
        if self.expects_head_only or message.is_bodyless:
            self._chunked, self._length, self.expects_head_only = False, 0, False
        elif length:
            if not length.isdecimal() or int(length) > MAX_BODY:
                raise Malformed("the content length is no number, or too large")
            self._length = int(length)
        else:
            self._length = None if message.may_end_with_connection else 0

    def _read_length(self) -> bytes | None:
        if self._length is None or len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return body

    def _read_chunks(self) -> bytes | None:
        """Looks from the first chunk on each time: bodies are small here."""
        body, at = bytearray(), 0
        while True:
            line_end = self._buffer.find(b"\r\n", at)
            if line_end < 0:
                return None
            size_text = bytes(self._buffer[at:line_end]).partition(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise Malformed("a chunk has no size") from None
            if size + len(body) > MAX_BODY:
                raise Malformed("the body is too large")
            at = line_end + 2
            if size == 0:
                trailer_end = (
                    at if self._buffer[at : at + 2] == b"\r\n" else self._buffer.find(b"\r\n\r\n", at)
                )
                if trailer_end < 0 or len(self._buffer) < trailer_end + 2:
                    return None
                del self._buffer[: trailer_end + (2 if trailer_end == at else 4)]
                return bytes(body)
            if len(self._buffer) < at + size + 2:
                return None
            body += self._buffer[at : at + size]
            at += size + 2


def _begin_request(first_line: list[str], headers: Headers) -> Request:
    if len(first_line) != 3 or not first_line[2].startswith("HTTP/1.") or not first_line[0].isalpha():
        raise Malformed("the first line is no request line")
    method, target, version = first_line
    if not target.startswith("/"):
        target = _origin_form(target)
    return Request(method, target, headers, version=version)


def _origin_form(target: str) -> str:
    """`http://host/path` as `/path`; `*` stays."""
    scheme, separator, rest = target.partition("://")
    if not separator or scheme not in ("http", "https"):
        return target
    return "/" + rest.partition("/")[2]


def _begin_response(first_line: list[str], headers: Headers) -> Response:
    if len(first_line) < 2 or not first_line[0].startswith("HTTP/1.") or not first_line[1].isdecimal():
        raise Malformed("the first line is no status line")
    return Response(int(first_line[1]), headers)


def request_reader() -> Reader[Request]:
    """For the server's end of a connection."""
    return Reader(_begin_request)


def response_reader() -> Reader[Response]:
    """For the client's end of a connection."""
    return Reader(_begin_response)


class Connection(asyncio.Protocol, Generic[MessageT]):
    """One end of a connection, read by one task: `receive` gives message after message, None once there is no more.

    Arguments:
        reader: what comes in.
        opened: told once the connection is there (a server starts to serve it then).
        closed: told once it is gone.
    """

    def __init__(
        self,
        reader: Reader[MessageT],
        opened: Callable[[Connection[MessageT]], None] | None = None,
        closed: Callable[[Connection[MessageT]], None] | None = None,
    ) -> None:
        self.reader = reader
        self._opened, self._closed = opened, closed
        self._transport: asyncio.Transport | None = None
        self._messages: deque[MessageT] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._malformed: Malformed | None = None
        self.ended = False  # nothing more comes in
        self.peer = ""
        self.is_waiting_since: float | None = None  # loop time; None while a message is worked on

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        if self._opened is not None:
            self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        try:
            self._messages.extend(self.reader.feed(data))
        except Malformed as error:
            self._malformed = error
        self._wake()

    def eof_received(self) -> bool:
        """Half closed is closed: HTTP clients that still wait for an answer do not do this."""
        self._finish_reading()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """It is gone."""
        self._finish_reading()
        self._transport = None
        if self._closed is not None:
            self._closed(self)

    # what its user calls

    @property
    def is_open(self) -> bool:
        """Whether messages can still be exchanged."""
        return self._transport is not None and not self._transport.is_closing() and not self.ended

    async def receive(self) -> MessageT | None:
        """The next message; None when the other end closed.

        Raises:
            Malformed: what came is no message.
        """
        while not self._messages:
            if self._malformed is not None:
                raise self._malformed
            if self.ended:
                return None
            loop = asyncio.get_running_loop()
            self._waiter, self.is_waiting_since = loop.create_future(), loop.time()
            try:
                await self._waiter
            finally:
                self._waiter = self.is_waiting_since = None
        return self._messages.popleft()

    def send(self, data: bytes) -> None:
        """Write; lost when the other end is gone."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything is written."""
        if self._transport is not None:
            self._transport.close()
        self._finish_reading()

    def reset(self) -> None:
        """Close at once, so that the other end sees `connection reset`."""
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
        self._finish_reading()

    def _finish_reading(self) -> None:
        if not self.ended:
            self.ended = True
            if (message := self.reader.end()) is not None:
                self._messages.append(message)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
