"""Calls that no handler of ours answers: carried out by moto's response classes, without its Flask app."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from moto import backends
from moto.core import responses
from moto.core.base_backend import BackendDict
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import Request
from moto.core.utils import get_service_model, method_names_from_class
from werkzeug.exceptions import HTTPException

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.wire import HttpAnswer, HttpRequest

# Moto lists the methods of its response classes anew at every call; EC2's has 700, which took a quarter of each call.
responses.method_names_from_class = functools.cache(method_names_from_class)  # type: ignore[attr-defined]  # not in __all__

_Route = tuple[re.Pattern[str], Callable[[Any, str, Any], Any]]

_REQUEST_ID = re.compile(rb"(<[Rr]equestId>)[^<]*(</[Rr]equestId>)")


def answer(call: Call, request: HttpRequest) -> HttpAnswer:
    """Let moto carry out a call.

    Raises:
        AwsFailure: moto does not know the call, or broke (SandboxNotImplemented); or a patched backend refused it.
    """
    prefix = str(get_service_model(call.service).endpoint_prefix)
    url = f"https://{prefix}.{call.region}.amazonaws.com{request.target}"
    headers = {
        **request.headers,
        "host": f"{prefix}.{call.region}.amazonaws.com",
        "x-moto-account-id": call.account,
    }
    moto_request = Request.from_primitives(request.method, url, headers, request.body)
    handler = _handler(call, url.split("?", 1)[0])
    try:
        result = handler(moto_request, moto_request.raw_url, moto_request.headers)
    except AwsFailure:
        raise
    except NotImplementedError as error:
        raise not_simulated(
            call.service, call.action, str(error) or "moto does not implement this call"
        ) from error
    except HTTPException as error:
        body: Any = error.get_body()
        return HttpAnswer(
            error.code or 400,
            body.encode() if isinstance(body, str) else body,
            dict(error.get_headers()),
        )
    except ClientError as error:
        raise AwsFailure(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
    except Exception as error:  # whatever moto trips over must be told apart from an AWS outage
        raise not_simulated(
            call.service, call.action, f"moto broke: {type(error).__name__}: {error}"
        ) from error
    return _to_answer(call, result)


def _to_answer(call: Call, result: Any) -> HttpAnswer:
    status, headers, body = result if isinstance(result, tuple) and len(result) == 3 else (200, {}, result)
    if status in (404, 501) and not body:
        raise not_simulated(call.service, call.action, "moto does not know this call")
    payload = body.encode() if isinstance(body, str) else bytes(body or b"")
    kept = {
        name: str(value)
        for name, value in headers.items()
        if name.lower() not in ("status", "content-length", "date", "x-amzn-requestid")
    }
    # The id by which CloudTrail tells of the call; moto makes one up, and writes another into the body.
    kept["x-amzn-requestid"] = call.request_id
    payload = _REQUEST_ID.sub(rb"\g<1>" + call.request_id.encode() + rb"\g<2>", payload)
    return HttpAnswer(int(status), payload, kept)


def _handler(call: Call, url: str) -> Callable[[Any, str, Any], Any]:
    for pattern, handler in _routes(call.service):
        if pattern.match(url):
            return handler
    raise not_simulated(call.service, call.action, f"moto has no route for {url}")


@functools.cache
def _routes(service: str) -> tuple[_Route, ...]:
    name = service.replace("-", "")
    try:
        backend_dict: Any = backends.get_backend(name)  # type: ignore[call-overload]  # moto lists its names as literals
    except (KeyError, ImportError, AttributeError) as error:
        raise AwsFailure("SandboxNotImplemented", f"moto has no service {service!r}", status=501) from error
    if isinstance(backend_dict, BackendDict):
        regions = backend_dict[DEFAULT_ACCOUNT_ID]
        backend = regions["us-east-1"] if "us-east-1" in regions else regions["aws"]
    else:
        backend = backend_dict["global"]
    return tuple((re.compile(pattern), handler) for pattern, handler in backend.urls.items())
