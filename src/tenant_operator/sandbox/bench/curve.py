"""A plot of cost over size: SVG, for a browser or a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tenant_operator.sandbox.bench.converged_start import ConvergedStart

_SERIES: tuple[tuple[str, Callable[[ConvergedStart], float]], ...] = (
    ("CPU milliseconds", lambda start: 1000 * start.cost.cpu_seconds / start.tenants),
    ("AWS reads", lambda start: sum(start.cost.aws_reads.values()) / start.tenants),
    ("memory, KiB", lambda start: 1024 * start.cost.rss_mib / start.tenants),
)


def plot(starts: Sequence[ConvergedStart], file: Path) -> None:
    """What a start costs for each tenant, over the number of tenants; both axes are logarithmic."""
    import pygal  # only needed here

    chart = pygal.XY(
        title="A start with everything converged: cost per tenant",
        x_title="tenants",
        logarithmic=True,
        legend_at_bottom=True,
        js=[],
    )
    for name, cost in _SERIES:
        chart.add(name, [(start.tenants, round(cost(start), 3)) for start in starts])
    chart.render_to_file(str(file))
