"""What stands in the way of a deletion: DependencyViolation says that there is something, this says what.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/delete-vpc.html.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.ec2 import described
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import from_list
from tenant_operator.desired.tags import HUMAN_NAME

NAMED = 3
"""How many of the things in the way a message names."""


async def naming_blockers(
    caller: Caller, operation: str, what: str, interface_filter: tuple[str, str], deletion: Awaitable[object]
) -> None:
    """Make a deletion; when something else still needs the resource, say what it is.

    Args:
        caller: account and Region.
        operation: boto3's name of the deletion.
        what: the resource in words, such as `security group sg-…`.
        interface_filter: DescribeNetworkInterfaces' filter (name, value) for what may be in the way.
        deletion: the call; that the resource is not there means that it is done.

    Raises:
        AwsError: IN_USE with a message that names what is in the way, or whatever else AWS says.
    """
    try:
        await deletion
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return
        if error.category is not Category.IN_USE:
            raise
        name, value = interface_filter
        interfaces = await described(
            caller, "describe_network_interfaces", "NetworkInterfaces", {name: (value,)}
        )
        users = [_interface(interface) for interface in interfaces]
        if not users and name == "group-id":
            users = await _groups_that_name(caller, value)
        if not users and name == "vpc-id":
            users = await _left_in_vpc(caller, value)
        raise caller.error(
            "ec2", operation, error.code, _message(what, users, error), Category.IN_USE
        ) from error


def _message(what: str, users: list[str], error: AwsError) -> str:
    if not users:
        return f"{what} is still in use, AWS does not say by what ({error.message}); this is tried again by itself"
    shown = ", ".join(users[:NAMED]) + (f" and {len(users) - NAMED} more" if len(users) > NAMED else "")
    return f"{what} is still used by {shown}; delete {'it' if len(users) == 1 else 'them'} or wait until AWS has let go"


def _interface(interface: dict[str, Any]) -> str:
    description = interface.get("Description") or interface.get("InterfaceType", "interface")
    return f"{interface['NetworkInterfaceId']} ({description})"


async def _groups_that_name(caller: Caller, group: str) -> list[str]:
    found = await described(
        caller, "describe_security_groups", "SecurityGroups", {"ip-permission.group-id": (group,)}
    )
    return [
        f"a rule of {other['GroupId']} ({other['GroupName']})" for other in found if other["GroupId"] != group
    ]


async def _left_in_vpc(caller: Caller, vpc: str) -> list[str]:
    subnets = await described(caller, "describe_subnets", "Subnets", {"vpc-id": (vpc,)})
    groups = await described(caller, "describe_security_groups", "SecurityGroups", {"vpc-id": (vpc,)})
    return [f"subnet {_named(subnet, 'SubnetId')}" for subnet in subnets] + [
        f"security group {group['GroupId']} ({group['GroupName']})"
        for group in groups
        if group["GroupName"] != "default"
    ]


def _named(item: dict[str, Any], key: str) -> str:
    name = from_list(item.get("Tags")).get(HUMAN_NAME)
    return f"{item[key]} ({name})" if name else str(item[key])
