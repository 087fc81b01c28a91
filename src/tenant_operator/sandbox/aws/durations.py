"""How long things take in the simulated AWS: every number is a setting.

Two profiles: `aws` is what one sees on AWS; `fast` keeps the order of events and shrinks the waits, for tests and
demos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Profile = Literal["aws", "fast"]


@dataclass(frozen=True, slots=True)
class Durations:
    """All in seconds, but for the factors."""

    load_balancer_provisioning: float = 120.0  # CreateLoadBalancer until State.Code is active
    rule_propagation: float = 10.0  # a rule change in Describe until the data plane acts on it
    interface_lingering: float = 60.0  # a load balancer's or endpoint's network interfaces outlive it by this
    target_initial: float = 30.0  # a registered target's first health checks (state `initial`)
    health_check_factor: float = (
        1.0  # times threshold x HealthCheckIntervalSeconds, for a later change of health
    )
    draining_factor: float = 1.0  # times deregistration_delay.timeout_seconds
    task_provisioning: float = 8.0  # PROVISIONING: the task's network interface is attached
    task_start: float = 20.0  # PENDING: the image is pulled and the container started
    task_load: float = 10.0  # RUNNING, but its health check does not pass yet (state is loaded into memory)
    task_stop: float = 5.0  # DEPROVISIONING until STOPPED
    stop_timeout_factor: float = 1.0  # times a container's stopTimeout: SIGTERM until SIGKILL
    task_retry: float = 20.0  # a failed task until the service scheduler starts its next one
    stopped_task_memory: float = 3600.0  # STOPPED tasks stay visible for this long
    service_inactive: float = 30.0  # DRAINING with nothing left until INACTIVE
    endpoint_pending: float = 60.0  # a VPC endpoint's `pending` until `available`
    endpoint_deleting: float = 30.0
    private_dns_change: float = 5.0
    record_insync: float = 30.0  # a Route 53 change's PENDING until INSYNC
    dns_ttl_factor: float = 1.0  # times a record's TTL, for clients that keep to it
    connection_factor: float = 1.0  # times a load balancer's idle timeout and client keep-alive
    target_timeout_factor: float = 1.0  # times its idle timeout, as long as it waits for a target's answer
    role_propagation: float = 8.0  # a new IAM role until another service may assume it
    nat_gateway_pending: float = 60.0
    nat_gateway_deleting: float = 30.0
    staleness: float = 0.0  # how long after a write reads may still show what was before it; 0: never
    trail_delivery: float = 30.0  # a CloudTrail event until it is on its event bus; half to twice as long
    event_delivery: float = 0.5  # from an event bus to a target
    queue_name_held: float = 60.0  # a deleted queue's name until it can be used again

    @classmethod
    def of(cls, profile: Profile) -> Durations:
        """The durations of a profile."""
        return FAST if profile == "fast" else cls()

    def changed(self, values: Mapping[str, Any]) -> Durations:
        """A copy with some values replaced.

        Raises:
            ValueError: an unknown name, or a value that is not a number of at least 0.
        """
        known = {field.name for field in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown duration {name!r}; known are {', '.join(sorted(known))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
        return replace(self, **{name: float(value) for name, value in values.items()})


FAST = Durations(
    load_balancer_provisioning=0.3,
    rule_propagation=0.2,
    interface_lingering=0.3,
    target_initial=0.2,
    health_check_factor=0.01,
    draining_factor=0.01,
    task_provisioning=0.05,
    task_start=0.3,
    task_load=0.3,
    task_stop=0.05,
    stop_timeout_factor=0.1,
    task_retry=0.2,
    stopped_task_memory=60.0,
    service_inactive=0.2,
    endpoint_pending=0.2,
    endpoint_deleting=0.2,
    private_dns_change=0.1,
    record_insync=0.2,
    dns_ttl_factor=0.01,
    connection_factor=0.1,
    target_timeout_factor=0.1,
    role_propagation=0.0,
    nat_gateway_pending=0.2,
    nat_gateway_deleting=0.2,
    trail_delivery=0.1,
    event_delivery=0.02,
    queue_name_held=0.5,
)
