"""EventBridge: buses with policies, rules with patterns, and delivery to queues and to other buses.

Answered here alone; moto holds no state of it. Not simulated: schedules, archives and replays, pipes, API destinations,
input transformers, partner sources, global endpoints, and targets other than SQS queues and event buses.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.events import buses, permissions, putting, rules, tags, targets
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Answer all calls of the service."""
    sim.own_services.add("events")
    for module in (buses, permissions, rules, targets, putting, tags):
        module.behaviours.install(sim)
