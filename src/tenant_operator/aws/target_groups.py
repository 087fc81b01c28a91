"""Target groups of tenants: reading, making, changing, deleting; and the health of one group's targets.

A group's deregistration delay is an attribute that AWS shows one group at a time, which no sweep can afford. So the
delay that was last set is kept as a tag on the group itself, written only after AWS has taken the attribute: where the
tag is missing the delay is AWS's default. The tag is told apart from the ownership tags here and is seen nowhere else.
A few groups each sweep are read in full, in turn, so that a delay changed by hand is found in the end.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tenant_operator.aws import elb_tags, tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, HealthCheck, Live, Resource, TargetGroup
from tenant_operator.plan.change import FieldChange

DELAY_TAG = tags.PREFIX + "deregistration-delay"
DELAY_ATTRIBUTE = "deregistration_delay.timeout_seconds"
DEFAULT_DELAY_SECONDS = 300
"""What a group has that was made without saying so."""

TRAFFIC_PORT = "traffic-port"
"""Health checks go to the port that requests go to."""


async def list_target_groups(caller: Caller, prefix: str) -> list[dict[str, Any]]:
    """All target groups of the account and Region whose names begin with `prefix`, as AWS shows them."""
    found = await caller.pages("elbv2", "describe_target_groups", "TargetGroups")
    return [group for group in found if group["TargetGroupName"].startswith(prefix)]


def live_target_group(caller: Caller, group: dict[str, Any], group_tags: Mapping[str, str]) -> Live:
    """A target group in our terms. Live attribute `load_balancer`: the ARN of the one that uses it, or ""."""
    address = Address(
        account=caller.account,
        region=caller.region,
        type=TargetGroup.__name__,
        name=group["TargetGroupName"],
    )
    delay = group_tags.get(DELAY_TAG, "")
    spec = TargetGroup(
        vpc=group.get("VpcId", ""),
        port=int(group.get("Port", 0)),
        protocol=group.get("Protocol", ""),
        health_check=HealthCheck(
            path=group.get("HealthCheckPath", ""),
            interval_seconds=int(group.get("HealthCheckIntervalSeconds", 0)),
            timeout_seconds=int(group.get("HealthCheckTimeoutSeconds", 0)),
            healthy_threshold=int(group.get("HealthyThresholdCount", 0)),
            unhealthy_threshold=int(group.get("UnhealthyThresholdCount", 0)),
            matcher=(group.get("Matcher") or {}).get("HttpCode", ""),
        ),
        deregistration_delay_seconds=int(delay) if delay.isdigit() else DEFAULT_DELAY_SECONDS,
        unexpected=tuple(_unexpected(group)),
    )
    return Live(
        address=address,
        id=group["TargetGroupArn"],
        spec=spec,
        tags={key: value for key, value in group_tags.items() if key != DELAY_TAG},
        attributes={"load_balancer": next(iter(group.get("LoadBalancerArns") or ()), "")},
    )


def _unexpected(group: dict[str, Any]) -> Iterable[str]:
    if not group.get("HealthCheckEnabled", True):
        yield "health checks are off"
    if (port := group.get("HealthCheckPort", TRAFFIC_PORT)) != TRAFFIC_PORT:
        yield f"health checks go to port {port}"
    if (protocol := group.get("HealthCheckProtocol", "HTTP")) != "HTTP":
        yield f"health checks use {protocol}"
    if (kind := group.get("TargetType", "ip")) != "ip":
        yield f"targets are of type {kind}"


async def read_target_group_attributes(caller: Caller, arns: Iterable[str]) -> dict[str, int]:
    """The deregistration delays in seconds, by ARN: one call a group. Groups that have gone are left out.

    Raises:
        AwsError: a reading failed for another reason.
    """

    async def one(arn: str) -> tuple[str, int] | None:
        try:
            answer = await caller("elbv2", "describe_target_group_attributes", TargetGroupArn=arn)
        except AwsError as error:
            if error.category is Category.NOT_FOUND:
                return None
            raise
        values = {attribute["Key"]: attribute["Value"] for attribute in answer["Attributes"]}
        return arn, int(values.get(DELAY_ATTRIBUTE, DEFAULT_DELAY_SECONDS))

    found = await asyncio.gather(*(one(arn) for arn in arns))
    return dict(entry for entry in found if entry is not None)


def with_delay(live: Live, seconds: int) -> Live:
    """The same group with the delay that was really read."""
    return replace(live, spec=replace(_live_spec(live), deregistration_delay_seconds=seconds))


def in_turn(arns: Sequence[str], turn: int, count: int) -> list[str]:
    """Which of `arns` are read in full in a turn (0, 1, 2 …): `count` of them, the next ones each turn, and around."""
    if len(arns) <= count:
        return list(arns)
    ordered = sorted(arns)
    start = turn * count % len(ordered)
    return (ordered + ordered)[start : start + count]


async def create_target_group(caller: Caller, resource: Resource) -> Live:
    """Make a target group, and set its deregistration delay where it is not AWS's default.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name.
    """
    spec = _spec(resource)
    try:
        answer = await caller(
            "elbv2",
            "create_target_group",
            Name=resource.address.name,
            Protocol=spec.protocol,
            Port=spec.port,
            VpcId=str(spec.vpc),
            TargetType="ip",
            **_health_check(spec.health_check),
            Tags=tagging.as_list(resource.tags),
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        return adopted(caller, resource, await _by_name(caller, resource), "elbv2", "create_target_group")
    live = live_target_group(caller, answer["TargetGroups"][0], resource.tags)
    return await _with_delay_set(caller, live, spec.deregistration_delay_seconds)


async def update_target_group(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set health check, deregistration delay and tags right, each only where it differs.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the group has gone.
    """
    spec = _spec(resource)
    fields = {change.field for change in changes}
    if fields & {"health_check", "unexpected"}:
        answer = await caller(
            "elbv2",
            "modify_target_group",
            TargetGroupArn=live.id,
            HealthCheckEnabled=True,
            HealthCheckProtocol="HTTP",
            HealthCheckPort=TRAFFIC_PORT,
            **_health_check(spec.health_check),
        )
        was = _live_spec(live)
        seen = live_target_group(caller, answer["TargetGroups"][0], live.tags)
        live = replace(seen, address=live.address, attributes=live.attributes)
        live = with_delay(live, was.deregistration_delay_seconds)
    if "deregistration_delay_seconds" in fields:
        live = await _with_delay_set(caller, live, spec.deregistration_delay_seconds)
    return await with_tags(caller, resource, live)


