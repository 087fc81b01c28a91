"""VPC endpoints, as a consumer makes them and a provider accepts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import REGION, Account, eventually, refused

LOGS = f"com.amazonaws.{REGION}.logs"
S3 = f"com.amazonaws.{REGION}.s3"


class Network:
    """A VPC with two subnets in one account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.ec2 = account.client("ec2")
        self.vpc = account.vpc(EnableDnsSupport=True, EnableDnsHostnames=True)
        self.subnets = [account.subnet(self.vpc, 0, "a"), account.subnet(self.vpc, 1, "b")]

    def endpoint(self, service: str = LOGS, **members: Any) -> dict[str, Any]:
        parameters = {"VpcId": self.vpc, "ServiceName": service, "VpcEndpointType": "Interface", **members}
        if parameters["VpcEndpointType"] == "Interface":
            parameters.setdefault("SubnetIds", self.subnets)
        made: dict[str, Any] = self.ec2.create_vpc_endpoint(**parameters)["VpcEndpoint"]
        return made

    def state(self, endpoint_id: str) -> str:
        found = self.ec2.describe_vpc_endpoints(
            Filters=[{"Name": "vpc-endpoint-id", "Values": [endpoint_id]}]
        )
        return found["VpcEndpoints"][0]["State"] if found["VpcEndpoints"] else "gone"

    def offer(self, **values: Any) -> str:
        """A provider's service, of another account."""
        answer = self.account.control.request(
            "POST", "provider/service", {"account": "999999999999", **values}
        )
        return str(answer["name"])

    def grant(self, code: str, value: int) -> None:
        body = {"account": self.account.id, "region": REGION, "code": code, "value": value}
        self.account.control.request("POST", "quotas", body)


@pytest.fixture
def network(account: Account) -> Network:
    return Network(account)


def test_an_endpoint_is_pending_before_it_is_available(network: Network) -> None:
    endpoint = network.endpoint()
    assert endpoint["State"] == "Pending"
    eventually(lambda: network.state(endpoint["VpcEndpointId"]) == "Available")


