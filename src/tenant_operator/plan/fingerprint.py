"""Short texts that stand for what is wanted of an AWS resource and for what it is, the same in every process.

They tell whose doing a difference is. Where the text of what *is* has changed since the operator last touched the resource,
somebody else did; where the text of what is *wanted* has, the spec did. Ids do not count where they stand for another of
our resources, nor do fields that have their defaults: a field that a later version of the operator adds changes no text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tenant_operator.desired.resources import Address, Forward, Ref, Resource, Spec, TaskDefinition, World

LENGTH = 10
"""Hexadecimal digits: too few to guess a secret from, enough that two states of one resource hardly ever share them."""

Names = Mapping[str, str]
"""What ids stand for."""


def names_in(world: World) -> Names:
    """The names by which fingerprints call what exists.

    Task definitions keep their ids: which revision a service runs is what matters about it.
    """
    return {
        live.id: _name(live.address) for live in world.values() if not isinstance(live.spec, TaskDefinition)
    }


def of_wish(resource: Resource, wanted: Mapping[Address, Resource], names: Names) -> str:
    """The fingerprint of a resource as it is wanted, tags and all.

    Args:
        resource: The resource.
        wanted: What else is wanted: a task definition's content counts as part of what refers to it, because each
            content is another revision with another id.
        names: What ids in it stand for.
    """
    return _digest(_of_resource(resource, wanted, names))


def of_state(spec: Spec, names: Names) -> str:
    """The fingerprint of a resource as it is, or as it has just been set. Tags are not part of it."""
    return _digest(_plain(spec, {}, names))


def _of_resource(resource: Resource, desired: Mapping[Address, Resource], names: Names) -> list[Any]:
    return [_plain(resource.spec, desired, names), sorted(resource.tags.items())]


def _plain(value: Any, desired: Mapping[Address, Resource], names: Names) -> Any:
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
    owner: Any, item: dataclasses.Field[Any], desired: Mapping[Address, Resource], names: Names
) -> Any:
    """One field; where the order means nothing, in one that does not depend on ids."""
    plain = _plain(getattr(owner, item.name), desired, names)
    if item.metadata.get("unordered") or isinstance(owner, Forward):
        return sorted(plain, key=lambda element: json.dumps(element, sort_keys=True))
    return plain


def _content(address: Address, desired: Mapping[Address, Resource], names: Names) -> list[str]:
    wanted = desired.get(address)
    if wanted is None or not isinstance(wanted.spec, TaskDefinition):
        return []
    return [_digest(_of_resource(wanted, desired, names))]


def _name(address: Address) -> str:
    return f"{address.type} {address.name}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
