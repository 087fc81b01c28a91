"""EventBridge: the rules and the bus that bring drift events; reading, making, changing and deleting them.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, as_list, from_list
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import Address, EventBus, EventRule, Live, Resource, Spec
from tenant_operator.plan.change import FieldChange

DEFAULT_BUS = "default"
TARGET_ID = "operator"
"""Our one target of each rule; a rule of ours with other targets besides shows them as drift."""


async def read_rules(
    caller: Caller, prefix: str, buses: tuple[str, ...] = (DEFAULT_BUS,)
) -> dict[Address, Live]:
    """The rules of these buses whose names begin so, whoever owns them; a bus that is not there has none.

    Costs a read for each bus and two for each rule.

    Raises:
        AwsError: a reading failed.
    """
    found: dict[Address, Live] = {}
    for bus in buses:
        try:
            rules = await caller.pages("events", "list_rules", "Rules", NamePrefix=prefix, EventBusName=bus)
        except AwsError as error:
            if error.category is Category.NOT_FOUND:
                continue
            raise
        lives = await asyncio.gather(*(_live_rule(caller, rule) for rule in rules))
        found.update({live.address: live for live in lives if live is not None})
    return found


async def read_buses(caller: Caller, *names: str) -> dict[Address, Live]:
    """The buses of these names that exist, whoever owns them. Costs two reads each.

    Raises:
        AwsError: a reading failed.
    """
    found = await asyncio.gather(*(_read_bus(caller, name) for name in names))
    return {live.address: live for live in found if live is not None}


async def create_rule(caller: Caller, resource: Resource) -> Live:
    """PutRule, then its target; a crash in between shows as a difference of `target`.

    PutRule changes a rule that is there already, so one of somebody else's is looked for first.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name.
    """
    spec, name = cast("EventRule", resource.spec), resource.address.name
    there = (await read_rules(caller, name, (spec.bus,))).get(resource.address)
    if there is not None:
        return adopted(caller, resource, there, "events", "put_rule")
    answer = await caller("events", "put_rule", **_rule(name, spec), Tags=as_list(resource.tags))
    await _aim(caller, name, spec)
    return Live(address=resource.address, id=answer["RuleArn"], spec=spec, tags=dict(resource.tags))


async def update_rule(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set pattern, state, target and tags right, each only where it differs."""
    spec = cast("EventRule", resource.spec)
    fields = {change.field for change in changes}
    if fields & {"pattern", "enabled"}:
        await caller("events", "put_rule", **_rule(resource.address.name, spec))
    if fields & {"target", "unexpected"}:
        others = [name for name in live.attributes.get("targets", ()) if name != TARGET_ID]
        if others:
            await _unaim(caller, resource.address.name, spec.bus, others)
        await _aim(caller, resource.address.name, spec)
    return await apply_tag_change(caller, replace(live, spec=spec), changes)


async def delete_rule(caller: Caller, live: Live) -> None:
    """Take the targets off, then delete the rule; one that is gone is done."""
    spec, name = cast("EventRule", live.spec), live.address.name
    try:
        targets = await caller.pages(
            "events", "list_targets_by_rule", "Targets", Rule=name, EventBusName=spec.bus
        )
        if targets:
            await _unaim(caller, name, spec.bus, [target["Id"] for target in targets])
        await caller("events", "delete_rule", Name=name, EventBusName=spec.bus)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def create_bus(caller: Caller, resource: Resource) -> Live:
    """CreateEventBus, then its policy; a crash in between shows as a difference of `policy`.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name.
    """
    spec, name = cast("EventBus", resource.spec), resource.address.name
    try:
        answer = await caller("events", "create_event_bus", Name=name, Tags=as_list(resource.tags))
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        live = await _read_bus(caller, name)
        if live is None:
            raise
        return adopted(caller, resource, live, "events", "create_event_bus")
    await _permit(caller, name, spec)
    return Live(address=resource.address, id=answer["EventBusArn"], spec=spec, tags=dict(resource.tags))