def test_a_gateway_endpoint_puts_a_route_into_its_tables(network: Network) -> None:
    ec2 = network.ec2
    table = ec2.create_route_table(VpcId=network.vpc)["RouteTable"]["RouteTableId"]
    endpoint = network.endpoint(S3, VpcEndpointType="Gateway", RouteTableIds=[table])
    assert endpoint["State"] == "Available"

    def gateways() -> list[str | None]:
        (found,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        return [route.get("GatewayId") for route in found["Routes"]]

    assert endpoint["VpcEndpointId"] in gateways()
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert endpoint["VpcEndpointId"] not in gateways()


def test_a_client_token_makes_one_endpoint_only(network: Network) -> None:
    first = network.endpoint(ClientToken="t", PrivateDnsEnabled=False)
    again = network.endpoint(ClientToken="t", PrivateDnsEnabled=False)
    assert first["VpcEndpointId"] == again["VpcEndpointId"]
    with refused("IdempotentParameterMismatch"):
        network.endpoint(ClientToken="t", PrivateDnsEnabled=True)


def test_an_unknown_service_is_refused(network: Network) -> None:
    for name in (f"com.amazonaws.{REGION}.nothing", "com.amazonaws.vpce.us-east-1.vpce-svc-0123", "logs"):
        with refused("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist"):
            network.endpoint(name)


def test_a_service_that_does_not_admit_the_account_is_unknown(network: Network) -> None:
    name = network.offer(allowed_principals=["arn:aws:iam::123456789012:root"])
    with refused("InvalidServiceName"):
        network.endpoint(name)


def test_the_51st_interface_endpoint_of_a_vpc_is_refused(network: Network) -> None:
    network.grant("L-29B6F2EB", 2)
    network.endpoint(PrivateDnsEnabled=False)
    network.endpoint(PrivateDnsEnabled=False)
    with refused("VpcEndpointLimitExceeded"):
        network.endpoint(PrivateDnsEnabled=False)


def test_the_network_interfaces_of_a_region_are_limited(network: Network) -> None:
    network.grant("L-DF5E4CA3", 3)
    network.endpoint(PrivateDnsEnabled=False)
    with refused("NetworkInterfaceLimitExceeded"):
        network.endpoint(PrivateDnsEnabled=False)


def test_an_interface_has_at_most_5_security_groups(network: Network) -> None:
    groups = [
        network.ec2.create_security_group(GroupName=f"g{number}", Description="g", VpcId=network.vpc)[
            "GroupId"
        ]
        for number in range(6)
    ]
    with refused("SecurityGroupsPerInterfaceLimitExceeded"):
        network.endpoint(SecurityGroupIds=groups)
    network.endpoint(SecurityGroupIds=groups[:5])


def test_two_endpoints_with_one_private_name_in_a_vpc_are_refused(network: Network) -> None:
    network.endpoint(PrivateDnsEnabled=True)
    clash = f"already a conflicting DNS domain for logs.{REGION}.amazonaws.com in the VPC {network.vpc}"
    with refused("InvalidParameter", clash):
        network.endpoint(PrivateDnsEnabled=True)


def test_private_dns_needs_the_dns_attributes_of_the_vpc(network: Network) -> None:
    network.ec2.modify_vpc_attribute(VpcId=network.vpc, EnableDnsHostnames={"Value": False})
    with refused("InvalidParameter", "requires both enableDnsSupport and enableDnsHostnames"):
        network.endpoint(PrivateDnsEnabled=True)


def test_private_dns_needs_a_private_name_of_the_service(network: Network) -> None:
    name = network.offer(acceptance_required=False)
    with refused("InvalidParameter", "does not provide a private DNS name"):
        network.endpoint(name, PrivateDnsEnabled=True)


def test_an_endpoint_waits_for_its_provider_and_private_dns_for_the_acceptance(network: Network) -> None:
    name = network.offer(private_dns_name="api.example.com")
    with refused("InvalidParameter", "can only be enabled after the endpoint connection is accepted"):
        network.endpoint(name, PrivateDnsEnabled=True)
    endpoint_id = network.endpoint(name)["VpcEndpointId"]
    assert network.state(endpoint_id) == "PendingAcceptance"
    with refused("InvalidParameter", "can only be enabled after the endpoint connection is accepted"):
        network.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=True)
    network.account.control.accept_endpoint(endpoint=endpoint_id)
    eventually(lambda: network.state(endpoint_id) == "Available")
    network.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, PrivateDnsEnabled=True)
    eventually(lambda: network.state(endpoint_id) == "Available")
    (found,) = network.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
    assert "api.example.com" in [entry["DnsName"] for entry in found["DnsEntries"]]


def test_a_rejected_endpoint_stays_rejected(network: Network) -> None:
    name = network.offer()
    endpoint_id = network.endpoint(name)["VpcEndpointId"]
    network.account.control.reject_endpoint(service=name)
    assert network.state(endpoint_id) == "Rejected"
    with refused("IncorrectState"):
        network.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, ResetPolicy=True)


def test_a_provider_sees_accepts_and_rejects_connections(new_account: Callable[[], Account]) -> None:
    provider, network = new_account(), Network(new_account())
    answer = provider.control.request(
        "POST", "provider/service", {"account": provider.id, "allowed_principals": []}
    )
    service, ec2 = answer["id"], provider.client("ec2")
    consumer = f"arn:aws:iam::{network.account.id}:root"
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service, AddAllowedPrincipals=[consumer])
    first, second = (network.endpoint(answer["name"])["VpcEndpointId"] for _ in range(2))
    waiting = ec2.describe_vpc_endpoint_connections(
        Filters=[{"Name": "vpc-endpoint-state", "Values": ["pendingAcceptance"]}]
    )["VpcEndpointConnections"]
    assert {connection["VpcEndpointId"] for connection in waiting} == {first, second}
    assert {connection["VpcEndpointOwner"] for connection in waiting} == {network.account.id}
    assert (
        ec2.accept_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[first])["Unsuccessful"] == []
    )
    ec2.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[second])
    eventually(lambda: network.state(first) == "Available")
    assert network.state(second) == "Rejected"
    (failed,) = ec2.accept_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[second])[
        "Unsuccessful"
    ]
    assert failed["Error"]["Code"] == "InvalidState"
    (failed,) = ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])["Unsuccessful"]
    assert failed["Error"]["Code"] == "ExistingVpcEndpointConnections"


