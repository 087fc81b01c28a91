"""Refusals, as the services word them."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class AwsFailure(ServiceException):
    """An AWS error answer: raised by handlers and validators, and inside patched moto backends.

    `code` is what boto3 shows as `response["Error"]["Code"]`; `status` is the HTTP status. A service that once spoke the
    query protocol (SQS) sends its old code beside the new one, and boto3 shows that: `query_code`.
    """

    def __init__(self, code: str, message: str, status: int = 400, query_code: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.query_code = query_code


class ControlNotFound(Exception):
    """A control route was asked for something that is not there: 404."""


def not_simulated(service: str, action: str, reason: str) -> AwsFailure:
    """The distinct answer to a call that the sandbox does not know, or that broke inside it.

    HTTP 501 is not in botocore's list of statuses to retry, so a test fails at once and by name.
    """
    return AwsFailure("SandboxNotImplemented", f"{service}.{action}: {reason}", status=501)