async def delete_target_group(caller: Caller, live: Live) -> None:
    """Delete a target group; one that has gone is done.

    Raises:
        AwsError: IN_USE while a listener or a rule refers to it.
    """
    try:
        await caller("elbv2", "delete_target_group", TargetGroupArn=live.id)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def read_target_health(caller: Caller, target_group_arn: str) -> dict[str, int]:
    """How many targets are in which state (`healthy`, `initial`, `unhealthy`, `draining`, `unused` …).

    A group that has gone has no targets.

    Raises:
        AwsError: AWS refused the reading.
    """
    try:
        answer = await caller("elbv2", "describe_target_health", TargetGroupArn=target_group_arn)
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return {}
        raise
    return dict(Counter(target["TargetHealth"]["State"] for target in answer["TargetHealthDescriptions"]))


async def _by_name(caller: Caller, resource: Resource) -> Live:
    answer = await caller("elbv2", "describe_target_groups", Names=[resource.address.name])
    group = answer["TargetGroups"][0]
    found = await elb_tags.read_tags(caller, [group["TargetGroupArn"]])
    return live_target_group(caller, group, found.get(group["TargetGroupArn"], {}))


async def _with_delay_set(caller: Caller, live: Live, seconds: int) -> Live:
    """Set the delay, then remember it: a crash between the two leaves the older memory, and the delay is set again."""
    if _live_spec(live).deregistration_delay_seconds == seconds:
        return live
    attribute = {"Key": DELAY_ATTRIBUTE, "Value": str(seconds)}
    await caller("elbv2", "modify_target_group_attributes", TargetGroupArn=live.id, Attributes=[attribute])
    memory = tagging.as_list({DELAY_TAG: str(seconds)})
    await caller("elbv2", "add_tags", ResourceArns=[live.id], Tags=memory)
    return with_delay(live, seconds)


def _health_check(check: HealthCheck) -> dict[str, Any]:
    return {
        "HealthCheckPath": check.path,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "Matcher": {"HttpCode": check.matcher},
    }


def _spec(resource: Resource) -> TargetGroup:
    if not isinstance(resource.spec, TargetGroup):
        raise TypeError(f"{resource.address} is not a target group")
    return resource.spec


def _live_spec(live: Live) -> TargetGroup:
    if not isinstance(live.spec, TargetGroup):
        raise TypeError(f"{live.address} is not a target group")
    return live.spec
