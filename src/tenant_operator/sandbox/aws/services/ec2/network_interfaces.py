"""DescribeNetworkInterfaces over both kinds: those that AWS's services put into subnets, and people's own (moto's)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.services.ec2.describing import Described, matching, page, tags_of
from tenant_operator.sandbox.aws.simulation import Simulation

# Who manages an interface, as its attachment and requester show it.
_REQUESTERS = {"load-balancer": "amazon-elb", "endpoint": "amazon-aws", "task": "amazon-ecs"}
_TYPES = {"endpoint": "vpc_endpoint"}


def install(sim: Simulation) -> None:
    """Answer DescribeNetworkInterfaces, and guard the interfaces of AWS's services."""

    @sim.handles("ec2", "DescribeNetworkInterfaces")
    def describe(call: Call) -> Mapping[str, Any]:
        wanted = call.parameters.get("NetworkInterfaceIds") or ()
        described = [*_of_services(sim, call), *_of_people(call)]
        if wanted:
            by_id = {item.document["NetworkInterfaceId"]: item for item in described}
            described = [_known(by_id, interface_id) for interface_id in wanted]
        found, token = page(
            matching(described, call.parameters.get("Filters")), call.parameters, "NetworkInterfaceIds"
        )
        return {"NetworkInterfaces": [_shown(item) for item in found], "NextToken": token}

    @sim.validates("ec2", "DeleteNetworkInterface", "ModifyNetworkInterfaceAttribute")
    def guard(call: Call) -> None:
        interface = sim.interfaces.get(call.parameters["NetworkInterfaceId"])
        if interface is not None and interface.account == call.account:
            message = f"Network interface '{interface.id}' is currently in use."
            raise AwsFailure("InvalidParameterValue", message)


def _known(by_id: Mapping[str, Described], interface_id: str) -> Described:
    found = by_id.get(interface_id)
    if found is None:
        message = f"The networkInterface ID '{interface_id}' does not exist"
        raise AwsFailure("InvalidNetworkInterfaceID.NotFound", message)
    return found


def _shown(item: Described) -> dict[str, Any]:
    shown = item.shown()
    shown["TagSet"] = shown.pop("Tags")
    return shown


def _of_services(sim: Simulation, call: Call) -> Iterator[Described]:
    groups = _group_names(call)
    for interface in _candidates(sim, call.parameters.get("Filters") or ()):
        if (interface.account, interface.region) == (call.account, call.region):
            yield _of_service(interface, groups)


def _candidates(sim: Simulation, filters: Sequence[Mapping[str, Any]]) -> Iterable[Interface]:
    """All interfaces that may match, by an index where a filter names one."""
    for given in filters:
        if given["Name"] == "subnet-id":
            return [found for subnet_id in given["Values"] for found in sim.interfaces.in_subnet(subnet_id)]
        if given["Name"] == "group-id":
            several = [
                found for group in given["Values"] for found in sim.interfaces.in_security_group(group)
            ]
            return list(dict.fromkeys(several))
    return sim.interfaces


def _of_service(interface: Interface, group_names: Mapping[str, str]) -> Described:
    requester, kind = _REQUESTERS[interface.owner], _TYPES.get(interface.owner, "interface")
    document = _document(
        interface_id=interface.id,
        call_like=(interface.account, interface.vpc_id, interface.subnet_id, interface.availability_zone),
        private_ip=interface.private_ip,
        description=interface.description,
        groups={group: group_names.get(group, group) for group in interface.security_group_ids},
        kind=kind,
    ) | {
        "Status": "in-use",
        "RequesterId": requester,
        "RequesterManaged": True,
        "Attachment": {
            "AttachmentId": f"ela-attach-{interface.id.removeprefix('eni-')}",
            "InstanceOwnerId": requester,
            "Status": "attached",
            "DeleteOnTermination": False,
            "DeviceIndex": 1,
        },
    }
    return Described(document, _fields(document))


def _of_people(call: Call) -> Iterator[Described]:
    for eni in list(ec2_backends[call.account][call.region].enis.values()):
        document = _document(
            interface_id=eni.id,
            call_like=(call.account, eni.vpc_id, eni.subnet_id, eni.availability_zone),
            private_ip=eni.private_ip_address or "",
            description=eni.description,
            groups={group.id: group.name for group in eni.group_set},
            kind=eni.interface_type,
        ) | {
            "Status": "in-use" if eni.attachment_id or eni.public_ip else "available",
            "RequesterManaged": False,
        }
        if eni.public_ip:
            document["Association"] = {"PublicIp": eni.public_ip, "IpOwnerId": call.account}
        yield Described(document, _fields(document), tags_of(call, eni.id))


def _document(
    *,
    interface_id: str,
    call_like: tuple[str, str, str, str],
    private_ip: str,
    description: str,
    groups: Mapping[str, str],
    kind: str,
) -> dict[str, Any]:
    account, vpc_id, subnet_id, zone = call_like
    return {
        "NetworkInterfaceId": interface_id,
        "OwnerId": account,
        "VpcId": vpc_id,
        "SubnetId": subnet_id,
        "AvailabilityZone": zone,
        "Description": description,
        "PrivateIpAddress": private_ip,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": private_ip}],
        "Groups": [{"GroupId": group_id, "GroupName": name} for group_id, name in groups.items()],
        "InterfaceType": kind,
        "SourceDestCheck": True,
    }


def _fields(document: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    return {
        "network-interface-id": [document["NetworkInterfaceId"]],
        "vpc-id": [document["VpcId"]],
        "subnet-id": [document["SubnetId"]],
        "availability-zone": [document["AvailabilityZone"]],
        "group-id": [group["GroupId"] for group in document["Groups"]],
        "group-name": [group["GroupName"] for group in document["Groups"]],
        "description": [document["Description"]],
        "private-ip-address": [document["PrivateIpAddress"]],
        "addresses.private-ip-address": [document["PrivateIpAddress"]],
        "status": [document["Status"]],
        "interface-type": [document["InterfaceType"]],
        "owner-id": [document["OwnerId"]],
        "requester-managed": [str(document["RequesterManaged"]).lower()],
        "requester-id": [document["RequesterId"]] if "RequesterId" in document else [],
    }


def _group_names(call: Call) -> dict[str, str]:
    by_vpc = ec2_backends[call.account][call.region].groups.values()
    return {group.id: group.name for groups in by_vpc for group in groups.values()}
