"""What the operator is told at its start, and every time-span of the engine in one place, each with its reason."""

from __future__ import annotations

import os
import re
import socket
import uuid
from dataclasses import dataclass, field

from tenant_operator.plan.stage import SETTLE_SECONDS

SWEEP_SECONDS = 300.0
"""How often everything is compared with AWS, events or not: often enough to trust, far below the read budgets."""
SWEEP_JITTER = 0.2
"""A sweep comes up to so much earlier or later, so that many accounts do not sweep together."""
SWEEPS_TRUSTED = 2
"""An edit builds on readings that are at most so many sweeps old: one sweep may have been late or may have failed."""
WORKERS = 512
"""Visits at once. They mostly wait for AWS; the budgets, not this number, pace the calls."""
OTHERS_SHARE = 0.5
"""Of these at most so many that are no edits. A sweep through twenty slow accounts would take every place."""
VISIT_TOLD_SECONDS = 120.0
"""Visits that take longer are told of in the log, so often, and what the longest waits for. In a large account's sweep that
may be right: AWS lets it read some services a second."""
VISIT_LIMIT_SECONDS = 1800.0
"""One that takes longer is broken off and made anew. No call waits so long, and a sweep of a large account less by far."""
VISIT_LOOK_SECONDS = 15.0
STATUS_QUIET_SECONDS = 30.0
"""While an object is on its way, a status in which only words or counts changed is written at most so often: a rollout
takes about a minute, and each write reaches everybody who watches."""
SUMMARY_DEBOUNCE_SECONDS = 3.0
"""A parent sums its children up so long after the first change, so that fifty changes are one write."""
DNS_TTL_SECONDS = 60.0
"""How long resolvers may keep an alias record's answer after it is gone (Route 53: an alias to a load balancer has 60 s)."""
ROLLOUT_FIRST_POLL_SECONDS = 1.5
ROLLOUT_LAST_POLL_SECONDS = 15.0
"""Waiting for a rollout: the polls start close together and end far apart."""
IDENTITY_GRACE_SECONDS = 120.0
"""A new role is not usable everywhere at once; until then "unable to assume role" is no failure."""
EVENTS_REMEMBERED = 10_000
"""Ids of events that have come: SQS and EventBridge may bring one twice, within minutes."""
FEED_LOOK_SECONDS = 30.0
"""How often it is seen to that every queue is being read; a new one is read at once."""
FEED_FIRST_PAUSE_SECONDS = 1.0
FEED_LAST_PAUSE_SECONDS = 60.0
"""After a receive that failed: sweeps go on meanwhile, so there is no hurry."""
FEED_REMAKING_SECONDS = 62.0
"""After the feed could not be made for a reason that passes: SQS lets nobody make a queue within 60 s of its deletion."""
FEED_RETRY_SECONDS = 600.0
"""How long after AWS refused to let the drift feed be made it is tried again: a permission is granted by a person."""
QUOTAS_SECONDS = 3600.0
"""How long what Service Quotas said stays good: quotas change by a person's request, and its API allows few calls."""
CAPACITY_RETRY_SECONDS = 30.0
"""How often what waits for room looks whether there is any: others go, or AWS raises a quota."""
ENDPOINT_RETRY_SECONDS = 600.0
"""How long a rejected or failed endpoint is left before it is made anew."""
FIRST_RELEASE_RETRY_SECONDS = 20.0
FIRST_RELEASE_RETRY_MAX_SECONDS = 600.0
"""A first release that failed serves nobody, so it is tried again, at growing intervals, until its cause is gone."""
LEASE_SECONDS = 10.0
"""How long a process may be silent before others take its shards over. They see its last renewal up to a fifth of that
late, and look at once when it runs out: 12 s after it was lost, 15 s at most, another process works."""
RENEWALS_PER_LEASE = 5
"""Two of them may fail before anything is lost."""
FENCE_SHARE = 0.6
"""A process that could not renew stops writing after this share of the lease. What is left, 4 s, is more than a write
that has just passed the fence may take to connect (aws/limits.py, CONNECT_TIMEOUT_SECONDS) and to be sent."""

SINCE_STEP_SECONDS = 1.0
"""A moment in a status is written to the second, so a wait that begins with it is so much longer: none is cut short."""

_INSTALLATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def own_identity() -> str:
    """A name that no other process has, and that says where this one runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `tenant-operator run` was told.

    Raises:
        ValueError: the installation's id is not one.
    """

    installation: str
    operator_namespace: str = "default"
    sweep_seconds: float = SWEEP_SECONDS
    drain_seconds: float | None = None
    """How long a load balancer is left alone after its last record is gone; None: the record's 60 s, the group's
    clientKeepAliveSeconds and its idleTimeoutSeconds. A rehearsal on simulated AWS sets it short."""
    settle_seconds: float = SETTLE_SECONDS
    """How long a changed rule takes to be in force everywhere. A rehearsal on simulated AWS sets it short."""
    drift_events: bool = False
    """Whether EventBridge tells of changes, besides the sweeps."""
    workers: int = WORKERS
    api_rate: float = 1.0
    """Times AWS's published rates: below 1 where others share the account, above 1 where AWS has raised them."""
    identity: str = field(default_factory=own_identity)
    """Who this process is among the replicas. One that starts with the name of one that has ended follows it at once."""
    shards: int = 0
    """How many shards there are at most; 0: as many as there are wholes of tiers and accounts."""
    lease_seconds: float = LEASE_SECONDS

    def __post_init__(self) -> None:
        if not _INSTALLATION.fullmatch(self.installation):
            raise ValueError(
                f"the installation id {self.installation!r} must be 1 to 32 lower-case letters, digits and hyphens, "
                "such as 'prod-eu'; it is in every tag and every name, and must never change"
            )
