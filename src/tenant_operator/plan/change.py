"""The vocabulary of a plan: actions, each with its reason and risk, and the waits that hold others back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tenant_operator.desired.resources import Address, ListenerRule, Live, Resource


class Verb(StrEnum):
    """What is done to one AWS resource. A replacement is a create at a new address and, later, a delete at the old."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Risk(StrEnum):
    """What an action can do to requests under way."""

    NONE = "none"
    RESTART = "restart"
    TRAFFIC = "traffic"
    DESTRUCTIVE = "destructive"


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldChange:
    """One field of a resource that is not as it should be. `tags` is a field like the others."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {self.old!r} → {self.new!r}"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One step: create, update or delete one resource.

    `desired` is set for create and update, `live` for update and delete. Specs may still hold `Ref`s to resources that
    earlier actions of the same plan create; whoever carries the action out resolves them first.
    """

    verb: Verb
    address: Address
    desired: Resource | None = None
    live: Live | None = None
    changes: tuple[FieldChange, ...] = ()
    reason: str = ""
    risk: Risk = Risk.NONE
    after: tuple[Address, ...] = ()
    """Addresses whose actions in this plan, if there are any, must have succeeded first."""


def turns_requests(action: Action) -> bool:
    """Whether an action makes a listener rule take other requests, or answer them in another way.

    Such a change is met by all requests only once it is in force everywhere (`SETTLE_SECONDS`). New weights are no such
    change: whichever are in force, the tenant answers.
    """
    wanted = None if action.desired is None else action.desired.spec
    if not isinstance(wanted, ListenerRule):
        return False
    if action.live is None:
        return True
    was = action.live.spec
    assert isinstance(was, ListenerRule)
    fields = {change.field for change in action.changes} - {"tags"}
    return bool(fields - {"action"}) or type(was.action) is not type(wanted.action)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Something that must come true before the plan can go on; it is looked at again after `seconds`."""

    reason: str
    """CamelCase, fit for a condition"""
    message: str
    seconds: float
    address: Address | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A resource that cannot be made as it should be, and why: somebody else's is in its place, for example."""

    address: Address
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Ordered actions, the waits that keep others back, and what is refused."""

    actions: tuple[Action, ...] = ()
    waits: tuple[Wait, ...] = ()
    refusals: tuple[Refusal, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.actions)
