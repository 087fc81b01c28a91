"""What a change can do to requests under way and to what is kept: one table, by type of resource.

| change                                                                            | risk        |
|-----------------------------------------------------------------------------------|-------------|
| create anything but a record; tags; whatever is not named below                   | none        |
| a service's task definition, target group, network, capacity provider: new tasks  | restart     |
| a service's number of tasks goes down: tasks stop, and what they held in memory   | restart     |
| a rule, a listener, a load balancer: where requests go, and what is answered      | traffic     |
| a record is made or changed: where clients go                                     | traffic     |
| a security group, a route table, an endpoint: what can be reached                 | traffic     |
| a target group's health check or draining: which targets get requests             | traffic     |
| a role: what tasks may do                                                         | traffic     |
| delete what requests pass, or what keeps data or permissions                      | destructive |
"""

from __future__ import annotations

from collections.abc import Iterable

from tenant_operator.desired.resources import (
    Listener,
    ListenerRule,
    LoadBalancer,
    LogGroup,
    NatGateway,
    Record,
    Role,
    RouteTable,
    SecurityGroup,
    Service,
    Spec,
    TargetGroup,
    VpcEndpoint,
)
from tenant_operator.plan.change import FieldChange, Risk

RESTARTING_FIELDS = frozenset({"task_definition", "target_group", "subnets", "security_groups", "spot"})
"""The fields of a service of which a change starts a deployment."""

TRAFFIC = (
    ListenerRule, Listener, LoadBalancer, Record, SecurityGroup, RouteTable, VpcEndpoint, TargetGroup, Role,
)  # fmt: skip
DESTRUCTIVE = (
    ListenerRule, Listener, LoadBalancer, TargetGroup, Service, Record, VpcEndpoint, NatGateway, LogGroup, Role,
)  # fmt: skip

_RANK = {risk: rank for rank, risk in enumerate(Risk)}
assert list(Risk) == [Risk.NONE, Risk.RESTART, Risk.TRAFFIC, Risk.DESTRUCTIVE], (
    "the order is from none to worst"
)


def risk_of_create(spec: Spec) -> Risk:
    """What making a resource can do: a record sends clients somewhere, everything else is not used yet."""
    return Risk.TRAFFIC if isinstance(spec, Record) else Risk.NONE


def risk_of_update(spec: Spec, changes: Iterable[FieldChange]) -> Risk:
    """What an update in place can do."""
    changes = tuple(change for change in changes if change.field != "tags")
    if isinstance(spec, Service):
        restarts = any(change.field in RESTARTING_FIELDS or _fewer_tasks(change) for change in changes)
        return Risk.RESTART if restarts else Risk.NONE
    return Risk.TRAFFIC if changes and isinstance(spec, TRAFFIC) else Risk.NONE


def risk_of_delete(spec: Spec) -> Risk:
    """What a delete can do."""
    return Risk.DESTRUCTIVE if isinstance(spec, DESTRUCTIVE) else Risk.NONE


def worst(risks: Iterable[Risk]) -> Risk:
    """The worst of some risks; none of none."""
    return max(risks, key=_RANK.__getitem__, default=Risk.NONE)


def _fewer_tasks(change: FieldChange) -> bool:
    return change.field == "desired_count" and change.new < change.old
