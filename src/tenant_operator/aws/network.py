"""The network of an installation in one account and Region: read as a whole, written one resource at a time.

The resources themselves are in `vpcs`, `gateways`, `route_tables` and `security_groups`; VPC endpoints are in
`endpoints`, because they have a reading of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tenant_operator.aws import ec2, gateways, route_tables, security_groups, vpcs
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.existing_network import ExistingNetwork, availability_zones, describe_existing
from tenant_operator.desired.resources import (
    Address,
    ElasticIp,
    InternetGateway,
    Live,
    NatGateway,
    Resource,
    RouteTable,
    SecurityGroup,
    Spec,
    Subnet,
    Vpc,
)
from tenant_operator.plan.change import FieldChange

__all__ = [
    "CREATE", "DELETE", "UPDATE", "ExistingNetwork", "availability_zones", "describe_existing", "read_network",
]  # fmt: skip


async def read_network(caller: Caller, installation: str) -> dict[Address, Live]:
    """Everything of an installation's networks in the caller's account and Region.

    Costs seven reads (more only beyond 1,000 of a kind) and two for each VPC.

    Raises:
        AwsError: a reading failed.
    """
    ours = ec2.of_installation(installation)
    found = await asyncio.gather(
        vpcs.read_vpcs(caller, ours),
        vpcs.read_subnets(caller, ours),
        gateways.read_internet_gateways(caller, ours),
        gateways.read_addresses(caller, ours),
        gateways.read_nat_gateways(caller, ours),
        route_tables.read_route_tables(caller, ours),
        security_groups.read_security_groups(caller, ours),
    )
    return ec2.by_address(live for lives in found for live in lives)


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    Vpc: vpcs.create_vpc,
    Subnet: vpcs.create_subnet,
    InternetGateway: gateways.create_internet_gateway,
    ElasticIp: gateways.create_address,
    NatGateway: gateways.create_nat_gateway,
    RouteTable: route_tables.create_route_table,
    SecurityGroup: security_groups.create_security_group,
}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    Vpc: vpcs.update_vpc,
    Subnet: ec2.update_tags,
    InternetGateway: gateways.update_internet_gateway,
    ElasticIp: ec2.update_tags,
    NatGateway: ec2.update_tags,
    RouteTable: route_tables.update_route_table,
    SecurityGroup: security_groups.update_security_group,
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    Vpc: vpcs.delete_vpc,
    Subnet: vpcs.delete_subnet,
    InternetGateway: gateways.delete_internet_gateway,
    ElasticIp: gateways.delete_address,
    NatGateway: gateways.delete_nat_gateway,
    RouteTable: route_tables.delete_route_table,
    SecurityGroup: security_groups.delete_security_group,
}
