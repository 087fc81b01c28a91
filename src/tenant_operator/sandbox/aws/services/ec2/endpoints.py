"""VPC endpoints: idempotent creation, states that change by themselves, interfaces in subnets, routes to gateways.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.services.ec2 import endpoint_checks as checks
from tenant_operator.sandbox.aws.services.ec2 import endpoint_view, gateway_routes, offers
from tenant_operator.sandbox.aws.services.ec2.describing import forget_tags, matching, page, tag_new
from tenant_operator.sandbox.aws.services.ec2.offers import Offer
from tenant_operator.sandbox.aws.services.ec2.state import (
    AVAILABLE,
    CHANGEABLE,
    DELETING,
    PENDING,
    PENDING_ACCEPTANCE,
    REJECTED,
    Ec2State,
    Endpoint,
)
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("ec2")


def _state(sim: Simulation, call: Call) -> Ec2State:
    return sim.state(Ec2State, call.account, call.region)


@behaviours.answers("CreateVpcEndpoint")
def _create(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state = _state(sim, call)
    earlier = state.earlier(call.action, call.parameters, state.endpoints)
    if earlier is None:
        endpoint = _made(sim, state, call)
        state.remember(call.action, call.parameters, endpoint.id)
    else:
        endpoint = state.endpoints[earlier]
    token = call.parameters.get("ClientToken")
    return {"VpcEndpoint": endpoint_view.described(call, endpoint).shown(), "ClientToken": token}


def _made(sim: Simulation, state: Ec2State, call: Call) -> Endpoint:
    parameters = call.parameters
    network = checks.vpc(call, parameters["VpcId"])
    offer = offers.find(sim, call, parameters.get("ServiceName") or "")
    kind = checks.kind(offer, parameters.get("VpcEndpointType") or "Gateway")
    checks.room(sim, state, call, network.id, kind)
    subnets = checks.subnets(call, offer, network.id, parameters.get("SubnetIds") or ())
    checks.interfaces(sim, call, len(subnets))
    groups = checks.security_groups(call, network.id, parameters.get("SecurityGroupIds") or ())
    tables = checks.route_tables(call, network.id, parameters.get("RouteTableIds") or ())
    _check_members(kind, parameters)
    first = PENDING_ACCEPTANCE if offer.acceptance_required else PENDING
    private_dns = kind == "Interface" and _wants_private_dns(parameters, offer)
    if private_dns:
        checks.private_dns(state, offer, network, first)
    endpoint = Endpoint(
        id=f"vpce-{sim.hex_id(17)}",
        account=call.account,
        region=call.region,
        vpc_id=network.id,
        service_name=offer.name,
        kind=kind,
        state=AVAILABLE if kind == "Gateway" else first,
        private_dns=private_dns,
        private_dns_names=(offer.private_dns_name,) if offer.private_dns_name else (),
        policy=checks.policy(parameters.get("PolicyDocument")),
        created=sim.timestamp(),
        security_group_ids=groups if kind == "Interface" else [],
        route_table_ids=tables,
        dns_suffix=offer.dns_suffix,
        dns_label=sim.hex_id(8),
    )
    tag_new(call, endpoint.id, "vpc-endpoint")
    _attach(sim, endpoint, subnets)
    gateway_routes.add(endpoint, tables)
    state.endpoints[endpoint.id] = endpoint
    if endpoint.state == PENDING:
        settle(sim, endpoint, sim.durations.endpoint_pending)
    return endpoint


def _check_members(kind: str, parameters: Mapping[str, Any]) -> None:
    strange = ("RouteTableIds",) if kind == "Interface" else ("SubnetIds", "SecurityGroupIds")
    for member in strange:
        if parameters.get(member):
            raise AwsFailure("InvalidParameter", f"{member} cannot be given for endpoints of type {kind}")
    if kind != "Interface" and parameters.get("PrivateDnsEnabled"):
        raise AwsFailure("InvalidParameter", "Private DNS is only supported for endpoints of type Interface")


def _wants_private_dns(parameters: Mapping[str, Any], offer: Offer) -> bool:
    """On unless it is refused, as far as the service has a name and the endpoint need not be accepted first."""
    asked = parameters.get("PrivateDnsEnabled")
    return bool(offer.private_dns_name) and not offer.acceptance_required if asked is None else bool(asked)


def settle(sim: Simulation, endpoint: Endpoint, seconds: float) -> None:
    """Pending now, available in some seconds unless something else has become of it."""
    endpoint.state = PENDING

    def arrive() -> None:
        if endpoint.state == PENDING:
            endpoint.state = AVAILABLE

    sim.after(seconds, arrive)


def _attach(sim: Simulation, endpoint: Endpoint, subnets: Iterable[Any]) -> None:
    for subnet in subnets:
        endpoint.interfaces[subnet.id] = sim.interfaces.attach(
            account=endpoint.account,
            region=endpoint.region,
            vpc_id=endpoint.vpc_id,
            subnet_id=subnet.id,
            availability_zone=subnet.availability_zone,
            cidr_block=subnet.cidr_block,
            security_group_ids=tuple(endpoint.security_group_ids),
            owner="endpoint",
            description=f"VPC Endpoint Interface {endpoint.id}",
        )


def _let_linger(sim: Simulation, interfaces: Iterable[Interface]) -> None:
    """Interfaces outlive their endpoint: subnets and security groups stay in use meanwhile."""
    for interface in interfaces:
        sim.after(sim.durations.interface_lingering, partial(sim.interfaces.release, interface.id))


@behaviours.answers("ModifyVpcEndpoint")
def _modify(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, parameters = _state(sim, call), call.parameters
    endpoint = _known(state, parameters["VpcEndpointId"])
    if endpoint.state not in CHANGEABLE:
        message = f"The VPC endpoint {endpoint.id} cannot be modified in the state {endpoint.state}"
        raise AwsFailure("IncorrectState", message)
    offer = offers.find(sim, call, endpoint.service_name)
    taken = [
        checks.subnet_of(call, subnet) for subnet in _left(endpoint.interfaces, parameters, "RemoveSubnetIds")
    ]
    new_subnets = checks.subnets(call, offer, endpoint.vpc_id, parameters.get("AddSubnetIds") or (), taken)
    checks.interfaces(sim, call, len(new_subnets))
    groups = _changed(endpoint.security_group_ids, parameters, "SecurityGroupIds")
    tables = _changed(endpoint.route_table_ids, parameters, "RouteTableIds")
    checks.security_groups(call, endpoint.vpc_id, parameters.get("AddSecurityGroupIds") or ())
    checks.route_tables(call, endpoint.vpc_id, parameters.get("AddRouteTableIds") or ())
    asked = parameters.get("PrivateDnsEnabled")
    if asked:
        network = checks.vpc(call, endpoint.vpc_id)
        checks.private_dns(state, offer, network, endpoint.state, endpoint.id)
    policy = parameters.get("PolicyDocument")
    if policy or parameters.get("ResetPolicy"):
        endpoint.policy = checks.policy(policy)
    _set_groups(sim, endpoint, groups)
    _set_tables(endpoint, tables)
    gone = [subnet for subnet in parameters.get("RemoveSubnetIds") or () if subnet in endpoint.interfaces]
    _let_linger(sim, [endpoint.interfaces.pop(subnet) for subnet in gone])
    _attach(sim, endpoint, new_subnets)
    changes_dns = asked is not None and bool(asked) != endpoint.private_dns
    endpoint.private_dns = endpoint.private_dns if asked is None else bool(asked)
    if (changes_dns or new_subnets or gone) and endpoint.state == AVAILABLE:
        settle(sim, endpoint, sim.durations.private_dns_change)
    return {"Return": True}


def _left(present: Iterable[str], parameters: Mapping[str, Any], member: str) -> list[str]:
    removed = parameters.get(member) or ()
    return [item for item in present if item not in removed]


def _changed(present: Sequence[str], parameters: Mapping[str, Any], member: str) -> list[str]:
    return list(
        dict.fromkeys(
            [*_left(present, parameters, f"Remove{member}"), *(parameters.get(f"Add{member}") or ())]
        )
    )


def _set_groups(sim: Simulation, endpoint: Endpoint, groups: list[str]) -> None:
    if endpoint.kind == "Interface" and not groups:
        message = f"The VPC endpoint {endpoint.id} must have at least one security group"
        raise AwsFailure("InvalidParameter", message)
    endpoint.security_group_ids = groups
    for interface in endpoint.interfaces.values():
        sim.interfaces.set_security_groups(interface.id, tuple(groups))


def _set_tables(endpoint: Endpoint, tables: list[str]) -> None:
    gateway_routes.remove(endpoint, set(endpoint.route_table_ids) - set(tables))
    gateway_routes.add(endpoint, [table for table in tables if table not in endpoint.route_table_ids])
    endpoint.route_table_ids = tables


@behaviours.answers("DeleteVpcEndpoints")
def _delete(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state = _state(sim, call)
    failed = []
    for endpoint_id in call.parameters["VpcEndpointIds"]:
        endpoint = state.endpoints.get(endpoint_id)
        if endpoint is None:
            failed.append(_unsuccessful(endpoint_id, not_found(endpoint_id)))
        elif endpoint.state != DELETING:
            _start_deleting(sim, state, endpoint)
    return {"Unsuccessful": failed}


def _start_deleting(sim: Simulation, state: Ec2State, endpoint: Endpoint) -> None:
    endpoint.state = DELETING
    gateway_routes.remove(endpoint, endpoint.route_table_ids)
    _let_linger(sim, endpoint.interfaces.values())

    def finish() -> None:
        state.endpoints.pop(endpoint.id, None)
        forget_tags(endpoint.account, endpoint.region, endpoint.id)

    sim.after(0.0 if endpoint.kind == "Gateway" else sim.durations.endpoint_deleting, finish)


def _unsuccessful(resource_id: str, error: AwsFailure) -> dict[str, Any]:
    return {"ResourceId": resource_id, "Error": {"Code": error.code, "Message": error.message}}


def not_found(endpoint_id: str) -> AwsFailure:
    """The refusal of an id that no endpoint has."""
    return AwsFailure("InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint_id}' does not exist")


def _known(state: Ec2State, endpoint_id: str) -> Endpoint:
    found = state.endpoints.get(endpoint_id)
    if found is None:
        raise not_found(endpoint_id)
    return found


@behaviours.answers("DescribeVpcEndpoints")
def _describe(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, wanted = _state(sim, call), call.parameters.get("VpcEndpointIds") or ()
    chosen = [_known(state, endpoint_id) for endpoint_id in wanted] if wanted else state.endpoints.values()
    described = [endpoint_view.described(call, endpoint) for endpoint in chosen]
    found, token = page(
        matching(described, call.parameters.get("Filters")), call.parameters, "VpcEndpointIds"
    )
    return {"VpcEndpoints": [item.shown() for item in found], "NextToken": token}


def accept(sim: Simulation, endpoint: Endpoint) -> None:
    """The provider lets an endpoint connect."""
    if endpoint.state == PENDING_ACCEPTANCE:
        settle(sim, endpoint, sim.durations.endpoint_pending)


def reject(endpoint: Endpoint) -> None:
    """The provider lets an endpoint connect no more: it can only be deleted now."""
    endpoint.state = REJECTED
    endpoint.private_dns = False


def install(sim: Simulation) -> None:
    """Answer the calls about endpoints."""
    behaviours.install(sim)