async def update_bus(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set policy and tags right."""
    spec = cast("EventBus", resource.spec)
    if any(change.field != "tags" for change in changes):
        await _permit(caller, resource.address.name, spec)
    return await apply_tag_change(caller, replace(live, spec=spec), changes)


async def delete_bus(caller: Caller, live: Live) -> None:
    """Delete a bus that has no rules any more; one that is gone is done."""
    try:
        await caller("events", "delete_event_bus", Name=live.address.name)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _live_rule(caller: Caller, rule: Mapping[str, Any]) -> Live | None:
    name, bus = rule["Name"], rule.get("EventBusName", DEFAULT_BUS)
    try:
        targets, tags = await asyncio.gather(
            caller.pages("events", "list_targets_by_rule", "Targets", Rule=name, EventBusName=bus),
            caller("events", "list_tags_for_resource", ResourceARN=rule["Arn"]),
        )
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    mine: Mapping[str, Any] = next((target for target in targets if target["Id"] == TARGET_ID), {})
    spec = EventRule(
        bus=bus,
        pattern=canonical(json.loads(rule.get("EventPattern") or "{}")),
        target=mine.get("Arn", ""),
        enabled=rule.get("State", "ENABLED") == "ENABLED",
        unexpected=tuple(
            [f"target {target['Id']}" for target in targets if target["Id"] != TARGET_ID]
            + [f"the target has {key}" for key in sorted(mine.keys() - {"Id", "Arn"})]
        ),
    )
    return Live(
        address=_address(caller, EventRule, name),
        id=rule["Arn"],
        spec=spec,
        tags=from_list(tags.get("Tags")),
        attributes={"targets": tuple(target["Id"] for target in targets)},
    )


async def _read_bus(caller: Caller, name: str) -> Live | None:
    try:
        bus = await caller("events", "describe_event_bus", Name=name)
        tags = await caller("events", "list_tags_for_resource", ResourceARN=bus["Arn"])
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    policy = json.loads(bus["Policy"]) if bus.get("Policy") else None
    return Live(
        address=_address(caller, EventBus, name),
        id=bus["Arn"],
        spec=EventBus(policy=None if policy is None else canonical(policy)),
        tags=from_list(tags.get("Tags")),
    )


def _rule(name: str, spec: EventRule) -> dict[str, Any]:
    return {
        "Name": name,
        "EventBusName": spec.bus,
        "EventPattern": spec.pattern,
        "State": "ENABLED" if spec.enabled else "DISABLED",
        "Description": "Tells tenant-operator of changes (docs/drift.md).",
    }


async def _aim(caller: Caller, name: str, spec: EventRule) -> None:
    answer = await caller(
        "events",
        "put_targets",
        Rule=name,
        EventBusName=spec.bus,
        Targets=[{"Id": TARGET_ID, "Arn": spec.target}],
    )
    _all_taken(caller, "put_targets", answer)


async def _unaim(caller: Caller, name: str, bus: str, targets: list[str]) -> None:
    answer = await caller("events", "remove_targets", Rule=name, EventBusName=bus, Ids=targets)
    _all_taken(caller, "remove_targets", answer)


def _all_taken(caller: Caller, operation: str, answer: Mapping[str, Any]) -> None:
    """PutTargets and RemoveTargets answer 200 and say in the answer what they did not take."""
    for entry in answer.get("FailedEntries") or ():
        code, message = str(entry.get("ErrorCode", "Failed")), str(entry.get("ErrorMessage", "not taken"))
        category = Category.RETRY if code == "ConcurrentModificationException" else Category.SPEC
        raise caller.error("events", operation, code, message, category)


async def _permit(caller: Caller, name: str, spec: EventBus) -> None:
    if spec.policy is None:
        await caller("events", "remove_permission", EventBusName=name, RemoveAllPermissions=True)
    else:
        await caller("events", "put_permission", EventBusName=name, Policy=spec.policy)


def _address(caller: Caller, kind: type[Spec], name: str) -> Address:
    return Address(account=caller.account, region=caller.region, type=kind.__name__, name=name)


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    EventRule: create_rule,
    EventBus: create_bus,
}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    EventRule: update_rule,
    EventBus: update_bus,
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    EventRule: delete_rule,
    EventBus: delete_bus,
}
