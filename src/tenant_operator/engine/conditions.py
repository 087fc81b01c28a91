"""Conditions as Kubernetes means them: each type there from the first visit, transition times kept, reasons always set.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.api import TRANSIENT_CONDITIONS

MAX_MESSAGE = 1024
_SINCE = re.compile(r"since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


@dataclass
class Conditions:
    """The conditions of one object while one visit works them out.

    `known` are the kind's types in their order, `previous` what the status holds now, `generation` what is looked at.
    """

    known: tuple[str, ...]
    previous: Iterable[Mapping[str, Any]]
    generation: int
    now: dt.datetime
    _set: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._old = {condition["type"]: dict(condition) for condition in self.previous}

    def true(self, type_: str, reason: str, message: str = "") -> None:
        """Say that a condition holds."""
        self._put(type_, "True", reason, message)

    def false(self, type_: str, reason: str, message: str) -> None:
        """Say that a condition does not hold, and what to do."""
        self._put(type_, "False", reason, message)

    def unknown(self, type_: str, reason: str = "NotYetKnown", message: str = "") -> None:
        """Say that a condition is not known."""
        self._put(type_, "Unknown", reason, message)

    def drop(self, type_: str) -> None:
        """Take back what this visit has said of a condition."""
        self._set.pop(type_, None)

    def keep(self, *types: str) -> None:
        """What was said before stays, as far as anything was."""
        for type_ in types:
            old = self._old.get(type_)
            if old is not None and type_ not in self._set:
                self._set[type_] = {**old, "observedGeneration": self.generation}

    def get(self, type_: str) -> Mapping[str, Any]:
        """What is said of a condition in this visit, or was before; empty where it is nothing."""
        return self._set.get(type_) or self._old.get(type_) or {}

    def is_true(self, type_: str) -> bool:
        """Whether this visit says that a condition holds."""
        return self._set.get(type_, {}).get("status") == "True"

    def since(self, type_: str, reason: str) -> dt.datetime | None:
        """The moment that the status names ("… since 2026-05-12T10:00:00Z") with this reason for a condition.

        It is how a wait survives a restart: the transition time will not do, since it moves with the status only.
        """
        old = self._old.get(type_, {})
        return moment_in(old) if old.get("reason") == reason else None

    def result(self) -> list[dict[str, Any]]:
        """The list for the status: the kind's types in order (`Unknown` where nothing was said), then the transient."""
        for type_ in self.known:
            if type_ not in self._set:
                self._put(type_, "Unknown", "NotYetKnown", "")
        order = (*self.known, *(type_ for type_ in TRANSIENT_CONDITIONS if type_ in self._set))
        return [self._set[type_] for type_ in order]

    def _put(self, type_: str, status: str, reason: str, message: str) -> None:
        old = self._old.get(type_)
        same = old is not None and old.get("status") == status
        stamp = old["lastTransitionTime"] if old is not None and same else timestamp(self.now)
        self._set[type_] = {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": shortened(message),
            "lastTransitionTime": stamp,
            "observedGeneration": self.generation,
        }


def moment_in(condition: Mapping[str, Any]) -> dt.datetime | None:
    """The moment that a condition's message names ("… since 2026-05-12T10:00:00Z"); None where it names none."""
    found = _SINCE.search(condition.get("message", ""))
    return None if found is None else dt.datetime.fromisoformat(found[1])


def timestamp(moment: dt.datetime) -> str:
    """A moment as Kubernetes writes it, to the second."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shortened(message: str) -> str:
    """The message, cut to what a condition may hold."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
