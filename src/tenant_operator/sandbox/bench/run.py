"""A whole run: one sandbox for onboarding and idleness, and a fresh one for the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tenant_operator.sandbox.bench import busy_sweep, converged_start, dns_records, onboarding
from tenant_operator.sandbox.bench.converged_start import ConvergedStart
from tenant_operator.sandbox.bench.drift import repairs
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.bench.rehearsal import Rehearsal
from tenant_operator.sandbox.bench.report import Results
from tenant_operator.sandbox.progress import Progress

_REST_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is measured; 0 leaves a part out.

    Attributes:
        tenants: onboarded at once.
        idle_seconds: during which nothing is touched.
        converged: rising numbers of tenants that are there when the operator starts.
        edits: made in the middle of sweeps, where most tenants are.
        records: of DNS that are wanted at the same time.
        sweep_seconds: between two sweeps while nothing is touched.
        throttles: whether AWS's token buckets are on during the onboarding.
        changes: made by hand in AWS while events are on.
    """

    tenants: int
    idle_seconds: float
    converged: tuple[int, ...]
    edits: int
    records: int
    sweep_seconds: float
    throttles: bool
    changes: int = 0


def run(plan: Plan, log: Path, progress: Progress) -> Results:
    """Measure; the operator's log goes to `log`.

    Raises:
        SandboxError: the sandbox or the operator does not do what it should.
    """
    onboarded = idle = records = busy = drift = None
    starts: list[ConvergedStart] = []
    with Rehearsal(log, progress) as rehearsal:
        rehearsal.await_quiet(_REST_SECONDS)
        empty = ProcessUsage.of(rehearsal.operator.pid)
        if plan.tenants:
            onboarding.prepare(rehearsal)
            onboarded = onboarding.onboard(rehearsal, plan.tenants, throttles=plan.throttles)
            if plan.idle_seconds:
                idle = onboarding.idle(rehearsal, plan.idle_seconds, plan.sweep_seconds)
    if plan.changes:
        with Rehearsal(log, progress) as rehearsal:
            drift = repairs(rehearsal, plan.changes)
    if plan.converged:
        with Rehearsal(log, progress) as rehearsal:
            starts += converged_start.starts(rehearsal, plan.converged)
            if plan.edits:
                busy = busy_sweep.edit_in_sweeps(rehearsal, starts[-1].tenants, plan.edits)
            if plan.records:
                records = dns_records.change_records(rehearsal, plan.records)
    return Results(
        empty=empty,
        onboarding=onboarded,
        idle=idle,
        starts=tuple(starts),
        busy=busy,
        records=records,
        drift=drift,
    )