def test_only_the_provider_can_accept(network: Network) -> None:
    name = network.offer()
    endpoint_id = network.endpoint(name)["VpcEndpointId"]
    with refused("InvalidVpcEndpointServiceId.NotFound"):
        network.ec2.accept_vpc_endpoint_connections(
            ServiceId=name.rpartition(".")[2], VpcEndpointIds=[endpoint_id]
        )


def test_one_subnet_a_zone(network: Network) -> None:
    twin = network.account.subnet(network.vpc, 2, "a")
    with refused("DuplicateSubnetsInSameZone", twin):
        network.endpoint(SubnetIds=[network.subnets[0], twin])


def test_subnets_in_zones_that_the_service_is_not_in_are_refused(network: Network) -> None:
    name = network.offer(availability_zones=[f"{REGION}a"])
    with refused("InvalidParameter", "does not support the availability zone"):
        network.endpoint(name)


def test_things_of_another_vpc_are_refused(network: Network) -> None:
    other = Network(network.account)
    group = network.ec2.create_security_group(GroupName="g", Description="g", VpcId=other.vpc)["GroupId"]
    with refused("InvalidParameter", "is not in the VPC"):
        network.endpoint(SubnetIds=other.subnets)
    with refused("InvalidGroup.NotFound"):
        network.endpoint(SecurityGroupIds=[group])


def test_an_endpoint_without_groups_has_the_default_group(network: Network) -> None:
    assert [group["GroupName"] for group in network.endpoint()["Groups"]] == ["default"]


def test_interfaces_of_an_endpoint_are_seen_and_outlive_it(
    network: Network, slow: Callable[..., None]
) -> None:
    slow(interface_lingering=300.0, endpoint_deleting=0.0)
    endpoint_id = network.endpoint()["VpcEndpointId"]
    wanted = [{"Name": "description", "Values": [f"VPC Endpoint Interface {endpoint_id}"]}]

    def interfaces() -> list[Any]:
        found: list[Any] = network.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
        return found

    assert {interface["SubnetId"] for interface in interfaces()} == set(network.subnets)
    assert {interface["InterfaceType"] for interface in interfaces()} == {"vpc_endpoint"}
    with refused("InvalidParameterValue", "is currently in use"):
        network.ec2.delete_network_interface(NetworkInterfaceId=interfaces()[0]["NetworkInterfaceId"])
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    eventually(lambda: network.state(endpoint_id) == "gone")
    assert len(interfaces()) == 2
    with refused("DependencyViolation", "has dependencies and cannot be deleted"):
        network.ec2.delete_subnet(SubnetId=network.subnets[0])


