"""Queue attributes: which there are, their ranges and defaults.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html,
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure, not_simulated
from tenant_operator.sandbox.aws.services.sqs.failures import invalid_attribute

MAX_MESSAGE_BYTES = 1_048_576

_RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, MAX_MESSAGE_BYTES),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(MAX_MESSAGE_BYTES),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
    "SqsManagedSseEnabled": "true",
}
_DOCUMENTS = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy"})
_NOT_SIMULATED = frozenset(
    {
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
    }
)
READ_ONLY = (
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
)
KNOWN = frozenset({*_RANGES, *DEFAULTS, *_DOCUMENTS, *_NOT_SIMULATED, *READ_ONLY, "All"})


def check(action: str, values: Mapping[str, str]) -> dict[str, str]:
    """The attributes as they are kept; an empty document means that it is taken away.

    Raises:
        AwsFailure: an unknown name, a value outside its range, a document that is none.
    """
    for name, value in values.items():
        if name in _NOT_SIMULATED:
            raise not_simulated("sqs", action, f"the attribute {name} is not simulated")
        if name not in KNOWN or name in READ_ONLY or name == "All":
            raise unknown_attribute(name)
        if name in _RANGES:
            lowest, highest = _RANGES[name]
            if not value.isdigit() or not lowest <= int(value) <= highest:
                raise invalid_attribute(name)
        elif name in _DOCUMENTS and value:
            _check_document(name, value)
    return dict(values)


def unknown_attribute(name: str) -> AwsFailure:
    """InvalidAttributeName."""
    return AwsFailure("InvalidAttributeName", f"Unknown Attribute {name}.")


def _check_document(name: str, text: str) -> None:
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise invalid_attribute(name, "it is not JSON.") from error
    if not isinstance(document, dict):
        raise invalid_attribute(name, "it is not a JSON object.")
    if name == "Policy" and not document.get("Statement"):
        raise invalid_attribute(name)
    if name == "RedrivePolicy":
        _check_redrive(document)


def _check_redrive(document: Mapping[str, Any]) -> None:
    if not {"deadLetterTargetArn", "maxReceiveCount"} <= document.keys():
        raise invalid_attribute("RedrivePolicy", "deadLetterTargetArn and maxReceiveCount are both required.")
    count = str(document["maxReceiveCount"])
    if not count.isdigit() or not 1 <= int(count) <= 1000:
        raise invalid_attribute("RedrivePolicy", "maxReceiveCount must be between 1 and 1000.")
