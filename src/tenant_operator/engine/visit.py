"""What one visit to an object comes to: its new status, what to tell people, and when to look again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.inventory import Family
from tenant_operator.desired.resources import Resource, World
from tenant_operator.engine.cache import Key
from tenant_operator.engine.conditions import Conditions
from tenant_operator.engine.drift_report import DriftReport
from tenant_operator.engine.repairs import repairs
from tenant_operator.engine.summary import NAMED, named
from tenant_operator.plan.change import Action, Plan, Refusal, Wait

MENDED_BY_A_PERSON = (Category.SPEC, Category.ACCESS, Category.QUOTA, Category.EXISTS)
"""Failures that stay until somebody does something; they are tried again all the same, ever more slowly."""

REASONS: Mapping[Category, str] = {
    Category.RETRY: "Retrying",
    Category.THROTTLED: "Throttled",
    Category.SPEC: "Rejected",
    Category.ACCESS: "AccessDenied",
    Category.QUOTA: "QuotaExceeded",
    Category.NOT_FOUND: "NotFound",
    Category.EXISTS: "ForeignOwner",
    Category.IN_USE: "InUse",
    Category.CONFLICT: "Conflict",
    Category.OUTAGE: "AWSUnavailable",
}

RELEASED = "Released"
"""The reason that says: nothing is left in AWS, the finalizer may go."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to post: `normal` or a warning."""

    reason: str
    message: str
    warning: bool = False


@dataclass
class Visit:
    """One visit, filled in by a reconciler."""

    key: Key
    generation: int
    conditions: Conditions
    previous: Mapping[str, Any] = field(default_factory=dict)
    """The status before this visit."""
    priority: Priority = Priority.EDIT
    """Who the visit is made for, and so with what right it reads from AWS."""
    trust: float = 0.0
    """How old in seconds may be what is known of AWS."""
    forced: bool = False
    """Whether a person asked for this visit by annotation: nothing known is to be trusted."""
    fields: dict[str, Any] = field(default_factory=dict)
    """The status's other fields, as they should be."""
    stale: set[Family] = field(default_factory=set)
    """What must be read again before the next visit, because AWS is still at work on it."""
    notices: list[Notice] = field(default_factory=list)
    requeue: float | None = None
    """Seconds until the next look; None: when something happens."""
    failed: bool = False
    """Whether the next look comes after a growing backoff."""
    drift: DriftReport | None = None
    """With `drift: Report`: what is found changed and left alone; None: it is mended."""
    released: bool = False
    """Whether nothing is left in AWS, so that the finalizer may go."""

    def previous_condition(self, type_: str) -> Mapping[str, Any]:
        """A condition as it was before this visit; empty where there was none."""
        found = self.previous.get("conditions") or ()
        return next((condition for condition in found if condition["type"] == type_), {})

    def look_again(self, seconds: float) -> None:
        """Look again in `seconds`, or earlier if somebody asked for that."""
        self.requeue = seconds if self.requeue is None else min(self.requeue, seconds)

    def wait(self, waits: Iterable[Wait]) -> Wait | None:
        """Look again when the first of some waits is over; returns the one to tell people about."""
        first = None
        for wait in waits:
            self.look_again(wait.seconds)
            first = first or wait
        return first

    def fail(self, type_: str, error: AwsError) -> None:
        """Say on a condition what AWS refused, and try again after a backoff."""
        self.conditions.false(type_, reason_of(error), error.advice)
        self.failed = True
        if error.category in MENDED_BY_A_PERSON:
            self.stall(reason_of(error), error.advice)

    def refuse(self, type_: str, refusals: Iterable[Refusal]) -> bool:
        """Say on a condition what cannot be made as it should be; True when there is any such thing."""
        for refusal in refusals:
            self.conditions.false(type_, refusal.reason, refusal.message)
            self.failed = True
            self.stall(refusal.reason, refusal.message)
            return True
        return False

    def stall(self, reason: str, message: str) -> None:
        """Say that nothing will come of this until somebody changes something."""
        self.conditions.drop("Reconciling")
        self.conditions.true("Stalled", reason, message)

    def ready(self, reason: str, message: str) -> None:
        """Say that the object is as its spec wants it: nothing is on its way any more."""
        self.conditions.drop("Reconciling")
        self.conditions.true("Ready", reason, message)

    def reconciling(self, reason: str, message: str) -> None:
        """Say that this is on its way, unless it has been said that nothing will come of it."""
        if not self.conditions.is_true("Stalled"):
            self.conditions.true("Reconciling", reason, message)

    def pause(self) -> None:
        """Nothing is done; what was said stays, and the generation is taken note of."""
        self.conditions.keep(*self.conditions.known, "Drifted")
        self.conditions.true(
            "Paused",
            "Paused",
            "spec.paused is true, here or in a parent; nothing is changed until it is false",
        )

    def has_children(self, children: Sequence[Any]) -> None:
        """A parent that is to go waits for its children."""
        kinds = sorted({type(child).__name__ for child in children})
        self.conditions.keep(*self.conditions.known)
        self.conditions.false(
            "Ready",
            "HasChildren",
            f"delete what belongs to it first, {len(children)} in all ({' and '.join(kinds)}): {named(children)}",
        )

    def release(self) -> None:
        """Nothing is left in AWS: the finalizer may go."""
        self.conditions.false("Ready", RELEASED, "nothing is left in AWS")
        self.released = True

    def repaired(
        self,
        memory: dict[Any, Any],
        desired: Iterable[Resource],
        todo: Plan,
        done: Iterable[Action],
        world: World,
        scope: str = "",
    ) -> None:
        """Tell people which actions of a plan mended what had been changed behind the operator's back."""
        mended = repairs(memory.setdefault(("left", scope), {}), desired, todo, done, world)
        if not mended:
            return
        said = "; ".join(described(action) for action in mended[:NAMED])
        rest = len(mended) - NAMED
        self.notices.append(
            Notice(
                "DriftRepaired",
                f"changed behind the operator's back, and mended: {said}"
                + (f" and {rest} more" if rest > 0 else ""),
            )
        )


def described(action: Action) -> str:
    """What an action mended, without values (they may be secrets)."""
    what = f"{action.address.type} {action.address.name}"
    if action.changes:
        return f"{what} ({', '.join(change.field for change in action.changes)})"
    return f"{what} (was missing)"


def reason_of(error: AwsError) -> str:
    """The condition reason for what AWS said."""
    return REASONS.get(error.category, "Failed")
