"""A VPC endpoint as DescribeVpcEndpoints shows it, and what filters find it by."""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.ec2.describing import Described, tags_of
from tenant_operator.sandbox.aws.services.ec2.state import Endpoint


def described(call: Call, endpoint: Endpoint) -> Described:
    """The endpoint with its filters and tags."""
    fields = {
        "service-name": [endpoint.service_name],
        "vpc-id": [endpoint.vpc_id],
        "vpc-endpoint-id": [endpoint.id],
        "vpc-endpoint-state": [endpoint.state],
        "vpc-endpoint-type": [endpoint.kind],
    }
    return Described(_document(call, endpoint), fields, tags_of(call, endpoint.id))


def _document(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    groups = ec2_backends[call.account][call.region].groups.get(endpoint.vpc_id, {})
    document: dict[str, Any] = {
        "VpcEndpointId": endpoint.id,
        "VpcEndpointType": endpoint.kind,
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoint.service_name,
        "State": endpoint.state,
        "PolicyDocument": endpoint.policy,
        "RouteTableIds": endpoint.route_table_ids,
        "SubnetIds": list(endpoint.interfaces),
        "Groups": [
            {"GroupId": group, "GroupName": groups[group].name if group in groups else group}
            for group in endpoint.security_group_ids
        ],
        "PrivateDnsEnabled": endpoint.private_dns,
        "RequesterManaged": False,
        "NetworkInterfaceIds": [interface.id for interface in endpoint.interfaces.values()],
        "DnsEntries": _dns_entries(endpoint),
        "CreationTimestamp": endpoint.created,
        "OwnerId": endpoint.account,
    }
    if endpoint.kind == "Interface":
        document |= {"IpAddressType": "ipv4", "DnsOptions": {"DnsRecordIpType": "ipv4"}}
    return document


def _dns_entries(endpoint: Endpoint) -> list[dict[str, str]]:
    if endpoint.kind != "Interface":
        return []
    base = f"{endpoint.id}-{endpoint.dns_label}"
    zones = sorted(interface.availability_zone for interface in endpoint.interfaces.values())
    names = [f"{base}.{endpoint.dns_suffix}", *(f"{base}-{zone}.{endpoint.dns_suffix}" for zone in zones)]
    if endpoint.private_dns:
        names += endpoint.private_dns_names
    return [{"DnsName": name, "HostedZoneId": "Z7HUB22UULQXV"} for name in names]
