"""Listeners and their default actions.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from moto.elbv2.ssl_policies import SSL_POLICIES, build_policy

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2 import certificates, rule_checks, tags
from tenant_operator.sandbox.aws.services.elbv2.paging import limit_named, page
from tenant_operator.sandbox.aws.services.elbv2.quotas import LISTENERS
from tenant_operator.sandbox.aws.services.elbv2.state import (
    ElbState,
    Listener,
    LoadBalancer,
    Rule,
)
from tenant_operator.sandbox.aws.services.elbv2.usage import change_actions, publish
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
_PROTOCOLS = {
    "application": ("HTTP", "HTTPS"),
    "network": ("TCP", "TLS", "UDP", "TCP_UDP"),
}
_SECURE = ("HTTPS", "TLS")

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("CreateListener")
def _create_listener(sim: Simulation, call: Call) -> Mapping[str, Any]:
    load_balancer = _state(sim, call).load_balancer(call.parameters["LoadBalancerArn"])
    return {"Listeners": [_create(sim, _state(sim, call), load_balancer, call).describe()]}


@behaviours.answers("DescribeListeners")
def _describe_listeners(sim: Simulation, call: Call) -> Mapping[str, Any]:
    arns = call.parameters.get("ListenerArns", [])
    limit_named("ListenerArns", arns)
    if arns:
        found = [_state(sim, call).listener(arn) for arn in arns]
    elif "LoadBalancerArn" in call.parameters:
        found = list(_state(sim, call).load_balancer(call.parameters["LoadBalancerArn"]).listeners.values())
    else:
        raise AwsFailure(
            "ValidationError",
            "You must specify either listener ARNs or a load balancer ARN",
        )
    shown, marker = page(found, call.parameters)
    return {
        "Listeners": [listener.describe() for listener in shown],
        "NextMarker": marker,
    }


@behaviours.answers("ModifyListener")
def _modify_listener(sim: Simulation, call: Call) -> Mapping[str, Any]:
    listener = _state(sim, call).listener(call.parameters["ListenerArn"])
    _modify(sim, _state(sim, call), listener, call)
    return {"Listeners": [listener.describe()]}


@behaviours.answers("DeleteListener")
def _delete_listener(sim: Simulation, call: Call) -> None:
    remove_listener(sim, _state(sim, call), _state(sim, call).listener(call.parameters["ListenerArn"]))


@behaviours.answers("DescribeSSLPolicies")
def _describe_ssl_policies(_sim: Simulation, call: Call) -> Mapping[str, Any]:
    names = call.parameters.get("Names") or list(SSL_POLICIES)
    for name in names:
        _check_policy(name)
    shown, marker = page(names, call.parameters)
    return {
        "SslPolicies": [build_policy(name, SSL_POLICIES[name]) for name in shown],
        "NextMarker": marker,
    }


@behaviours.controls("GET", "elbv2/served")
def _served(sim: Simulation, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """`?listener_arn=`: the rules that requests meet now, which lag behind those that DescribeRules shows."""
    arn = str(body["listener_arn"])
    _, _, _, region, account, _ = arn.split(":", 5)
    return {"rules": [rule.describe() for rule in sim.state(ElbState, account, region).listener(arn).served]}


def remove_listener(sim: Simulation, state: ElbState, listener: Listener) -> None:
    """Delete a listener with its rules; their target groups become unused."""
    rules = listener.in_order()
    change_actions(
        sim,
        state,
        listener.load_balancer,
        old=[action for rule in rules for action in rule.actions],
    )
    for rule in rules:
        del state.rules[rule.arn]
        state.tags.pop(rule.arn, None)
    del state.listeners[listener.arn]
    del listener.load_balancer.listeners[listener.arn]
    state.tags.pop(listener.arn, None)
    listener.served = ()


def _create(sim: Simulation, state: ElbState, load_balancer: LoadBalancer, call: Call) -> Listener:
    parameters = call.parameters
    port, protocol = parameters.get("Port"), parameters.get("Protocol")
    if port is None or protocol is None:
        raise AwsFailure("ValidationError", "A listener needs both Port and Protocol")
    _check_port(load_balancer, port, None)
    _check_protocol(load_balancer, protocol)
    if len(load_balancer.listeners) >= LISTENERS.of(sim, call):
        raise AwsFailure(
            "TooManyListeners",
            "You've reached the limit on the number of listeners per load balancer",
        )
    arns = certificates.of_listener(call, protocol, parameters.get("Certificates", []))
    policy = parameters.get("SslPolicy", DEFAULT_POLICY)
    _check_policy(policy)
    actions = rule_checks.actions(parameters["DefaultActions"])
    tags.check_new(parameters.get("Tags", []))
    change_actions(sim, state, load_balancer, new=actions)
    base = f"arn:{call.partition}:elasticloadbalancing:{call.region}:{call.account}"
    listener_id = sim.hex_id(16)
    default = Rule(
        f"{base}:listener-rule/{load_balancer.path}/{listener_id}/{sim.hex_id(16)}",
        None,
        (),
        actions,
    )
    made = Listener(
        arn=f"{base}:listener/{load_balancer.path}/{listener_id}",
        load_balancer=load_balancer,
        port=port,
        protocol=protocol,
        ssl_policy=policy if protocol in _SECURE else "",
        certificate_arns=arns,
        alpn_policy=list(parameters.get("AlpnPolicy", [])),
        default_rule=default,
    )
    state.listeners[made.arn] = made
    state.rules[default.arn] = (made, default)
    load_balancer.listeners[made.arn] = made
    tags.put(state, made.arn, parameters.get("Tags", []))
    publish(sim, made)
    return made


def _modify(sim: Simulation, state: ElbState, listener: Listener, call: Call) -> None:
    parameters = call.parameters
    port, protocol = (
        parameters.get("Port", listener.port),
        parameters.get("Protocol", listener.protocol),
    )
    _check_port(listener.load_balancer, port, listener)
    _check_protocol(listener.load_balancer, protocol)
    policy = parameters.get("SslPolicy", listener.ssl_policy or DEFAULT_POLICY)
    _check_policy(policy)
    arns = listener.certificate_arns
    if "Certificates" in parameters or protocol not in _SECURE or not arns:
        default = certificates.of_listener(call, protocol, parameters.get("Certificates", []))
        arns = [*default, *(arn for arn in arns[1:] if arn not in default)]
    if "DefaultActions" in parameters:
        actions = rule_checks.actions(parameters["DefaultActions"])
        change_actions(
            sim,
            state,
            listener.load_balancer,
            old=listener.default_rule.actions,
            new=actions,
        )
        listener.default_rule = replace(listener.default_rule, actions=actions)
        state.rules[listener.default_rule.arn] = (listener, listener.default_rule)
    listener.port, listener.protocol, listener.certificate_arns = port, protocol, arns
    listener.ssl_policy = policy if protocol in _SECURE else ""
    publish(sim, listener)


def _check_port(load_balancer: LoadBalancer, port: int, own: Listener | None) -> None:
    if not 1 <= port <= 65535:
        raise AwsFailure("ValidationError", "The port must be between 1 and 65535")
    if any(other.port == port and other is not own for other in load_balancer.listeners.values()):
        raise AwsFailure(
            "DuplicateListener",
            "A listener already exists on this port for this load balancer",
        )


def _check_protocol(load_balancer: LoadBalancer, protocol: str) -> None:
    allowed: Sequence[str] = _PROTOCOLS[load_balancer.kind]
    if protocol not in allowed:
        raise AwsFailure(
            "UnsupportedProtocol",
            f"Listener protocol '{protocol}' must be one of '{', '.join(allowed)}'",
        )


def _check_policy(name: str) -> None:
    if name not in SSL_POLICIES:
        raise AwsFailure("SSLPolicyNotFound", f"SSL policy '{name}' not found")
