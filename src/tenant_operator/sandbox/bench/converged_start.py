"""Measured: the operator starts where everything is as it should be, and makes sure of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tenant_operator.sandbox.bench import fleet
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.bench.rehearsal import Cost, Rehearsal

TIER = "fleet"
TENANTS_PER_GROUP = 50
GROUPS_PER_CELL = 4
_PATIENCE_SECONDS = 3600.0
_BUILDING_RATE = 50.0
"""Times AWS's rates, while a fleet is built that is not itself what is measured."""
_NO_SWEEP_SECONDS = 86_400.0


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


def grow(rehearsal: Rehearsal, before: int, tenants: int) -> tuple[int, int]:
    """Bring a tier from so many tenants to more, each in one of many groups; the operator runs at a builder's pace.

    Returns:
        How many groups there are then, and how many accounts.
    """
    groups = math.ceil(tenants / TENANTS_PER_GROUP)
    accounts = [account(number) for number in range(math.ceil(groups / GROUPS_PER_CELL))]
    rehearsal.progress.step(f"building {groups} infra groups in {len(accounts)} accounts")
    rehearsal.aws.seed(cell_accounts=accounts)
    rehearsal.operator.stop()
    rehearsal.start_operator(_NO_SWEEP_SECONDS, api_rate=_BUILDING_RATE)
    cells = [fleet.cell(f"{TIER}-{account}", TIER, account) for account in accounts]
    infra_groups = [
        fleet.infra_group(
            f"{TIER}-{number:02}", str(cells[number // GROUPS_PER_CELL]["metadata"]["name"]), number
        )
        for number in range(groups)
    ]
    rehearsal.apply(fleet.namespace(), fleet.tier(TIER, mode="PerTenant"), *cells, *infra_groups)
    rehearsal.await_ready("infragroup", [], _PATIENCE_SECONDS)
    rehearsal.progress.step(f"taking {tenants - before} tenants in")
    rehearsal.apply(*fleet.tenants(TIER, tenants)[before:])
    rehearsal.await_ready("tenant", [], _PATIENCE_SECONDS)
    rehearsal.await_quiet(_PATIENCE_SECONDS)
    return groups, len(accounts)


def account(number: int) -> str:
    """The AWS account of a cell, by its number from 0."""
    return f"{500_000_000_000 + number}"


def _settle(rehearsal: Rehearsal) -> None:
    """Start once without measuring: what parents sum up lags behind until everything is compared once more."""
    rehearsal.operator.stop()
    rehearsal.start_operator(_NO_SWEEP_SECONDS)
    rehearsal.await_quiet(_PATIENCE_SECONDS)


def starts(rehearsal: Rehearsal, sizes: Sequence[int]) -> Iterator[ConvergedStart]:
    """Fill a tier to each of some rising sizes, then stop the operator and measure its next start."""
    before = 0
    for tenants in sizes:
        groups, accounts = grow(rehearsal, before, tenants)
        before = tenants
        _settle(rehearsal)
        yield _start(rehearsal, tenants, groups, accounts)


def _start(rehearsal: Rehearsal, tenants: int, groups: int, accounts: int) -> ConvergedStart:
    rehearsal.operator.stop()
    rehearsal.progress.step(f"the operator starts anew with {tenants} tenants")
    mark = rehearsal.mark_of_start()
    started = time.monotonic()
    rehearsal.start_operator(_NO_SWEEP_SECONDS)
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
