"""Load balancers: CreateLoadBalancer to DeleteLoadBalancer, subnets, security groups.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.services.elbv2 import attributes, tags
from tenant_operator.sandbox.aws.services.elbv2.listeners import remove_listener
from tenant_operator.sandbox.aws.services.elbv2.paging import limit_named, page
from tenant_operator.sandbox.aws.services.elbv2.quotas import (
    LOAD_BALANCERS,
    NETWORK_LOAD_BALANCERS,
)
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState, LoadBalancer
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

# https://docs.aws.amazon.com/general/latest/gr/elb.html
_APPLICATION_ZONES = {
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-northeast-2": "ZWKZPGTI48KDX",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ap-south-1": "ZP97RAFLXTNZK",
    "sa-east-1": "Z2P70J7HTTTPLU",
}
_NAME = re.compile(r"(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_LARGEST_PREFIX = 27  # a load balancer's subnet must be at least a /27
_KINDS = {"application": "app", "network": "net"}

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    return sim.state(ElbState, call.account, call.region)


@behaviours.answers("CreateLoadBalancer")
def _create_load_balancer(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Idempotent with equal settings; DuplicateLoadBalancerName with others."""
    made = _create(sim, _state(sim, call), call)
    return {"LoadBalancers": [_describe(sim, made)]}


@behaviours.answers("DescribeLoadBalancers")
def _describe_load_balancers(sim: Simulation, call: Call) -> Mapping[str, Any]:
    shown, marker = page(_selected(_state(sim, call), call.parameters), call.parameters)
    return {
        "LoadBalancers": [_describe(sim, found) for found in shown],
        "NextMarker": marker,
    }


@behaviours.answers("DeleteLoadBalancer")
def _delete_load_balancer(sim: Simulation, call: Call) -> None:
    """Idempotent; refused under deletion protection; its network interfaces outlive it."""
    found = _state(sim, call).load_balancers.get(call.parameters["LoadBalancerArn"])
    if found is None:
        return
    if found.attributes.get("deletion_protection.enabled") == "true":
        message = f"Load balancer '{found.arn}' cannot be deleted because deletion protection is enabled"
        raise AwsFailure("OperationNotPermitted", message)
    for listener in list(found.listeners.values()):
        remove_listener(sim, _state(sim, call), listener)
    del _state(sim, call).load_balancers[found.arn]
    del _state(sim, call).load_balancer_names[found.name]
    _state(sim, call).tags.pop(found.arn, None)
    for interface in found.interfaces.values():
        _let_linger(sim, interface)


@behaviours.answers("SetSubnets")
def _set_subnets(sim: Simulation, call: Call) -> Mapping[str, Any]:
    found = _state(sim, call).load_balancer(call.parameters["LoadBalancerArn"])
    subnets = _subnets(call, _subnet_ids(call.parameters), found.kind)
    wanted = {subnet.id: subnet for subnet in subnets}
    for subnet_id in found.interfaces.keys() - wanted.keys():
        _let_linger(sim, found.interfaces.pop(subnet_id))
    for subnet_id, subnet in wanted.items():
        if subnet_id not in found.interfaces:
            found.interfaces[subnet_id] = _attach(sim, call, found.path, found.security_group_ids, subnet)
    return {
        "AvailabilityZones": _zones(found),
        "IpAddressType": found.ip_address_type,
    }


@behaviours.answers("SetSecurityGroups")
def _set_security_groups(sim: Simulation, call: Call) -> Mapping[str, Any]:
    found = _state(sim, call).load_balancer(call.parameters["LoadBalancerArn"])
    found.security_group_ids = _security_groups(call, call.parameters["SecurityGroups"], found.vpc_id)
    for interface in found.interfaces.values():
        sim.interfaces.set_security_groups(interface.id, tuple(found.security_group_ids))
    return {"SecurityGroupIds": found.security_group_ids}


@behaviours.answers("SetIpAddressType")
def _set_ip_address_type(sim: Simulation, call: Call) -> Mapping[str, Any]:
    found = _state(sim, call).load_balancer(call.parameters["LoadBalancerArn"])
    found.ip_address_type = call.parameters["IpAddressType"]
    return {"IpAddressType": found.ip_address_type}


