"""Measured: the operator starts where everything is as it should be, and makes sure of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from tenant_operator.sandbox.bench import fleet
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.bench.rehearsal import Cost, Rehearsal

_TIER = "fleet"
_TENANTS_PER_GROUP = 50
_GROUPS_PER_CELL = 4
_PATIENCE_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class ConvergedStart:
    """What a start cost.

    Attributes:
        tenants: how many were Ready.
        groups: the infra groups in which they are, each tenant in one.
        accounts: the AWS accounts of these.
        cost: from the start of the process until it was at rest.
        until_listed: seconds until `/readyz` said so; CPU seconds by then are `listed_cpu_seconds`.
        listed_cpu_seconds: see there.
        until_verified: seconds until the last object was compared with AWS.
    """

    tenants: int
    groups: int
    accounts: int
    cost: Cost
    until_listed: float
    listed_cpu_seconds: float
    until_verified: float


def fill(rehearsal: Rehearsal, tenants: int) -> tuple[int, int]:
    """Make a tier of so many tenants, each in one of many groups.

    Returns:
        How many groups, and how many accounts.
    """
    groups = math.ceil(tenants / _TENANTS_PER_GROUP)
    accounts = [f"{500_000_000_000 + number}" for number in range(math.ceil(groups / _GROUPS_PER_CELL))]
    rehearsal.progress.step(f"building {groups} infra groups in {len(accounts)} accounts")
    rehearsal.aws.seed(cell_accounts=accounts)
    cells = [fleet.cell(f"{_TIER}-{account}", _TIER, account) for account in accounts]
    infra_groups = [
        fleet.infra_group(
            f"{_TIER}-{number:02}", str(cells[number // _GROUPS_PER_CELL]["metadata"]["name"]), number
        )
        for number in range(groups)
    ]
    rehearsal.apply(fleet.namespace(), fleet.tier(_TIER, mode="PerTenant"), *cells, *infra_groups)
    rehearsal.await_ready("infragroup", [], _PATIENCE_SECONDS)
    rehearsal.progress.step(f"taking {tenants} tenants in")
    rehearsal.apply(*fleet.tenants(_TIER, tenants))
    rehearsal.await_ready("tenant", [], _PATIENCE_SECONDS)
    rehearsal.await_quiet(_PATIENCE_SECONDS)
    return groups, len(accounts)


def _settle(rehearsal: Rehearsal) -> None:
    """Start once without measuring: what parents sum up lags behind until everything is compared once more."""
    rehearsal.operator.stop()
    rehearsal.start_operator()
    rehearsal.await_quiet(_PATIENCE_SECONDS)


def start(rehearsal: Rehearsal, tenants: int) -> ConvergedStart:
    """Fill a tier, then stop the operator and measure its next start."""
    groups, accounts = fill(rehearsal, tenants)
    _settle(rehearsal)
    rehearsal.operator.stop()
    rehearsal.progress.step("the operator starts anew")
    mark = rehearsal.mark_of_start()
    started = time.monotonic()
    rehearsal.start_operator()
    listed = time.monotonic() - started
    listed_cpu = ProcessUsage.of(rehearsal.operator.pid).cpu_seconds
    verified = rehearsal.await_quiet(_PATIENCE_SECONDS)
    return ConvergedStart(
        tenants=tenants,
        groups=groups,
        accounts=accounts,
        cost=rehearsal.cost_since(mark),
        until_listed=listed,
        listed_cpu_seconds=listed_cpu,
        until_verified=verified - started,
    )
