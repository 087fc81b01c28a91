"""CloudWatch Logs: the log group of a tier in an account.

Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change
from tenant_operator.aws.visibility import once_visible
from tenant_operator.desired.resources import Address, Live, LogGroup, Resource, Spec
from tenant_operator.plan.change import FieldChange


async def read_log_groups(caller: Caller, names: Sequence[str]) -> dict[Address, Live]:
    """The log groups of these names that exist, whoever owns them. Costs two reads each.

    Raises:
        AwsError: a reading failed.
    """
    found = await asyncio.gather(*(_read(caller, name) for name in names))
    return {live.address: live for live in found if live is not None}


async def _read(caller: Caller, name: str) -> Live | None:
    groups = await caller.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    group = next((group for group in groups if group["logGroupName"] == name), None)
    if group is None:
        return None
    arn = group["arn"].removesuffix(":*")
    try:
        answer = await caller("logs", "list_tags_for_resource", resourceArn=arn)
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    return Live(
        address=_address(caller, name),
        id=arn,
        spec=LogGroup(retention_days=group.get("retentionInDays")),
        tags={key: value for key, value in answer.get("tags", {}).items() if not key.startswith("aws:")},
    )


async def create_log_group(caller: Caller, resource: Resource) -> Live:
    """CreateLogGroup, then its retention; a crash in between shows as a difference of `retention_days`."""
    spec, name = cast("LogGroup", resource.spec), resource.address.name
    try:
        await caller("logs", "create_log_group", logGroupName=name, tags=dict(resource.tags))
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        return adopted(caller, resource, await _existing(caller, name), "logs", "create_log_group")
    if spec.retention_days is not None:
        await once_visible(lambda: _retain(caller, name, spec.retention_days))
    arn = f"arn:{caller.partition}:logs:{caller.region}:{caller.account}:log-group:{name}"
    return Live(address=_address(caller, name), id=arn, spec=spec, tags=dict(resource.tags))


async def update_log_group(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Change retention and tags."""
    spec = cast("LogGroup", resource.spec)
    if any(change.field == "retention_days" for change in changes):
        await _retain(caller, resource.address.name, spec.retention_days)
    return await apply_tag_change(caller, replace(live, spec=spec), changes)


async def delete_log_group(caller: Caller, live: Live) -> None:
    """Delete the group with everything that was logged."""
    try:
        await caller("logs", "delete_log_group", logGroupName=live.address.name)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _retain(caller: Caller, name: str, days: int | None) -> None:
    if days is None:
        await caller("logs", "delete_retention_policy", logGroupName=name)
    else:
        await caller("logs", "put_retention_policy", logGroupName=name, retentionInDays=days)


async def _existing(caller: Caller, name: str) -> Live:
    async def look() -> Live:
        live = await _read(caller, name)
        if live is None:
            raise caller.error(
                "logs",
                "describe_log_groups",
                "NotThereYet",
                f"log group {name} is not there yet",
                Category.NOT_FOUND,
            )
        return live

    return await once_visible(look)


def _address(caller: Caller, name: str) -> Address:
    return Address(account=caller.account, region=caller.region, type=LogGroup.__name__, name=name)


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {LogGroup: create_log_group}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    LogGroup: update_log_group
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {LogGroup: delete_log_group}
