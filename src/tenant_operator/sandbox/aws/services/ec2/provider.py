"""The provider's side of PrivateLink: endpoint services, who may use them, and the connections to them.

https://docs.aws.amazon.com/vpc/latest/privatelink/configure-endpoint-service.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ec2.describing import (
    Described,
    forget_tags,
    matching,
    page,
    tag_new,
    tags_of,
)
from tenant_operator.sandbox.aws.services.ec2.endpoints import accept, reject
from tenant_operator.sandbox.aws.services.ec2.state import (
    AVAILABLE,
    DELETING,
    PENDING,
    PENDING_ACCEPTANCE,
    REJECTED,
    Ec2State,
    Endpoint,
    EndpointService,
    all_services,
    endpoints_of_service,
)
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("ec2")

_ACCEPTABLE = frozenset({PENDING_ACCEPTANCE, PENDING, AVAILABLE})


def _state(sim: Simulation, call: Call) -> Ec2State:
    return sim.state(Ec2State, call.account, call.region)


def _known(state: Ec2State, service_id: str) -> EndpointService:
    found = state.services.get(service_id)
    if found is None:
        message = f"The VpcEndpointService Id '{service_id}' does not exist"
        raise AwsFailure("InvalidVpcEndpointServiceId.NotFound", message)
    return found


@behaviours.answers("CreateVpcEndpointServiceConfiguration")
def _create(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, parameters = _state(sim, call), call.parameters
    earlier = state.earlier(call.action, parameters, state.services)
    if earlier is not None:
        return {"ServiceConfiguration": _configuration(call, state.services[earlier]).shown()}
    arns = list(parameters.get("NetworkLoadBalancerArns") or ())
    if not arns:
        message = "An endpoint service needs at least one Network Load Balancer"
        raise AwsFailure("InvalidParameter", message)
    asked = parameters.get("AcceptanceRequired")
    service = EndpointService(
        id=f"vpce-svc-{sim.hex_id(17)}",
        account=call.account,
        region=call.region,
        acceptance_required=True if asked is None else bool(asked),
        private_dns_name=parameters.get("PrivateDnsName") or "",
        availability_zones=_zones(sim, call, arns),
        load_balancer_arns=arns,
        supported_regions=list(parameters.get("SupportedRegions") or ()),
    )
    tag_new(call, service.id, "vpc-endpoint-service")
    state.services[service.id] = service
    state.remember(call.action, parameters, service.id)
    return {"ServiceConfiguration": _configuration(call, service).shown()}


def _zones(sim: Simulation, call: Call, load_balancer_arns: Iterable[str]) -> tuple[str, ...]:
    known = sim.state(ElbState, call.account, call.region).load_balancers
    zones: set[str] = set()
    for arn in load_balancer_arns:
        if arn not in known or known[arn].kind != "network":
            raise AwsFailure(
                "InvalidParameter", f"'{arn}' is not a Network Load Balancer of this account and Region"
            )
        zones |= {interface.availability_zone for interface in known[arn].interfaces.values()}
    return tuple(sorted(zones))


def _configuration(call: Call, service: EndpointService) -> Described:
    document: dict[str, Any] = {
        "ServiceId": service.id,
        "ServiceName": service.name,
        "ServiceState": "Available",
        "ServiceType": [{"ServiceType": "Interface"}],
        "AvailabilityZones": list(service.availability_zones),
        "AcceptanceRequired": service.acceptance_required,
        "ManagesVpcEndpoints": False,
        "NetworkLoadBalancerArns": service.load_balancer_arns,
        "BaseEndpointDnsNames": [f"{service.id}.{service.region}.vpce.amazonaws.com"],
        "SupportedIpAddressTypes": ["ipv4"],
    }
    if service.private_dns_name:
        document["PrivateDnsName"] = service.private_dns_name
        document["PrivateDnsNameConfiguration"] = {"State": "verified"}
    fields = {"service-name": [service.name], "service-id": [service.id], "service-state": ["Available"]}
    return Described(document, fields, tags_of(call, service.id))


@behaviours.answers("ModifyVpcEndpointServiceConfiguration")
def _modify(sim: Simulation, call: Call) -> Mapping[str, Any]:
    parameters = call.parameters
    service = _known(_state(sim, call), parameters["ServiceId"])
    removed = parameters.get("RemoveNetworkLoadBalancerArns") or ()
    added = parameters.get("AddNetworkLoadBalancerArns") or ()
    arns = [arn for arn in service.load_balancer_arns if arn not in removed]
    arns += [arn for arn in added if arn not in arns]
    if added or removed:
        service.availability_zones = _zones(sim, call, arns)
        service.load_balancer_arns = arns
    if parameters.get("AcceptanceRequired") is not None:
        service.acceptance_required = bool(parameters["AcceptanceRequired"])
    if parameters.get("RemovePrivateDnsName"):
        service.private_dns_name = ""
    service.private_dns_name = parameters.get("PrivateDnsName") or service.private_dns_name
    return {"Return": True}


@behaviours.answers("DescribeVpcEndpointServiceConfigurations")
def _describe(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, wanted = _state(sim, call), call.parameters.get("ServiceIds") or ()
    chosen = [_known(state, service_id) for service_id in wanted] if wanted else state.services.values()
    described = [_configuration(call, service) for service in chosen]
    found, token = page(matching(described, call.parameters.get("Filters")), call.parameters, "ServiceIds")
    return {"ServiceConfigurations": [item.shown() for item in found], "NextToken": token}


@behaviours.answers("DeleteVpcEndpointServiceConfigurations")
def _delete(sim: Simulation, call: Call) -> Mapping[str, Any]:
    state, failed = _state(sim, call), []
    for service_id in call.parameters["ServiceIds"]:
        try:
            _remove(sim, state, service_id)
        except AwsFailure as error:
            failed.append({"ResourceId": service_id, "Error": {"Code": error.code, "Message": error.message}})
    return {"Unsuccessful": failed}


def _remove(sim: Simulation, state: Ec2State, service_id: str) -> None:
    service = _known(state, service_id)
    if any(endpoint.state in _ACCEPTABLE for endpoint in endpoints_of_service(sim, service.name)):
        message = f"Service {service_id} has existing active VPC Endpoint connections!"
        raise AwsFailure("ExistingVpcEndpointConnections", message)
    del state.services[service_id]
    forget_tags(service.account, service.region, service_id)


@behaviours.answers("DescribeVpcEndpointServicePermissions")
def _permissions(sim: Simulation, call: Call) -> Mapping[str, Any]:
    service = _known(_state(sim, call), call.parameters["ServiceId"])
    allowed = [
        {"PrincipalType": _principal_type(name), "Principal": name} for name in sorted(service.principals)
    ]
    found, token = page(allowed, call.parameters)
    return {"AllowedPrincipals": found, "NextToken": token}


def _principal_type(principal: str) -> str:
    if principal == "*":
        return "All"
    resource = principal.rpartition(":")[2]
    return {"user": "User", "role": "Role"}.get(resource.split("/")[0], "Account")


@behaviours.answers("ModifyVpcEndpointServicePermissions")
def _modify_permissions(sim: Simulation, call: Call) -> Mapping[str, Any]:
    service = _known(_state(sim, call), call.parameters["ServiceId"])
    service.principals |= set(call.parameters.get("AddAllowedPrincipals") or ())
    service.principals -= set(call.parameters.get("RemoveAllowedPrincipals") or ())
    return {"ReturnValue": True}


@behaviours.answers("DescribeVpcEndpointConnections")
def _connections(sim: Simulation, call: Call) -> Mapping[str, Any]:
    services = _state(sim, call).services.values()
    described = [
        _connection(service, endpoint)
        for service in services
        for endpoint in endpoints_of_service(sim, service.name)
        if endpoint.state != DELETING
    ]
    found, token = page(matching(described, call.parameters.get("Filters")), call.parameters)
    return {"VpcEndpointConnections": [item.shown() for item in found], "NextToken": token}


def _connection(service: EndpointService, endpoint: Endpoint) -> Described:
    document = {
        "ServiceId": service.id,
        "VpcEndpointId": endpoint.id,
        "VpcEndpointOwner": endpoint.account,
        "VpcEndpointState": endpoint.state,
        "CreationTimestamp": endpoint.created,
        "NetworkLoadBalancerArns": service.load_balancer_arns,
        "IpAddressType": "ipv4",
        "VpcEndpointRegion": endpoint.region,
    }
    fields = {
        "service-id": [service.id],
        "vpc-endpoint-owner": [endpoint.account],
        "vpc-endpoint-state": [endpoint.state],
        "vpc-endpoint-id": [endpoint.id],
    }
    return Described(document, fields)


@behaviours.answers("AcceptVpcEndpointConnections")
def _accept(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _answered(sim, call, frozenset({PENDING_ACCEPTANCE}), partial(accept, sim))


@behaviours.answers("RejectVpcEndpointConnections")
def _reject(sim: Simulation, call: Call) -> Mapping[str, Any]:
    return _answered(sim, call, _ACCEPTABLE, reject)


def _answered(
    sim: Simulation, call: Call, states: frozenset[str], answer: Callable[[Endpoint], None]
) -> Mapping[str, Any]:
    service = _known(_state(sim, call), call.parameters["ServiceId"])
    by_id = {endpoint.id: endpoint for endpoint in endpoints_of_service(sim, service.name)}
    failed = []
    for endpoint_id in call.parameters["VpcEndpointIds"]:
        endpoint = by_id.get(endpoint_id)
        if endpoint is None:
            code, message = (
                "InvalidVpcEndpointId.NotFound",
                f"The Vpc Endpoint Id '{endpoint_id}' does not exist",
            )
        elif endpoint.state not in states:
            code, message = "InvalidState", f"The VPC endpoint {endpoint_id} is in the state {endpoint.state}"
        else:
            answer(endpoint)
            continue
        failed.append({"ResourceId": endpoint_id, "Error": {"Code": code, "Message": message}})
    return {"Unsuccessful": failed}


def install(sim: Simulation) -> None:
    """Answer the calls of providers, and three control routes.

    `POST provider/service {"account": …, "region": …, "acceptance_required": true, "private_dns_name": "",
    "availability_zones": […], "allowed_principals": ["*"]}`: a service without load balancers; answers its name.
    `POST provider/accept {"endpoint": id}` or `{"service": name}`, `POST provider/reject …`: as the provider does.
    """
    behaviours.install(sim)

    @sim.controls("POST", "provider/service")
    def offer(values: Mapping[str, Any]) -> Mapping[str, Any]:
        account, region = str(values["account"]), str(values.get("region", "us-east-1"))
        service = EndpointService(
            id=f"vpce-svc-{sim.hex_id(17)}",
            account=account,
            region=region,
            acceptance_required=bool(values.get("acceptance_required", True)),
            private_dns_name=str(values.get("private_dns_name", "")),
            availability_zones=tuple(
                values.get("availability_zones", [f"{region}{letter}" for letter in "abcdef"])
            ),
            load_balancer_arns=[],
            principals=set(values.get("allowed_principals", ["*"])),
        )
        sim.state(Ec2State, account, region).services[service.id] = service
        return {"id": service.id, "name": service.name}

    @sim.controls("POST", "provider/accept")
    def accept_some(values: Mapping[str, Any]) -> Mapping[str, Any]:
        waiting = [endpoint for endpoint in _meant(sim, values) if endpoint.state == PENDING_ACCEPTANCE]
        for endpoint in waiting:
            accept(sim, endpoint)
        return {"accepted": [endpoint.id for endpoint in waiting]}

    @sim.controls("POST", "provider/reject")
    def reject_some(values: Mapping[str, Any]) -> Mapping[str, Any]:
        connected = [endpoint for endpoint in _meant(sim, values) if endpoint.state in _ACCEPTABLE]
        for endpoint in connected:
            reject(endpoint)
        return {"rejected": [endpoint.id for endpoint in connected]}


def _meant(sim: Simulation, values: Mapping[str, Any]) -> list[Endpoint]:
    if unknown := set(values) - {"endpoint", "service"}:
        raise ValueError(f"unknown field {min(unknown)!r}; known are endpoint, service")
    provided = [
        endpoint for service in all_services(sim) for endpoint in endpoints_of_service(sim, service.name)
    ]
    found = [
        endpoint
        for endpoint in provided
        if values.get("endpoint", endpoint.id) == endpoint.id
        and values.get("service", endpoint.service_name) == endpoint.service_name
        and endpoint.state != REJECTED
    ]
    if values and not found:
        raise ValueError(f"no endpoint of a provider's service matches {dict(values)}")
    return found
