"""ECS on Fargate: rollouts that take their time, register targets, turn healthy or fail, and roll back.

Moto holds no state of this service: its services never move, and most of what it accepts AWS refuses.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.ecs import (
    account_settings,
    clusters,
    service_deployments,
    services,
    tags,
    task_definitions,
    tasks,
)
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Answer all calls of the service."""
    sim.own_services.add("ecs")
    for module in (clusters, task_definitions, services, service_deployments, tasks, tags, account_settings):
        module.behaviours.install(sim)
