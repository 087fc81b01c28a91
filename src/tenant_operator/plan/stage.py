"""What staging takes and gives: the progress that is known beyond the world, and the stage that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenant_operator.desired.resources import Address, Live, Resource
from tenant_operator.plan.change import Refusal, Wait

SETTLE_SECONDS = 10.0
"""How long a changed rule takes to be in force everywhere: load balancers take rule changes in batches of about 10 s
(https://github.com/kubernetes-sigs/aws-load-balancer-controller/pull/4039)."""

POLL_SECONDS = 5.0
"""How soon something that takes its time in AWS is looked at again."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the stage needs to know beyond the world: readings that are made only when asked for, and memory."""

    healthy_targets: Mapping[Address, int] = field(default_factory=dict)
    """Healthy targets by target group, as far as they were read."""
    draining_targets: Mapping[Address, int] = field(default_factory=dict)
    """Targets of any state by target group, read while a tenant leaves."""
    settled: frozenset[str] = frozenset()
    """Names of the things (see `Stage.settling`) that have been as they are for `settle_seconds`."""
    settle_seconds: float = SETTLE_SECONDS
    verify: bool = False
    """Whether readiness must be proved by reading target health, as before a tenant is first called ready."""
    may_release: bool = True
    """Whether it is this group's turn to put a new revision on one cluster."""
    soak_seconds: float = 0.0
    """How long a cluster that took a release is watched before the next may take it."""
    soaking: bool = False
    """Whether the last such success is still being watched."""
    clusters_before: int = 0
    """How many clusters of this group were known to run the revision when the soak was last looked at."""
    failed_revision: str = ""
    """The revision that the circuit breaker rolled back; it is not tried again."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What may be made true now, and what is known of how far it is."""

    desired: tuple[Resource, ...] = ()
    removals: tuple[Live, ...] = ()
    waits: tuple[Wait, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unknown: frozenset[Address] = frozenset()
    """Target groups whose health must be read before the next step can be decided."""
    settling: frozenset[str] = frozenset()
    """Things that must stay as they are for `Progress.settle_seconds` before the next step."""
    programmed: bool = False
    """The rule is live and says what it should (forward, or 503 when suspended)."""
    ready: bool = False
    """Every wanted cluster is healthy and weighted, or the tenant is suspended and the route says so."""
    whole: bool = False
    """Every wanted cluster runs what the spec says, completely; or the tenant is suspended."""
    released: int = 0
    """How many clusters do."""
    releasing: bool = False
    """A release is under way, or due, in this group."""
    failures: tuple[Address, ...] = ()
    """Services whose first deployment failed: nothing runs there."""
    rolled_back: bool = False
    """The circuit breaker rolled the current revision back."""
    running: int = 0
    wanted: int = 0
    """Tasks running, and tasks that should be."""
