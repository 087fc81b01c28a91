"""CloudTrail: every write, done or refused, becomes an event on the default event bus of the account it happened in.

It is what a trail with management events gives EventBridge; trails themselves, LookupEvents, data events and reads are
not simulated (of its own API, moto answers what it knows).
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.cloudtrail.trail import Trail
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Record every call."""
    sim.recorders.append(Trail(sim))
