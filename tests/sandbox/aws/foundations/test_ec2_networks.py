"""What EC2 refuses about networks: quotas, things in use, dry runs, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import REGION, Account, eventually, refused


def grant(account: Account, code: str, value: int) -> None:
    account.control.request(
        "POST", "quotas", {"account": account.id, "region": REGION, "code": code, "value": value}
    )


def in_internet(account: Account) -> tuple[Any, str, list[str], str]:
    """A VPC with two subnets and an internet gateway."""
    ec2, vpc = account.client("ec2"), account.vpc()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return ec2, vpc, [account.subnet(vpc, 0, "a"), account.subnet(vpc, 1, "b")], gateway


def test_the_sixth_vpc_of_a_region_is_refused(account: Account) -> None:
    ec2 = account.client("ec2")
    for _ in range(5 - len(ec2.describe_vpcs()["Vpcs"])):
        account.vpc()
    with refused("VpcLimitExceeded", "The maximum number of VPCs has been reached."):
        account.vpc()
    grant(account, "L-F678F1CE", 6)
    account.vpc()


def test_elastic_addresses_are_limited(account: Account) -> None:
    grant(account, "L-0263D0A3", 1)
    ec2 = account.client("ec2")
    ec2.allocate_address(Domain="vpc")
    with refused("AddressLimitExceeded"):
        ec2.allocate_address(Domain="vpc")


def test_a_dry_run_makes_nothing(account: Account) -> None:
    ec2 = account.client("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])
    with refused("DryRunOperation", "Request would have succeeded"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_a_load_balancers_subnets_and_groups_are_in_use_until_its_interfaces_are_gone(
    account: Account, slow: Callable[..., None]
) -> None:
    slow(interface_lingering=0.3)
    ec2, vpc, subnets, gateway = in_internet(account)
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    elbv2 = account.client("elbv2")
    made = elbv2.create_load_balancer(Name="lb", Subnets=subnets, SecurityGroups=[group])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    for _ in range(2):
        with refused("DependencyViolation"):
            ec2.delete_subnet(SubnetId=subnets[0])
        with refused("DependencyViolation"):
            ec2.delete_security_group(GroupId=group)
        if elbv2.describe_load_balancers()["LoadBalancers"]:
            with refused("DependencyViolation", "has some mapped public address(es)"):
                ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
            elbv2.delete_load_balancer(LoadBalancerArn=arn)
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    eventually(lambda: not ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"])
    ec2.delete_subnet(SubnetId=subnets[0])
    ec2.delete_security_group(GroupId=group)


def test_a_group_that_another_groups_rule_names_is_in_use(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    one, two = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        for name in ("one", "two")
    )
    rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": one}]}]
    ec2.authorize_security_group_ingress(GroupId=two, IpPermissions=rule)
    with refused("DependencyViolation", f"resource {one} has a dependent object"):
        ec2.delete_security_group(GroupId=one)
    ec2.revoke_security_group_ingress(GroupId=two, IpPermissions=rule)
    ec2.delete_security_group(GroupId=one)


def test_the_default_group_cannot_be_deleted(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    (default,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupId=default["GroupId"])


def test_a_duplicate_rule_is_refused_and_nothing_of_the_call_is_done(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]

    def rule(port: int) -> dict[str, Any]:
        return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(80)])
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule(81), rule(80)])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(80), rule(82)])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert [permission["FromPort"] for permission in found["IpPermissions"]] == [80]


def test_the_rules_of_a_group_are_limited_for_each_direction(account: Account) -> None:
    grant(account, "L-0EA8095F", 2)
    ec2, vpc = account.client("ec2"), account.vpc()
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]

    def allow(number: int) -> None:
        rule = {
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 80,
            "IpRanges": [{"CidrIp": f"10.{number}.0.0/16"}],
        }
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    allow(0)
    allow(1)
    with refused("RulesPerSecurityGroupLimitExceeded"):
        allow(2)


@pytest.mark.parametrize("what", ["subnet", "security group", "internet gateway", "endpoint"])
def test_a_vpc_with_something_in_it_cannot_be_deleted(account: Account, what: str) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    match what:
        case "subnet":
            account.subnet(vpc)
        case "security group":
            ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)
        case "internet gateway":
            gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        case _:
            ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3")
    with refused("DependencyViolation", f"The vpc '{vpc}' has dependencies and cannot be deleted."):
        ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_is_unknown_right_after_its_deletion(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    ec2.delete_vpc(VpcId=vpc)
    with refused("InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=[vpc])
    with refused("InvalidVpcID.NotFound"):
        ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_has_one_internet_gateway(account: Account) -> None:
    ec2, vpc, _, _ = in_internet(account)
    second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    with refused("InvalidParameterValue", "already has an internet gateway attached"):
        ec2.attach_internet_gateway(InternetGatewayId=second, VpcId=vpc)


def test_a_nat_gateway_holds_its_address_until_it_is_deleted(account: Account) -> None:
    ec2, vpc, subnets, internet_gateway = in_internet(account)
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=allocation)["NatGateway"]
    nat_id = made["NatGatewayId"]
    assert made["State"] == "pending"

    def state() -> str:
        found: str = ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]["State"]
        return found

    eventually(lambda: state() == "available")
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=allocation)
    with refused("DependencyViolation", "mapped public address"):
        ec2.detach_internet_gateway(InternetGatewayId=internet_gateway, VpcId=vpc)
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnets[0])
    with refused("Resource.AlreadyAssociated"):
        ec2.create_nat_gateway(SubnetId=subnets[1], AllocationId=allocation)
    ec2.delete_nat_gateway(NatGatewayId=nat_id)
    assert state() == "deleting"
    eventually(lambda: state() == "deleted")
    ec2.release_address(AllocationId=allocation)
    ec2.detach_internet_gateway(InternetGatewayId=internet_gateway, VpcId=vpc)
    ec2.delete_subnet(SubnetId=subnets[0])


def test_a_client_token_makes_one_nat_gateway_only(account: Account) -> None:
    ec2, _, subnets, _ = in_internet(account)
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    wanted = {"SubnetId": subnets[0], "AllocationId": allocation, "ClientToken": "t"}
    first, again = (ec2.create_nat_gateway(**wanted)["NatGateway"]["NatGatewayId"] for _ in range(2))
    assert first == again
    with refused("IdempotentParameterMismatch"):
        ec2.create_nat_gateway(**{**wanted, "SubnetId": subnets[1]})


def test_describing_in_pages_gives_everything_once(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    made = {account.subnet(vpc, number) for number in range(12)}
    pages = ec2.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}], PaginationConfig={"PageSize": 5}
    )
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["Subnets"]))
        found += [subnet["SubnetId"] for subnet in page["Subnets"]]
    assert sizes == [5, 5, 2]
    assert sorted(found) == sorted(made)


def test_a_page_has_at_least_5_and_at_most_1000_entries(account: Account) -> None:
    ec2 = account.client("ec2")
    for size in (4, 1001):
        with refused("InvalidParameterValue", "maxResults"):
            ec2.describe_vpc_endpoints(MaxResults=size)


def test_free_addresses_count_the_interfaces_of_services(account: Account) -> None:
    ec2, vpc = account.client("ec2"), account.vpc()
    subnet = account.subnet(vpc)

    def free() -> int:
        count: int = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]
        return count

    assert free() == 251
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.logs",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        PrivateDnsEnabled=False,
    )
    assert free() == 250


def test_zones_have_ids(account: Account) -> None:
    zones = account.client("ec2").describe_availability_zones()["AvailabilityZones"]
    assert all(zone["ZoneId"].startswith("use1-az") and zone["State"] == "available" for zone in zones)


def test_two_interfaces_of_one_account_are_not_seen_by_another(new_account: Callable[[], Account]) -> None:
    one, other = new_account(), new_account()
    vpc = one.vpc()
    subnet = one.subnet(vpc)
    one.client("ec2").create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.logs",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        PrivateDnsEnabled=False,
    )
    assert other.client("ec2").describe_network_interfaces()["NetworkInterfaces"] == []
    assert other.client("ec2").describe_vpc_endpoints()["VpcEndpoints"] == []
