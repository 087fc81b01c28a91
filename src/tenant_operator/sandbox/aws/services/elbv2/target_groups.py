"""Target groups: what they are made of, and when they may go.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2 import attributes, tags
from tenant_operator.sandbox.aws.services.elbv2.paging import limit_named, page
from tenant_operator.sandbox.aws.services.elbv2.quotas import TARGET_GROUPS
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, TargetGroup
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_HTTP = ("HTTP", "HTTPS")
_PROTOCOLS = (*_HTTP, "TCP", "TLS", "UDP", "TCP_UDP")
_TYPES = ("instance", "ip", "alb")
_MATCHER = re.compile(r"[2-4]\d\d(-[2-4]\d\d)?(,[2-4]\d\d(-[2-4]\d\d)?)*")
_RANGES = {
    "HealthCheckIntervalSeconds": (5, 300),
    "HealthCheckTimeoutSeconds": (2, 120),
    "HealthyThresholdCount": (2, 10),
    "UnhealthyThresholdCount": (2, 10),
}
_HEALTH_CHECK = (
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckPath",
    "HealthCheckEnabled",
    *_RANGES,
    "Matcher",
)

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("CreateTargetGroup")
def _create_target_group(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Idempotent with equal settings; DuplicateTargetGroupName with others."""
    return {"TargetGroups": [_create(sim, _state(sim, call), call).describe()]}


@behaviours.answers("DescribeTargetGroups")
def _describe_target_groups(sim: Simulation, call: Call) -> Mapping[str, Any]:
    shown, marker = page(_selected(_state(sim, call), call.parameters), call.parameters)
    return {
        "TargetGroups": [group.describe() for group in shown],
        "NextMarker": marker,
    }


@behaviours.answers("ModifyTargetGroup")
def _modify_target_group(sim: Simulation, call: Call) -> Mapping[str, Any]:
    group = _state(sim, call).target_group(call.parameters["TargetGroupArn"])
    changes = {name: value for name, value in call.parameters.items() if name in _HEALTH_CHECK}
    settings = {**group.settings, **changes}
    _check_health_check(settings)
    group.settings = settings
    return {"TargetGroups": [group.describe()]}


@behaviours.answers("DeleteTargetGroup")
def _delete_target_group(sim: Simulation, call: Call) -> None:
    """Idempotent; ResourceInUse while a listener or rule names the group."""
    group = _state(sim, call).target_groups.get(call.parameters["TargetGroupArn"])
    if group is None:
        return
    if group.load_balancer_arn is not None:
        raise AwsFailure(
            "ResourceInUse",
            f"Target group '{group.arn}' is currently in use by a listener or a rule",
        )
    del _state(sim, call).target_groups[group.arn]
    del _state(sim, call).target_group_names[group.name]
    _state(sim, call).tags.pop(group.arn, None)


def _selected(state: ElbState, parameters: Mapping[str, Any]) -> Sequence[TargetGroup]:
    arns, names = parameters.get("TargetGroupArns", []), parameters.get("Names", [])
    if arns:
        return [state.target_group(arn) for arn in arns]
    if names:
        limit_named("Names", names)
        if missing := [name for name in names if name not in state.target_group_names]:
            raise AwsFailure(
                "TargetGroupNotFound",
                f"Target groups '[{', '.join(missing)}]' not found",
            )
        return [state.target_groups[state.target_group_names[name]] for name in names]
    if "LoadBalancerArn" in parameters:
        load_balancer = state.load_balancer(parameters["LoadBalancerArn"])
        return [state.target_groups[arn] for arn in load_balancer.target_groups]
    return list(state.target_groups.values())


