"""Security groups: who may reach what. Only ingress is ours; egress stays as AWS makes it (everything).

Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tenant_operator.aws import ec2
from tenant_operator.aws.blockers import naming_blockers
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, from_list, specifications
from tenant_operator.aws.visibility import once_visible
from tenant_operator.desired.resources import Ingress, Live, Resource, SecurityGroup
from tenant_operator.plan.change import FieldChange

ANY_PORT = -1
"""What a rule for all protocols has instead of ports."""


async def read_security_groups(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    """Security groups by filters."""
    found = await ec2.described(caller, "describe_security_groups", "SecurityGroups", wanted)
    return [
        ec2.live_of(
            caller,
            SecurityGroup(
                vpc=group["VpcId"],
                group_name=group["GroupName"],
                description=group["Description"],
                ingress=ingress_of(group.get("IpPermissions", ())),
            ),
            group["GroupId"],
            from_list(group.get("Tags")),
        )
        for group in found
    ]


def ingress_of(permissions: Iterable[Mapping[str, Any]]) -> tuple[Ingress, ...]:
    """EC2's permissions, each of one protocol and port range and many sources, as single rules."""
    return tuple(
        Ingress(
            permission["IpProtocol"],
            permission.get("FromPort", ANY_PORT),
            permission.get("ToPort", ANY_PORT),
            source,
        )
        for permission in permissions
        for source in (
            *(found["CidrIp"] for found in permission.get("IpRanges", ())),
            *(found["CidrIpv6"] for found in permission.get("Ipv6Ranges", ())),
            *(found["GroupId"] for found in permission.get("UserIdGroupPairs", ())),
            *(found["PrefixListId"] for found in permission.get("PrefixListIds", ())),
        )
    )


def permissions_of(ingress: Iterable[Ingress]) -> list[dict[str, Any]]:
    """The same the other way round, for Authorize and Revoke."""
    found = []
    for rule in ingress:
        permission: dict[str, Any] = {"IpProtocol": rule.protocol, **_source(ec2.known(rule.source))}
        if rule.protocol != "-1":
            permission.update(FromPort=rule.from_port, ToPort=rule.to_port)
        found.append(permission)
    return found


def _source(source: str) -> dict[str, list[dict[str, str]]]:
    if source.startswith("sg-"):
        return {"UserIdGroupPairs": [{"GroupId": source}]}
    if source.startswith("pl-"):
        return {"PrefixListIds": [{"PrefixListId": source}]}
    if ":" in source:
        return {"Ipv6Ranges": [{"CidrIpv6": source}]}
    return {"IpRanges": [{"CidrIp": source}]}


async def create_security_group(caller: Caller, resource: Resource) -> Live:
    """CreateSecurityGroup, then all of its rules in one call.

    A crash in between leaves a difference of `ingress`, which the next plan sees.
    """
    spec = cast("SecurityGroup", resource.spec)
    vpc, put = ec2.known(spec.vpc), ec2.name_tagged(resource)
    try:
        answer = await once_visible(
            partial(
                caller,
                "ec2",
                "create_security_group",
                VpcId=vpc,
                GroupName=spec.group_name,
                Description=spec.description,
                TagSpecifications=specifications("security-group", put),
            )
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        place = {"vpc-id": (vpc,), "group-name": (spec.group_name,)}
        return await ec2.adopt_in_place(
            caller, resource, partial(read_security_groups, caller), place, "create_security_group", error
        )
    group = answer["GroupId"]
    if spec.ingress:
        await once_visible(partial(_set_ingress, caller, group, spec.ingress, ()))
    return ec2.created(resource, group, put=put)


async def update_security_group(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Permit what is missing, then revoke what is too much, and change tags."""
    wanted, present = cast("SecurityGroup", resource.spec), cast("SecurityGroup", live.spec)
    if wanted.ingress != present.ingress:
        try:
            await _set_ingress(caller, live.id, wanted.ingress, present.ingress)
        except AwsError as error:
            if error.code not in ("InvalidPermission.Duplicate", "InvalidPermission.NotFound"):
                raise
            current = await read_security_groups(caller, {"group-id": (live.id,)})
            for group in current:
                rules = cast("SecurityGroup", group.spec).ingress
                await _set_ingress(caller, live.id, wanted.ingress, rules)
    return await apply_tag_change(caller, replace(live, spec=wanted), changes)


async def _set_ingress(
    caller: Caller, group: str, wanted: Iterable[Ingress], present: Iterable[Ingress]
) -> None:
    missing, surplus = set(wanted) - set(present), set(present) - set(wanted)
    for operation, rules in (
        ("authorize_security_group_ingress", missing),
        ("revoke_security_group_ingress", surplus),
    ):
        if rules:
            permissions = permissions_of(sorted(rules, key=repr))
            await caller("ec2", operation, GroupId=group, IpPermissions=permissions)


async def delete_security_group(caller: Caller, live: Live) -> None:
    """Delete it; the message of a refusal names the network interfaces or the rules that use it."""
    deletion = caller("ec2", "delete_security_group", GroupId=live.id)
    what = f"security group {live.id}"
    await naming_blockers(caller, "delete_security_group", what, ("group-id", live.id), deletion)