def test_a_subnet_can_be_deleted_once_the_interfaces_are_gone(network: Network) -> None:
    endpoint_id = network.endpoint()["VpcEndpointId"]
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    wanted = [{"Name": "subnet-id", "Values": [network.subnets[0]]}]
    eventually(lambda: not network.ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"])
    network.ec2.delete_subnet(SubnetId=network.subnets[0])


def test_a_deleted_endpoint_is_deleting_first(network: Network, slow: Callable[..., None]) -> None:
    slow(endpoint_deleting=300.0)
    endpoint_id = network.endpoint()["VpcEndpointId"]
    network.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    assert network.state(endpoint_id) == "Deleting"
    with refused("DependencyViolation"):
        network.ec2.delete_vpc(VpcId=network.vpc)


def test_deleting_what_is_not_there_is_told_for_each(network: Network) -> None:
    endpoint_id = network.endpoint()["VpcEndpointId"]
    (failed,) = network.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-0123", endpoint_id])["Unsuccessful"]
    assert (failed["ResourceId"], failed["Error"]["Code"]) == ("vpce-0123", "InvalidVpcEndpointId.NotFound")
    with refused("InvalidVpcEndpointId.NotFound"):
        network.ec2.describe_vpc_endpoints(VpcEndpointIds=["vpce-0123"])


def test_subnets_and_groups_of_an_endpoint_change(network: Network) -> None:
    ec2, endpoint_id = network.ec2, network.endpoint(SubnetIds=network.subnets[:1])["VpcEndpointId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=network.vpc)["GroupId"]
    ec2.modify_vpc_endpoint(
        VpcEndpointId=endpoint_id,
        AddSubnetIds=network.subnets[1:],
        RemoveSubnetIds=network.subnets[:1],
        AddSecurityGroupIds=[group],
    )
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
    assert found["SubnetIds"] == network.subnets[1:]
    assert group in [item["GroupId"] for item in found["Groups"]]
    with refused("DependencyViolation", f"resource {group} has a dependent object"):
        ec2.delete_security_group(GroupId=group)


def test_endpoints_are_found_by_tag(network: Network) -> None:
    tags = [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "k", "Value": "v"}]}]
    endpoint_id = network.endpoint(TagSpecifications=tags)["VpcEndpointId"]
    network.endpoint(S3, VpcEndpointType="Gateway")
    ec2 = network.ec2
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:k", "Values": ["v"]}])["VpcEndpoints"]
    assert [endpoint["VpcEndpointId"] for endpoint in found] == [endpoint_id]
    ec2.create_tags(Resources=[endpoint_id], Tags=[{"Key": "k", "Value": "w"}])
    assert ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:k", "Values": ["v"]}])["VpcEndpoints"] == []


def test_services_are_described_as_the_consumer_sees_them(network: Network) -> None:
    name = network.offer(private_dns_name="api.example.com", availability_zones=[f"{REGION}a"])
    found = network.ec2.describe_vpc_endpoint_services(ServiceNames=[LOGS, name])["ServiceDetails"]
    logs, offered = found
    assert (logs["Owner"], logs["AcceptanceRequired"]) == ("amazon", False)
    assert logs["PrivateDnsName"] == f"logs.{REGION}.amazonaws.com"
    assert (offered["Owner"], offered["AcceptanceRequired"]) == ("999999999999", True)
    assert (offered["PrivateDnsName"], offered["AvailabilityZones"]) == ("api.example.com", [f"{REGION}a"])
    with refused("InvalidServiceName"):
        network.ec2.describe_vpc_endpoint_services(ServiceNames=["com.amazonaws.us-east-1.nothing"])


def test_an_endpoint_service_needs_a_network_load_balancer(new_account: Callable[[], Account]) -> None:
    provider = Network(new_account())
    made = provider.account.client("elbv2").create_load_balancer(
        Name="nlb", Type="network", Scheme="internal", Subnets=provider.subnets
    )
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    with refused("InvalidParameter", "is not a Network Load Balancer"):
        provider.ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn + "x"])
    service = provider.ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[arn], AcceptanceRequired=False
    )["ServiceConfiguration"]
    assert sorted(service["AvailabilityZones"]) == [f"{REGION}a", f"{REGION}b"]
    consumer = Network(new_account())
    with refused("InvalidServiceName"):
        consumer.endpoint(service["ServiceName"])
    provider.ec2.modify_vpc_endpoint_service_permissions(
        ServiceId=service["ServiceId"], AddAllowedPrincipals=["*"]
    )
    assert consumer.endpoint(service["ServiceName"])["State"] == "Pending"
