"""The results as data for JSON, and as tables for people."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tenant_operator.sandbox.bench.busy_sweep import BusySweep
from tenant_operator.sandbox.bench.converged_start import ConvergedStart
from tenant_operator.sandbox.bench.dns_records import DnsRecords
from tenant_operator.sandbox.bench.drift import DriftRepairs
from tenant_operator.sandbox.bench.onboarding import Onboarding
from tenant_operator.sandbox.bench.plain_tenant import WRITES
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.bench.rehearsal import Cost

GOAL_CALLS = 8
GOAL_KUBERNETES_WRITES = 6
GOAL_RATIO = 2
GOAL_BOUND_RATIO = 1.10
GOAL_REPAIR_SECONDS = 5
GOAL_EDIT_SECONDS = 1.0
GOAL_SHARE = 0.20
GOAL_DNS_REQUESTS = 3
GOAL_START_CPU_SECONDS = 20
GOAL_START_MIB = 300


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run measured; what was left out is None."""

    empty: ProcessUsage
    """The operator at rest with nothing to look after."""
    onboarding: Onboarding | None = None
    idle: Cost | None = None
    drift: DriftRepairs | None = None
    starts: tuple[ConvergedStart, ...] = ()
    """By rising numbers of tenants."""
    busy: BusySweep | None = None
    records: DnsRecords | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything, with the ratios worked out."""
        return {
            "machine": {"cpus": _cpus(), "python": platform.python_version()},
            "empty": asdict(self.empty),
            "onboarding": None if self.onboarding is None else _onboarding_json(self.onboarding),
            "idle": None if self.idle is None else asdict(self.idle),
            "drift": None if self.drift is None else _drift_json(self.drift),
            "convergedStarts": [asdict(start) for start in self.starts],
            "editsInSweeps": None if self.busy is None else asdict(self.busy),
            "dnsRecords": None if self.records is None else asdict(self.records),
        }

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(
            f"{_cpus()} CPUs, shared with the simulated AWS, kube-apiserver and etcd; Python {platform.python_version()}; the "
            f"operator with nothing to do: {self.empty.cpu_seconds:.1f} CPU s to start, {self.empty.rss_mib:.0f} MiB"
        )
        if self.onboarding is not None:
            console.print(_onboarding_table(self.onboarding))
        if self.idle is not None:
            console.print(_idle_table(self.idle))
        if self.drift is not None:
            console.print(_drift_table(self.drift))
        if self.starts:
            console.print(_start_table(self.starts[-1]))
            console.print(_curve_table(self.starts))
        if self.busy is not None:
            console.print(_busy_table(self.busy))
        if self.records is not None:
            console.print(_records_table(self.records))


def _onboarding_json(found: Onboarding) -> dict[str, Any]:
    return {**asdict(found), "ratios": _ratios(found)}


def _ratios(found: Onboarding) -> dict[str, float]:
    ratios = {}
    if found.bare is not None:
        ratios["written / the bare script's writes"] = found.until_written / found.bare.writes
        ratios["Ready / the bare script until its tasks run"] = found.until_ready / found.bare.until_running
        ratios["Ready / the bare script's writes"] = found.until_ready / found.bare.writes
    if found.bound:
        ratios["written / the token buckets' bound"] = found.until_written / found.bound
    return ratios


def _onboarding_table(found: Onboarding) -> Table:
    cost, count = found.cost, found.tenants
    table = _table(f"{count} tenants into one ready infra group", "per tenant", "goal")
    calls = sum(cost.aws_writes.values()) + sum(cost.aws_reads.values())
    table.add_row("AWS calls", _each(calls, count), f"≤ {GOAL_CALLS}")
    _add_counts(table, "  write", cost.aws_writes, count)
    _add_counts(table, "  read", cost.aws_reads, count)
    writes = sum(cost.kubernetes_writes.values())
    table.add_row("Kubernetes writes", _each(writes, count), f"≤ {GOAL_KUBERNETES_WRITES}")
    _add_counts(table, " ", cost.kubernetes_writes, count)
    table.add_section()
    table.add_row("CPU seconds of the operator", _each(cost.cpu_seconds, count, digits=3), "")
    table.add_section()
    table.add_row("all of them", "in all", "")
    table.add_row("  until the last write to AWS", f"{found.until_written:.1f} s", "")
    table.add_row("  until the last is Ready", f"{found.until_ready:.1f} s", "")
    if found.bare is not None:
        table.add_row(f"  the bare script, {len(WRITES)} writes each", f"{found.bare.writes:.1f} s", "")
        table.add_row("  the bare script until its tasks run", f"{found.bare.until_running:.1f} s", "")
    if found.bound is not None:
        table.add_row("  the token buckets' bound", f"{found.bound:.1f} s", "")
        table.add_row("  throttle answers", str(cost.throttled), "0")
    for name, ratio in _ratios(found).items():
        goal = GOAL_BOUND_RATIO if "bound" in name else GOAL_RATIO
        table.add_row(f"  {name}", f"{ratio:.2f}", f"≤ {goal:.2f}")
    table.add_row("  memory of the operator (RSS)", f"{cost.rss_mib:.0f} MiB", "")
    return table


def _idle_table(cost: Cost) -> Table:
    table = _table(f"Nothing is touched for {cost.seconds:.0f} s", "in all", "goal")
    table.add_row("AWS writes", str(sum(cost.aws_writes.values())), "0")
    _add_counts(table, " ", cost.aws_writes)
    table.add_row("Kubernetes writes", str(sum(cost.kubernetes_writes.values())), "0")
    _add_counts(table, " ", cost.kubernetes_writes)
    table.add_row("AWS reads", str(sum(cost.aws_reads.values())), "")
    _add_counts(table, " ", cost.aws_reads)
    table.add_row("CPU seconds of the operator", f"{cost.cpu_seconds:.2f}", "")
    return table


def _start_table(found: ConvergedStart) -> Table:
    cost = found.cost
    title = f"A start with {found.tenants} converged tenants ({found.groups} infra groups, {found.accounts} accounts)"
    table = _table(title, "in all", "goal")
    table.add_row("AWS writes", str(sum(cost.aws_writes.values())), "0")
    _add_counts(table, " ", cost.aws_writes)
    table.add_row("Kubernetes writes", str(sum(cost.kubernetes_writes.values())), "0")
    _add_counts(table, " ", cost.kubernetes_writes)
    table.add_row("AWS reads", str(sum(cost.aws_reads.values())), "")
    _add_counts(table, " ", cost.aws_reads)
    table.add_row("CPU seconds of the operator", f"{cost.cpu_seconds:.1f}", f"≤ {GOAL_START_CPU_SECONDS}")
    table.add_row("  of which until all kinds were listed", f"{found.listed_cpu_seconds:.1f}", "")
    table.add_row("until all kinds were listed", f"{found.until_listed:.1f} s", "")
    table.add_row("until everything was verified", f"{found.until_verified:.1f} s", "")
    table.add_row("memory of the operator (RSS)", f"{cost.rss_mib:.0f} MiB", f"≤ {GOAL_START_MIB} MiB")
    return table


def _curve_table(starts: Sequence[ConvergedStart]) -> Table:
    table = Table(title="The same over size", title_justify="left", title_style="bold")
    for column in ("tenants", "CPU s", "ms a tenant", "AWS reads", "a tenant", "MiB", "verified after"):
        table.add_column(column, justify="right")
    for start in starts:
        reads = sum(start.cost.aws_reads.values())
        table.add_row(
            str(start.tenants),
            f"{start.cost.cpu_seconds:.1f}",
            f"{1000 * start.cost.cpu_seconds / start.tenants:.2f}",
            str(reads),
            f"{reads / start.tenants:.2f}",
            f"{start.cost.rss_mib:.0f}",
            f"{start.until_verified:.0f} s",
        )
    return table


def _busy_table(found: BusySweep) -> Table:
    table = _table(f"{found.edits} edits while {found.tenants} tenants are compared anew", "", "goal")
    table.add_row("an edit until AWS is called for it, median", f"{found.p50:.2f} s", "")
    table.add_row("the same, 99 of 100", f"{found.p99:.2f} s", f"≤ {GOAL_EDIT_SECONDS:.1f} s")
    table.add_row("writes beside the edits' own", str(found.writes_beside_edits), "0")
    for name, share in sorted(found.shares.items(), key=lambda item: -item[1]):
        goal = f"≤ {GOAL_SHARE:.0%}" if name == found.largest_bucket else ""
        table.add_row(f"  of the reads that AWS allows, {name}", f"{share:.0%}", goal)
    return table


def _records_table(found: DnsRecords) -> Table:
    table = _table(f"{found.records} tenants' DNS records at once", "requests", "goal")
    table.add_row("made", str(found.create_requests), f"≤ {GOAL_DNS_REQUESTS}")
    table.add_row("changed", str(found.update_requests), f"≤ {GOAL_DNS_REQUESTS}")
    return table


def _drift_json(found: DriftRepairs) -> dict[str, Any]:
    return {**asdict(found), "p50": found.percentile(50), "p99": found.percentile(99)}


def _drift_table(found: DriftRepairs) -> Table:
    title = f"{len(found.seconds)} changes by hand among {found.tenants} tenants, found by events"
    table = _table(title, "from the change to its repair", "goal")
    table.add_row("half of them within", f"{found.percentile(50):.2f} s", "")
    table.add_row("99 of 100 within", f"{found.percentile(99):.2f} s", f"≤ {GOAL_REPAIR_SECONDS:.0f} s")
    table.add_row("the longest", f"{max(found.seconds):.2f} s", "")
    table.add_row("  of which until the event is in the queue", f"≤ {found.event_delay_seconds:.2f} s", "")
    return table


def _table(title: str, value: str, goal: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column(value, justify="right")
    table.add_column(goal, justify="right")
    return table


def _add_counts(table: Table, prefix: str, counts: Mapping[str, int], divisor: int = 0) -> None:
    for name, count in Counter(counts).most_common():
        table.add_row(f"{prefix} {name}", _each(count, divisor) if divisor else str(count), "", style="dim")


def _each(total: float, count: int, digits: int = 2) -> str:
    return f"{total / count:.{digits}f}"


def _cpus() -> int:
    return os.cpu_count() or 1
