"""The event buses, rules and targets of one account and Region."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.sandbox.aws.services.events.patterns import Pattern

DEFAULT = "default"
MAX_FAILURES_KEPT = 100


@dataclass(slots=True)
class Rule:
    """A rule, and its targets by id as they were put."""

    name: str
    arn: str
    bus: str
    pattern_text: str
    pattern: Pattern
    description: str = ""
    state: str = "ENABLED"
    role_arn: str = ""
    targets: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        """It takes events. ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS would take reads too; none are made here."""
        return self.state != "DISABLED"


@dataclass(slots=True)
class Bus:
    """An event bus with its rules by name."""

    name: str
    arn: str
    created: Any
    description: str = ""
    statements: list[dict[str, Any]] = field(default_factory=list)  # its policy's
    rules: dict[str, Rule] = field(default_factory=dict)


@dataclass(slots=True)
class EventsState:
    """Everything of one account and Region."""

    buses: dict[str, Bus] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)  # by ARN
    failures: deque[Mapping[str, str]] = field(
        default_factory=lambda: deque(maxlen=MAX_FAILURES_KEPT)
    )  # deliveries that failed, as CloudWatch counts them in FailedInvocations
