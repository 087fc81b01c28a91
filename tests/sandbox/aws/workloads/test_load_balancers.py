"""Load balancers: what CreateLoadBalancer refuses, how they come up, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sandbox.aws.foundations.conftest import Account, eventually, refused
from tests.sandbox.aws.workloads.conftest import LoadBalancing


def describe(balancing: LoadBalancing, arn: str) -> dict[str, object]:
    [found] = balancing.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    shown: dict[str, object] = found
    return shown


def test_a_load_balancer_is_provisioning_then_active(
    balancing: LoadBalancing, slow: Callable[..., None]
) -> None:
    slow(load_balancer_provisioning=1.0)
    arn = balancing.new_load_balancer()
    assert describe(balancing, arn)["State"] == {"Code": "provisioning"}
    eventually(lambda: describe(balancing, arn)["State"] == {"Code": "active"})


def test_its_hosted_zone_is_the_regions(balancing: LoadBalancing) -> None:
    assert describe(balancing, balancing.load_balancer)["CanonicalHostedZoneId"] == "Z35SXDOTRQ7X7K"


def test_an_internal_one_has_an_internal_name(balancing: LoadBalancing) -> None:
    assert str(describe(balancing, balancing.load_balancer)["DNSName"]).startswith("internal-lb-")


def test_creating_it_again_with_the_same_settings_gives_the_same_one(balancing: LoadBalancing) -> None:
    assert balancing.new_load_balancer(Name="one") == balancing.new_load_balancer(Name="one")


def test_creating_it_again_with_other_settings_is_refused(balancing: LoadBalancing) -> None:
    balancing.new_load_balancer(Name="one")
    group = balancing.account.client("ec2").create_security_group(
        GroupName="other", Description="other", VpcId=balancing.vpc
    )
    with refused("DuplicateLoadBalancerName", "different settings"):
        balancing.new_load_balancer(Name="one", SecurityGroups=[group["GroupId"]])


@pytest.mark.parametrize("name", ["-a", "a-", "internal-a", "a_b", "a" * 33])
def test_bad_names_are_refused(balancing: LoadBalancing, name: str) -> None:
    with refused("ValidationError", "load balancer name"):
        balancing.new_load_balancer(Name=name)


def test_one_subnet_is_not_enough(balancing: LoadBalancing) -> None:
    with refused("ValidationError", "two different Availability Zones"):
        balancing.new_load_balancer(Subnets=balancing.subnets[:1])


def test_two_subnets_of_one_zone_are_refused(balancing: LoadBalancing) -> None:
    third = balancing.account.subnet(balancing.vpc, 2, "a")
    with refused("InvalidConfigurationRequest", "same Availability Zone"):
        balancing.new_load_balancer(Subnets=[*balancing.subnets, third])


def test_an_unknown_subnet_is_refused(balancing: LoadBalancing) -> None:
    with refused("SubnetNotFound"):
        balancing.new_load_balancer(Subnets=[balancing.subnets[0], "subnet-0123456789abcdef0"])


def test_a_security_group_of_another_vpc_is_refused(balancing: LoadBalancing) -> None:
    other = balancing.account.vpc("10.9.0.0/16")
    group = balancing.account.client("ec2").create_security_group(
        GroupName="other", Description="other", VpcId=other
    )
    with refused("InvalidSecurityGroup"):
        balancing.new_load_balancer(SecurityGroups=[group["GroupId"]])


def test_an_internet_facing_one_needs_an_internet_gateway(balancing: LoadBalancing) -> None:
    with refused("InvalidSubnet", "no internet gateway"):
        balancing.new_load_balancer(Scheme="internet-facing")


def test_deletion_protection_holds(balancing: LoadBalancing) -> None:
    arn = balancing.load_balancer

    def protect(value: str) -> None:
        attribute = {"Key": "deletion_protection.enabled", "Value": value}
        balancing.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[attribute])

    protect("true")
    with refused("OperationNotPermitted", "deletion protection"):
        balancing.elb.delete_load_balancer(LoadBalancerArn=arn)
    protect("false")
    balancing.elb.delete_load_balancer(LoadBalancerArn=arn)
    with refused("LoadBalancerNotFound"):
        balancing.elb.describe_load_balancers(LoadBalancerArns=[arn])


def test_deleting_it_twice_is_no_error(balancing: LoadBalancing) -> None:
    for _ in range(2):
        balancing.elb.delete_load_balancer(LoadBalancerArn=balancing.load_balancer)


def test_an_unknown_attribute_is_refused(balancing: LoadBalancing) -> None:
    attribute = {"Key": "idle_timeout", "Value": "60"}
    with refused("InvalidConfigurationRequest", "not recognized"):
        balancing.elb.modify_load_balancer_attributes(
            LoadBalancerArn=balancing.load_balancer, Attributes=[attribute]
        )


def test_an_attribute_out_of_range_is_refused(balancing: LoadBalancing) -> None:
    attribute = {"Key": "client_keep_alive.seconds", "Value": "59"}
    with refused("InvalidConfigurationRequest", "between 60 and 604800"):
        balancing.elb.modify_load_balancer_attributes(
            LoadBalancerArn=balancing.load_balancer, Attributes=[attribute]
        )


def test_its_network_interfaces_hold_the_subnets_for_a_while_after_it_is_gone(
    balancing: LoadBalancing, slow: Callable[..., None]
) -> None:
    slow(interface_lingering=1.0)
    ec2 = balancing.account.client("ec2")
    balancing.elb.delete_load_balancer(LoadBalancerArn=balancing.load_balancer)
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=balancing.subnets[0])
    mine = [{"Name": "subnet-id", "Values": [balancing.subnets[0]]}]
    eventually(lambda: not ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"])
    ec2.delete_subnet(SubnetId=balancing.subnets[0])


def test_pages_are_as_long_as_asked_for(balancing: LoadBalancing) -> None:
    arns = [balancing.new_load_balancer() for _ in range(3)]
    pages = balancing.elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2})
    found = [[balancer["LoadBalancerArn"] for balancer in page["LoadBalancers"]] for page in pages]
    assert found == [arns[:2], arns[2:]]


def test_another_account_sees_nothing(balancing: LoadBalancing, new_account: Callable[[], Account]) -> None:
    arn = balancing.load_balancer
    assert new_account().client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert balancing.elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
