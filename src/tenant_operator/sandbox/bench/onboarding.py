"""Measured: many tenants into one ready infra group, and then an idle while."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tenant_operator.sandbox.bench import fleet
from tenant_operator.sandbox.bench.bare_script import BareScript, BareSeconds
from tenant_operator.sandbox.bench.bucket_bound import bucket_bound
from tenant_operator.sandbox.bench.plain_tenant import WRITES
from tenant_operator.sandbox.bench.rehearsal import Cost, Rehearsal, names_of

_TIER, _BARE_TIER = "bench", "bare"
_ACCOUNT, _BARE_ACCOUNT = "222222222222", "333333333333"
_GROUP_PATIENCE_SECONDS = 120.0
_TENANT_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Onboarding:
    """What it cost to take tenants in.

    Attributes:
        tenants: how many.
        cost: all of it, until the operator was at rest again.
        until_ready: seconds from `kubectl apply` until the last tenant was Ready.
        until_written: seconds from `kubectl apply` until the operator's last write to AWS.
        bare: the bare script's time; None with AWS's token buckets on.
        bound: seconds that the token buckets alone take for the five writes; None with the buckets off.
    """

    tenants: int
    cost: Cost
    until_ready: float
    until_written: float
    bare: BareSeconds | None
    bound: float | None


def prepare(rehearsal: Rehearsal) -> None:
    """Make a ready and empty group for the operator, and one in another account for the bare script."""
    rehearsal.progress.step("building an infra group for the operator and one for the bare script")
    rehearsal.apply(
        fleet.namespace(),
        fleet.tier(_TIER),
        fleet.cell(_TIER, _TIER, _ACCOUNT),
        fleet.infra_group(_TIER, _TIER, 20),
        fleet.tier(_BARE_TIER),
        fleet.cell(_BARE_TIER, _BARE_TIER, _BARE_ACCOUNT),
        fleet.infra_group(_BARE_TIER, _BARE_TIER, 21),
    )
    rehearsal.await_ready("infragroup", [_TIER, _BARE_TIER], _GROUP_PATIENCE_SECONDS)
    rehearsal.await_quiet(_GROUP_PATIENCE_SECONDS)


def onboard(rehearsal: Rehearsal, count: int, *, throttles: bool) -> Onboarding:
    """Take so many tenants in at once, with AWS's token buckets on or off."""
    bare = None
    if not throttles:
        rehearsal.progress.step(f"the bare script makes {len(WRITES)} writes for each of {count} tenants")
        bare = BareScript.for_group(rehearsal, _BARE_TIER, _BARE_ACCOUNT).run(count)
        rehearsal.await_quiet(_GROUP_PATIENCE_SECONDS)
    rehearsal.aws.throttles(enabled=throttles)
    rehearsal.progress.step(f"{count} tenants are applied")
    manifests = fleet.tenants(_TIER, count)
    mark, last_call = rehearsal.mark(), rehearsal.aws.last_call()
    epoch, started = time.time(), time.monotonic()
    rehearsal.apply(*manifests)
    rehearsal.await_ready("tenant", names_of(manifests), _TENANT_PATIENCE_SECONDS)
    until_ready = time.monotonic() - started
    rehearsal.await_quiet(_GROUP_PATIENCE_SECONDS)
    cost = rehearsal.cost_since(mark)
    writes = rehearsal.aws.calls(since=last_call, kind="write", account=_ACCOUNT)
    rehearsal.aws.throttles(enabled=False)
    return Onboarding(
        tenants=count,
        cost=cost,
        until_ready=until_ready,
        until_written=max((float(call["time"]) for call in writes), default=epoch) - epoch,
        bare=bare,
        bound=bucket_bound(dict.fromkeys(WRITES, count)) if throttles else None,
    )


def idle(rehearsal: Rehearsal, seconds: float, sweep_seconds: float) -> Cost:
    """Start the operator with these sweeps, let it come to rest, and then touch nothing for so long."""
    rehearsal.operator.stop()
    rehearsal.start_operator(sweep_seconds)
    rehearsal.await_quiet(_GROUP_PATIENCE_SECONDS)
    rehearsal.progress.step(f"nothing is touched for {seconds:.0f} s")
    mark = rehearsal.mark()
    time.sleep(seconds)
    return rehearsal.cost_since(mark)
