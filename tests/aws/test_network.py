"""Networks, made and mended over HTTP."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from tenant_operator.aws import network as aws_network
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.network import availability_zones, describe_existing, read_network
from tenant_operator.desired.network import NetworkDesign, network, security_groups
from tenant_operator.desired.resources import (
    Address,
    ElasticIp,
    Ingress,
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
from tests.aws.conftest import INSTALLATION, Cell
from tests.aws.converging import converge, infra_group_ownership, left_to_do, refuse_once, with_ids


def resources(
    cell: Cell,
    *,
    egress: str = "NatPerZone",
    ports: tuple[int, ...] = (8080,),
    installation: str = INSTALLATION,
) -> list[Resource]:
    """The network of an infra group in two zones, with its security groups."""
    design = NetworkDesign(
        account=cell.caller.account,
        region=cell.caller.region,
        cidr="10.20.0.0/16",
        zones=("us-east-1a", "us-east-1b"),
        egress=egress,
        public=False,
        ownership=infra_group_ownership(installation),
        user_tags={"team": "platform"},
    )
    groups = security_groups(
        design.ownership,
        design.user_tags,
        account=design.account,
        region=design.region,
        vpc=design.vpc,
        listener_ports=(80, 443),
        ingress_cidrs=("10.20.0.0/16", "10.99.0.0/16"),
        task_ports=ports,
        endpoint_ports=(443,),
    )
    return [*network(design), *groups]


def one(world: Mapping[Address, Live], kind: type[Spec], component: str) -> Live:
    return next(
        live
        for live in world.values()
        if isinstance(live.spec, kind) and live.address.name == f"blue/{component}"
    )


def same(world: Mapping[Address, Live]) -> dict[Address, tuple[str, Spec]]:
    return {address: (live.id, live.spec) for address, live in world.items()}


async def test_a_network_that_was_made_reads_back_as_declared(cell: Cell) -> None:
    desired = resources(cell)
    made = await converge(cell.caller, desired, {})
    found = await read_network(cell.caller, INSTALLATION)
    assert not left_to_do(desired, found)
    assert same(made) == same(found)


MADE_BY: Mapping[str, type[Spec]] = {
    "CreateVpc": Vpc,
    "CreateSubnet": Subnet,
    "CreateInternetGateway": InternetGateway,
    "AllocateAddress": ElasticIp,
    "CreateNatGateway": NatGateway,
    "CreateRouteTable": RouteTable,
    "CreateSecurityGroup": SecurityGroup,
}


@pytest.mark.parametrize("action", MADE_BY)
async def test_a_creation_whose_answer_was_lost_is_found_again_and_not_repeated(
    cell: Cell, action: str
) -> None:
    desired = resources(cell, egress="NatSingle")
    cell.lose_answer(action)
    with pytest.raises(AwsError) as lost:
        await converge(cell.caller, desired, {})
    assert lost.value.category is Category.OUTAGE
    world = await read_network(cell.caller, INSTALLATION)
    forgotten = {
        address: live for address, live in world.items() if not isinstance(live.spec, MADE_BY[action])
    }
    await converge(cell.caller, desired, forgotten)
    found = await read_network(cell.caller, INSTALLATION)
    mended = await converge(cell.caller, desired, found)
    assert set(mended) == set(found) == {resource.address for resource in desired}
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))


async def test_egress_is_added_and_taken_away_in_place(cell: Cell) -> None:
    closed, opened = resources(cell, egress="None"), resources(cell, egress="NatSingle")
    world = await converge(cell.caller, closed, {})
    assert one(world, RouteTable, "routes-tasks-us-east-1a").spec.routes == ()  # type: ignore[attr-defined]  # a RouteTable
    world = await converge(cell.caller, opened, await read_network(cell.caller, INSTALLATION))
    nat = one(world, NatGateway, "nat-us-east-1a")
    found = await read_network(cell.caller, INSTALLATION)
    assert not left_to_do(opened, found)
    for zone in ("us-east-1a", "us-east-1b"):
        (route,) = one(found, RouteTable, f"routes-tasks-{zone}").spec.routes  # type: ignore[attr-defined]  # a RouteTable
        assert (route.destination, route.target) == ("0.0.0.0/0", nat.id)
    gone = [
        live for address, live in found.items() if address not in {resource.address for resource in closed}
    ]
    await converge(cell.caller, closed, found, gone)
    assert not left_to_do(closed, await read_network(cell.caller, INSTALLATION))


async def test_what_a_person_changed_by_hand_is_set_right_in_one_pass(cell: Cell) -> None:
    desired = resources(cell, egress="NatSingle")
    world = await converge(cell.caller, desired, {})
    ec2 = cell.client("ec2")
    vpc = one(world, Vpc, "vpc").id
    table = one(world, RouteTable, "routes-tasks-us-east-1a")
    group = one(world, SecurityGroup, "sg-alb").id
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    ec2.delete_route(RouteTableId=table.id, DestinationCidrBlock="0.0.0.0/0")
    ec2.disassociate_route_table(AssociationId=next(iter(table.attributes["associations"].values())))
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    ec2.revoke_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.20.0.0/16"
    )
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "team"}])
    found = await read_network(cell.caller, INSTALLATION)
    fields = {
        (action.address.type, change.field)
        for action in left_to_do(desired, found).actions
        for change in action.changes
    }
    assert fields == {
        ("Vpc", "dns_hostnames"), ("Vpc", "tags"), ("RouteTable", "routes"), ("RouteTable", "subnets"),
        ("SecurityGroup", "ingress"),
    }  # fmt: skip
    await converge(cell.caller, desired, found)
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))


async def test_an_internet_gateway_detached_by_hand_is_attached_again(cell: Cell) -> None:
    desired = [resource for resource in resources(cell) if isinstance(resource.spec, (Vpc, InternetGateway))]
    world = await converge(cell.caller, desired, {})
    gateway = one(world, InternetGateway, "internet-gateway")
    cell.client("ec2").detach_internet_gateway(VpcId=one(world, Vpc, "vpc").id, InternetGatewayId=gateway.id)
    found = await read_network(cell.caller, INSTALLATION)
    (action,) = left_to_do(desired, found).actions
    assert [change.field for change in action.changes] == ["vpc"]
    await converge(cell.caller, desired, found)
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))


async def test_a_subnet_moved_to_another_route_table_by_hand_comes_back(cell: Cell) -> None:
    desired = resources(cell, egress="None")
    world = await converge(cell.caller, desired, {})
    table = one(world, RouteTable, "routes-tasks-us-east-1a")
    ec2 = cell.client("ec2")
    other = ec2.create_route_table(VpcId=one(world, Vpc, "vpc").id)["RouteTable"]["RouteTableId"]
    (association,) = table.attributes["associations"].values()
    refuse_once(
        cell,
        "AssociateRouteTable",
        "Resource.AlreadyAssociated",
        "the subnet is associated with a route table",
    )
    ec2.replace_route_table_association(AssociationId=association, RouteTableId=other)
    await converge(cell.caller, desired, await read_network(cell.caller, INSTALLATION))
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))


async def test_another_task_port_costs_one_call_to_open_and_one_to_close(cell: Cell) -> None:
    world = await converge(cell.caller, resources(cell, egress="None"), {})
    cell.new_calls()
    desired = resources(cell, egress="None", ports=(9090,))
    await converge(cell.caller, desired, world)
    assert cell.new_calls() == ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))


async def test_rules_that_are_already_as_wanted_do_not_stop_the_others(cell: Cell) -> None:
    world = await converge(cell.caller, resources(cell, egress="None"), {})
    group = one(world, SecurityGroup, "sg-tasks")
    source = one(world, SecurityGroup, "sg-alb").id
    cell.client("ec2").authorize_security_group_ingress(
        GroupId=group.id,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 9090, "ToPort": 9090, "UserIdGroupPairs": [{"GroupId": source}]}
        ],
    )
    desired = resources(cell, egress="None", ports=(9090, 9091))
    await converge(cell.caller, desired, world)
    found = await read_network(cell.caller, INSTALLATION)
    assert one(found, SecurityGroup, "sg-tasks").spec.ingress == (  # type: ignore[attr-defined]  # a SecurityGroup
        Ingress("tcp", 9090, 9090, source), Ingress("tcp", 9091, 9091, source),
    )  # fmt: skip


async def test_deleting_a_network_leaves_nothing_and_twice_is_no_harm(cell: Cell) -> None:
    world = await converge(cell.caller, resources(cell, egress="NatSingle"), {})
    await converge(cell.caller, [], world, list(world.values()))
    assert await read_network(cell.caller, INSTALLATION) == {}
    await converge(cell.caller, [], world, list(world.values()))


async def test_what_blocks_a_deletion_is_named(cell: Cell) -> None:
    world = await converge(cell.caller, resources(cell, egress="None"), {})
    group, subnet = (
        one(world, SecurityGroup, "sg-endpoints"),
        one(world, Subnet, "subnet-endpoints-us-east-1a"),
    )
    interface = cell.client("ec2").create_network_interface(
        SubnetId=subnet.id, Groups=[group.id], Description="a database somebody put here"
    )["NetworkInterface"]["NetworkInterfaceId"]
    for live, action in ((group, "DeleteSecurityGroup"), (subnet, "DeleteSubnet")):
        refuse_once(cell, action, "DependencyViolation", f"resource {live.id} has a dependent object")
        with pytest.raises(AwsError) as refused:
            await aws_network.DELETE[type(live.spec)](cell.caller, live)
        assert refused.value.category is Category.IN_USE
        assert (
            f"{live.id} is still used by {interface} (a database somebody put here); delete it"
            in refused.value.advice
        )
    refuse_once(cell, "DeleteSecurityGroup", "DependencyViolation", "resource has a dependent object")
    alb = one(world, SecurityGroup, "sg-alb")
    with pytest.raises(
        AwsError, match=f"{alb.id} is still used by a rule of {one(world, SecurityGroup, 'sg-tasks').id}"
    ):
        await aws_network.DELETE[SecurityGroup](cell.caller, alb)


async def test_two_installations_in_one_account_do_not_see_each_other(cell: Cell) -> None:
    mine, theirs = resources(cell, egress="None"), resources(cell, egress="None", installation="other")
    await converge(cell.caller, theirs, {})
    assert await read_network(cell.caller, INSTALLATION) == {}
    made = await converge(cell.caller, mine, {})
    others = await read_network(cell.caller, "other")
    assert not {live.id for live in made.values()} & {live.id for live in others.values()}


async def test_a_security_group_of_somebody_elses_with_the_same_name_is_refused_and_untouched(
    cell: Cell,
) -> None:
    desired = resources(cell, egress="None")
    vpc_only = [resource for resource in desired if isinstance(resource.spec, Vpc)]
    world = await converge(cell.caller, vpc_only, {})
    group = next(resource for resource in desired if resource.address.name == "blue/sg-alb")
    assert isinstance(group.spec, SecurityGroup)
    theirs = cell.client("ec2").create_security_group(
        VpcId=one(world, Vpc, "vpc").id, GroupName=group.spec.group_name, Description="theirs"
    )["GroupId"]
    with pytest.raises(AwsError) as refused:
        await aws_network.CREATE[SecurityGroup](cell.caller, with_ids(group, world))
    assert (refused.value.category, refused.value.code) == (Category.EXISTS, "ForeignOwner")
    assert theirs in refused.value.advice
    assert "remove or rename it" in refused.value.advice


async def test_a_duplicate_is_seen_and_does_not_take_the_place_of_the_first(cell: Cell) -> None:
    desired = [resource for resource in resources(cell) if isinstance(resource.spec, ElasticIp)]
    world = await converge(cell.caller, desired, {})
    first = desired[0]
    tags = [{"Key": key, "Value": value} for key, value in first.tags.items()]
    twin = cell.client("ec2").allocate_address(
        Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}]
    )["AllocationId"]
    found = await read_network(cell.caller, INSTALLATION)
    assert {live.id for live in found.values()} == {live.id for live in world.values()} | {twin}
    assert not left_to_do(desired, found)
    assert sum(address.name.startswith(f"{first.address.name}#") for address in found) == 1


async def test_edited_tags_follow_and_a_persons_own_tags_and_names_stay(cell: Cell) -> None:
    desired = [resource for resource in resources(cell) if isinstance(resource.spec, Vpc)]
    world = await converge(cell.caller, desired, {})
    vpc = next(iter(world.values()))
    cell.client("ec2").create_tags(
        Resources=[vpc.id], Tags=[{"Key": "Name", "Value": "ours"}, {"Key": "who", "Value": "me"}]
    )
    edited = [
        dataclasses.replace(resource, tags=infra_group_ownership().tags("vpc", {"cost": "1"}))
        for resource in desired
    ]
    await converge(cell.caller, edited, await read_network(cell.caller, INSTALLATION))
    (found,) = (await read_network(cell.caller, INSTALLATION)).values()
    assert (found.tags["Name"], found.tags["who"], found.tags["cost"], "team" in found.tags) == (
        "ours",
        "me",
        "1",
        False,
    )
    assert not left_to_do(edited, {found.address: found})


async def test_an_existing_network_is_described_as_far_as_a_spec_can_be_wrong_about_it(cell: Cell) -> None:
    found = await describe_existing(
        cell.caller, cell.vpc, cell.subnets, cell.security_groups, workload_subnet_ids=cell.subnets[:1]
    )
    assert found.vpc_cidrs == ("10.0.0.0/16",)
    assert (found.dns_support, found.dns_hostnames) == (True, False)
    assert found.subnets[cell.subnets[1]] == ("us-east-1b", cell.vpc)
    assert found.subnet_cidrs[cell.subnets[2]] == "10.0.2.0/24"
    assert found.groups == dict.fromkeys(cell.security_groups, cell.vpc)
    tables = cell.client("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [cell.vpc]}])[
        "RouteTables"
    ]
    assert found.workload_route_tables == tuple(table["RouteTableId"] for table in tables)


async def test_an_existing_subnet_that_does_not_exist_is_named(cell: Cell) -> None:
    with pytest.raises(AwsError) as missing:
        await describe_existing(cell.caller, cell.vpc, ["subnet-0123456789abcdef0"])
    assert missing.value.category is Category.NOT_FOUND
    assert "subnet-0123456789abcdef0" in missing.value.advice


async def test_zone_ids_are_translated_into_this_accounts_names(cell: Cell) -> None:
    zones = await availability_zones(cell.caller)
    assert "us-east-1a" in zones.values()
    assert all(zone_id.startswith("use1-az") for zone_id in zones)


async def test_a_vpc_that_aws_does_not_show_everywhere_yet_is_waited_for(cell: Cell) -> None:
    refuse_once(cell, "ModifyVpcAttribute", "InvalidVpcID.NotFound", "The vpc ID does not exist")
    refuse_once(cell, "CreateSubnet", "InvalidVpcID.NotFound", "The vpc ID does not exist")
    desired = [resource for resource in resources(cell) if isinstance(resource.spec, (Vpc, Subnet))]
    await converge(cell.caller, desired, {})
    assert not left_to_do(desired, await read_network(cell.caller, INSTALLATION))
