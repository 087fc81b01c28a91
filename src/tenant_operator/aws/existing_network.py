"""What an account has already: zones, and the networks that a spec names instead of letting one be made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.aws import ec2, vpcs
from tenant_operator.aws.caller import Caller

GONE = frozenset({"deleting", "deleted", "rejected", "failed", "expired"})
"""Endpoint states, lower-cased, in which it serves nobody."""


@dataclass(frozen=True, kw_only=True)
class ExistingNetwork:
    """A VPC that the operator did not make, as far as a spec can be wrong about it."""

    vpc_cidrs: tuple[str, ...]
    """Its IPv4 CIDR blocks, the first one first."""
    dns_support: bool
    dns_hostnames: bool
    subnets: Mapping[str, tuple[str, str]]
    """(Availability Zone's name, VPC) by subnet id."""
    subnet_cidrs: Mapping[str, str]
    """IPv4 CIDR block by subnet id."""
    groups: Mapping[str, str]
    """VPC by security group id."""
    workload_route_tables: tuple[str, ...]
    """The route tables that the workload subnets use: their own, or the VPC's main one."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """The VPC's endpoints that serve: id by service name."""


async def describe_existing(
    caller: Caller,
    vpc_id: str,
    subnet_ids: Sequence[str] = (),
    group_ids: Sequence[str] = (),
    *,
    workload_subnet_ids: Sequence[str] = (),
) -> ExistingNetwork:
    """What is there of a network that a spec names. Costs at most seven reads.

    Raises:
        AwsError: NOT_FOUND, when the VPC, a subnet or a security group does not exist (the message names it); SPEC,
            when an id is malformed.
    """
    found, dns, subnets, groups, tables, endpoints = await asyncio.gather(
        caller("ec2", "describe_vpcs", VpcIds=[vpc_id]),
        vpcs.dns_settings(caller, vpc_id),
        _by_ids(caller, "describe_subnets", "Subnets", "SubnetIds", subnet_ids),
        _by_ids(caller, "describe_security_groups", "SecurityGroups", "GroupIds", group_ids),
        ec2.described(caller, "describe_route_tables", "RouteTables", {"vpc-id": (vpc_id,)}),
        ec2.described(caller, "describe_vpc_endpoints", "VpcEndpoints", {"vpc-id": (vpc_id,)}),
    )
    vpc = found["Vpcs"][0]
    blocks = [
        block["CidrBlock"]
        for block in vpc.get("CidrBlockAssociationSet", ())
        if block.get("CidrBlockState", {}).get("State", "associated") == "associated"
    ]
    return ExistingNetwork(
        vpc_cidrs=tuple(dict.fromkeys((vpc["CidrBlock"], *blocks))),
        dns_support=dns[0],
        dns_hostnames=dns[1],
        subnets={subnet["SubnetId"]: (subnet["AvailabilityZone"], subnet["VpcId"]) for subnet in subnets},
        subnet_cidrs={subnet["SubnetId"]: subnet["CidrBlock"] for subnet in subnets},
        groups={group["GroupId"]: group["VpcId"] for group in groups},
        workload_route_tables=_tables_of(tables, workload_subnet_ids),
        endpoints={
            endpoint["ServiceName"]: endpoint["VpcEndpointId"]
            for endpoint in endpoints
            if endpoint["State"].lower() not in GONE
        },
    )


async def _by_ids(
    caller: Caller, operation: str, key: str, parameter: str, ids: Sequence[str]
) -> list[dict[str, Any]]:
    if not ids:
        return []
    answer = await caller("ec2", operation, **{parameter: list(ids)})
    found: list[dict[str, Any]] = answer[key]
    return found


def _tables_of(tables: Iterable[Mapping[str, Any]], subnets: Iterable[str]) -> tuple[str, ...]:
    """The route tables that some subnets use; a subnet without an association uses the VPC's main one."""
    by_subnet: dict[str, str] = {}
    main = None
    for table in tables:
        for association in table.get("Associations", ()):
            if association.get("SubnetId"):
                by_subnet[association["SubnetId"]] = table["RouteTableId"]
            elif association.get("Main"):
                main = table["RouteTableId"]
    used = {by_subnet.get(subnet, main) for subnet in subnets}
    return tuple(sorted(table for table in used if table is not None))


async def availability_zones(caller: Caller) -> dict[str, str]:
    """The names (us-east-1a) of the Region's Availability Zones by id (use1-az4), Local Zones and the like apart.

    Ids mean the same place in every account, names do not
    (https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html).

    Raises:
        AwsError: the reading failed.
    """
    wanted = {"zone-type": ("availability-zone",)}
    answer = await caller("ec2", "describe_availability_zones", Filters=ec2.filters(wanted))
    return {zone["ZoneId"]: zone["ZoneName"] for zone in answer["AvailabilityZones"]}
