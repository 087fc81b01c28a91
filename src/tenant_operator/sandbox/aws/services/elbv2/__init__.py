"""Application Load Balancers: what Elastic Load Balancing v2 refuses, and how targets move.

Moto holds no state of this service: its load balancers are kept here (`state.py`), because most of what matters (shared
quotas, one load balancer a target group, rule order, transforms, target health over time) has no place in moto's.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.elbv2 import (
    attributes,
    certificates,
    listeners,
    load_balancers,
    quotas,
    rules,
    tags,
    target_groups,
    targets,
)
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Answer all calls of the service."""
    sim.own_services.add("elbv2")
    for module in (
        load_balancers,
        listeners,
        certificates,
        rules,
        target_groups,
        targets,
        attributes,
        tags,
        quotas,
    ):
        module.behaviours.install(sim)
