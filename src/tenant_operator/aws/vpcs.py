"""VPCs and subnets. Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tenant_operator.aws import ec2
from tenant_operator.aws.blockers import naming_blockers
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, from_list, specifications
from tenant_operator.aws.visibility import once_visible
from tenant_operator.desired.resources import Live, Resource, Subnet, Vpc
from tenant_operator.plan.change import FieldChange


async def read_vpcs(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """VPCs by filters. Costs two reads more for each: EC2 tells the DNS attributes one at a time."""
    found = await ec2.described(caller, "describe_vpcs", "Vpcs", wanted)
    settings = await asyncio.gather(*(dns_settings(caller, vpc["VpcId"]) for vpc in found))
    return [
        ec2.live_of(
            caller,
            Vpc(cidr=vpc["CidrBlock"], dns_support=support, dns_hostnames=hostnames),
            vpc["VpcId"],
            from_list(vpc.get("Tags")),
            {"state": vpc["State"]},
        )
        for vpc, (support, hostnames) in zip(found, settings, strict=True)
    ]


async def dns_settings(caller: Caller, vpc: str) -> tuple[bool, bool]:
    """(enableDnsSupport, enableDnsHostnames) of a VPC."""
    support, hostnames = await asyncio.gather(
        caller("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute="enableDnsSupport"),
        caller("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute="enableDnsHostnames"),
    )
    return support["EnableDnsSupport"]["Value"], hostnames["EnableDnsHostnames"]["Value"]


async def create_vpc(caller: Caller, resource: Resource) -> Live:
    """CreateVpc, then the DNS attributes that are not as AWS makes them (support on, host names off).

    CreateVpc takes no client token: what an earlier call has made is looked for first.
    """
    spec = cast("Vpc", resource.spec)
    made = await ec2.already_made(resource, partial(read_vpcs, caller))
    if made is not None:
        return made
    put = ec2.name_tagged(resource)
    answer = await caller(
        "ec2", "create_vpc", CidrBlock=spec.cidr, TagSpecifications=specifications("vpc", put)
    )
    vpc = answer["Vpc"]["VpcId"]
    await _set_dns(caller, vpc, spec, Vpc(cidr=spec.cidr, dns_support=True, dns_hostnames=False))
    return ec2.created(resource, vpc, {"state": answer["Vpc"]["State"]}, put)


async def update_vpc(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Change DNS attributes and tags."""
    spec = cast("Vpc", resource.spec)
    await _set_dns(caller, live.id, spec, cast("Vpc", live.spec))
    return await apply_tag_change(caller, replace(live, spec=spec), changes)


async def _set_dns(caller: Caller, vpc: str, wanted: Vpc, present: Vpc) -> None:
    """ModifyVpcAttribute takes one attribute at a time; host names need support."""
    settings: list[dict[str, Any]] = []
    if wanted.dns_support != present.dns_support:
        settings.append({"EnableDnsSupport": {"Value": wanted.dns_support}})
    if wanted.dns_hostnames != present.dns_hostnames:
        settings.append({"EnableDnsHostnames": {"Value": wanted.dns_hostnames}})
    for setting in settings:
        await once_visible(partial(caller, "ec2", "modify_vpc_attribute", VpcId=vpc, **setting))


async def delete_vpc(caller: Caller, live: Live) -> None:
    """Delete it; its main route table, default security group and network ACL go with it."""
    deletion = caller("ec2", "delete_vpc", VpcId=live.id)
    await naming_blockers(caller, "delete_vpc", f"VPC {live.id}", ("vpc-id", live.id), deletion)


# --- Subnets --------------------------------------------------------------------------------------


async def read_subnets(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """Subnets by filters."""
    found = await ec2.described(caller, "describe_subnets", "Subnets", wanted)
    return [
        ec2.live_of(
            caller,
            Subnet(vpc=subnet["VpcId"], cidr=subnet["CidrBlock"], zone=subnet["AvailabilityZone"]),
            subnet["SubnetId"],
            from_list(subnet.get("Tags")),
            {"state": subnet["State"], "zone_id": subnet.get("AvailabilityZoneId", "")},
        )
        for subnet in found
    ]


async def create_subnet(caller: Caller, resource: Resource) -> Live:
    """CreateSubnet. It takes no client token, but a VPC has room for one subnet of a CIDR block."""
    spec = cast("Subnet", resource.spec)
    vpc, put = ec2.known(spec.vpc), ec2.name_tagged(resource)
    try:
        answer = await once_visible(
            partial(
                caller,
                "ec2",
                "create_subnet",
                VpcId=vpc,
                CidrBlock=spec.cidr,
                AvailabilityZone=spec.zone,
                TagSpecifications=specifications("subnet", put),
            )
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        place = {"vpc-id": (vpc,), "cidr-block": (spec.cidr,)}
        return await ec2.adopt_in_place(
            caller, resource, partial(read_subnets, caller), place, "create_subnet", error
        )
    subnet = answer["Subnet"]
    attributes = {"state": subnet["State"], "zone_id": subnet.get("AvailabilityZoneId", "")}
    return ec2.created(resource, subnet["SubnetId"], attributes, put)


async def delete_subnet(caller: Caller, live: Live) -> None:
    """Delete it; the message of a refusal names the network interfaces that are still in it."""
    deletion = caller("ec2", "delete_subnet", SubnetId=live.id)
    await naming_blockers(caller, "delete_subnet", f"subnet {live.id}", ("subnet-id", live.id), deletion)
