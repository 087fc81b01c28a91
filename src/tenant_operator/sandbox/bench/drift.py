"""Measured: from a change by hand in AWS until the operator has undone it, with events on and no sweep to help."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from tenant_operator.sandbox.bench import fleet
from tenant_operator.sandbox.bench.rehearsal import Rehearsal, names_of
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.traffic.tally import percentiles

_TIER, _ACCOUNT = "drift", "444444444444"
_MOST_TENANTS = 20
_NO_SWEEP_SECONDS = 36_000.0
_PATIENCE_SECONDS = 300.0
_REPAIR_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.02

Spoil = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class DriftRepairs:
    """How long repairs took.

    Attributes:
        tenants: that there were.
        seconds: from each call by hand to the operator's call that undid it, as the simulated AWS logged them; CloudTrail's
            and EventBridge's simulated delays are part of it.
        event_delay_seconds: how long the simulated AWS takes from a call until its event is in the queue, at most.
    """

    tenants: int
    seconds: list[float]
    event_delay_seconds: float

    def percentile(self, percent: int) -> float:
        """The time within which so many of a hundred were repaired."""
        [found] = percentiles(self.seconds, (percent / 100,))
        return found


def repairs(rehearsal: Rehearsal, changes: int) -> DriftRepairs:
    """Onboard some tenants, then change their rules, services and target groups by hand, one after the other.

    Raises:
        SandboxError: a change is not undone.
    """
    rehearsal.operator.stop()
    rehearsal.start_operator(_NO_SWEEP_SECONDS, "--drift-events")
    count = min(_MOST_TENANTS, changes)
    rehearsal.progress.step(f"{count} tenants for the changes by hand")
    tenants = fleet.tenants(_TIER, count)
    rehearsal.apply(
        fleet.namespace(),
        fleet.tier(_TIER),
        fleet.cell(_TIER, _TIER, _ACCOUNT),
        fleet.infra_group(_TIER, _TIER, 40),
    )
    rehearsal.await_ready("infragroup", [_TIER], _PATIENCE_SECONDS)
    rehearsal.apply(*tenants)
    rehearsal.await_ready("tenant", names_of(tenants), _PATIENCE_SECONDS)
    _await_events(rehearsal)
    rehearsal.progress.step(f"{changes} changes by hand, each undone")
    ways = cycle(_ways(rehearsal))
    seconds = [_repaired(rehearsal, number, *next(ways)) for number in range(changes)]
    delays = rehearsal.aws.settings()["durations"]
    longest = 2 * float(delays["trail_delivery"]) + float(delays["event_delivery"])
    return DriftRepairs(tenants=count, seconds=seconds, event_delay_seconds=longest)


def _await_events(rehearsal: Rehearsal) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while rehearsal.status("cell", _TIER).get("driftEvents") != {"state": "On"}:
        if time.monotonic() > deadline:
            raise SandboxError("the cell does not get events")
        time.sleep(1.0)
    _await_silence(rehearsal)


def _await_silence(rehearsal: Rehearsal) -> None:
    """Wait until the operator has not written to the account for a while; its long poll of the queue never ends."""
    quiet_since, last = time.monotonic(), rehearsal.aws.last_call()
    while time.monotonic() - quiet_since < 5.0:
        time.sleep(0.5)
        if rehearsal.aws.calls(since=last, account=_ACCOUNT, kind="write"):
            quiet_since = time.monotonic()
        last = rehearsal.aws.last_call()


def _repaired(rehearsal: Rehearsal, number: int, action: str, spoil: Spoil) -> float:
    """Seconds from the call by hand to the operator's call of the same kind."""
    mark = rehearsal.aws.last_call()
    spoil(number)
    deadline = time.monotonic() + _REPAIR_PATIENCE_SECONDS
    while True:
        calls = [c for c in rehearsal.aws.calls(since=mark, account=_ACCOUNT, action=action) if not c["code"]]
        if len(calls) > 1:
            return float(calls[1]["time"]) - float(calls[0]["time"])
        if time.monotonic() > deadline:
            raise SandboxError(
                f"a change by {action} is not undone; the operator's log is {rehearsal.operator.log}"
            )
        time.sleep(_LOOK_SECONDS)


def _ways(rehearsal: Rehearsal) -> Iterator[tuple[str, Spoil]]:
    """Calls by hand; the operator undoes each by a call of the same name."""
    elb: Any = rehearsal.client("elbv2", _ACCOUNT)
    ecs: Any = rehearsal.client("ecs", _ACCOUNT)
    groups = sorted(g["TargetGroupArn"] for g in elb.describe_target_groups()["TargetGroups"])
    clusters = sorted(ecs.list_clusters()["clusterArns"])
    services = [(cluster, ecs.list_services(cluster=cluster)["serviceArns"][0]) for cluster in clusters]
    rules = sorted(_rules(elb))

    def rule(number: int) -> None:
        elb.modify_rule(
            RuleArn=rules[number % len(rules)],
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/by-hand-{number}"]}}],
        )

    def target_group(number: int) -> None:
        elb.modify_target_group(TargetGroupArn=groups[number % len(groups)], HealthCheckPath=f"/{number}")

    def service(number: int) -> None:
        cluster, arn = services[number % len(services)]
        ecs.update_service(cluster=cluster, service=arn, desiredCount=2)

    yield from (("ModifyRule", rule), ("ModifyTargetGroup", target_group), ("UpdateService", service))


def _rules(elb: Any) -> Iterator[str]:
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener["ListenerArn"])
            yield from (r["RuleArn"] for page in pages for r in page["Rules"] if not r["IsDefault"])
