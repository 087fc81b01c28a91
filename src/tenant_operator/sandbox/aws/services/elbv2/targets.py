"""Targets: registered, checked, drained. States are worked out when asked for, so that no timer runs per target.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html#target-health-states
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.quotas import (
    TARGETS_PER_GROUP,
    TARGETS_PER_LOAD_BALANCER,
)
from tenant_operator.sandbox.aws.services.elbv2.state import (
    ElbState,
    LoadBalancer,
    Target,
    TargetGroup,
)
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

_DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.ResponseCodeMismatch": "Health checks failed with these codes: [503]",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
}
_PRIVATE = tuple(
    IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("RegisterTargets")
def _register_targets(sim: Simulation, call: Call) -> None:
    group = _state(sim, call).target_group(call.parameters["TargetGroupArn"])
    wanted = [
        (given["Id"], given.get("Port", group.settings["Port"])) for given in call.parameters["Targets"]
    ]
    for target_id, _ in wanted:
        _check_address(call, group, target_id)
    _check_room(sim, _state(sim, call), group, len(set(wanted) - group.targets.keys()), call)
    for target_id, port in wanted:
        register(sim, group, target_id, port, "")


@behaviours.answers("DeregisterTargets")
def _deregister_targets(sim: Simulation, call: Call) -> None:
    group = _state(sim, call).target_group(call.parameters["TargetGroupArn"])
    for given in call.parameters["Targets"]:
        for key in list(group.targets):
            if key[0] == given["Id"] and given.get("Port") in (None, key[1]):
                deregister(sim, group, *key)


@behaviours.answers("DescribeTargetHealth")
def _describe_target_health(sim: Simulation, call: Call) -> Mapping[str, Any]:
    group = _state(sim, call).target_group(call.parameters["TargetGroupArn"])
    asked = call.parameters.get("Targets")
    if not asked:
        return {"TargetHealthDescriptions": [_described(sim, group, target) for target in living(sim, group)]}
    shown = []
    for given in asked:
        key = (given["Id"], given.get("Port", group.settings["Port"]))
        target = group.targets.get(key) or Target(*key, "", 0.0, reason="Target.NotRegistered")
        shown.append(_described(sim, group, target))
    return {"TargetHealthDescriptions": shown}


@behaviours.controls("POST", "elbv2/target")
def _set_target_health(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """{"target_group_arn": …, "id": …, "answers": false}: its health check fails (or passes again)."""
    arn = str(body["target_group_arn"])
    _, _, _, region, account, _ = arn.split(":", 5)
    group = sim.state(ElbState, account, region).target_groups.get(arn)
    hit = [target for target in group.targets.values() if target.id == body["id"]] if group else []
    if group is None or not hit:
        raise ValueError(f"no target {body['id']!r} is registered with {arn!r}")
    for target in hit:
        target.made_sick = not body.get("answers", False)
        set_answers(sim, group, target, bool(body.get("answers", False)), "Target.ResponseCodeMismatch")
    for watcher in group.watchers.values():
        sim.after(0.0, watcher)
    return {"changed": len(hit)}


def register(
    sim: Simulation, group: TargetGroup, target_id: str, port: int, zone: str, answers: bool = True
) -> Target:
    """Register an address, or bring one back that is draining."""
    existing = group.targets.get((target_id, port))
    if existing is not None and existing.draining_until is None:
        return existing
    now = sim.now()
    target = Target(target_id, port, zone, now, answers, now, now + sim.durations.target_initial)
    group.targets[(target_id, port)] = target
    return target


def deregister(sim: Simulation, group: TargetGroup, target_id: str, port: int) -> float:
    """Start to drain a target, or drop it at once if it takes no traffic. Returns the seconds until it is gone."""
    target = group.targets.get((target_id, port))
    if target is None:
        return 0.0
    if target.draining_until is not None:
        return max(0.0, target.draining_until - sim.now())
    if group.load_balancer_arn is None:
        del group.targets[(target_id, port)]
        return 0.0
    delay = int(group.attributes["deregistration_delay.timeout_seconds"]) * sim.durations.draining_factor
    target.draining_until = sim.now() + delay
    return delay


def set_answers(sim: Simulation, group: TargetGroup, target: Target, answers: bool, reason: str = "") -> None:
    """Make a target's health check pass or fail from now on; its state follows after the checks' thresholds."""
    if target.answers == answers:
        return
    now, state = sim.now(), health(sim, group, target)[0]
    target.was_healthy = state == "healthy"
    target.answers, target.answers_since, target.reason = answers, now, reason
    if answers and state == "unhealthy":
        target.healthy_at = now + _checks(sim, group, "HealthyThresholdCount")
    elif answers:  # one success is enough for a target that is still `initial`
        target.healthy_at = max(now, _checked_since(group, target) + sim.durations.target_initial)


def living(sim: Simulation, group: TargetGroup) -> list[Target]:
    """All targets that are registered or still draining; those that have drained are forgotten."""
    now = sim.now()
    gone = [
        key for key, t in group.targets.items() if t.draining_until is not None and t.draining_until <= now
    ]
    for key in gone:
        del group.targets[key]
    return list(group.targets.values())


def health(sim: Simulation, group: TargetGroup, target: Target) -> tuple[str, str]:
    """The state and the reason code of a target."""
    if target.reason == "Target.NotRegistered":
        return "unused", target.reason
    if target.draining_until is not None:
        return "draining", "Target.DeregistrationInProgress"
    if group.load_balancer_arn is None:
        return "unused", "Target.NotInUse"
    now = sim.now()
    if not target.answers:
        if now >= unhealthy_at(sim, group, target):
            return "unhealthy", target.reason or "Target.FailedHealthChecks"
        return ("healthy", "") if target.was_healthy else _INITIAL
    if now >= healthy_at(sim, group, target):
        return "healthy", ""
    recovering = target.healthy_at > max(
        target.answers_since, target.registered_at + sim.durations.target_initial
    )
    return ("unhealthy", "Target.FailedHealthChecks") if recovering else _INITIAL


def healthy_at(sim: Simulation, group: TargetGroup, target: Target) -> float:
    """When an answering target is (or was) found healthy, on the simulation's clock."""
    if group.used_since <= target.registered_at:
        return target.healthy_at
    return max(target.healthy_at, group.used_since + sim.durations.target_initial)


