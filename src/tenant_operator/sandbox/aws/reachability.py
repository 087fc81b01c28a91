"""Who reaches whom: routes out of a subnet, VPC endpoints, security groups.

Looked at only when the setting `reachability` is on: then a task in a private subnet needs the endpoints that AWS's
pages list (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html), and a target answers health
checks only where its security groups let the load balancer in
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-update-security-groups.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.services.ec2.state import AVAILABLE, Ec2State, Endpoint
from tenant_operator.sandbox.aws.simulation import Simulation

HTTPS = 443
_EVERYWHERE = "0.0.0.0/0"


def reaches_internet(interface: Interface, *, public_ip: bool) -> bool:
    """Whether the subnet's route table leads out: by a NAT gateway, or by an internet gateway with a public address."""
    for route in getattr(_route_table(interface), "routes", ()):
        if route.destination_cidr_block != _EVERYWHERE:
            continue
        if route.nat_gateway is not None and route.nat_gateway.state == "available":
            return True
        if public_ip and str(route.gateway_id or "").startswith("igw-"):
            return True
    return False


def reaches_service(sim: Simulation, interface: Interface, short_name: str) -> bool:
    """Whether an AWS service (`ecr.api`, `s3`, `logs` …) is reached through an endpoint of the interface's VPC."""
    name = f"com.amazonaws.{interface.region}.{short_name}"
    endpoints = sim.state(Ec2State, interface.account, interface.region).endpoints_of_vpc(interface.vpc_id)
    return any(
        endpoint.service_name == name and endpoint.state == AVAILABLE and _lets_in(endpoint, interface)
        for endpoint in endpoints
    )


def admits(interface: Interface, port: int, source: Interface) -> bool:
    """Whether the security groups of an interface let another interface in at a TCP port."""
    groups: dict[str, Any] = ec2_backends[interface.account][interface.region].groups[interface.vpc_id]
    rules = (rule for group_id in interface.security_group_ids for rule in groups[group_id].ingress_rules)
    return any(_admits(rule, port, source) for rule in rules)


def _admits(rule: Any, port: int, source: Interface) -> bool:
    if rule.ip_protocol not in ("tcp", "-1"):
        return False
    if rule.ip_protocol == "tcp" and not rule.from_port <= port <= rule.to_port:
        return False
    if rule.source_group.get("GroupId") in source.security_group_ids:
        return True
    return rule.cidr_ipv4 is not None and IPv4Address(source.private_ip) in IPv4Network(rule.cidr_ipv4)


def _lets_in(endpoint: Endpoint, interface: Interface) -> bool:
    if endpoint.kind == "Gateway":
        return getattr(_route_table(interface), "id", None) in endpoint.route_table_ids
    return endpoint.private_dns and any(admits(own, HTTPS, interface) for own in endpoint.interfaces.values())


def _route_table(interface: Interface) -> Any | None:
    """The subnet's own route table, or the VPC's main one."""
    tables: Iterable[Any] = ec2_backends[interface.account][interface.region].route_tables.values()
    main = None
    for table in tables:
        if table.vpc_id != interface.vpc_id:
            continue
        if any(found.get("SubnetId") == interface.subnet_id for found in table.associations):
            return table
        if table.main_association_id is not None:
            main = table
    return main
