"""Internet gateways, NAT gateways and their addresses.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast

from tenant_operator.aws import ec2
from tenant_operator.aws.blockers import naming_blockers
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, from_list, specifications
from tenant_operator.aws.visibility import creation_token, once_visible
from tenant_operator.desired.resources import ElasticIp, InternetGateway, Live, NatGateway, Resource
from tenant_operator.plan.change import FieldChange

# --- Internet gateways ----------------------------------------------------------------------------


async def read_internet_gateways(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """Internet gateways by filters; one that is attached to nothing has the VPC ""."""
    found = await ec2.described(caller, "describe_internet_gateways", "InternetGateways", wanted)
    return [
        ec2.live_of(
            caller,
            InternetGateway(vpc=_attached_to(gateway)),
            gateway["InternetGatewayId"],
            from_list(gateway.get("Tags")),
        )
        for gateway in found
    ]


def _attached_to(gateway: dict[str, Any]) -> str:
    for attachment in gateway.get("Attachments", ()):
        if attachment.get("State") not in ("detaching", "detached"):
            return str(attachment["VpcId"])
    return ""


async def create_internet_gateway(caller: Caller, resource: Resource) -> Live:
    """Make and attach it. Creation takes no client token: what an earlier call has made is looked for first.

    A crash in between leaves one that is attached to nothing, which the next plan sees as a difference of `vpc`.
    """
    vpc = ec2.known(cast("InternetGateway", resource.spec).vpc)
    made = await ec2.already_made(resource, partial(read_internet_gateways, caller))
    if made is not None:
        return made
    put = ec2.name_tagged(resource)
    answer = await caller(
        "ec2", "create_internet_gateway", TagSpecifications=specifications("internet-gateway", put)
    )
    gateway = answer["InternetGateway"]["InternetGatewayId"]
    await once_visible(
        partial(caller, "ec2", "attach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)
    )
    return ec2.created(resource, gateway, put=put)


async def update_internet_gateway(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Attach it to its VPC, and change tags."""
    wanted, present = cast("InternetGateway", resource.spec), cast("InternetGateway", live.spec)
    if wanted.vpc != present.vpc:
        await _detach(caller, live)
        await caller("ec2", "attach_internet_gateway", InternetGatewayId=live.id, VpcId=ec2.known(wanted.vpc))
    return await apply_tag_change(caller, replace(live, spec=wanted), changes)


async def delete_internet_gateway(caller: Caller, live: Live) -> None:
    """Detach and delete it; it cannot be detached while anything in the VPC has a public address."""
    vpc = ec2.known(cast("InternetGateway", live.spec).vpc)
    what = f"Internet gateway {live.id}"
    if vpc:
        detach = _detach(caller, live)
        await naming_blockers(caller, "detach_internet_gateway", what, ("vpc-id", vpc), detach)
    await ec2.unless_gone(caller("ec2", "delete_internet_gateway", InternetGatewayId=live.id))


async def _detach(caller: Caller, live: Live) -> None:
    vpc = ec2.known(cast("InternetGateway", live.spec).vpc)
    if vpc:
        await ec2.unless_gone(caller("ec2", "detach_internet_gateway", InternetGatewayId=live.id, VpcId=vpc))


# --- Addresses ------------------------------------------------------------------------------------


async def read_addresses(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """Elastic IP addresses by filters. The live attribute `public_ip` is what a firewall elsewhere must let in."""
    answer = await caller("ec2", "describe_addresses", Filters=ec2.filters(wanted))
    return [
        ec2.live_of(
            caller,
            ElasticIp(),
            address["AllocationId"],
            from_list(address.get("Tags")),
            {"public_ip": address["PublicIp"], "interface": address.get("NetworkInterfaceId", "")},
        )
        for address in answer["Addresses"]
    ]


async def create_address(caller: Caller, resource: Resource) -> Live:
    """Allocate one. Allocation takes no client token: what an earlier call has made is looked for first."""
    made = await ec2.already_made(resource, partial(read_addresses, caller))
    if made is not None:
        return made
    put = ec2.name_tagged(resource)
    answer = await caller(
        "ec2", "allocate_address", Domain="vpc", TagSpecifications=specifications("elastic-ip", put)
    )
    attributes = {"public_ip": answer["PublicIp"], "interface": ""}
    return ec2.created(resource, answer["AllocationId"], attributes, put)


async def delete_address(caller: Caller, live: Live) -> None:
    """Release it. While a NAT gateway still holds it, EC2 calls that a failed authentication."""
    try:
        await ec2.unless_gone(caller("ec2", "release_address", AllocationId=live.id))
    except AwsError as error:
        if error.code not in ("AuthFailure", "InvalidIPAddress.InUse"):
            raise
        held = await caller("ec2", "describe_addresses", AllocationIds=[live.id])
        if not any(address.get("AssociationId") for address in held["Addresses"]):
            raise
        message = f"address {live.id} is still held by its NAT gateway; it is released once that is gone"
        raise caller.error(
            "ec2", "release_address", "InvalidIPAddress.InUse", message, Category.IN_USE
        ) from error


# --- NAT gateways ---------------------------------------------------------------------------------

NAT_STATES = ("pending", "available", "failed", "deleting")
"""Those in which it exists; a deleted one is shown for an hour more."""


async def read_nat_gateways(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """NAT gateways by filters, the failed ones and those that are going too."""
    return await _nat_gateways(caller, {**wanted, "state": NAT_STATES})


async def _nat_gateways(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    found = await ec2.described(caller, "describe_nat_gateways", "NatGateways", wanted, parameter="Filter")
    return [
        ec2.live_of(
            caller,
            NatGateway(subnet=gateway["SubnetId"], allocation=_allocation(gateway)),
            gateway["NatGatewayId"],
            from_list(gateway.get("Tags")),
            {"state": gateway["State"], "failure": gateway.get("FailureMessage", "")},
        )
        for gateway in found
    ]


def _allocation(gateway: dict[str, Any]) -> str:
    addresses = gateway.get("NatGatewayAddresses", ())
    return next((address["AllocationId"] for address in addresses if address.get("AllocationId")), "")


async def create_nat_gateway(caller: Caller, resource: Resource) -> Live:
    """CreateNatGateway; it is usable some minutes later, once its `state` is available."""
    spec = cast("NatGateway", resource.spec)
    before = await ec2.with_identity(resource, partial(_nat_gateways, caller))
    present = [live for live in before if live.attributes["state"] in ("pending", "available")]
    if present:
        return ec2.by_address(present)[resource.address]
    put = ec2.name_tagged(resource)
    answer = await once_visible(
        partial(
            caller,
            "ec2",
            "create_nat_gateway",
            SubnetId=ec2.known(spec.subnet),
            AllocationId=ec2.known(spec.allocation),
            ClientToken=creation_token(
                resource.address, str(spec.subnet), str(spec.allocation), *sorted(live.id for live in before)
            ),
            TagSpecifications=specifications("natgateway", put),
        )
    )
    gateway = answer["NatGateway"]
    return ec2.created(resource, gateway["NatGatewayId"], {"state": gateway["State"], "failure": ""}, put)


async def delete_nat_gateway(caller: Caller, live: Live) -> None:
    """Delete it; it is `deleting` for some minutes, and holds its address meanwhile."""
    if live.attributes.get("state") != "deleting":
        await ec2.unless_gone(caller("ec2", "delete_nat_gateway", NatGatewayId=live.id))
