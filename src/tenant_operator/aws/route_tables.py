"""Route tables: their routes and the subnets that use them.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tenant_operator.aws import ec2
from tenant_operator.aws.blockers import naming_blockers
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.tagging import apply_tag_change, from_list, specifications
from tenant_operator.aws.visibility import creation_token, once_visible
from tenant_operator.desired.resources import Live, Resource, Route, RouteTable
from tenant_operator.plan.change import FieldChange

_TARGETS = (
    "NatGatewayId", "GatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId",
    "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip


async def read_route_tables(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """Route tables by filters. The live attribute `associations` tells the association's id by subnet."""
    found = await ec2.described(caller, "describe_route_tables", "RouteTables", wanted)
    return [_live(caller, table) for table in found]


def _live(caller: Caller, table: Mapping[str, Any]) -> Live:
    associations = {
        association["SubnetId"]: association["RouteTableAssociationId"]
        for association in table.get("Associations", ())
        if association.get("SubnetId")
        and association.get("AssociationState", {}).get("State", "associated")
        in ("associating", "associated")
    }
    spec = RouteTable(
        vpc=table["VpcId"],
        routes=tuple(route for found in table.get("Routes", ()) if (route := _route(found)) is not None),
        subnets=tuple(associations),
    )
    return ec2.live_of(
        caller, spec, table["RouteTableId"], from_list(table.get("Tags")), {"associations": associations}
    )


def _route(route: Mapping[str, Any]) -> Route | None:
    """A route that somebody made; None for AWS's own: local ones, gateway endpoints', propagated ones."""
    destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
    target = next((route[key] for key in _TARGETS if route.get(key)), None)
    if destination is None or target is None or target == "local":
        return None
    if route.get("Origin") == "EnableVgwRoutePropagation" or target.startswith("vpce-"):
        return None
    return Route(destination, target)


async def create_route_table(caller: Caller, resource: Resource) -> Live:
    """CreateRouteTable, then a call for each route and each subnet.

    A crash in between leaves differences of `routes` and `subnets`, which the next plan sees.
    """
    spec = cast("RouteTable", resource.spec)
    made = await ec2.already_made(resource, partial(read_route_tables, caller))
    if made is not None:
        return made
    put = ec2.name_tagged(resource)
    answer = await once_visible(
        partial(
            caller,
            "ec2",
            "create_route_table",
            VpcId=ec2.known(spec.vpc),
            ClientToken=creation_token(resource.address, str(spec.vpc)),
            TagSpecifications=specifications("route-table", put),
        )
    )
    table = answer["RouteTable"]["RouteTableId"]
    for route in spec.routes:
        await _put_route(caller, table, route, "create_route")
    associations = {}
    for subnet in spec.subnets:
        associations[ec2.known(subnet)] = await _associate(caller, table, ec2.known(subnet))
    return ec2.created(resource, table, {"associations": associations}, put)


async def update_route_table(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Change routes in place, take off the others, associate and disassociate subnets, change tags."""
    wanted, present = cast("RouteTable", resource.spec), cast("RouteTable", live.spec)
    before = {route.destination: route for route in present.routes}
    after = {route.destination: route for route in wanted.routes}
    for destination, route in after.items():
        if destination not in before:
            await _put_route(caller, live.id, route, "create_route")
        elif before[destination] != route:
            await _put_route(caller, live.id, route, "replace_route")
    for destination in sorted(set(before) - set(after)):
        await _delete_route(caller, live.id, destination)
    associations: dict[str, str] = dict(live.attributes.get("associations", {}))
    for subnet in sorted({ec2.known(subnet) for subnet in wanted.subnets} - set(associations)):
        associations[subnet] = await _associate(caller, live.id, subnet)
    for subnet in sorted(set(associations) - set(wanted.subnets)):
        await _disassociate(caller, (associations.pop(subnet),))
    attributes = {**live.attributes, "associations": associations}
    return await apply_tag_change(caller, replace(live, spec=wanted, attributes=attributes), changes)


async def delete_route_table(caller: Caller, live: Live) -> None:
    """Disassociate every subnet that uses it now, and delete it."""
    current = await read_route_tables(caller, {"route-table-id": (live.id,)})
    for table in current:
        await _disassociate(caller, table.attributes["associations"].values())
    vpc = ec2.known(cast("RouteTable", live.spec).vpc)
    deletion = caller("ec2", "delete_route_table", RouteTableId=live.id)
    await naming_blockers(caller, "delete_route_table", f"route table {live.id}", ("vpc-id", vpc), deletion)


async def _put_route(caller: Caller, table: str, route: Route, operation: str) -> None:
    target = ec2.known(route.target)
    key = "NatGatewayId" if target.startswith("nat-") else "GatewayId"
    await once_visible(
        partial(
            caller,
            "ec2",
            operation,
            RouteTableId=table,
            DestinationCidrBlock=route.destination,
            **{key: target},
        )
    )


async def _delete_route(caller: Caller, table: str, destination: str) -> None:
    key = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
    await ec2.unless_gone(caller("ec2", "delete_route", RouteTableId=table, **{key: destination}))


async def _associate(caller: Caller, table: str, subnet: str) -> str:
    """Have a subnet use a table, whichever it uses now; gives the association's id."""
    try:
        answer = await once_visible(
            partial(caller, "ec2", "associate_route_table", RouteTableId=table, SubnetId=subnet)
        )
        return str(answer["AssociationId"])
    except AwsError as error:
        if error.code != "Resource.AlreadyAssociated":
            raise
        for other in await read_route_tables(caller, {"association.subnet-id": (subnet,)}):
            association: str = other.attributes["associations"][subnet]
            if other.id == table:
                return association
            answer = await caller(
                "ec2", "replace_route_table_association", AssociationId=association, RouteTableId=table
            )
            return str(answer["NewAssociationId"])
        raise


async def _disassociate(caller: Caller, associations: Iterable[str]) -> None:
    for association in associations:
        await ec2.unless_gone(caller("ec2", "disassociate_route_table", AssociationId=association))
