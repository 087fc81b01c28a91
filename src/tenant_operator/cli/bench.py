"""`tenant-operator bench`: what the operator costs, measured on the embedded sandbox."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tenant_operator.sandbox.bench.server_report import ServerResults
    from tenant_operator.sandbox.progress import Progress


class Sizes(click.ParamType[tuple[int, ...]]):
    """Rising numbers, separated by commas; 0 stands for none."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Understand what was written."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdigit() for part in parts):
            self.fail("write rising numbers, such as 100,1000,4000", param, ctx)
        sizes = tuple(int(part) for part in parts if int(part))
        if list(sizes) != sorted(set(sizes)) or sizes[-1:] > (MOST,):
            self.fail(f"write rising numbers up to {MOST}, such as 100,1000,4000", param, ctx)
        return sizes


MOST = 12_000
"""256 groups of 50 tenants: then CIDR blocks run out."""


@click.command("bench")
@click.option(
    "--tenants",
    type=click.IntRange(0, 50),
    default=50,
    show_default=True,
    help="How many are onboarded at once into one infra group; 0 leaves this out, and the idle minute.",
)
@click.option(
    "--idle-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How long nothing is touched; 0 leaves this out.",
)
@click.option(
    "--converged",
    type=Sizes(),
    default="100,400,1000",
    show_default=True,
    help="How many tenants there are when the operator starts anew: rising numbers; 0 leaves this and what follows out.",
)
@click.option(
    "--edits",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="How many tenants are edited, one a second, while all are compared with AWS; 0 leaves this out.",
)
@click.option(
    "--records",
    type=click.IntRange(0, 9000),
    default=1000,
    show_default=True,
    help="How many DNS records are wanted at the same time; 0 leaves this out.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file that takes a plot of a start's cost over size, as SVG.",
)
@click.option(
    "--sweep-seconds",
    type=click.FloatRange(5),
    default=25.0,
    show_default=True,
    help="Between two full comparisons with AWS in the idle minute, so that some fall into it.",
)
@click.option(
    "--changes",
    type=click.IntRange(0, 10_000),
    default=60,
    show_default=True,
    help="How many changes are made by hand in AWS, each undone because an event told of it; 0 leaves this out.",
)
@click.option("--only", type=click.Choice(["onboarding", "start", "drift"]), help="Measure this part alone.")
@click.option("--throttles", is_flag=True, help="AWS's token buckets are on while the tenants are onboarded.")
@click.option(
    "--sandbox",
    is_flag=True,
    help="Measure the simulated AWS instead, beside plain moto's own server.",
)
@click.option(
    "--held",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="With --sandbox: how many tenants it holds when it is called; 0 leaves this out.",
)
@click.option(
    "-o",
    "--output-format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What is printed.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file that takes the results as JSON.",
)
def command(
    tenants: int,
    idle_seconds: float,
    converged: tuple[int, ...],
    edits: int,
    records: int,
    plot: Path | None,
    sweep_seconds: float,
    changes: int,
    only: str | None,
    throttles: bool,
    sandbox: bool,
    held: int,
    output_format: str,
    output: Path | None,
) -> None:
    """Measure what onboarding, an idle minute and a start cost, and how fast changes by hand are undone."""
    from rich.console import Console

    from tenant_operator.sandbox.bench import curve
    from tenant_operator.sandbox.bench.report import Results
    from tenant_operator.sandbox.bench.run import Plan, run
    from tenant_operator.sandbox.failure import SandboxError
    from tenant_operator.sandbox.progress import ConsoleProgress

    progress = ConsoleProgress(sys.stderr)
    log = Path(tempfile.mkdtemp(prefix="tenant-operator-bench-")) / "operator.log"
    plan = Plan(
        tenants=tenants if only in (None, "onboarding") else 0,
        idle_seconds=idle_seconds,
        converged=converged if only in (None, "start") else (),
        edits=edits,
        records=records,
        sweep_seconds=sweep_seconds,
        throttles=throttles,
        changes=changes if only in (None, "drift") else 0,
    )
    results: Results | ServerResults
    try:
        results = _of_sandbox(held, progress) if sandbox else run(plan, log, progress)
    except SandboxError as error:
        raise click.ClickException(str(error)) from error
    document = json.dumps(results.as_json(), indent=2)
    if output is not None:
        output.write_text(document + "\n")
    if plot is not None and isinstance(results, Results) and results.starts:
        curve.plot(results.starts, plot)
    if output_format == "json":
        print(document)
    else:
        results.show(Console(width=100))


def _of_sandbox(held: int, progress: Progress) -> ServerResults:
    from tenant_operator.sandbox.bench.crowd import crowd
    from tenant_operator.sandbox.bench.server_report import ServerResults
    from tenant_operator.sandbox.bench.server_speed import compare

    return ServerResults(compare(progress), crowd(held, progress) if held else None)
