"""SQS: standard queues with long polling, redrive and resource policies.

Answered here alone; moto holds no state of it. Not simulated: FIFO queues, message moves, encryption with keys.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.sqs import batches, messages, queues, tags
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Answer all calls of the service."""
    sim.own_services.add("sqs")
    for module in (queues, messages, batches, tags):
        module.behaviours.install(sim)
