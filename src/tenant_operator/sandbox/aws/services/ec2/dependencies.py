"""What cannot be deleted or detached because something needs it: DependencyViolation and its relatives.

https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html,
https://docs.aws.amazon.com/vpc/latest/userguide/deleting-security-groups.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ec2.state import Ec2State
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Simulation


def _backend(call: Call) -> Any:
    return ec2_backends[call.account][call.region]


def _in_use(what: str, resource_id: str) -> AwsFailure:
    message = f"The {what} '{resource_id}' has dependencies and cannot be deleted."
    return AwsFailure("DependencyViolation", message)


def _subnet(sim: Simulation, call: Call) -> None:
    subnet_id = call.parameters["SubnetId"]
    own = any(eni.subnet_id == subnet_id for eni in _backend(call).enis.values())
    if own or sim.interfaces.in_subnet(subnet_id):
        raise _in_use("subnet", subnet_id)


def _security_group(sim: Simulation, call: Call) -> None:
    group_id = call.parameters.get("GroupId") or ""
    group = _backend(call).get_security_group_from_id(group_id)
    if group is None:
        return
    if group.is_default or group.name == "default":
        message = f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
        raise AwsFailure("CannotDelete", message)
    own = any(group_id == found.id for eni in _backend(call).enis.values() for found in eni.group_set)
    if own or sim.interfaces.in_security_group(group_id) or group_id in _named_by_others(call, group_id):
        raise AwsFailure("DependencyViolation", f"resource {group_id} has a dependent object")


def _named_by_others(call: Call, group_id: str) -> Iterator[str]:
    """The groups that rules of other groups name."""
    for groups in _backend(call).groups.values():
        for other in groups.values():
            if other.id != group_id:
                for rule in (*other.ingress_rules, *other.egress_rules):
                    if rule.source_group:
                        yield rule.source_group.get("GroupId", "")


def _vpc(sim: Simulation, call: Call) -> None:
    vpc_id, backend = call.parameters["VpcId"], _backend(call)
    state = sim.state(Ec2State, call.account, call.region)
    groups = backend.groups.get(vpc_id, {}).values()
    attached = any(
        gateway.vpc is not None and gateway.vpc.id == vpc_id for gateway in backend.internet_gateways.values()
    )
    if attached or state.endpoints_of_vpc(vpc_id) or any(group.name != "default" for group in groups):
        raise _in_use("vpc", vpc_id)


def _route_table(sim: Simulation, call: Call) -> None:
    table_id = call.parameters["RouteTableId"]
    endpoints = sim.state(Ec2State, call.account, call.region).endpoints.values()
    if any(table_id in endpoint.route_table_ids for endpoint in endpoints):
        raise _in_use("routeTable", table_id)


def _attach_internet_gateway(sim: Simulation, call: Call) -> None:
    _ = sim
    vpc_id = call.parameters["VpcId"]
    for gateway in _backend(call).internet_gateways.values():
        other = gateway.id != call.parameters["InternetGatewayId"]
        if other and gateway.vpc is not None and gateway.vpc.id == vpc_id:
            message = f"Network {vpc_id} already has an internet gateway attached"
            raise AwsFailure("InvalidParameterValue", message)


def _detach_internet_gateway(sim: Simulation, call: Call) -> None:
    """Public addresses in the VPC: of NAT gateways, of interfaces, of load balancers that face the internet."""
    vpc_id = call.parameters["VpcId"]
    mapped = any(eni.public_ip and eni.vpc_id == vpc_id for eni in _backend(call).enis.values())
    balancers = sim.state(ElbState, call.account, call.region).load_balancers.values()
    facing = any(found.vpc_id == vpc_id and found.scheme == "internet-facing" for found in balancers)
    if mapped or facing:
        message = (
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway."
        )
        raise AwsFailure("DependencyViolation", message)


def _address(sim: Simulation, call: Call) -> None:
    _ = sim
    allocation = call.parameters.get("AllocationId")
    for address in _backend(call).addresses:
        if allocation and address.allocation_id == allocation and address.association_id:
            raise AwsFailure("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


_CHECKS: dict[str, Callable[[Simulation, Call], None]] = {
    "DeleteSubnet": _subnet,
    "DeleteSecurityGroup": _security_group,
    "DeleteVpc": _vpc,
    "DeleteRouteTable": _route_table,
    "AttachInternetGateway": _attach_internet_gateway,
    "DetachInternetGateway": _detach_internet_gateway,
    "ReleaseAddress": _address,
}


def install(sim: Simulation) -> None:
    """Refuse what something else still needs."""
    for action, check in _CHECKS.items():
        sim.validates("ec2", action)(partial(check, sim))
