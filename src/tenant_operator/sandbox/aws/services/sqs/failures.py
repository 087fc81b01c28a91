"""SQS's refusals: the JSON protocol names the exception's shape, and carries the older protocol's code beside it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.failures import AwsFailure

_OLD = "AWS.SimpleQueueService."


def no_such_queue() -> AwsFailure:
    """QueueDoesNotExist."""
    return AwsFailure(
        "QueueDoesNotExist", "The specified queue does not exist.", query_code=f"{_OLD}NonExistentQueue"
    )


def invalid_attribute(name: str, reason: str = "") -> AwsFailure:
    """InvalidAttributeValue."""
    message = f"Invalid value for the parameter {name}." + (f" Reason: {reason}" if reason else "")
    return AwsFailure("InvalidAttributeValue", message)


def invalid_parameter(message: str) -> AwsFailure:
    """InvalidParameterValueException."""
    return AwsFailure("InvalidParameterValueException", message, query_code="InvalidParameterValue")


def denied(action: str) -> AwsFailure:
    """AccessDenied, in words that name no resource, as SQS has it."""
    message = f"Access to the resource is denied: {action}"
    return AwsFailure("AccessDeniedException", message, status=403, query_code="AccessDenied")


def with_old_code(name: str, message: str, status: int = 400) -> AwsFailure:
    """Those whose old code is their name after a prefix."""
    return AwsFailure(name, message, status=status, query_code=f"{_OLD}{name}")
