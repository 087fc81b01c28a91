"""What an infra group's spec leaves to AWS: zone names for zone ids, an existing network's facts, endpoints' zones."""

from __future__ import annotations

import dataclasses
import re

from tenant_operator.aws import endpoints, network
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.infra_group import GroupDesign, Surroundings
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.visit import Visit

AWS_SERVICES = ("com.amazonaws.", "aws.", "cn.com.amazonaws.")
"""How the names of AWS's own endpoint services begin: one that is not listed is refused by AWS when it is asked for."""
_ZONE_ID = re.compile(r"[a-z]{3,4}\d-az\d")


class Refused(Exception):
    """The spec does not fit what is there; the message says what to write instead."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def surroundings(engine: Engine, visit: Visit, design: GroupDesign, site: Site) -> GroupDesign:
    """The design with what AWS says about its surroundings; remembered until the spec changes or a person asks.

    Raises:
        Refused: the spec does not fit.
        AwsError: AWS could not be asked.
    """
    memory = engine.remember(visit.key)
    known = memory.get("surroundings")
    stamp = (design.group.metadata.generation, design.tier.metadata.generation)
    if known is None or known[0] != stamp or visit.forced:
        found = await _look(design, site)
        known = memory["surroundings"] = (stamp, found)
    return dataclasses.replace(design, surroundings=known[1])


async def _look(design: GroupDesign, site: Site) -> Surroundings:
    create = design.group.spec.network.create
    if create is None:
        found = await _existing(design, site)
        zone_of = {subnet: zone for subnet, (zone, _) in found.subnets.items()}
    else:
        found = None
        zone_of = {}
    zones = () if create is None else await _zone_names(tuple(create.availability_zones), site)
    if create is not None and len(set(zones)) < len(zones):
        raise Refused(
            "InvalidNetwork", "availabilityZones names a zone twice, by its name and by its id; leave one out"
        )
    services = {}
    for wanted in design.endpoint_designs():
        if wanted.gateway:
            continue
        try:
            service = await endpoints.endpoint_service(site.caller, wanted.service)
        except AwsError as error:
            if error.category not in (Category.SPEC, Category.NOT_FOUND):
                raise
            if wanted.service.startswith(AWS_SERVICES) and ".vpce." not in wanted.service:
                continue
            raise Refused(
                "EndpointServiceNotFound",
                f"endpoint {wanted.name}: account {design.account} does not see {wanted.service} in {design.region}; correct "
                "the name, or ask its provider to allow this account",
            ) from error
        available = frozenset(service.availability_zones)
        own = set(zones) if create is not None else set(zone_of.values())
        if available and not own & available:
            raise Refused(
                "NoZoneInCommon",
                f"endpoint {wanted.name}: {wanted.service} is in {', '.join(sorted(available))} only, and this network is in "
                f"{', '.join(sorted(own))}; add one of those zones",
            )
        services[wanted.service] = available
    return Surroundings(
        zones=zones,
        vpc_cidrs=() if found is None else tuple(found.vpc_cidrs),
        workload_route_tables=() if found is None else tuple(found.workload_route_tables),
        endpoint_zones=services,
        zone_of_subnet=zone_of,
    )


async def _zone_names(asked: tuple[str, ...], site: Site) -> tuple[str, ...]:
    """The names of some zones that may be given by name or by id."""
    known = await network.availability_zones(site.caller)
    names = set(known.values())
    found = []
    for zone in asked:
        name = known.get(zone) if _ZONE_ID.fullmatch(zone) else zone
        if name is None or name not in names:
            raise Refused(
                "UnknownZone",
                f"account {site.caller.account} has no Availability Zone {zone!r} in {site.caller.region}; it has "
                f"{', '.join(sorted(names))}",
            )
        found.append(name)
    return tuple(found)


async def _existing(design: GroupDesign, site: Site) -> network.ExistingNetwork:
    spec = design.group.spec.network.existing
    assert spec is not None
    subnets = {*spec.load_balancer_subnet_ids, *spec.workload_subnet_ids, *(spec.endpoint_subnet_ids or ())}
    groups = {*(spec.load_balancer_security_group_ids or ()), *(spec.workload_security_group_ids or ())}
    try:
        found = await network.describe_existing(
            site.caller,
            spec.vpc_id,
            sorted(subnets),
            sorted(groups),
            workload_subnet_ids=sorted(spec.workload_subnet_ids),
        )
    except AwsError as error:
        if error.category not in (Category.NOT_FOUND, Category.SPEC):
            raise
        raise Refused(
            "NetworkNotFound", f"the existing network is not as the spec says: {error.message}"
        ) from error
    for subnet, (zone, vpc) in found.subnets.items():
        if vpc != spec.vpc_id:
            raise Refused(
                "NetworkMismatch",
                f"subnet {subnet} ({zone}) is in {vpc}, not in {spec.vpc_id}; name subnets of one VPC",
            )
    for group, vpc in found.groups.items():
        if vpc != spec.vpc_id:
            raise Refused(
                "NetworkMismatch",
                f"security group {group} is in {vpc}, not in {spec.vpc_id}; name groups of one VPC",
            )
    if len({found.subnets[s][0] for s in spec.load_balancer_subnet_ids}) < 2:
        raise Refused(
            "InvalidNetwork",
            "loadBalancerSubnetIds must be in two Availability Zones at least; a load balancer needs two",
        )
    if spec.endpoints == "Create" and not (found.dns_support and found.dns_hostnames):
        raise Refused(
            "InvalidNetwork",
            f"{spec.vpc_id} must have enableDnsSupport and enableDnsHostnames for endpoints with private DNS; switch them on",
        )
    return found
