"""Results in AWS's wire protocols, by botocore's models.

Each operation's output is turned into functions once; a listing of a hundred rules is then one walk over its values.
https://smithy.io/2.0/aws/protocols/
"""

from __future__ import annotations

import base64
import calendar
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

Write = Callable[[Any, list[str]], None]  # appends the XML of a value
Convert = Callable[[Any], Any]  # what json.dumps takes


@dataclass(frozen=True, slots=True)
class Serialized:
    """An answer's parts."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def serialize(operation: Any, protocol: str, result: Mapping[str, Any], request_id: str) -> Serialized:
    """Write a result by an operation's output shape; what the shape does not have, and None, is left out.

    Raises:
        ValueError: a protocol that none of the sandbox's own services speaks.
    """
    status = int(operation.http.get("responseCode", 200))
    shape = operation.output_shape
    if protocol == "json":
        version = operation.service_model.metadata.get("jsonVersion", "1.0")
        body = {} if shape is None else _json_of(shape)(result)
        return Serialized(
            status, json.dumps(body).encode(), {"Content-Type": f"application/x-amz-json-{version}"}
        )
    out: list[str] = []
    if shape is not None:
        _members_of(shape, protocol)(result, out)
    text = _enveloped(operation, protocol, "".join(out), request_id)
    return Serialized(status, text.encode(), {"Content-Type": "text/xml", **_headers(shape, result)})


def _enveloped(operation: Any, protocol: str, members: str, request_id: str) -> str:
    shape, name = operation.output_shape, f"{operation.name}Response"
    namespace = operation.service_model.metadata.get("xmlNamespace")
    attribute = f" xmlns={quoteattr(namespace)}" if namespace else ""
    match protocol:
        case "query":
            wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
            inner = f"<{wrapper}>{members}</{wrapper}>" if wrapper else members
            inner += f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        case "ec2":
            inner = f"<requestId>{request_id}</requestId>{members}"
        case "rest-xml":
            inner = members
        case _:
            raise ValueError(f"the sandbox does not write the protocol {protocol!r}")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}{attribute}>{inner}</{name}>'


def _headers(shape: Any, result: Mapping[str, Any]) -> dict[str, str]:
    if shape is None:
        return {}
    return {
        member.serialization["name"]: str(result[name])
        for name, member in shape.members.items()
        if member.serialization.get("location") == "header" and result.get(name) is not None
    }


# -- XML


@functools.cache
def _members_of(shape: Any, protocol: str) -> Write:
    """The elements of a structure, without one around them."""
    writers: dict[str, Write] = {}

    def write(value: Mapping[str, Any], out: list[str]) -> None:
        for name, item in value.items():
            if item is None or name not in shape.members:
                continue
            writer = writers.get(name)
            if writer is None:  # made at first use: a structure may hold itself
                member = shape.members[name]
                tag = member.serialization.get("name", name)
                located = member.serialization.get("location")
                writer = writers[name] = _nothing if located else _element(member, tag, protocol)
            writer(item, out)

    return write


def _nothing(_: Any, __: list[str]) -> None:
    """A member that is in a header."""


def _element(shape: Any, tag: str, protocol: str) -> Write:
    match shape.type_name:
        case "structure":
            return _around(tag, _members_of(shape, protocol))
        case "list":
            return _list(shape, tag, protocol)
        case "map":
            return _map(shape, tag, protocol)
        case _:
            text = _text(shape, protocol)
            return lambda value, out: out.append(f"<{tag}>{text(value)}</{tag}>")


def _around(tag: str, inner: Write) -> Write:
    opening, closing = f"<{tag}>", f"</{tag}>"

    def write(value: Any, out: list[str]) -> None:
        out.append(opening)
        inner(value, out)
        out.append(closing)

    return write


def _list(shape: Any, tag: str, protocol: str) -> Write:
    flat = shape.serialization.get("flattened")
    name = shape.member.serialization.get("name", tag if flat else "member")
    entry = _element(shape.member, name, protocol)

    def write(value: Any, out: list[str]) -> None:
        for item in value:
            entry(item, out)

    return write if flat else _around(tag, write)


def _map(shape: Any, tag: str, protocol: str) -> Write:
    key = _element(shape.key, shape.key.serialization.get("name", "key"), protocol)
    item = _element(shape.value, shape.value.serialization.get("name", "value"), protocol)

    def write_one(pair: tuple[Any, Any], out: list[str]) -> None:
        key(pair[0], out)
        item(pair[1], out)

    flat = shape.serialization.get("flattened")
    entry = _around(tag if flat else "entry", write_one)

    def write(value: Mapping[str, Any], out: list[str]) -> None:
        for pair in value.items():
            entry(pair, out)

    return write if flat else _around(tag, write)


def _text(shape: Any, protocol: str) -> Callable[[Any], str]:
    match shape.type_name:
        case "boolean":
            return lambda value: "true" if value else "false"
        case "integer" | "long":
            return lambda value: str(int(value))
        case "float" | "double":
            return lambda value: str(float(value))
        case "timestamp":
            return functools.partial(_iso8601, always_milliseconds=protocol == "ec2")
        case "blob":
            return _base64
        case _:
            return lambda value: escape(str(value))


def _iso8601(value: datetime | str, *, always_milliseconds: bool) -> str:
    if isinstance(value, str):
        return value
    fraction = f".{value.microsecond // 1000:03d}" if always_milliseconds or value.microsecond else ""
    return f"{value:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _base64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


# -- JSON


@functools.cache
def _json_of(shape: Any) -> Convert:
    match shape.type_name:
        case "structure":
            return _json_structure(shape)
        case "list":
            entry = _json_of(shape.member)
            return lambda value: [entry(item) for item in value]
        case "map":
            item = _json_of(shape.value)
            return lambda value: {str(name): item(found) for name, found in value.items()}
        case "boolean":
            return bool
        case "integer" | "long":
            return int
        case "float" | "double":
            return float
        case "timestamp":
            return _epoch_seconds
        case "blob":
            return _base64
        case _:
            return str


def _json_structure(shape: Any) -> Convert:
    converters: dict[str, tuple[str, Convert]] = {}

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in value.items():
            if item is None or name not in shape.members:
                continue
            known = converters.get(name)
            if known is None:
                member = shape.members[name]
                known = converters[name] = member.serialization.get("name", name), _json_of(member)
            found[known[0]] = known[1](item)
        return found

    return convert


def _epoch_seconds(value: datetime | float) -> float:
    if not isinstance(value, datetime):
        return value
    whole = calendar.timegm(value.utctimetuple())
    return whole + value.microsecond // 1000 / 1000 if value.microsecond else whole
