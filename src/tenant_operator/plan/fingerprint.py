"""A short text that stands for what is wanted of one AWS resource, the same on every day and in every process.

It says whether the *wish* has changed, whatever AWS has: two wishes have one fingerprint when they would come to the same
resource. So ids do not count where they stand for another of our resources, and fields that have their defaults do not
either: a field that a later version of the operator adds changes no fingerprint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tenant_operator.desired.resources import Address, Forward, Ref, Resource, TaskDefinition, World

LENGTH = 12
"""Hexadecimal digits: too few to guess a secret from, enough that two wishes for one resource hardly ever share them."""


def fingerprint(resource: Resource, desired: Mapping[Address, Resource], world: World) -> str:
    """The fingerprint of a resource as it is wanted.

    Args:
        resource: The resource.
        desired: What else is wanted: a task definition's content counts as part of what refers to it, because each
            content is another revision with another id.
        world: What exists: its ids are read as the names of what they belong to.
    """
    names = {live.id: _name(live.address) for live in world.values()}
    return _digest(_of_resource(resource, desired, names))


def _of_resource(
    resource: Resource, desired: Mapping[Address, Resource], names: Mapping[str, str]
) -> list[Any]:
    return [_plain(resource.spec, desired, names), sorted(resource.tags.items())]


def _plain(value: Any, desired: Mapping[Address, Resource], names: Mapping[str, str]) -> Any:
    """The value in JSON's terms."""
    if isinstance(value, Ref):
        return [_name(value.address), value.attribute, *_content(value.address, desired, names)]
    if isinstance(value, str):
        return [names[value], "id"] if value in names else value
    if isinstance(value, tuple):
        return [_plain(element, desired, names) for element in value]
    if dataclasses.is_dataclass(value):
        changed = {
            item.name: _field(value, item, desired, names)
            for item in dataclasses.fields(value)
            if getattr(value, item.name) != item.default
        }
        return {type(value).__name__: changed}
    return value


def _field(
    owner: Any, item: dataclasses.Field[Any], desired: Mapping[Address, Resource], names: Mapping[str, str]
) -> Any:
    """One field; where the order means nothing, in one that does not depend on ids."""
    plain = _plain(getattr(owner, item.name), desired, names)
    if item.metadata.get("unordered") or isinstance(owner, Forward):
        return sorted(plain, key=lambda element: json.dumps(element, sort_keys=True))
    return plain


def _content(address: Address, desired: Mapping[Address, Resource], names: Mapping[str, str]) -> list[str]:
    wanted = desired.get(address)
    if wanted is None or not isinstance(wanted.spec, TaskDefinition):
        return []
    return [_digest(_of_resource(wanted, desired, names))]


def _name(address: Address) -> str:
    return f"{address.type} {address.name}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
