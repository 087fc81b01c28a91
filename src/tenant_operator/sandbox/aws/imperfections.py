"""What AWS does not promise: that an event arrives, or arrives once. All off until a rehearsal asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Imperfections:
    """Shares between 0 and 1.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event.html (best effort),
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html
    """

    trail_lost: float = 0.0  # CloudTrail events that never reach the event bus
    trail_duplicated: float = 0.0  # CloudTrail events that reach it twice
    queue_duplicated: float = 0.0  # messages that a queue hands out although they are in flight

    def changed(self, values: Mapping[str, Any]) -> Imperfections:
        """A copy with some shares replaced.

        Raises:
            ValueError: an unknown name, or a value that is not between 0 and 1.
        """
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown imperfection {name!r}; known are {', '.join(sorted(known))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value!r}")
        return replace(self, **{name: float(value) for name, value in values.items()})
