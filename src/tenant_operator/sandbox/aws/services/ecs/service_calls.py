"""The calls that ECS itself makes in the account, by its service-linked role: CloudTrail tells of them as of any other.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
"""

from __future__ import annotations

import uuid
from typing import Any

from tenant_operator.sandbox.aws.calls import Call, Outcome, Principal
from tenant_operator.sandbox.aws.services.ecs.state import Service
from tenant_operator.sandbox.aws.simulation import Simulation

ROLE = "AWSServiceRoleForECS"
SESSION = "ecs-service-scheduler"
INVOKED_BY = "ecs.amazonaws.com"
_KEY = "ASIAECSSERVICELINKED"


def register(sim: Simulation, service: Service, group_arn: str, address: str, port: int) -> None:
    """RegisterTargets, of a task that runs."""
    _tell(sim, service, "RegisterTargets", group_arn, address, port)


def deregister(sim: Simulation, service: Service, group_arn: str, address: str, port: int) -> None:
    """DeregisterTargets, of a task that is stopped."""
    _tell(sim, service, "DeregisterTargets", group_arn, address, port)


def _tell(sim: Simulation, service: Service, action: str, group_arn: str, address: str, port: int) -> None:
    partition = service.arn.split(":")[1]
    arn = f"arn:{partition}:sts::{service.account}:assumed-role/{ROLE}/{SESSION}"
    parameters: dict[str, Any] = {"TargetGroupArn": group_arn, "Targets": [{"Id": address, "Port": port}]}
    call = Call(
        service.account,
        service.region,
        "elbv2",
        action,
        parameters,
        Principal(service.account, arn, _KEY, ROLE, SESSION),
        str(uuid.UUID(int=sim.rng.getrandbits(128), version=4)),
        source_ip=INVOKED_BY,
        user_agent=INVOKED_BY,
    )
    sim.record(lambda: Outcome(call), call)