def unhealthy_at(sim: Simulation, group: TargetGroup, target: Target) -> float:
    """When a target that does not answer is (or was) found unhealthy, on the simulation's clock."""
    failing_since = max(target.answers_since, _checked_since(group, target))
    return failing_since + _checks(sim, group, "UnhealthyThresholdCount")


def _checked_since(group: TargetGroup, target: Target) -> float:
    return max(target.registered_at, group.used_since)


def _checks(sim: Simulation, group: TargetGroup, threshold: str) -> float:
    """Seconds until a threshold of checks has been made."""
    count, interval = group.settings[threshold], group.settings["HealthCheckIntervalSeconds"]
    return float(count * interval * sim.durations.health_check_factor)


_INITIAL = ("initial", "Elb.InitialHealthChecking")


def _described(sim: Simulation, group: TargetGroup, target: Target) -> dict[str, Any]:
    state, reason = health(sim, group, target)
    shown: dict[str, Any] = {"State": state}
    if reason:
        shown["Reason"] = reason
        shown["Description"] = _DESCRIPTIONS.get(reason, reason)
    port = group.settings["HealthCheckPort"]
    described: dict[str, Any] = {
        "Target": {"Id": target.id, "Port": target.port},
        "HealthCheckPort": str(target.port) if port == "traffic-port" else port,
        "TargetHealth": shown,
    }
    if target.availability_zone:
        described["Target"]["AvailabilityZone"] = target.availability_zone
    return described


def _check_address(call: Call, group: TargetGroup, target_id: str) -> None:
    if group.settings["TargetType"] != "ip":
        return
    try:
        address = IPv4Address(target_id)
    except ValueError:
        raise AwsFailure(
            "ValidationError",
            f"The IP address '{target_id}' is not a valid IPv4 address",
        ) from None
    vpc = ec2_backends[call.account][call.region].vpcs.get(group.settings["VpcId"])
    in_vpc = vpc is not None and address in IPv4Network(vpc.cidr_block)
    if not in_vpc and not any(address in network for network in _PRIVATE):
        vpc_id = group.settings["VpcId"]
        message = f"The IP address '{target_id}' is not within a range that can be a target of {vpc_id}"
        raise AwsFailure("ValidationError", message)


def _check_room(sim: Simulation, state: ElbState, group: TargetGroup, more: int, call: Call) -> None:
    if len(group.targets) + more > TARGETS_PER_GROUP.of(sim, call):
        raise AwsFailure(
            "TooManyTargets",
            "You've reached the limit on the number of targets per target group",
        )
    if group.load_balancer_arn is None:
        return
    load_balancer: LoadBalancer = state.load_balancer(group.load_balancer_arn)
    registered = sum(len(state.target_groups[arn].targets) for arn in load_balancer.target_groups)
    if registered + more > TARGETS_PER_LOAD_BALANCER.of(sim, call):
        raise AwsFailure(
            "TooManyTargets",
            "You've reached the limit on the number of targets per load balancer",
        )