def _create(sim: Simulation, state: ElbState, call: Call) -> LoadBalancer:
    parameters = call.parameters
    name, kind = parameters["Name"], parameters.get("Type", "application")
    if kind not in _KINDS:
        raise AwsFailure(
            "SandboxNotImplemented",
            f"load balancers of type {kind!r} are not simulated",
            status=501,
        )
    if not _NAME.fullmatch(name):
        raise AwsFailure(
            "ValidationError",
            f"The load balancer name '{name}' must have at most 32 characters, only letters, digits and hyphens, "
            "no hyphen at either end, and must not begin with 'internal-'",
        )
    subnets = _subnets(call, _subnet_ids(parameters), kind)
    vpc_id = subnets[0].vpc_id
    groups = (
        _security_groups(call, parameters.get("SecurityGroups", []), vpc_id) if kind == "application" else []
    )
    scheme = parameters.get("Scheme", "internet-facing")
    if scheme == "internet-facing":
        _check_internet_gateway(call, vpc_id)
    if (existing := state.load_balancer_names.get(name)) is not None:
        return _same(
            state,
            state.load_balancers[existing],
            call,
            (scheme, kind, {s.id for s in subnets}, set(groups)),
        )
    quota = LOAD_BALANCERS if kind == "application" else NETWORK_LOAD_BALANCERS
    if sum(found.kind == kind for found in state.load_balancers.values()) >= quota.of(sim, call):
        raise AwsFailure(
            "TooManyLoadBalancers",
            "You've reached the limit on the number of load balancers",
        )
    tags.check_new(parameters.get("Tags", []))
    path = f"{_KINDS[kind]}/{name}/{sim.hex_id(16)}"
    arn = f"arn:{call.partition}:elasticloadbalancing:{call.region}:{call.account}:loadbalancer/{path}"
    internal = "internal-" if scheme == "internal" else ""
    made = LoadBalancer(
        arn=arn,
        name=name,
        kind=kind,
        scheme=scheme,
        dns_name=f"{internal}{name}-{sim.rng.randrange(10**9, 10**10)}.{call.region}.elb.amazonaws.com",
        hosted_zone_id=canonical_hosted_zone_id(call.region, kind),
        vpc_id=vpc_id,
        ip_address_type=parameters.get("IpAddressType", "ipv4"),
        security_group_ids=groups,
        interfaces={subnet.id: _attach(sim, call, path, groups, subnet) for subnet in subnets},
        created=sim.timestamp(),
        active_at=sim.now() + sim.durations.load_balancer_provisioning,
        attributes=attributes.of_new_load_balancer(kind),
    )
    state.load_balancers[arn] = made
    state.load_balancer_names[name] = arn
    tags.put(state, arn, parameters.get("Tags", []))
    return made


def _same(
    state: ElbState,
    found: LoadBalancer,
    call: Call,
    wanted: tuple[str, str, set[str], set[str]],
) -> LoadBalancer:
    existing = (
        found.scheme,
        found.kind,
        set(found.interfaces),
        set(found.security_group_ids),
    )
    asked_tags = {tag["Key"]: tag.get("Value", "") for tag in call.parameters.get("Tags", [])}
    if existing != wanted or asked_tags != state.tags.get(found.arn, {}):
        message = f"A load balancer with the same name '{found.name}' exists, but with different settings"
        raise AwsFailure("DuplicateLoadBalancerName", message)
    return found


def canonical_hosted_zone_id(region: str, kind: str = "application") -> str:
    """The hosted zone of a Region's load balancers; a stable made-up one for Regions that are not in the table."""
    if kind == "application" and region in _APPLICATION_ZONES:
        return _APPLICATION_ZONES[region]
    return "Z" + sha256(f"{kind}/{region}".encode()).hexdigest()[:13].upper()


def _describe(sim: Simulation, found: LoadBalancer) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LoadBalancerArn": found.arn,
        "DNSName": found.dns_name,
        "CanonicalHostedZoneId": found.hosted_zone_id,
        "CreatedTime": found.created,
        "LoadBalancerName": found.name,
        "Scheme": found.scheme,
        "VpcId": found.vpc_id,
        "State": {"Code": "active" if sim.now() >= found.active_at else "provisioning"},
        "Type": found.kind,
        "AvailabilityZones": _zones(found),
        "IpAddressType": found.ip_address_type,
    }
    if found.kind == "application":
        shown["SecurityGroups"] = found.security_group_ids
    return shown


