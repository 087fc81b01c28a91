"""Conditions, and the types that each kind has.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from tenant_operator.api.constraints import Constraint, Struct, between, length

MAX_MESSAGE = 1024
"""Characters in a condition's message."""

CONDITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Tier": (
            "Ready",
            "IdentityReady",
            "EndpointReady",
            "RoutingComplete",
            "CapacityAvailable",
            "RolloutComplete",
        ),
        "Cell": ("Ready", "AccountReachable", "QuotasKnown", "CapacityAvailable"),
        "InfraGroup": (
            "Ready",
            "NetworkReady",
            "PrivateLinkReady",
            "LoadBalancerReady",
            "EndpointReady",
            "CapacityAvailable",
        ),
        "Tenant": (
            "Ready",
            "Accepted",
            "Placed",
            "ComputeReady",
            "RoutingReady",
            "EndpointReady",
            "ObservabilityReady",
        ),
    }
)
"""The condition types of each kind, in order: all are there from the first visit, `Unknown` until known."""

TRANSIENT_CONDITIONS = ("Reconciling", "Stalled", "Drifted", "Paused")
"""Condition types that any kind has only while they are true."""


class Condition(Struct):
    """One aspect of the object's state."""

    type: Annotated[str, length(316), Constraint({"pattern": r"^[A-Za-z]([A-Za-z0-9]*[A-Za-z0-9])?$"})]
    """The aspect, in CamelCase."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, length(256), Constraint({"pattern": r"^[A-Za-z]([A-Za-z0-9]*[A-Za-z0-9])?$"})]
    """Why, in one CamelCase word."""
    message: Annotated[str, length(MAX_MESSAGE, least=0)]
    """Why, in words that a person can act on; at most 1,024 characters."""
    last_transition_time: Annotated[str, Constraint({"format": "date-time"})]
    """When the status last changed."""
    observed_generation: Annotated[int, between(0, 2**53)] = 0
    """The generation of the spec that this is about."""
