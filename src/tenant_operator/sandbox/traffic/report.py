"""What a run of requests came to, as tables for a person and as JSON."""

from __future__ import annotations

from array import array
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tenant_operator.sandbox.traffic.generator import Generator
from tenant_operator.sandbox.traffic.tally import Counts, Fault, Outcome, Tally, percentiles

SHARES = (0.5, 0.9, 0.99, 1.0)
SHARE_NAMES = ("p50", "p90", "p99", "max")
TENANTS_SHOWN, FAULTS_SHOWN = 20, 20
_COLUMNS = (
    "requests",
    "answered",
    "as wished",
    "lost",
    "wrong tenant",
    *(f"{name} ms" for name in SHARE_NAMES),
)


def as_json(generator: Generator) -> dict[str, Any]:
    """The whole result as a document."""
    tally = generator.tally
    return {
        "seconds": round(generator.elapsed, 3),
        "rps": generator.load.rps,
        **_counts_as_json(_everything(tally)),
        "heldBack": tally.held_back,
        "tenants": [
            {"tenant": name, **_counts_as_json(tally.tenants[name])} for name in sorted(tally.tenants)
        ],
        "faults": [_fault_as_json(fault) for fault in tally.faults],
    }


def final(generator: Generator) -> RenderableType:
    """Everything, each tenant with its row."""
    tally = generator.tally
    return Group(_table(tally, sorted(tally.tenants)), *_faults(tally), _verdict(generator))


def live(generator: Generator) -> RenderableType:
    """How it stands: the tenants with faults first, and no more rows than fit on a screen."""
    tally = generator.tally
    worst = sorted(tally.tenants, key=lambda name: (-tally.tenants[name].faults, name))[:TENANTS_SHOWN]
    left = len(tally.tenants) - len(worst)
    more = [Text(f"and {left} more tenants", style="dim")] if left else []
    return Group(_table(tally, worst), *more, *_faults(tally), progress(generator))


def progress(generator: Generator) -> Text:
    """One line: how far, and how it stands."""
    tally = generator.tally
    lost, wrong = tally.total(Outcome.LOST), tally.total(Outcome.WRONG_TENANT)
    return Text(
        f"{generator.elapsed:.0f} of {generator.load.seconds:.0f} s: {tally.requests} requests to {len(tally.tenants)} tenants, "
        f"{generator.under_way} under way, {lost} lost, {wrong} answered by another tenant",
        style="bold red" if lost or wrong else "",
    )


def described(fault: Fault) -> str:
    """A fault in one line: when, whose, what came, from where."""
    exchange = fault.exchange
    what = exchange.error or f"status {exchange.status}"
    by = f" answered by {exchange.answered_by}" if fault.outcome is Outcome.WRONG_TENANT else ""
    where = f" at {exchange.load_balancer}" if exchange.load_balancer else ""
    return f"{exchange.sent_at:%H:%M:%S.%f} {fault.outcome}: {exchange.destination.tenant}{by}: {what}{where}"


def _table(tally: Tally, names: list[str]) -> Table:
    table = Table("tenant", box=None, padding=(0, 1))
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for name in names:
        table.add_row(name, *_cells(tally.tenants[name]))
    if len(tally.tenants) != 1:
        table.add_row("all", *_cells(_everything(tally)), style="bold")
    return table


def _cells(counts: Counts) -> list[str | Text]:
    cells: list[str | Text] = [str(counts.requests)]
    for outcome in Outcome:
        count = counts.outcomes[outcome]
        is_fault = count and outcome in (Outcome.LOST, Outcome.WRONG_TENANT)
        cells.append(Text(str(count), style="bold red" if is_fault else ""))
    return [*cells, *(f"{latency:.1f}" for latency in percentiles(counts.milliseconds, SHARES))]


def _faults(tally: Tally) -> list[Text]:
    lines = [Text(described(fault), style="red") for fault in tally.faults[:FAULTS_SHOWN]]
    left = sum(counts.faults for counts in tally.tenants.values()) - len(lines)
    return [*lines, *([Text(f"and {left} more", style="red")] if left > 0 else [])]


def _verdict(generator: Generator) -> Text:
    tally = generator.tally
    held_back = (
        f"; {tally.held_back} were due and held back: too many were under way" if tally.held_back else ""
    )
    if tally.is_clean:
        said = f"no request of {tally.requests} was lost or answered by another tenant{held_back}"
        return Text(said, style="green")
    lost, wrong = tally.total(Outcome.LOST), tally.total(Outcome.WRONG_TENANT)
    return Text(
        f"of {tally.requests} requests {lost} were lost and {wrong} answered by another tenant{held_back}",
        style="bold red",
    )


def _everything(tally: Tally) -> Counts:
    outcomes = {outcome: tally.total(outcome) for outcome in Outcome}
    milliseconds = array("f", (each for counts in tally.tenants.values() for each in counts.milliseconds))
    return Counts(outcomes=outcomes, milliseconds=milliseconds)


def _counts_as_json(counts: Counts) -> dict[str, Any]:
    latencies = percentiles(counts.milliseconds, SHARES)
    return {
        "requests": counts.requests,
        "answered": counts.outcomes[Outcome.ANSWERED],
        "asWished": counts.outcomes[Outcome.WISHED],
        "lost": counts.outcomes[Outcome.LOST],
        "wrongTenant": counts.outcomes[Outcome.WRONG_TENANT],
        "latencyMs": {name: round(value, 2) for name, value in zip(SHARE_NAMES, latencies, strict=True)},
    }


def _fault_as_json(fault: Fault) -> dict[str, Any]:
    exchange = fault.exchange
    return {
        "at": exchange.sent_at.isoformat(timespec="milliseconds"),
        "outcome": fault.outcome.value,
        "tenant": exchange.destination.tenant,
        "url": exchange.destination.url,
        "status": exchange.status,
        "error": exchange.error,
        "answeredBy": exchange.answered_by,
        "loadBalancer": exchange.load_balancer,
        "afterSeconds": round(exchange.seconds, 3),
    }