def _zones(found: LoadBalancer) -> list[dict[str, Any]]:
    return [
        {
            "ZoneName": interface.availability_zone,
            "SubnetId": subnet_id,
            "LoadBalancerAddresses": [],
        }
        for subnet_id, interface in found.interfaces.items()
    ]


def _selected(state: ElbState, parameters: Mapping[str, Any]) -> Sequence[LoadBalancer]:
    arns, names = parameters.get("LoadBalancerArns", []), parameters.get("Names", [])
    limit_named("LoadBalancerArns", arns)
    limit_named("Names", names)
    if not arns and not names:
        return list(state.load_balancers.values())
    missing = [arn for arn in arns if arn not in state.load_balancers]
    missing += [name for name in names if name not in state.load_balancer_names]
    if missing:
        raise AwsFailure("LoadBalancerNotFound", f"Load balancers '[{', '.join(missing)}]' not found")
    chosen = dict.fromkeys([*arns, *(state.load_balancer_names[name] for name in names)])
    return [state.load_balancers[arn] for arn in chosen]


def _subnet_ids(parameters: Mapping[str, Any]) -> list[str]:
    mapped = [mapping["SubnetId"] for mapping in parameters.get("SubnetMappings", [])]
    return list(dict.fromkeys([*parameters.get("Subnets", []), *mapped]))


def _subnets(call: Call, subnet_ids: Sequence[str], kind: str) -> list[Any]:
    known = ec2_backends[call.account][call.region].subnets
    by_id = {
        subnet_id: zone[subnet_id] for zone in known.values() for subnet_id in subnet_ids if subnet_id in zone
    }
    for subnet_id in subnet_ids:
        if subnet_id not in by_id:
            raise AwsFailure("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
    subnets = [by_id[subnet_id] for subnet_id in subnet_ids]
    zones = {subnet.availability_zone for subnet in subnets}
    if len(zones) < (2 if kind == "application" else 1):
        raise AwsFailure(
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        )
    if len(zones) < len(subnets):
        message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        raise AwsFailure("InvalidConfigurationRequest", message)
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise AwsFailure(
            "InvalidConfigurationRequest",
            "The specified subnets must belong to the same VPC",
        )
    for subnet in subnets:
        if int(subnet.cidr_block.split("/")[1]) > _LARGEST_PREFIX:
            message = (
                f"Not enough IP space available in {subnet.id}. "
                "ELB requires at least 8 free IP addresses in each subnet."
            )
            raise AwsFailure("InvalidSubnet", message)
    return subnets


def _security_groups(call: Call, wanted: Sequence[str], vpc_id: str) -> list[str]:
    of_vpc = ec2_backends[call.account][call.region].groups.get(vpc_id, {})
    if not wanted:
        return [group.id for group in of_vpc.values() if group.name == "default"]
    for group_id in wanted:
        if group_id not in of_vpc:
            message = (
                f"One or more security groups are invalid: {group_id} is not a security group of {vpc_id}"
            )
            raise AwsFailure("InvalidSecurityGroup", message)
    return list(dict.fromkeys(wanted))


def _check_internet_gateway(call: Call, vpc_id: str) -> None:
    gateways: Any = ec2_backends[call.account][call.region].internet_gateways.values()
    if not any(gateway.vpc is not None and gateway.vpc.id == vpc_id for gateway in gateways):
        raise AwsFailure("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def _attach(sim: Simulation, call: Call, path: str, groups: Sequence[str], subnet: Any) -> Interface:
    return sim.interfaces.attach(
        account=call.account,
        region=call.region,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        availability_zone=subnet.availability_zone,
        cidr_block=subnet.cidr_block,
        security_group_ids=tuple(groups),
        owner="load-balancer",
        description=f"ELB {path}",
    )


def _let_linger(sim: Simulation, interface: Interface) -> None:
    """Its network interfaces outlive a load balancer: subnets and security groups stay in use meanwhile."""
    sim.after(sim.durations.interface_lingering, lambda: sim.interfaces.release(interface.id))
