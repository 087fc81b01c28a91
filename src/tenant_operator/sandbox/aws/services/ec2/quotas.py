"""EC2's and VPC's quotas: AWS's defaults, or what the account was granted, and the creations that they stop.

https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota by its code in Service Quotas."""

    code: str
    default: int

    def of(self, sim: Simulation, call: Call) -> int:
        """The value in force in the call's account and Region."""
        return int(sim.quota(call.account, call.region, self.code, self.default))


VPCS = Quota("L-F678F1CE", 5)
SUBNETS_PER_VPC = Quota("L-407747CB", 200)
SECURITY_GROUPS = Quota("L-E79EC296", 2500)
RULES_PER_SECURITY_GROUP = Quota("L-0EA8095F", 60)  # for each direction
ROUTE_TABLES_PER_VPC = Quota("L-589F43AA", 200)
INTERNET_GATEWAYS = Quota("L-A4707A72", 5)
NAT_GATEWAYS_PER_ZONE = Quota("L-FE5A380F", 5)
ELASTIC_ADDRESSES = Quota("L-0263D0A3", 5)
NETWORK_INTERFACES = Quota("L-DF5E4CA3", 5000)
INTERFACE_ENDPOINTS = Quota("L-29B6F2EB", 50)
GATEWAY_ENDPOINTS = Quota("L-1B52E74A", 20)


@dataclass(frozen=True, slots=True)
class _Stop:
    """A creation that a quota stops."""

    quota: Quota
    code: str
    message: str
    used: Callable[[Any, Call], int]  # of moto's backend


_STOPS = {
    "CreateVpc": _Stop(
        VPCS,
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
        lambda backend, _: len(backend.vpcs),
    ),
    "CreateSubnet": _Stop(
        SUBNETS_PER_VPC,
        "SubnetLimitExceeded",
        "The maximum number of subnets has been reached for this VPC.",
        lambda backend, call: sum(
            subnet.vpc_id == call.parameters["VpcId"]
            for zone in backend.subnets.values()
            for subnet in zone.values()
        ),
    ),
    "CreateSecurityGroup": _Stop(
        SECURITY_GROUPS,
        "SecurityGroupLimitExceeded",
        "The maximum number of security groups has been reached.",
        lambda backend, _: sum(map(len, backend.groups.values())),
    ),
    "CreateRouteTable": _Stop(
        ROUTE_TABLES_PER_VPC,
        "RouteTableLimitExceeded",
        "The maximum number of route tables has been reached for this VPC.",
        lambda backend, call: sum(
            table.vpc_id == call.parameters["VpcId"] for table in backend.route_tables.values()
        ),
    ),
    "CreateInternetGateway": _Stop(
        INTERNET_GATEWAYS,
        "InternetGatewayLimitExceeded",
        "The maximum number of internet gateways has been reached.",
        lambda backend, _: len(backend.internet_gateways),
    ),
    "AllocateAddress": _Stop(
        ELASTIC_ADDRESSES,
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
        lambda backend, _: len(backend.addresses),
    ),
}


def install(sim: Simulation) -> None:
    """Stop creations at their quotas."""
    for action, stop in _STOPS.items():
        sim.validates("ec2", action)(_validator(sim, stop))


def _validator(sim: Simulation, stop: _Stop) -> Callable[[Call], None]:
    def validate(call: Call) -> None:
        if stop.used(ec2_backends[call.account][call.region], call) >= stop.quota.of(sim, call):
            raise AwsFailure(stop.code, stop.message)

    return validate
