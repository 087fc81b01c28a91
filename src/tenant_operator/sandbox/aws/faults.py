"""Faults on demand: refusals, server errors, dropped and slow connections."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from tenant_operator.sandbox.aws import throttling, wire
from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure


class FaultKind(StrEnum):
    """What happens to a call that is hit."""

    THROTTLE = "throttle"  # the service's own throttling error
    ERROR = "error"  # an HTTP 5xx (or `code`, `status` as given)
    DENY = "deny"  # the service's own access-denied error
    RESET_BEFORE = "reset-before"  # the connection is reset; the call took no effect
    RESET_AFTER = "reset-after"  # the connection is reset; the call has taken effect
    TIMEOUT = "timeout"  # no answer for `seconds`, then a reset; no effect
    DELAY = "delay"  # answered, `seconds` late


@dataclass(slots=True)
class Fault:
    """Which calls are hit, and how. The name fields are shell patterns; `count` 0 means without end."""

    kind: FaultKind
    account: str = "*"
    region: str = "*"
    service: str = "*"
    action: str = "*"
    access: str = "*"  # read | write | *
    probability: float = 1.0
    count: int = 0
    seconds: float = 5.0
    status: int = 500
    code: str = "InternalFailure"
    message: str = "The request processing has failed because of an unknown error, exception or failure."
    id: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Fault:
        """From JSON.

        Raises:
            ValueError: an unknown field or kind, with what is known.
        """
        known = {entry.name for entry in fields(cls)} - {"id", "hits"}
        if unknown := set(values) - known:
            raise ValueError(f"unknown field {min(unknown)!r}; known are {', '.join(sorted(known))}")
        try:
            kind = FaultKind(values.get("kind", ""))
        except ValueError:
            kinds = ", ".join(kind.value for kind in FaultKind)
            raise ValueError(f"kind must be one of {kinds}, not {values.get('kind')!r}") from None
        return cls(**{**values, "kind": kind})

    def hits_call(self, call: Call) -> bool:
        """Whether a call is one of those meant (probability apart)."""
        return (
            fnmatchcase(call.account, self.account)
            and fnmatchcase(call.region, self.region)
            and fnmatchcase(call.service, self.service)
            and fnmatchcase(call.action, self.action)
            and self.access in ("*", call.kind)
        )


def denied(call: Call) -> AwsFailure:
    """The refusal of a principal without permission, in the protocol's own code."""
    message = f"User: {call.principal.arn} is not authorized to perform: {call.service}:{call.action}"
    match wire.protocol_of(call.service):
        case "ec2":
            return AwsFailure(
                "UnauthorizedOperation",
                "You are not authorized to perform this operation.",
                status=403,
            )
        case "json" | "rest-json":
            return AwsFailure(
                "AccessDeniedException", message, query_code="AccessDenied" if call.service == "sqs" else ""
            )
        case _:
            return AwsFailure("AccessDenied", message, status=403)


def failure_of(fault: Fault, call: Call) -> AwsFailure:
    """The error that a refusing fault answers with."""
    match fault.kind:
        case FaultKind.THROTTLE:
            return throttling.throttled(call.service)
        case FaultKind.DENY:
            return denied(call)
        case _:
            return AwsFailure(fault.code, fault.message, fault.status)


class Faults:
    """The faults in force; the first that matches a call hits it."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> int:
        """Put a fault in force; returns its id."""
        fault.id = next(self._ids)
        self._faults.append(fault)
        return fault.id

    def clear(self, fault_id: int | None = None) -> int:
        """Take away one fault, or all; returns how many."""
        kept = [fault for fault in self._faults if fault_id is not None and fault.id != fault_id]
        removed = len(self._faults) - len(kept)
        self._faults = kept
        return removed

    def listed(self) -> list[dict[str, Any]]:
        """All faults in force, with their hits."""
        return [asdict(fault) for fault in self._faults]

    def take(self, call: Call) -> Fault | None:
        """The fault that hits this call, if any; counted."""
        for fault in self._faults:
            if fault.count and fault.hits >= fault.count:
                continue
            if fault.hits_call(call) and self._rng.random() < fault.probability:
                fault.hits += 1
                return fault
        return None
