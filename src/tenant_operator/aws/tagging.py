"""Tags, in the dialect of each AWS service; and putting tags on (and taking them off) what exists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from sys import intern
from typing import Any

from tenant_operator.aws.caller import Caller
from tenant_operator.desired.resources import (
    Cluster,
    ElasticIp,
    EventBus,
    EventRule,
    InternetGateway,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    LogGroup,
    NatGateway,
    Queue,
    Role,
    RouteTable,
    SecurityGroup,
    Service,
    Spec,
    Subnet,
    TargetGroup,
    TaskDefinition,
    Vpc,
    VpcEndpoint,
)
from tenant_operator.plan.change import FieldChange

TagList = list[dict[str, str]]


def as_list(tags: Mapping[str, str]) -> TagList:
    """As EC2, ELBv2 and IAM write tags: `[{"Key": …, "Value": …}]`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """From that form; AWS's own tags (`aws:…`) are nobody's to change and are left out."""
    return _kept((tag["Key"], tag["Value"]) for tag in tags or ())


def as_lower_list(tags: Mapping[str, str]) -> TagList:
    """As ECS writes tags: `[{"key": …, "value": …}]`."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def from_lower_list(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """From that form, without AWS's own tags."""
    return _kept((tag["key"], tag["value"]) for tag in tags or ())


def _kept(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Thousands of resources have the same few tags: each text is kept once."""
    return {intern(key): intern(value) for key, value in tags if not key.startswith("aws:")}


def change_of(changes: Iterable[FieldChange]) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """What a change of the field `tags` puts on and takes off; None when there is none among the changes."""
    for change in changes:
        if change.field == "tags":
            put = dict(change.new)
            return put, tuple(sorted(key for key in change.old if key not in put))
    return None


async def retag(caller: Caller, live: Live, put: Mapping[str, str], drop: Iterable[str] = ()) -> None:
    """Put tags on a resource, and take others off. Costs a call for each of the two that is not empty.

    Raises:
        AwsError: AWS refuses.
        TypeError: the resource takes no tags.
    """
    writer = _WRITERS.get(type(live.spec))
    if writer is None:
        raise TypeError(f"a {live.address.type} takes no tags")
    await writer(caller, live, dict(put), tuple(drop))


def retagged(live: Live, put: Mapping[str, str], drop: Iterable[str] = ()) -> dict[str, str]:
    """The tags of the resource after that."""
    gone = set(drop)
    return {**{key: value for key, value in live.tags.items() if key not in gone}, **put}


_Writer = Callable[[Caller, Live, dict[str, str], tuple[str, ...]], Awaitable[None]]


async def _ec2(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    if put:
        await caller("ec2", "create_tags", Resources=[live.id], Tags=as_list(put))
    if drop:
        await caller("ec2", "delete_tags", Resources=[live.id], Tags=[{"Key": key} for key in drop])


async def _elbv2(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    if put:
        await caller("elbv2", "add_tags", ResourceArns=[live.id], Tags=as_list(put))
    if drop:
        await caller("elbv2", "remove_tags", ResourceArns=[live.id], TagKeys=list(drop))


async def _ecs(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    if put:
        await caller("ecs", "tag_resource", resourceArn=live.id, tags=as_lower_list(put))
    if drop:
        await caller("ecs", "untag_resource", resourceArn=live.id, tagKeys=list(drop))


async def _iam(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    if put:
        await caller("iam", "tag_role", RoleName=live.address.name, Tags=as_list(put))
    if drop:
        await caller("iam", "untag_role", RoleName=live.address.name, TagKeys=list(drop))


async def _logs(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    arn = live.id.removesuffix(":*")
    if put:
        await caller("logs", "tag_resource", resourceArn=arn, tags=put)
    if drop:
        await caller("logs", "untag_resource", resourceArn=arn, tagKeys=list(drop))


async def _sqs(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    url = live.attributes["url"]
    if put:
        await caller("sqs", "tag_queue", QueueUrl=url, Tags=put)
    if drop:
        await caller("sqs", "untag_queue", QueueUrl=url, TagKeys=list(drop))


async def _events(caller: Caller, live: Live, put: dict[str, str], drop: tuple[str, ...]) -> None:
    if put:
        await caller("events", "tag_resource", ResourceARN=live.id, Tags=as_list(put))
    if drop:
        await caller("events", "untag_resource", ResourceARN=live.id, TagKeys=list(drop))


_WRITERS: Mapping[type[Spec], _Writer] = {
    **dict.fromkeys(
        (Vpc, Subnet, InternetGateway, ElasticIp, NatGateway, RouteTable, SecurityGroup, VpcEndpoint), _ec2
    ),
    **dict.fromkeys((LoadBalancer, Listener, ListenerRule, TargetGroup), _elbv2),
    **dict.fromkeys((Cluster, Service, TaskDefinition), _ecs),
    Role: _iam,
    LogGroup: _logs,
    Queue: _sqs,
    EventBus: _events,
    EventRule: _events,
}


def specifications(resource_type: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """EC2's `TagSpecifications` of a creation."""
    return [{"ResourceType": resource_type, "Tags": as_list(tags)}]


async def apply_tag_change(caller: Caller, live: Live, changes: Iterable[FieldChange]) -> Live:
    """Carry out the change of the field `tags`, if there is one, and give the resource with its new tags.

    Raises:
        AwsError: AWS refuses.
    """
    change = change_of(changes)
    if change is None:
        return live
    put, drop = change
    await retag(caller, live, put, drop)
    return replace(live, tags=retagged(live, put, drop))