def _create(sim: Simulation, state: ElbState, call: Call) -> TargetGroup:
    parameters = call.parameters
    name = parameters["Name"]
    if not _NAME.fullmatch(name):
        raise AwsFailure(
            "ValidationError",
            f"The target group name '{name}' must have at most 32 characters, only letters, digits and hyphens, "
            "and no hyphen at either end",
        )
    settings = _settings(call)
    if (existing := state.target_group_names.get(name)) is not None:
        return _same(state, state.target_groups[existing], settings, parameters)
    if len(state.target_groups) >= TARGET_GROUPS.of(sim, call):
        raise AwsFailure(
            "TooManyTargetGroups",
            "You've reached the limit on the number of target groups",
        )
    tags.check_new(parameters.get("Tags", []))
    base = f"arn:{call.partition}:elasticloadbalancing:{call.region}:{call.account}"
    made = TargetGroup(
        arn=f"{base}:targetgroup/{name}/{sim.hex_id(16)}",
        name=name,
        settings=settings,
        attributes=attributes.of_new_target_group(settings["Protocol"]),
    )
    state.target_groups[made.arn] = made
    state.target_group_names[name] = made.arn
    tags.put(state, made.arn, parameters.get("Tags", []))
    return made


def _same(
    state: ElbState,
    found: TargetGroup,
    settings: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> TargetGroup:
    asked_tags = {tag["Key"]: tag.get("Value", "") for tag in parameters.get("Tags", [])}
    if found.settings != settings or asked_tags != state.tags.get(found.arn, {}):
        message = f"A target group with the same name '{found.name}' exists, but with different settings"
        raise AwsFailure("DuplicateTargetGroupName", message)
    return found


def _settings(call: Call) -> dict[str, Any]:
    given = call.parameters
    protocol, kind = given.get("Protocol"), given.get("TargetType", "instance")
    if protocol not in _PROTOCOLS or kind not in _TYPES:
        message = f"a target group of protocol {protocol!r} and type {kind!r} is not simulated"
        raise AwsFailure("SandboxNotImplemented", message, status=501)
    if given.get("Port") is None or not 1 <= given["Port"] <= 65535:
        raise AwsFailure("ValidationError", "A port between 1 and 65535 must be specified")
    vpc_id = given.get("VpcId")
    if vpc_id not in ec2_backends[call.account][call.region].vpcs:
        raise AwsFailure("ValidationError", f"The VPC ID '{vpc_id}' is not found")
    http = protocol in _HTTP
    settings: dict[str, Any] = {
        "Protocol": protocol,
        "Port": given["Port"],
        "VpcId": vpc_id,
        "TargetType": kind,
        "IpAddressType": given.get("IpAddressType", "ipv4"),
        "HealthCheckProtocol": given.get("HealthCheckProtocol", "HTTP" if http else "TCP"),
        "HealthCheckPort": given.get("HealthCheckPort", "traffic-port"),
        "HealthCheckEnabled": given.get("HealthCheckEnabled", True),
        "HealthCheckIntervalSeconds": given.get("HealthCheckIntervalSeconds", 30),
        "HealthCheckTimeoutSeconds": given.get("HealthCheckTimeoutSeconds", 5 if http else 10),
        "HealthyThresholdCount": given.get("HealthyThresholdCount", 5),
        "UnhealthyThresholdCount": given.get("UnhealthyThresholdCount", 2),
    }
    if http:
        settings["ProtocolVersion"] = given.get("ProtocolVersion", "HTTP1")
    if settings["HealthCheckProtocol"] in _HTTP:
        settings["HealthCheckPath"] = given.get("HealthCheckPath", "/")
        settings["Matcher"] = dict(given.get("Matcher") or {"HttpCode": "200"})
    _check_health_check(settings)
    return settings


def _check_health_check(settings: Mapping[str, Any]) -> None:
    for name, (low, high) in _RANGES.items():
        if not low <= settings[name] <= high:
            raise AwsFailure(
                "ValidationError",
                f"{name} '{settings[name]}' must be between {low} and {high}",
            )
    if settings["HealthCheckTimeoutSeconds"] >= settings["HealthCheckIntervalSeconds"]:
        raise AwsFailure("ValidationError", "Health check interval must be greater than the timeout.")
    path = settings.get("HealthCheckPath", "/")
    if not path.startswith("/") or len(path) > 1024:
        raise AwsFailure(
            "ValidationError",
            f"Health check path '{path}' must begin with '/' and have ≤ 1024 characters",
        )
    matcher = settings.get("Matcher", {}).get("HttpCode", "200")
    if not _MATCHER.fullmatch(matcher):
        raise AwsFailure(
            "ValidationError",
            f"Health check matcher HTTP code '{matcher}' must be like 200, 200-299 or 200,202",
        )
