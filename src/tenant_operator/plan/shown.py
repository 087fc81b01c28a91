"""How the value of a field is shown to people and to CI: no secrets, names instead of ids that are not known yet."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from tenant_operator.desired import tags
from tenant_operator.desired.resources import Live, Ref, Resource
from tenant_operator.plan.change import FieldChange

BY_NAME_ONLY = frozenset({"environment", "secrets"})
"""Fields of (name, value) of which only the names are shown: the values may be secrets."""
HIDDEN = frozenset({"command", "entry_point"})
"""Fields that are not shown at all: people put passwords there."""
LONGEST = 120
"""Characters of one string; what is longer (a policy) is shown by its hash."""

Names = Mapping[str, str]
"""What stands for an id that AWS has not given yet, such as `<id of Vpc group-1/vpc>`."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownChange:
    """One field, its old and its new value, made of what JSON knows; `old` is None where there was nothing."""

    field: str
    old: Any
    new: Any


def shown_changes(changes: Iterable[FieldChange], names: Names) -> tuple[ShownChange, ...]:
    """The fields that an update changes."""
    return tuple(_change(change, names) for change in changes)


def shown_creation(resource: Resource, names: Names) -> tuple[ShownChange, ...]:
    """The fields of something new, those with their defaults left out."""
    found = [
        _change(FieldChange(field=item.name, old=None, new=value), names)
        for item in dataclasses.fields(resource.spec)
        if not _is_default(item, value := getattr(resource.spec, item.name))
    ]
    own = {key: value for key, value in resource.tags.items() if not key.startswith(tags.PREFIX)}
    return (*found, ShownChange(field="tags", old=None, new=own)) if own else tuple(found)


def value_shown(value: Any, names: Names) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, str):
        return names.get(value, value) if len(value) <= LONGEST else f"(sha256:{_digest(value)})"
    if isinstance(value, Mapping):
        return {str(key): value_shown(each, names) for key, each in sorted(value.items())}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [value_shown(each, names) for each in value]
    if dataclasses.is_dataclass(value):
        return {
            item.name: value_shown(getattr(value, item.name), names) for item in dataclasses.fields(value)
        }
    return value


def names_of(lives: Iterable[Live], made: Iterable[str]) -> dict[str, str]:
    """What stands for the ids that exist only in a dry run."""
    unknown = set(made)
    found = dict.fromkeys(unknown, "(known after apply)")
    for live in lives:
        for attribute, value in (("id", live.id), *live.attributes.items()):
            if isinstance(value, str) and value in unknown:
                found[value] = f"<{attribute} of {live.address.type} {live.address.name}>"
    return found


def _change(change: FieldChange, names: Names) -> ShownChange:
    if change.field in HIDDEN:
        old = None if change.old is None else "(hidden)"
        return ShownChange(field=change.field, old=old, new="(changed)" if change.old else "(hidden)")
    if change.field in BY_NAME_ONLY:
        before, after = dict(change.old or ()), dict(change.new or ())
        return ShownChange(
            field=change.field,
            old=None if change.old is None else sorted(before),
            new=[_named(name, before, after) for name in sorted(after)],
        )
    return ShownChange(
        field=change.field, old=value_shown(change.old, names), new=value_shown(change.new, names)
    )


def _named(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    return f"{name} (changed)" if name in before and before[name] != after[name] else name


def _is_default(item: dataclasses.Field[Any], value: Any) -> bool:
    return item.default is not dataclasses.MISSING and value == item.default


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
