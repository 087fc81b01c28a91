"""NAT gateways: pending before they are available, deleting before they are deleted, holding their address until then.

https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html. Moto keeps them, so that its routes find
them; states and refusals are added here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ec2 import quotas
from tenant_operator.sandbox.aws.services.ec2.describing import Described, matching, page, tag_new, tags_of
from tenant_operator.sandbox.aws.services.ec2.endpoint_checks import subnet_of
from tenant_operator.sandbox.aws.services.ec2.state import Ec2State
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("ec2")


def _backend(call: Call) -> Any:
    return ec2_backends[call.account][call.region]


@behaviours.answers("CreateNatGateway")
def _create(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, backend = sim.state(Ec2State, call.account, call.region), _backend(call)
    earlier = state.earlier(call.action, call.parameters, backend.nat_gateways)
    if earlier is None:
        gateway = _made(sim, call, backend)
        state.remember(call.action, call.parameters, gateway.id)
    else:
        gateway = backend.nat_gateways[earlier]
    return {
        "NatGateway": _described(call, gateway).shown(),
        "ClientToken": call.parameters.get("ClientToken"),
    }


def _made(sim: Simulation, call: Call, backend: Any) -> Any:
    parameters = call.parameters
    kind = parameters.get("ConnectivityType") or "public"
    subnet, allocation = subnet_of(call, parameters["SubnetId"]), parameters.get("AllocationId")
    if kind == "public":
        _check_address(backend, allocation)
    in_zone = sum(
        gateway.state in ("pending", "available")
        and subnet_of(call, gateway.subnet_id).availability_zone == subnet.availability_zone
        for gateway in backend.nat_gateways.values()
        if gateway.state != "deleted"
    )
    if in_zone >= quotas.NAT_GATEWAYS_PER_ZONE.of(sim, call):
        message = "The maximum number of NAT gateways in this Availability Zone has been reached."
        raise AwsFailure("NatGatewayLimitExceeded", message)
    gateway = backend.create_nat_gateway(subnet.id, allocation, connectivity_type=kind)
    gateway._eni.description = f"Interface for NAT Gateway {gateway.id}"  # noqa: SLF001 - moto shows it nowhere else
    gateway.state = "pending"
    tag_new(call, gateway.id, "natgateway")

    def arrive() -> None:
        if gateway.state == "pending":
            gateway.state = "available"

    sim.after(sim.durations.nat_gateway_pending, arrive)
    return gateway


def _check_address(backend: Any, allocation: str | None) -> None:
    if not allocation:
        raise AwsFailure("MissingParameter", "The request must contain the parameter AllocationId")
    found = next((address for address in backend.addresses if address.allocation_id == allocation), None)
    if found is None:
        message = f"The allocation ID '{allocation}' does not exist"
        raise AwsFailure("InvalidAllocationID.NotFound", message)
    if found.association_id:
        message = f"Elastic IP address [{allocation}] is already associated"
        raise AwsFailure("Resource.AlreadyAssociated", message)


@behaviours.answers("DescribeNatGateways")
def _describe(sim: Simulation, call: Call) -> Mapping[str, Any]:
    _ = sim
    gateways, wanted = _backend(call).nat_gateways, call.parameters.get("NatGatewayIds") or ()
    for gateway_id in wanted:
        if gateway_id not in gateways:
            raise _not_found(gateway_id)
    chosen = [gateways[gateway_id] for gateway_id in wanted] if wanted else gateways.values()
    described = [_described(call, gateway) for gateway in chosen]
    filters = call.parameters.get("Filters") or call.parameters.get("Filter")
    found, token = page(matching(described, filters), call.parameters, "NatGatewayIds")
    return {"NatGateways": [item.shown() for item in found], "NextToken": token}


def _not_found(gateway_id: str) -> AwsFailure:
    return AwsFailure("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")


def _described(call: Call, gateway: Any) -> Described:
    addresses = [
        {member[0].upper() + member[1:]: value for member, value in address.items() if value is not None}
        for address in gateway.address_set
    ]
    document = {
        "NatGatewayId": gateway.id,
        "SubnetId": gateway.subnet_id,
        "VpcId": gateway.vpc_id,
        "State": gateway.state,
        "ConnectivityType": gateway.connectivity_type,
        "CreateTime": gateway._created_at,  # noqa: SLF001 - create_time is text, this the moment
        "NatGatewayAddresses": addresses,
    }
    fields = {
        "nat-gateway-id": [gateway.id],
        "subnet-id": [gateway.subnet_id],
        "vpc-id": [gateway.vpc_id],
        "state": [gateway.state],
    }
    return Described(document, fields, tags_of(call, gateway.id))


@behaviours.answers("DeleteNatGateway")
def _delete(sim: Simulation, call: Call) -> Mapping[str, Any]:
    backend, gateway_id = _backend(call), call.parameters["NatGatewayId"]
    gateway = backend.nat_gateways.get(gateway_id)
    if gateway is None:
        raise _not_found(gateway_id)
    if gateway.state in ("pending", "available"):
        gateway.state = "deleting"
        sim.after(sim.durations.nat_gateway_deleting, partial(_finish, backend, gateway))
    return {"NatGatewayId": gateway_id}


def _finish(backend: Any, gateway: Any) -> None:
    """The gateway lets go of its address and its interface."""
    gateway.state = "deleted"
    for address in backend.addresses:
        if address.eni is not None and address.eni.id == gateway._eni.id:  # noqa: SLF001 - as in _made
            address.eni, address.association_id = None, None
    backend.enis.pop(gateway._eni.id, None)  # noqa: SLF001 - as in _made


def install(sim: Simulation) -> None:
    """Answer the calls about NAT gateways."""
    behaviours.install(sim)
