"""The simulated AWS's speed as data for JSON, and as tables for people."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tenant_operator.sandbox.bench.crowd import Crowd
from tenant_operator.sandbox.bench.server_speed import CONNECTIONS, Comparison

GOAL_START_SECONDS = 5


@dataclass(frozen=True, slots=True)
class ServerResults:
    """What was measured; what was left out is None."""

    comparison: Comparison
    crowd: Crowd | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything, with the rates worked out."""
        return {
            "machine": {"cpus": os.cpu_count() or 1, "python": platform.python_version()},
            "startSeconds": self.comparison.start_seconds,
            "startCpuSeconds": self.comparison.start_cpu_seconds,
            "rssMiB": {"sandbox": self.comparison.sandbox_rss_mib, "moto": self.comparison.moto_rss_mib},
            "calls": {
                name: {
                    server: {
                        "callsPerSecond": speed.calls_a_second,
                        "cpuMilliseconds": speed.cpu_milliseconds,
                    }
                    for server, speed in (("sandbox", found), ("moto", self.comparison.moto[name]))
                }
                for name, found in self.comparison.sandbox.items()
            },
            "crowd": None if self.crowd is None else asdict(self.crowd),
        }

    def show(self, console: Console) -> None:
        """Print the tables."""
        console.print(_comparison_table(self.comparison))
        console.print(
            f"The simulated AWS answers {self.comparison.start_seconds:.1f} s after it is started (goal: ≤ "
            f"{GOAL_START_SECONDS} s), of which it computes {self.comparison.start_cpu_seconds:.1f} s."
        )
        if self.crowd is not None:
            console.print(_crowd_table(self.crowd))


def _comparison_table(found: Comparison) -> Table:
    table = Table(
        title=f"The same calls, over {CONNECTIONS} connections", title_justify="left", title_style="bold"
    )
    table.add_column("")
    for name in ("sandbox\ncalls/s", "moto\ncalls/s", "sandbox\nCPU ms", "moto\nCPU ms"):
        table.add_column(name, justify="right")
    for name, ours in found.sandbox.items():
        theirs = found.moto[name]
        table.add_row(
            name,
            f"{ours.calls_a_second:.0f}",
            f"{theirs.calls_a_second:.0f}",
            f"{ours.cpu_milliseconds:.1f}",
            f"{theirs.cpu_milliseconds:.1f}",
        )
    table.add_section()
    table.add_row("memory (RSS), MiB", f"{found.sandbox_rss_mib:.0f}", f"{found.moto_rss_mib:.0f}", "", "")
    return table


def _crowd_table(found: Crowd) -> Table:
    table = Table(title=f"{found.tenants} tenants in it", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("made in", f"{found.made_in_seconds:.0f} s")
    table.add_row("memory (RSS)", f"{found.rss_mib:.0f} MiB")
    for name, rate in found.calls_a_second.items():
        table.add_row(name, f"{rate:.0f} calls/s, {found.cpu_milliseconds[name]:.1f} ms CPU")
    return table
