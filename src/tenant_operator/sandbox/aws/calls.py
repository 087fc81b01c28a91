"""One API call as the simulation sees it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal["read", "write"]

# Verbs that change nothing (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html).
_READ_VERBS = (
    "Describe",
    "List",
    "Get",
    "Head",
    "Check",
    "Test",
    "Search",
    "Lookup",
    "Simulate",
    "Filter",
    "Query",
)
# STS hands out credentials and SQS receives messages: nothing in an account changes.
_READ_ACTIONS = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "ReceiveMessage",
        "BatchGetImage",
        "DecodeAuthorizationMessage",
    }
)


@functools.cache
def kind_of(action: str) -> Kind:
    """Whether an action reads or writes, by its name."""
    return "read" if action.startswith(_READ_VERBS) or action in _READ_ACTIONS else "write"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an account's root or user key, or a session of a role."""

    account: str
    arn: str
    access_key_id: str
    role_name: str = ""  # only of a role session
    session_name: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated, identified and parsed API call."""

    account: str
    region: str  # the credential scope's Region; us-east-1 for IAM and Route 53
    service: (
        str  # botocore's name: elbv2, ecs, ec2, route53, iam, sts, logs, service-quotas, acm, events, sqs …
    )
    action: str  # as in the API reference, e.g. CreateTargetGroup
    parameters: Mapping[str, Any]  # by the members' own names, e.g. {"Name": …, "VpcId": …}
    principal: Principal
    request_id: str
    source_ip: str = "127.0.0.1"
    user_agent: str = ""

    @property
    def kind(self) -> Kind:
        """Whether it reads or writes."""
        return kind_of(self.action)

    @property
    def partition(self) -> str:
        """The Region's partition, as ARNs name it."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: its result by the members' own names, or why it was refused."""

    call: Call
    result: Mapping[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""


class Recorder(Protocol):
    """Is told what became of calls, for example to make an audit trail of them."""

    def wants(self, call: Call) -> bool:
        """Whether this call's outcome is of interest: what is not wanted is not even parsed."""

    def record(self, outcome: Outcome) -> None:
        """Take note, under the simulation's lock, before anything else changes."""
