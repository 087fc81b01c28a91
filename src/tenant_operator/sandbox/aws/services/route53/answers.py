"""What DNS answers: the record set that a query for a name gets, by weight and health.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html. Zones answer
only with what is in sync.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.services.route53 import names
from tenant_operator.sandbox.aws.services.route53.state import RecordSet, Route53State, Zone, of_account
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("route53")

IsHealthy = Callable[[RecordSet], bool]

_MAX_CHAIN = 8  # aliases and CNAMEs after one another
_WILDCARD = "\\052."


def zone_of(sim: Simulation, name: str, *, inside: bool = False) -> Zone | None:
    """The zone, of any account, that answers for a stored name: the one with the longest name.

    Private zones answer only those who ask from `inside` their VPCs, and them before a public zone of the same name
    (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html). All VPCs count as
    one here.
    """
    zones = (
        zone
        for _, _, state in sim.states(Route53State)
        for zone in state.zones.values()
        if inside or not zone.private
    )
    fitting = [zone for zone in zones if names.lies_within(name, zone.name)]
    return max(fitting, key=lambda zone: (len(zone.name), zone.private), default=None)


def candidates(zone: Zone, name: str, type_: str) -> list[RecordSet]:
    """All record sets that may answer: of the name itself, else of the closest wildcard; a CNAME for any type."""
    group = zone.served.get(name) or _closest_wildcard(zone, name)
    of_type = [record_set for record_set in group.values() if record_set.type == type_]
    return of_type or [record_set for record_set in group.values() if record_set.type == "CNAME"]


def _closest_wildcard(zone: Zone, name: str) -> Mapping[Any, RecordSet]:
    parent = name
    while names.lies_within(parent, zone.name) and parent != zone.name:
        parent = parent.partition(".")[2]
        found = zone.served.get(_WILDCARD + parent)
        if found:
            return found
        if zone.served.get(parent):  # a name that exists hides the wildcards above it
            return {}
    return {}


def choose(rng: Random, record_sets: Sequence[RecordSet], is_healthy: IsHealthy) -> RecordSet | None:
    """One of several record sets of a name and type.

    Weight 0 answers only when nothing with a weight is healthy; when all weights are 0, all are equal; when nothing is
    healthy, everything counts as healthy.
    """
    healthy = [found for found in record_sets if is_healthy(found)] or list(record_sets)
    if not healthy:
        return None
    weights = [float(found.document.get("Weight", 1)) for found in healthy]
    return rng.choices(healthy, weights if any(weights) else None)[0]


def resolve(
    sim: Simulation,
    name: str,
    type_: str = "A",
    is_healthy: IsHealthy = lambda _: True,
    *,
    inside: bool = False,
) -> tuple[RecordSet | None, str]:
    """Follow aliases within Route 53 and CNAMEs, as a resolver does.

    Returns:
        The record set in the end, or None; and the name that was asked for last (in stored form): a load balancer's
        DNS name is in no zone of the sandbox.
    """
    asked = names.stored(name)
    for _ in range(_MAX_CHAIN):
        zone = zone_of(sim, asked, inside=inside)
        found = None if zone is None else choose(sim.rng, candidates(zone, asked, type_), is_healthy)
        if zone is None or found is None:
            return None, asked
        alias = found.document.get("AliasTarget")
        if alias is not None:
            asked = alias["DNSName"]
        elif found.type == "CNAME" and type_ != "CNAME":
            asked = names.stored(found.document["ResourceRecords"][0]["Value"])
        else:
            return found, asked
        if zone_of(sim, asked, inside=inside) is None:
            return found, asked
    return None, asked


@behaviours.answers("TestDNSAnswer")
def _test(sim: Simulation, call: Call) -> Mapping[str, Any]:
    zone = of_account(sim, call.account).zone(call.parameters["HostedZoneId"])
    name, type_ = names.stored(call.parameters["RecordName"]), call.parameters["RecordType"]
    found = choose(sim.rng, candidates(zone, name, type_), lambda _: True)
    return {
        "Nameserver": zone.name_servers[0],
        "RecordName": name,
        "RecordType": type_,
        "RecordData": [] if found is None else _data(sim, found),
        "ResponseCode": "NXDOMAIN" if found is None else "NOERROR",
        "Protocol": "UDP",
    }


def _data(sim: Simulation, record_set: RecordSet) -> list[str]:
    alias = record_set.document.get("AliasTarget")
    if alias is None:
        return [record["Value"] for record in record_set.document["ResourceRecords"]]
    final, asked = resolve(sim, alias["DNSName"], record_set.type)
    if final is not None and "ResourceRecords" in final.document:
        return [record["Value"] for record in final.document["ResourceRecords"]]
    return _addresses(sim, asked)


def _addresses(sim: Simulation, dns_name: str) -> list[str]:
    """The addresses behind a load balancer's name."""
    plain = dns_name.removeprefix("dualstack.").removesuffix(".")
    for _, _, state in sim.states(ElbState):
        for balancer in state.load_balancers.values():
            if balancer.dns_name.lower() == plain:
                return [interface.private_ip for interface in balancer.interfaces.values()]
    return []


def install(sim: Simulation) -> None:
    """Answer TestDNSAnswer."""
    behaviours.install(sim)
