"""Hosted zones, public and private.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53 import names
from tenant_operator.sandbox.aws.services.route53.limits import HOSTED_ZONES, VPCS_PER_ZONE
from tenant_operator.sandbox.aws.services.route53.records import page_size
from tenant_operator.sandbox.aws.services.route53.state import (
    Delta,
    RecordSet,
    Route53State,
    Zone,
    of_account,
)
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("route53")

MAX_PAGE = 100
_APEX_TTL = 172_800
_SOA_TTL = 900


@behaviours.answers("CreateHostedZone")
def _create(sim: Simulation, call: Call) -> Mapping[str, Any]:
    zone = _made(sim, call)
    change = of_account(sim, call.account).note_change(sim)
    return {
        **_shown(zone),
        "ChangeInfo": change.describe(sim.now()),
        "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
    }


@behaviours.answers("GetHostedZone")
def _get(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _shown(of_account(sim, call.account).zone(call.parameters["Id"]))


@behaviours.answers("DeleteHostedZone")
def _delete(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state = of_account(sim, call.account)
    zone = state.zone(call.parameters["Id"])
    if zone.count > len(_apex_records(zone)):
        message = (
            "The specified hosted zone contains non-required resource record sets and so cannot be deleted."
        )
        raise AwsFailure("HostedZoneNotEmpty", message)
    del state.zones[zone.id]
    return {"ChangeInfo": state.note_change(sim).describe(sim.now())}


@behaviours.answers("UpdateHostedZoneComment")
def _comment(sim: Simulation, call: Call) -> Mapping[str, Any]:
    zone = of_account(sim, call.account).zone(call.parameters["Id"])
    zone.comment = call.parameters.get("Comment") or ""
    return {"HostedZone": zone.describe()}


@behaviours.answers("GetHostedZoneCount")
def _count(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return {"HostedZoneCount": len(of_account(sim, call.account).zones)}


@behaviours.answers("AssociateVPCWithHostedZone")
def _associate(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state = of_account(sim, call.account)
    zone = _private(state, call.parameters["HostedZoneId"])
    vpc = _vpc(call, call.parameters["VPC"])
    if vpc not in zone.vpcs:
        _check_conflict(state, zone.name, vpc)
        if len(zone.vpcs) >= VPCS_PER_ZONE.of(sim, call.account):
            message = f"The hosted zone {zone.id} is associated with as many VPCs as it can be"
            raise AwsFailure("LimitsExceeded", message)
        zone.vpcs.append(vpc)
    return {"ChangeInfo": state.note_change(sim).describe(sim.now())}


@behaviours.answers("DisassociateVPCFromHostedZone")
def _disassociate(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state = of_account(sim, call.account)
    zone = _private(state, call.parameters["HostedZoneId"])
    given = call.parameters["VPC"]
    vpc = (given["VPCId"], given["VPCRegion"])
    if vpc not in zone.vpcs:
        message = f"The VPC {vpc[0]} and the hosted zone {zone.id} are not associated"
        raise AwsFailure("VPCAssociationNotFound", message, status=404)
    if len(zone.vpcs) == 1:
        message = "The last VPC of a private hosted zone cannot be disassociated; delete the zone instead"
        raise AwsFailure("LastVPCAssociation", message)
    zone.vpcs.remove(vpc)
    return {"ChangeInfo": state.note_change(sim).describe(sim.now())}


def _made(sim: Simulation, call: Call) -> Zone:
    state, parameters = of_account(sim, call.account), call.parameters
    if any(zone.caller_reference == parameters["CallerReference"] for zone in state.zones.values()):
        message = "A hosted zone has already been created with the specified caller reference."
        raise AwsFailure("HostedZoneAlreadyExists", message, status=409)
    name = names.checked_zone_name(parameters["Name"])
    config = parameters.get("HostedZoneConfig") or {}
    vpcs = [_vpc(call, parameters["VPC"])] if parameters.get("VPC") else []
    if config.get("PrivateZone") and not vpcs:
        message = "When you're creating a private hosted zone, you must specify a VPC"
        raise AwsFailure("InvalidInput", message)
    for vpc in vpcs:
        _check_conflict(state, name, vpc)
    if len(state.zones) >= HOSTED_ZONES.of(sim, call.account):
        message = f"The account has reached the limit of {HOSTED_ZONES.of(sim, call.account)} hosted zones."
        raise AwsFailure("TooManyHostedZones", message)
    zone = Zone(
        id="Z" + sim.hex_id(19).upper(),
        name=name,
        caller_reference=parameters["CallerReference"],
        comment=config.get("Comment") or "",
        private=bool(vpcs),
        name_servers=tuple(
            f"ns-{sim.rng.randrange(2048)}.awsdns-{sim.rng.randrange(64):02d}.{domain}"
            for domain in ("com", "net", "org", "co.uk")
        ),
        vpcs=vpcs,
    )
    apex = _apex_records(zone)
    zone.apply(apex)
    zone.publish(apex)
    state.zones[zone.id] = zone
    return zone


def _apex_records(zone: Zone) -> list[Delta]:
    servers = [{"Value": f"{server}."} for server in zone.name_servers]
    authority = f"{zone.name_servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    documents = (
        {"Name": zone.name, "Type": "NS", "TTL": _APEX_TTL, "ResourceRecords": servers},
        {"Name": zone.name, "Type": "SOA", "TTL": _SOA_TTL, "ResourceRecords": [{"Value": authority}]},
    )
    found = [RecordSet(zone.name, str(document["Type"]), "", document) for document in documents]
    return [Delta(zone.name, record_set.key, record_set) for record_set in found]


def _shown(zone: Zone) -> dict[str, Any]:
    if zone.private:
        vpcs = [{"VPCId": vpc_id, "VPCRegion": region} for vpc_id, region in zone.vpcs]
        return {"HostedZone": zone.describe(), "VPCs": vpcs, "VPC": vpcs[0]}
    return {"HostedZone": zone.describe(), "DelegationSet": {"NameServers": list(zone.name_servers)}}


def _vpc(call: Call, given: Mapping[str, Any]) -> tuple[str, str]:
    vpc_id, region = given["VPCId"], given["VPCRegion"]
    if vpc_id not in ec2_backends[call.account][region].vpcs:
        message = f"The VPC {vpc_id} in region {region} that you provided is not authorized to make the association."
        raise AwsFailure("InvalidVPCId", message)
    return vpc_id, region


def _private(state: Route53State, zone_id: str) -> Zone:
    zone = state.zone(zone_id)
    if not zone.private:
        message = f"{zone.id} is a public hosted zone; only private ones are associated with VPCs"
        raise AwsFailure("PublicZoneVPCAssociation", message)
    return zone


def _check_conflict(state: Route53State, name: str, vpc: tuple[str, str]) -> None:
    if any(zone.name == name and vpc in zone.vpcs for zone in state.zones.values()):
        message = (
            f"The VPC {vpc[0]} in region {vpc[1]} is already associated with a hosted zone of the same name."
        )
        raise AwsFailure("ConflictingDomainExists", message)


@behaviours.answers("ListHostedZones")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, parameters = of_account(sim, call.account), call.parameters
    marker, size = parameters.get("Marker"), page_size(parameters, MAX_PAGE)
    ids = list(state.zones)
    if marker and marker not in state.zones:
        raise AwsFailure("InvalidInput", f"Invalid marker '{marker}'")
    start = ids.index(marker) if marker else 0
    answer: dict[str, Any] = {
        "HostedZones": [state.zones[zone_id].describe() for zone_id in ids[start : start + size]],
        "IsTruncated": len(ids) > start + size,
        "MaxItems": str(size),
        "Marker": marker or "",
    }
    if answer["IsTruncated"]:
        answer["NextMarker"] = ids[start + size]
    return answer


@behaviours.answers("ListHostedZonesByName")
def _list_by_name(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, parameters = of_account(sim, call.account), call.parameters
    size = page_size(parameters, MAX_PAGE)
    wanted, from_id = parameters.get("DNSName") or "", parameters.get("HostedZoneId") or ""
    if from_id and not wanted:
        raise AwsFailure("InvalidInput", "hostedzoneid needs dnsname")
    first = (names.sort_key(names.stored(wanted)), from_id) if wanted else ("", "")
    ordered = sorted(state.zones.values(), key=lambda zone: (names.sort_key(zone.name), zone.id))
    found = [zone for zone in ordered if (names.sort_key(zone.name), zone.id) >= first]
    answer: dict[str, Any] = {
        "HostedZones": [zone.describe() for zone in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if wanted:
        answer["DNSName"] = wanted
    if from_id:
        answer["HostedZoneId"] = from_id
    if len(found) > size:
        answer |= {"NextDNSName": found[size].name, "NextHostedZoneId": found[size].id}
    return answer


def install(sim: Simulation) -> None:
    """Answer the calls about hosted zones."""
    behaviours.install(sim)
