"""Service events, in the words of AWS.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
"""

from __future__ import annotations

import uuid

from tenant_operator.sandbox.aws.services.ecs.state import Service
from tenant_operator.sandbox.aws.simulation import Simulation


def say(sim: Simulation, service: Service, text: str) -> None:
    """Add an event `(service <name>) <text>`; the newest comes first. A repetition of the newest is left out."""
    message = f"(service {service.name}) {text}"
    if service.events and service.events[0]["message"] == message:
        return
    event_id = str(uuid.UUID(int=sim.rng.getrandbits(128), version=4))
    service.events.appendleft({"id": event_id, "createdAt": sim.timestamp(), "message": message})
