"""Attributes of load balancers, target groups and listeners: known keys, AWS's defaults, checked values.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

_APPLICATION = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "health_check_logs.s3.enabled": "false",
    "health_check_logs.s3.bucket": "",
    "health_check_logs.s3.prefix": "",
    "idle_timeout.timeout_seconds": "60",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
    "ipv6.deny_all_igw_traffic": "false",
}
_NETWORK = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "dns_record.client_routing_policy": "any_availability_zone",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "false",
    "zonal_shift.config.enabled": "false",
}
_ANY_GROUP = {
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "stickiness.enabled": "false",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
_HTTP_GROUP = {
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "load_balancing.algorithm.type": "round_robin",
    "slow_start.duration_seconds": "0",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.type": "lb_cookie",
}
_TCP_GROUP = {
    "deregistration_delay.connection_termination.enabled": "false",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.type": "source_ip",
}
_LISTENER = {
    "routing.http.response.server.enabled": "true",
}
_NUMBERS = {
    "client_keep_alive.seconds": (60, 604_800),
    "deregistration_delay.timeout_seconds": (0, 3600),
    "idle_timeout.timeout_seconds": (1, 4000),
    "slow_start.duration_seconds": (0, 900),
}
MAX_CHANGES = 20  # attributes in one call


def of_new_load_balancer(kind: str) -> dict[str, str]:
    """The attributes that a new load balancer has."""
    return dict(_APPLICATION if kind == "application" else _NETWORK)


def of_new_target_group(protocol: str) -> dict[str, str]:
    """The attributes that a new target group has."""
    return {
        **_ANY_GROUP,
        **(_HTTP_GROUP if protocol in ("HTTP", "HTTPS") else _TCP_GROUP),
    }


behaviours = Behaviours("elbv2")


@behaviours.answers("DescribeLoadBalancerAttributes")
def _describe_load_balancer_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _shown(_of_load_balancer(sim, call))


@behaviours.answers("ModifyLoadBalancerAttributes")
def _modify_load_balancer_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _change(_of_load_balancer(sim, call), call.parameters["Attributes"])


@behaviours.answers("DescribeTargetGroupAttributes")
def _describe_target_group_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _shown(_of_target_group(sim, call))


@behaviours.answers("ModifyTargetGroupAttributes")
def _modify_target_group_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _change(_of_target_group(sim, call), call.parameters["Attributes"])


@behaviours.answers("DescribeListenerAttributes")
def _describe_listener_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _shown(_of_listener(sim, call))


@behaviours.answers("ModifyListenerAttributes")
def _modify_listener_attributes(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _change(_of_listener(sim, call), call.parameters["Attributes"])


def _of_load_balancer(sim: Simulation, call: Call) -> dict[str, str]:
    return _state(sim, call).load_balancer(call.parameters["LoadBalancerArn"]).attributes


def _of_target_group(sim: Simulation, call: Call) -> dict[str, str]:
    return _state(sim, call).target_group(call.parameters["TargetGroupArn"]).attributes


def _of_listener(sim: Simulation, call: Call) -> dict[str, str]:
    attributes = _state(sim, call).listener(call.parameters["ListenerArn"]).attributes
    for key, value in _LISTENER.items():
        attributes.setdefault(key, value)
    return attributes


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


def _shown(attributes: Mapping[str, str]) -> Mapping[str, Any]:
    return {"Attributes": [{"Key": key, "Value": value} for key, value in sorted(attributes.items())]}


def _change(attributes: dict[str, str], changes: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    if len(changes) > MAX_CHANGES:
        raise AwsFailure(
            "ValidationError",
            f"'Attributes' must have length less than or equal to {MAX_CHANGES}",
        )
    for change in changes:
        _check(attributes, change["Key"], change.get("Value", ""))
    for change in changes:
        attributes[change["Key"]] = change.get("Value", "")
    return _shown(attributes)


def _check(attributes: Mapping[str, str], key: str, value: str) -> None:
    if key not in attributes and not key.startswith("routing.http."):
        raise AwsFailure("InvalidConfigurationRequest", f"Attribute key '{key}' is not recognized")
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        if not value.isdigit() or not low <= int(value) <= high:
            raise AwsFailure(
                "InvalidConfigurationRequest",
                f"'{key}' must be between {low} and {high}, not '{value}'",
            )
    if (
        key.endswith(".enabled")
        and attributes.get(key) in ("true", "false")
        and value not in ("true", "false")
    ):
        raise AwsFailure(
            "InvalidConfigurationRequest",
            f"'{key}' must be true or false, not '{value}'",
        )
