"""What becomes of a resource that is on its way in AWS, if nothing goes wrong: what a dry run assumes of waiting.

| on its way                                    | arrives as                                         |
|-----------------------------------------------|----------------------------------------------------|
| a load balancer that is provisioning          | active                                             |
| an endpoint, a NAT gateway that is pending    | available                                          |
| an endpoint that waits for its provider       | available: its provider accepts it                 |
| an endpoint, a NAT gateway that is deleting   | gone                                               |
| a service whose deployment is in progress     | all of its tasks run what the spec says            |
| a service with more or fewer tasks than asked | as many as asked                                   |
| a service that drains                         | gone                                               |
| a service whose first deployment has failed   | the same: nobody but its image's owner can mend it |
"""

from __future__ import annotations

import dataclasses

from tenant_operator.desired.resources import (
    Live,
    LoadBalancer,
    NatGateway,
    Service,
    ServiceState,
    VpcEndpoint,
)

GOING = frozenset({"deleting", "deleted"})
PENDING = frozenset({"pending", "pendingacceptance"})


def arrived(live: Live) -> Live | None:
    """The resource as it is once everything that it waits for has come true; None when it is gone by then."""
    spec = live.spec
    if isinstance(spec, Service):
        return _service(live, spec)
    if isinstance(spec, LoadBalancer) and live.attributes.get("state") == "provisioning":
        return _in_state(live, "active")
    if isinstance(spec, VpcEndpoint | NatGateway):
        state = live.attributes.get("state")
        if state in GOING:
            return None
        if state in PENDING:
            return _in_state(live, "available")
    return live


def _in_state(live: Live, state: str) -> Live:
    return dataclasses.replace(live, attributes={**live.attributes, "state": state})


def _service(live: Live, spec: Service) -> Live | None:
    state: ServiceState = live.attributes["state"]
    if state.status == "DRAINING":
        return None
    if state.rollout == "FAILED" and not state.running:
        return live
    whole = dataclasses.replace(
        state,
        running=spec.desired_count,
        pending=0,
        rollout="COMPLETED",
        rollout_reason="",
        primary_task_definition=str(spec.task_definition),
        deployments=1,
        failed_tasks=0,
    )
    return dataclasses.replace(live, attributes={**live.attributes, "state": whole})
