"""AWS's wire protocols: which service and action a request is, its parameters, and answers in the same protocol.

The models are botocore's, the parsers of requests moto's (moto.core.parse).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import botocore.parsers
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

from tenant_operator.sandbox.aws import serializing
from tenant_operator.sandbox.aws.calls import Call, Outcome
from tenant_operator.sandbox.aws.failures import AwsFailure

# Names in the credential scope that differ from botocore's service names.
_SERVICES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
    "eventbridge": "events",
    "application-autoscaling": "application-autoscaling",
    "email": "ses",
    "states": "stepfunctions",
}
_CLASSIC_LOAD_BALANCING_VERSION = "2012-06-01"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as read from the connection."""

    method: str
    target: str  # path and query, still percent-encoded
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.split("?", 1)[0]

    @property
    def query(self) -> str:
        """What follows the question mark, or nothing."""
        return self.target.split("?", 1)[1] if "?" in self.target else ""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to be written to the connection."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of a signed request."""

    access_key_id: str
    region: str
    service: str  # botocore's name


@dataclass(frozen=True, slots=True)
class Identified:
    """A request whose action is known."""

    service: str
    action: str
    model: ServiceModel
    operation: OperationModel | None  # None: an action that botocore's model does not have
    protocol: str
    parameters: Mapping[str, Any]


def scope_of(request: HttpRequest) -> Scope | None:
    """The credential scope in the SigV4 header, or None of an unsigned request."""
    authorization = request.headers.get("authorization", "")
    _, found, rest = authorization.partition("Credential=")
    parts = rest.split(",", 1)[0].strip().split("/") if found else []
    if len(parts) != 5:
        return None
    access_key_id, _, region, signed_for, _ = parts
    service = _SERVICES.get(signed_for.lower(), signed_for.lower())
    return Scope(access_key_id, region, service)


def identify(request: HttpRequest, service: str) -> Identified:
    """Find the action and parse its parameters.

    Raises:
        AwsFailure: an unknown service or action.
    """
    form = _form(request)
    if service == "elbv2" and form.get("Version") == _CLASSIC_LOAD_BALANCING_VERSION:
        service = "elb"
    try:
        model = get_service_model(service)
    except UnknownServiceError as error:
        raise AwsFailure("SandboxNotImplemented", f"unknown service {service!r}", status=501) from error
    protocol = determine_request_protocol(model, request.headers.get("content-type"))
    uri_parameters: dict[str, Any] = {}
    if target := request.headers.get("x-amz-target"):
        action = target.rsplit(".", 1)[-1]
    elif "Action" in form:
        action = form["Action"]
    else:
        action, uri_parameters = _route(request, service)
    try:
        operation = model.operation_model(action)
    except OperationNotFoundError:
        return Identified(service, action, model, None, protocol, {})
    readable: Any = form, request.headers  # the parsers only read them as mappings
    values, headers = readable
    parsed = PROTOCOL_PARSERS[protocol](operation).parse(
        {
            "method": request.method,
            "values": values,
            "headers": headers,
            "body": request.body,
            "url_path": unquote(request.path),
            "url_params": uri_parameters,
        }
    )
    return Identified(service, action, model, operation, protocol, parsed)


def success(call: Identified, result: Mapping[str, Any] | None, request_id: str) -> HttpAnswer:
    """Serialise a result by the action's output shape."""
    if call.operation is None:
        raise ValueError(f"{call.service}.{call.action} has no model to serialise with")
    made = serializing.serialize(call.operation, call.protocol, result or {}, request_id)
    return HttpAnswer(made.status, made.body, {**made.headers, "x-amzn-RequestId": request_id})


def outcome(call: Call, identified: Identified, answer: HttpAnswer) -> Outcome:
    """Read an answer (moto's) as a client does."""
    if identified.operation is None:
        return Outcome(call)
    response = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
    parser = botocore.parsers.create_parser(identified.protocol)
    shape: Any = identified.operation.output_shape  # None is fine with the parser
    parsed: dict[str, Any] = parser.parse(response, shape)
    error = parsed.get("Error", {})
    if answer.status >= 400:
        return Outcome(call, None, str(error.get("Code", answer.status)), str(error.get("Message", "")))
    return Outcome(call, {name: value for name, value in parsed.items() if name != "ResponseMetadata"})


def failure(protocol: str, error: AwsFailure, request_id: str) -> HttpAnswer:
    """Serialise an error as the protocol words it."""
    headers = {"x-amzn-RequestId": request_id}
    if protocol in ("json", "rest-json"):
        headers["Content-Type"] = "application/x-amz-json-1.1"
        headers["x-amzn-ErrorType"] = error.code
        if error.query_code:
            headers["x-amzn-query-error"] = f"{error.query_code};Sender"
        body = json.dumps({"__type": error.code, "message": error.message})
        return HttpAnswer(error.status, body.encode(), headers)
    headers["Content-Type"] = "text/xml"
    details = (
        f"<Code>{escape(error.query_code or error.code)}</Code><Message>{escape(error.message)}</Message>"
    )
    if protocol == "ec2":
        body = f"<Response><Errors><Error>{details}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        fault = "Sender" if error.status < 500 else "Receiver"
        error_element = f"<Error><Type>{fault}</Type>{details}</Error>"
        body = f"<ErrorResponse>{error_element}<RequestId>{request_id}</RequestId></ErrorResponse>"
    return HttpAnswer(
        error.status,
        f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode(),
        headers,
    )


def protocol_of(service: str) -> str:
    """The wire protocol of a service; `query` for one that is not known."""
    try:
        return str(get_service_model(service).protocol)
    except UnknownServiceError:
        return "query"


@functools.lru_cache(maxsize=1)
def _no_form() -> Mapping[str, str]:
    return {}


def _form(request: HttpRequest) -> Mapping[str, str]:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    if request.query:
        return dict(parse_qsl(request.query, keep_blank_values=True))
    return _no_form()


def _route(request: HttpRequest, service: str) -> tuple[str, dict[str, Any]]:
    as_moto_sees_it = Request.from_primitives(
        request.method,
        f"https://{service}.amazonaws.com{request.target}",
        dict(request.headers),
        request.body,
    )
    try:
        operation, parameters = get_service_router(service).match(as_moto_sees_it)
    except NotFound as error:
        message = f"no action of {service} answers {request.method} {request.path}"
        raise AwsFailure("SandboxNotImplemented", message, status=501) from error
    return str(operation.name), parameters
