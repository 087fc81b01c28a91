"""What a name leads to: the load balancer that a client is sent to, by weight, and its listeners on this machine.

An alias to a load balancer answers with the TTL of the load balancer's own name, 60 s
(https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-alias.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.moto_objects import certificates
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, Listener, LoadBalancer
from tenant_operator.sandbox.aws.services.route53 import answers, names
from tenant_operator.sandbox.aws.services.route53.state import RecordSet
from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.traffic.data_plane import DataPlane

ALIAS_TTL = 60  # s


class NoSuchName(Exception):
    """No record, or one that leads to no load balancer."""


def look_up(sim: Simulation, name: str, *, inside: bool) -> Mapping[str, Any]:
    """Draw a load balancer for a name as Route 53 does.

    Arguments:
        sim: the simulation, locked.
        name: what a client asks for.
        inside: ask from inside a VPC: private zones answer too, and before public ones.

    Raises:
        NoSuchName: nothing answers.
    """
    found, asked = answers.resolve(sim, name, inside=inside)
    state, load_balancer = _load_balancer(sim, asked)
    ttl = _ttl(found)
    listeners = load_balancer.listeners.values() if load_balancer.kind == "application" else ()
    zone = None if found is None else answers.zone_of(sim, found.name, inside=inside)
    return {
        "name": name,
        "ttl": ttl,
        "expiresIn": ttl * sim.durations.dns_ttl_factor,
        "target": load_balancer.dns_name,
        "loadBalancer": load_balancer.name,
        "private": zone is not None and zone.private,
        "listeners": [_described(sim, state, listener) for listener in listeners],
    }


def _ttl(found: RecordSet | None) -> int:
    return ALIAS_TTL if found is None else int(found.document.get("TTL", ALIAS_TTL))


def _load_balancer(sim: Simulation, asked: str) -> tuple[ElbState, LoadBalancer]:
    plain = names.stored(asked).removeprefix("dualstack.").removesuffix(".")
    for _, _, state in sim.states(ElbState):
        for load_balancer in state.load_balancers.values():
            if load_balancer.dns_name.lower() == plain:
                return state, load_balancer
    raise NoSuchName("NXDOMAIN")


def _described(sim: Simulation, state: ElbState, listener: Listener) -> dict[str, Any]:
    return {
        "port": listener.port,
        "protocol": listener.protocol,
        "address": "127.0.0.1",
        "at": sim.part(DataPlane).port_of(listener, state),
        "certificateNames": _certificate_names(listener),
    }


def _certificate_names(listener: Listener) -> list[str]:
    """The names that the listener's certificates are for; one of them is presented by SNI."""
    found: set[str] = set()
    for arn in listener.certificate_arns:
        _, _, _, region, account, _ = arn.split(":", 5)
        certificate = certificates(account, region).get(arn)
        if certificate is not None:
            described = certificate.describe()["Certificate"]
            found.update([described["DomainName"], *described.get("SubjectAlternativeNames", ())])
    return sorted(found)
