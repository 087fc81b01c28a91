"""A plan as a person reads it: by custom resource, in the order in which things would be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import click

from tenant_operator.engine.dry_run.preview import Effect, Preview, QuotaUse, Step
from tenant_operator.plan.change import Risk
from tenant_operator.plan.shown import ShownChange

SIGNS = {Effect.CREATE: "+", Effect.UPDATE: "~", Effect.REPLACE: "±", Effect.DELETE: "-"}
COLORS = {Effect.CREATE: "green", Effect.UPDATE: "yellow", Effect.REPLACE: "magenta", Effect.DELETE: "red"}
RISK_COLORS = {Risk.RESTART: "yellow", Risk.TRAFFIC: "yellow", Risk.DESTRUCTIVE: "red"}
WORTH_SAYING_SECONDS = 5.0
"""Shorter waits are polls of the operator, and no delay that anybody plans for."""
LONGEST_VALUE = 160
"""Characters of one value; the rest is in the JSON."""


def text_of(preview: Preview) -> str:
    """The whole plan, with ANSI colours."""
    return "\n".join(_lines(preview))


def summary_of(preview: Preview) -> str:
    """One line, such as `12 to create, 3 to update, 1 to replace, 0 to delete; about 34 s under AWS's limits; 61 calls`."""
    if not preview.steps:
        return "No changes: AWS is as it should be."
    counts = ", ".join(f"{preview.counts[effect]} to {effect.value}" for effect in Effect)
    calls = f"{preview.calls} call{'' if preview.calls == 1 else 's'}"
    return f"{counts}; about {_duration(max(1.0, preview.seconds))} under AWS's limits; {calls}"


def _lines(preview: Preview) -> Iterator[str]:
    for name, steps in _by_object(preview.steps):
        yield click.style(name, bold=True)
        waited = 0.0
        for step in steps:
            if step.waited_seconds - waited >= WORTH_SAYING_SECONDS:
                yield click.style(f"  … after {_duration(step.waited_seconds)} of waiting at least", dim=True)
                waited = step.waited_seconds
            yield from _step(step)
        yield ""
    if preview.blocked:
        yield click.style("Will not be done, or not be whole, because", bold=True)
        for blocked in preview.blocked:
            yield f"  ! {blocked.object}: {blocked.reason}: {blocked.message}"
        yield ""
    if preview.unread:
        yield click.style("This plan is not complete: AWS could not be read", bold=True, fg="red")
        for error in preview.unread:
            yield f"  ! {error}"
        yield ""
    if preview.steps:
        yield from _costs(preview)
    yield click.style(summary_of(preview), bold=True)


def _by_object(steps: Sequence[Step]) -> Iterator[tuple[str, list[Step]]]:
    """The steps of each object, the objects in the order of their first steps."""
    order = {name: rank for rank, name in reversed(list(enumerate(step.object for step in steps)))}
    for name, found in groupby(sorted(steps, key=lambda step: order[step.object]), lambda step: step.object):
        yield name, list(found)


def _step(step: Step) -> Iterator[str]:
    sign = click.style(f"  {SIGNS[step.effect]} {step.effect.value:<7}", fg=COLORS[step.effect])
    risk = "" if step.risk is Risk.NONE else click.style(f"  [{step.risk.value}]", fg=RISK_COLORS[step.risk])
    yield f"{sign} {step.type} {step.name}  ({step.account}, {step.region}){risk}"
    creation = step.effect in (Effect.CREATE, Effect.REPLACE)
    if creation and step.changes:
        fields = ", ".join(f"{change.field}={_short(change.new)}" for change in step.changes)
        yield f"              {fields}"
    for change in () if creation else step.changes:
        yield f"              {_changed(change)}"
    calls = ", ".join(call.partition(" ")[2] for call in step.calls)
    yield click.style(f"              {step.reason}" + (f"; {calls}" if calls else ""), dim=True)


def _changed(change: ShownChange) -> str:
    if change.field == "tags":
        put, old = change.new or {}, change.old or {}
        return "tags: " + ", ".join(
            f"{key}: {old.get(key, '(none)')} → {put.get(key, '(taken off)')}" for key in sorted({*put, *old})
        )
    return f"{change.field}: {_short(change.old)} → {_short(change.new)}"


def _short(value: Any) -> str:
    text = _value(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _value(value: Any) -> str:
    """A value in one line: ARNs by their last part, structures as people write them."""
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return value.split(":", 5)[-1] if value.startswith("arn:") else (value.strip() or '""')
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return str(value)


def _costs(preview: Preview) -> Iterator[str]:
    yield click.style("What it costs", bold=True)
    for bucket in preview.buckets:
        time = f", {_duration(bucket.seconds)}" if bucket.seconds else ""
        calls = f"{bucket.calls} call{'' if bucket.calls == 1 else 's'}"
        yield f"  {calls} of {bucket.name} ({bucket.account}, {bucket.region}){time}"
    if preview.waiting_seconds >= WORTH_SAYING_SECONDS:
        yield (
            f"  {_duration(preview.waiting_seconds)} of waiting at least: for drains, and for changes to be in force; "
            "rollouts take as long as tasks take to start"
        )
    if preview.quotas:
        yield click.style("Quotas afterwards", bold=True)
        yield from (f"  {_quota(use)}" for use in preview.quotas)
    yield ""


def _quota(use: QuotaUse) -> str:
    return f"{use.cell}: {use.name} ({use.code}): {use.before:g} → {use.after:g} of {use.limit:g}"


def _duration(seconds: float) -> str:
    if seconds < 120:  # up to two minutes, seconds say more
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
