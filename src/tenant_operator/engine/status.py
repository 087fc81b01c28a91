"""From a visit to a status, and from two statuses to the patch between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.engine.visit import Visit

AWAITED = ("Accepted", "Placed", "RolloutComplete", "Stalled", "Paused")
"""Conditions whose reasons people wait for, besides the status of Ready."""


def status_of(visit: Visit, before: Mapping[str, Any], asked: str | None) -> dict[str, Any]:
    """The status after a visit. Fields that it did not speak of stay; those that it set to None go.

    `asked` is the object's `reconcile-requested-at` annotation, which is answered.
    """
    after: dict[str, Any] = {**before, **visit.fields}
    after["observedGeneration"] = visit.generation
    after["conditions"] = visit.conditions.result()
    if asked is not None:
        after["lastHandledReconcileAt"] = asked
    return {name: value for name, value in after.items() if value is not None}


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) that makes `after` of `before`; empty when nothing changed."""
    patch: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            patch[name] = status_patch(old, new)
        else:
            patch[name] = new
    return patch


def is_detail(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change may wait a moment while an object is on its way: nothing that a person or a tool waits for."""

    def essence(status: Mapping[str, Any]) -> object:
        said = {c["type"]: c for c in status.get("conditions") or ()}
        turned = [(name, said[name]["status"], said[name]["reason"]) for name in AWAITED if name in said]
        ready = said.get("Ready", {}).get("status")
        return (
            turned,
            ready,
            ready == "True" and "Reconciling" not in said,  # kstatus calls it Current from here on
            status.get("observedGeneration"),
            status.get("lastHandledReconcileAt"),
            status.get("weight"),
        )

    return essence(before) == essence(after)
