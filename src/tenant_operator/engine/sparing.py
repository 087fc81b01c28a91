"""What `drift: Report` makes of a visit: plans leave alone what drifted, and the object says what that is."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from tenant_operator.api import Tier
from tenant_operator.desired.resources import Resource, World
from tenant_operator.engine.drift_report import MAX_EVENTS, DriftReport, newly_found
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.kubernetes import Gone, Refused
from tenant_operator.engine.summary import NAMED
from tenant_operator.engine.visit import Notice, Visit, described
from tenant_operator.plan.change import Action, Plan

log = logging.getLogger(__name__)

ADVICE = "; undo it in AWS, or set the tier's drift: Repair"
PASSING = frozenset({"RollingOut", "TargetsNotHealthy", "Settling"})
"""Reasons for not being ready that pass by themselves, whatever drifted."""


def begin(visit: Visit, tier: Tier) -> None:
    """Do as the tier's `drift` says in this visit."""
    if tier.spec.drift == "Report":
        visit.drift = DriftReport(dict(visit.previous.get("fingerprints") or {}))
    else:
        visit.fields["fingerprints"] = None


async def spared(
    engine: Engine, visit: Visit, todo: Plan, goals: Iterable[Resource], world: World, scope: str = ""
) -> Plan:
    """The plan as far as it may be carried out: the whole of it, but for drift that is only reported.

    `goals` are what the resources should be in the end.

    It is written down first which resources are about to be touched; where that fails nothing is.
    """
    if visit.drift is None:
        return todo
    todo = visit.drift.without_drift(todo, goals, world, scope)
    touched = visit.drift.about_to_touch(todo)
    if not touched:
        return todo
    visit.drift.forget(touched)
    try:
        await engine.publisher.amend(visit.key, {"fingerprints": dict(visit.drift.fingerprints)})
    except (Gone, Refused) as error:
        log.warning("nothing is changed for %s: its status cannot be written: %s", visit.key, error)
        visit.failed = True
        return replace(todo, actions=())
    return todo


def left(
    visit: Visit,
    todo: Plan,
    done: Iterable[Action],
    goals: Iterable[Resource],
    world: World,
    *,
    settled: bool = True,
) -> None:
    """Take down how a plan leaves things; `world` is what there is now, `settled`: the goals are reached."""
    if visit.drift is not None:
        visit.drift.note(goals, todo, done, world, settled=settled)


def tell(engine: Engine, visit: Visit, *, complete: bool) -> None:
    """Say on `Drifted` and in Events what was found; `complete`: the visit looked at everything.

    To be called when all was planned, and before the object is called ready or not.
    """
    if visit.drift is None:
        return
    if complete:
        visit.drift.prune()
    visit.fields["fingerprints"] = dict(visit.drift.fingerprints)
    memory = engine.remember(visit.key)
    before = str(visit.previous_condition("Drifted").get("message", ""))
    findings = [described(action) for _, action in sorted(visit.drift.findings.items())]
    for said in newly_found(memory.get("drift found"), findings, before)[:MAX_EVENTS]:
        message = f"changed behind the operator's back, and left so: {said}{ADVICE}"
        visit.notices.append(Notice("DriftFound", message, warning=True))
    memory["drift found"] = frozenset(findings)
    if findings:
        visit.conditions.true("Drifted", "DriftFound", _listed(findings) + ADVICE)
    elif before and complete:
        visit.notices.append(Notice("DriftGone", "nothing differs from the spec any more"))
    elif before:
        visit.conditions.keep("Drifted")


def holds_up(visit: Visit, reason: str) -> bool:
    """Whether an object that is not ready for a reason will not become so unless somebody sees to what drifted."""
    drift = visit.drift
    return drift is not None and bool(drift.findings) and not drift.worked and reason not in PASSING


def stall(visit: Visit) -> None:
    """Say that nothing comes of the object while what drifted is left so."""
    visit.stall("Drifted", str(visit.conditions.get("Drifted").get("message", "")))


def _listed(findings: list[str]) -> str:
    rest = len(findings) - NAMED
    return "; ".join(findings[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
