"""What AWS refuses about a VPC endpoint: its subnets, security groups, route tables, private DNS and number.

https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html,
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ec2 import quotas
from tenant_operator.sandbox.aws.services.ec2.offers import Offer
from tenant_operator.sandbox.aws.services.ec2.state import PENDING_ACCEPTANCE, REJECTED, Ec2State, Endpoint
from tenant_operator.sandbox.aws.simulation import Simulation

MAX_POLICY = 20_480  # characters
MAX_GROUPS = 5  # security groups per network interface


def vpc(call: Call, vpc_id: str) -> Any:
    """The VPC (moto's) of the call's account and Region. Raises AwsFailure: InvalidVpcID.NotFound."""
    found = ec2_backends[call.account][call.region].vpcs.get(vpc_id)
    if found is None:
        raise AwsFailure("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
    return found


def kind(offer: Offer, wanted: str) -> str:
    """The endpoint type. Raises AwsFailure: the service does not offer it."""
    if wanted not in offer.kinds:
        message = f"The endpoint type {wanted} is not supported by the service {offer.name}: {', '.join(offer.kinds)}"
        raise AwsFailure("InvalidParameter", message)
    return wanted


def room(sim: Simulation, state: Ec2State, call: Call, vpc_id: str, wanted: str) -> None:
    """Raises AwsFailure: VpcEndpointLimitExceeded."""
    if wanted == "Gateway":
        limit, place = quotas.GATEWAY_ENDPOINTS.of(sim, call), f"Region {call.region}"
        used = sum(endpoint.kind == wanted for endpoint in state.endpoints.values())
    else:
        limit, place = quotas.INTERFACE_ENDPOINTS.of(sim, call), f"VPC {vpc_id}"
        used = sum(endpoint.kind != "Gateway" for endpoint in state.endpoints_of_vpc(vpc_id))
    if used >= limit:
        message = f"The maximum number of VPC endpoints ({limit}) has been reached for {place}."
        raise AwsFailure("VpcEndpointLimitExceeded", message)


def subnets(
    call: Call, offer: Offer, vpc_id: str, subnet_ids: Sequence[str], taken: Iterable[Any] = ()
) -> list[Any]:
    """The subnets (moto's): of the VPC, one a zone, in zones of the service; `taken` are those it already has.

    Raises:
        AwsFailure: InvalidSubnetID.NotFound, InvalidParameter, DuplicateSubnetsInSameZone.
    """
    zones = {subnet.availability_zone for subnet in taken}
    found = []
    for subnet_id in subnet_ids:
        subnet = subnet_of(call, subnet_id)
        if subnet.vpc_id != vpc_id:
            raise AwsFailure("InvalidParameter", f"The subnet {subnet_id} is not in the VPC {vpc_id}")
        if subnet.availability_zone not in offer.availability_zones:
            message = (
                f"The VPC endpoint service {offer.name} does not support the availability zone of the subnet: "
                f"{subnet_id}."
            )
            raise AwsFailure("InvalidParameter", message)
        if subnet.availability_zone in zones:
            message = (
                f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets "
                "should be in different availability zones supported by the VPC endpoint service."
            )
            raise AwsFailure("DuplicateSubnetsInSameZone", message)
        zones.add(subnet.availability_zone)
        found.append(subnet)
    return found


def subnet_of(call: Call, subnet_id: str) -> Any:
    """A subnet (moto's). Raises AwsFailure: InvalidSubnetID.NotFound."""
    for by_id in ec2_backends[call.account][call.region].subnets.values():
        if subnet_id in by_id:
            return by_id[subnet_id]
    raise AwsFailure("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")


def interfaces(sim: Simulation, call: Call, number: int) -> None:
    """Raises AwsFailure: NetworkInterfaceLimitExceeded, when so many more do not fit into the Region."""
    limit = quotas.NETWORK_INTERFACES.of(sim, call)
    used = sum((found.account, found.region) == (call.account, call.region) for found in sim.interfaces)
    if number and used + number > limit:
        message = f"The maximum number of network interfaces ({limit}) has been reached."
        raise AwsFailure("NetworkInterfaceLimitExceeded", message)


def security_groups(call: Call, vpc_id: str, wanted: Sequence[str]) -> list[str]:
    """The groups' ids; the VPC's default group when none are wanted. Raises AwsFailure: InvalidGroup.NotFound."""
    if len(wanted) > MAX_GROUPS:
        message = f"The maximum number of security groups per interface ({MAX_GROUPS}) has been reached."
        raise AwsFailure("SecurityGroupsPerInterfaceLimitExceeded", message)
    of_vpc = ec2_backends[call.account][call.region].groups.get(vpc_id, {})
    if not wanted:
        return [group.id for group in of_vpc.values() if group.is_default or group.name == "default"]
    for group_id in wanted:
        if group_id not in of_vpc:
            message = f"The security group '{group_id}' does not exist in VPC '{vpc_id}'"
            raise AwsFailure("InvalidGroup.NotFound", message)
    return list(dict.fromkeys(wanted))


def route_tables(call: Call, vpc_id: str, wanted: Sequence[str]) -> list[str]:
    """The route tables' ids. Raises AwsFailure: InvalidRouteTableID.NotFound, InvalidParameter."""
    tables = ec2_backends[call.account][call.region].route_tables
    for table_id in wanted:
        if table_id not in tables:
            raise AwsFailure("InvalidRouteTableID.NotFound", f"The routeTable ID '{table_id}' does not exist")
        if tables[table_id].vpc_id != vpc_id:
            raise AwsFailure("InvalidParameter", f"The route table {table_id} is not in the VPC {vpc_id}")
    return list(dict.fromkeys(wanted))


def private_dns(
    state: Ec2State, offer: Offer, network: Any, endpoint_state: str, endpoint_id: str = ""
) -> None:
    """Whether private DNS can be on for an endpoint of a service in a VPC (`network`, moto's).

    `endpoint_state` is the endpoint's state, or the one that a new one (without `endpoint_id`) will start in.

    Raises:
        AwsFailure: InvalidParameter.
    """
    if not offer.private_dns_name:
        message = f"Private DNS can't be enabled because the service {offer.name} does not provide a private DNS name."
        raise AwsFailure("InvalidParameter", message)
    if endpoint_state == PENDING_ACCEPTANCE:
        message = (
            "Private DNS can only be enabled after the endpoint connection is accepted by the owner of "
            f"{offer.name}."
        )
        raise AwsFailure("InvalidParameter", message)
    if not (_is_on(network.enable_dns_support) and _is_on(network.enable_dns_hostnames)):
        message = (
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {network.id}"
        )
        raise AwsFailure("InvalidParameter", message)
    for other in state.endpoints_of_vpc(network.id):
        if other.id != endpoint_id and _answers_for(other, offer.private_dns_name):
            message = (
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                f"{offer.private_dns_name} in the VPC {network.id}"
            )
            raise AwsFailure("InvalidParameter", message)


def _is_on(value: object) -> bool:
    return str(value).lower() == "true"


def _answers_for(endpoint: Endpoint, name: str) -> bool:
    return endpoint.private_dns and endpoint.state != REJECTED and name in endpoint.private_dns_names


def policy(document: str | None) -> str:
    """The policy as given, or AWS's own that allows everything.

    Raises:
        AwsFailure: InvalidParameter, of one that is no JSON or too long.
    """
    if not document:
        everything = {"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}
        return json.dumps({"Statement": [everything]})
    if len(document) > MAX_POLICY:
        raise AwsFailure("InvalidParameter", f"The policy document has more than {MAX_POLICY} characters")
    try:
        json.loads(document)
    except ValueError:
        raise AwsFailure("InvalidParameter", "The policy document is not valid JSON") from None
    return document
