"""The way of a request: authenticate → identify → faults → throttles → validate → carry out → observe → answer.

Every answer is noted in the call log, including those that the client never gets.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tenant_operator.sandbox.aws import moto_backend, wire
from tenant_operator.sandbox.aws.call_log import CallLog
from tenant_operator.sandbox.aws.calls import Call, Outcome, Principal, kind_of
from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.faults import Fault, FaultKind, Faults, failure_of
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.staleness import Staleness
from tenant_operator.sandbox.aws.throttling import Throttles
from tenant_operator.sandbox.aws.wire import HttpAnswer, HttpRequest, Identified, Scope

log = logging.getLogger(__name__)

_ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>|\"__type\"\s*:\s*\"(?:[^\"#]*#)?([^\"]+)\"")
_REFUSING = frozenset({FaultKind.THROTTLE, FaultKind.ERROR, FaultKind.DENY})


class ConnectionDropped(Exception):
    """No answer: the server resets the connection instead."""


@dataclass(slots=True)
class FrontDoor:
    """Answers AWS requests for one simulation."""

    sim: Simulation
    log: CallLog = field(default_factory=CallLog)
    faults: Faults = field(init=False)
    throttles: Throttles = field(init=False)
    staleness: Staleness = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.sim.rng)
        self.throttles = Throttles(self.sim.now)
        self.staleness = Staleness(self.sim)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request to an AWS API.

        Raises:
            ConnectionDropped: an injected fault; the call has taken effect or not, as the fault says.
        """
        request_id = str(uuid.UUID(int=self.sim.rng.getrandbits(128), version=4))
        scope = wire.scope_of(request)
        if scope is None:
            error = AwsFailure("MissingAuthenticationToken", "Missing Authentication Token", status=403)
            return wire.failure("query", error, request_id)
        try:
            principal = self._authenticate(scope, request)
            identified = wire.identify(request, scope.service)
        except AwsFailure as error:
            self._note_unidentified(scope, request, error)
            return wire.failure(wire.protocol_of(scope.service), error, request_id)
        except Exception as error:  # a body that is none of this protocol's
            log.exception("a request of %s could not be read", scope.service)
            unread = not_simulated(scope.service, request.path, f"the sandbox cannot read it: {error}")
            self._note_unidentified(scope, request, unread)
            return wire.failure(wire.protocol_of(scope.service), unread, request_id)
        call = Call(
            principal.account,
            scope.region,
            identified.service,
            identified.action,
            identified.parameters,
            principal,
            request_id,
            user_agent=request.headers.get("user-agent", ""),
        )
        return self._answer_call(call, identified, request)

    def _answer_call(self, call: Call, identified: Identified, request: HttpRequest) -> HttpAnswer:
        with self.sim.lock:
            fault = self.faults.take(call)
        try:
            if fault is not None:
                self._suffer(fault, call)
            with self.sim.lock:
                self.throttles.admit(call)
                answer = self._carry_out(call, identified, request)
        except AwsFailure as error:
            answer = self._refused(call, identified, error)
        except ConnectionDropped:
            raise
        except Exception as error:  # a bug of the sandbox must not look like an AWS outage
            log.exception("%s.%s broke", call.service, call.action)
            reason = f"the sandbox broke: {type(error).__name__}: {error}"
            broken = not_simulated(call.service, call.action, reason)
            answer = wire.failure(identified.protocol, broken, call.request_id)
        dropped = fault is not None and fault.kind is FaultKind.RESET_AFTER
        self._note(call, 0 if dropped else answer.status, _code_in(answer), fault)
        if dropped:
            raise ConnectionDropped
        return answer

    def _suffer(self, fault: Fault, call: Call) -> None:
        if fault.kind in _REFUSING:
            raise failure_of(fault, call)
        if fault.kind in (FaultKind.DELAY, FaultKind.TIMEOUT):
            time.sleep(fault.seconds)
        if fault.kind in (FaultKind.RESET_BEFORE, FaultKind.TIMEOUT):
            self._note(call, 0, "", fault)
            raise ConnectionDropped

    def _carry_out(self, call: Call, identified: Identified, request: HttpRequest) -> HttpAnswer:
        key = (call.service, call.action)
        for validate in self.sim.validators.get(key, ()):
            validate(call)
        handler = self.sim.handlers.get(key)
        result: Mapping[str, Any] | None = None
        if handler is None and call.service in self.sim.own_services:
            raise not_simulated(call.service, call.action, "the sandbox does not simulate this call")
        if call.kind == "write":
            self.staleness.before_write(call)
        with self.staleness.read(call):
            if handler is not None:
                result = handler(call)
                answer = wire.success(identified, result, call.request_id)
            else:
                answer = moto_backend.answer(call, request)
        if answer.status < 400:
            for observe in self.sim.observers.get(key, ()):
                observe(call)
        self.sim.record(
            lambda: Outcome(call, result) if handler else wire.outcome(call, identified, answer), call
        )
        return answer

    def _refused(self, call: Call, identified: Identified, error: AwsFailure) -> HttpAnswer:
        if error.status < 500 or error.code == "RequestLimitExceeded":  # else it never reached its service
            outcome = Outcome(call, None, error.query_code or error.code, error.message)
            with self.sim.lock:
                self.sim.record(lambda: outcome, call)
        return wire.failure(identified.protocol, error, call.request_id)

    def _authenticate(self, scope: Scope, request: HttpRequest) -> Principal:
        """https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html, and EC2's own AuthFailure."""
        key = self.sim.credentials.find(scope.access_key_id)
        token = request.headers.get("x-amz-security-token", "")
        if key is None or key.session_token != token:
            match wire.protocol_of(scope.service):
                case "ec2":
                    message = "AWS was not able to validate the provided access credentials"
                    raise AwsFailure("AuthFailure", message, status=401)
                case "json" | "rest-json":
                    message = "The security token included in the request is invalid."
                    raise AwsFailure("UnrecognizedClientException", message)
                case _:
                    message = "The security token included in the request is invalid."
                    raise AwsFailure("InvalidClientTokenId", message, status=403)
        if key.expires is not None and key.expires < datetime.now(UTC):
            json_protocol = wire.protocol_of(scope.service) in ("json", "rest-json")
            code = "ExpiredTokenException" if json_protocol else "ExpiredToken"
            raise AwsFailure(
                code,
                "The security token included in the request is expired",
                status=403,
            )
        return key.principal

    def _note(self, call: Call, status: int, code: str, fault: Fault | None) -> None:
        self.log.add(
            account=call.account,
            region=call.region,
            service=call.service,
            action=call.action,
            kind=call.kind,
            status=status,
            code=code,
            principal=call.principal.arn,
            fault=fault.kind.value if fault else "",
        )

    def _note_unidentified(self, scope: Scope, request: HttpRequest, error: AwsFailure) -> None:
        key = self.sim.credentials.find(scope.access_key_id)
        action = (
            request.headers.get("x-amz-target", "").rsplit(".", 1)[-1] or f"{request.method} {request.path}"
        )
        self.log.add(
            account=key.principal.account if key else "unknown",
            region=scope.region,
            service=scope.service,
            action=action,
            kind=kind_of(action),
            status=error.status,
            code=error.code,
            principal=key.principal.arn if key else "unknown",
        )


def _code_in(answer: HttpAnswer) -> str:
    if answer.status < 400:
        return ""
    for name, value in answer.headers.items():
        if name.lower() == "x-amzn-query-error":
            return value.split(";")[0]
    for name, value in answer.headers.items():
        if name.lower() == "x-amzn-errortype":
            return value.split(":")[0].rsplit("#", 1)[-1]
    found = _ERROR_CODE.search(answer.body)
    return (found.group(1) or found.group(2)).decode() if found else str(answer.status)
