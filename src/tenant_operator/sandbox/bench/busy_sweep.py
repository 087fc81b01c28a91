"""Measured: people's edits while everything is compared with AWS anew, and what of AWS's rates that takes."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenant_operator.sandbox.aws.throttling import Bucket
from tenant_operator.sandbox.bench import fleet
from tenant_operator.sandbox.bench.bucket_bound import buckets
from tenant_operator.sandbox.bench.converged_start import (
    GROUPS_PER_CELL,
    TENANTS_PER_GROUP,
    TIER,
    account,
)
from tenant_operator.sandbox.bench.rehearsal import Rehearsal
from tenant_operator.sandbox.traffic.tally import percentiles

_SERVICES_A_SECOND = 4.0
"""That a sweep reads in one account: a fifth of AWS's rate (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html)."""
_OTHER_READS_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class BusySweep:
    """What edits in the middle of sweeps have to wait for.

    Attributes:
        tenants: that there are.
        edits: how many tenants were edited, one a second, one account after the other.
        p50: seconds from when an edit is sent to the API server until AWS is called for it.
        p99: see p50.
        largest_share: of the reads that AWS allows in a bucket, those that a sweep made before anything was edited; of the
            bucket that was used most.
        largest_bucket: that bucket.
        shares: the same for each bucket, in the account where it was used most.
        writes_beside_edits: to AWS; an edit of a health check is one.
    """

    tenants: int
    edits: int
    p50: float
    p99: float
    largest_share: float
    largest_bucket: str
    shares: Mapping[str, float]
    writes_beside_edits: int


def edit_in_sweeps(rehearsal: Rehearsal, tenants: int, edits: int) -> BusySweep:
    """Edit one tenant a second while sweeps follow each other without a pause.

    An edit of which nothing came counts with the time that was waited for it.
    """
    rehearsal.operator.stop()
    sweep = _OTHER_READS_SECONDS + min(tenants, TENANTS_PER_GROUP * GROUPS_PER_CELL) / _SERVICES_A_SECOND
    rehearsal.start_operator(sweep)
    time.sleep(1.3 * sweep)  # its first look is over, and the first sweep has begun
    rehearsal.progress.step(f"{tenants} tenants are compared anew, without a pause")
    before, began = _reads(rehearsal), time.time()
    time.sleep(sweep)
    shares = _shares(_reads(rehearsal) - before, time.time() - began)
    rehearsal.progress.step(f"{edits} edits meanwhile")
    first = rehearsal.aws.last_call()
    waits = [_edit(rehearsal, tenant, number) for number, tenant in enumerate(_spread(tenants, edits))]
    writes = len(rehearsal.aws.calls(since=first, kind="write"))
    fullest = max(shares, key=lambda name: shares[name], default="")
    p50, p99 = percentiles(waits, (0.50, 0.99))
    return BusySweep(
        tenants=tenants,
        edits=len(waits),
        p50=p50,
        p99=p99,
        largest_share=shares.get(fullest, 0.0),
        largest_bucket=fullest,
        shares=shares,
        writes_beside_edits=writes - len(waits),
    )


def _spread(tenants: int, count: int) -> Sequence[int]:
    """Tenants' numbers, from 1: one account after the other."""
    step = TENANTS_PER_GROUP * GROUPS_PER_CELL
    accounts = max(1, tenants // step)
    return [1 + (edit % accounts) * step + (edit // accounts) % min(step, tenants) for edit in range(count)]


def _edit(rehearsal: Rehearsal, tenant: int, number: int) -> float:
    """Seconds until AWS was called for an edit: the first write in the tenant's account, where nobody else writes."""
    name = f"{TIER}-{tenant:04}"
    home = _account_of(rehearsal, name)
    mark = rehearsal.aws.last_call()
    asked = time.time()
    rehearsal.edit_tenant(name, {"workload": {"healthCheck": {"path": f"/healthz-{number}"}}})
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        writes = rehearsal.aws.calls(since=mark, kind="write", account=home)
        if writes:
            time.sleep(max(0.0, asked + _PAUSE_SECONDS - time.time()))
            return max(0.0, float(writes[0]["time"]) - asked)
        if time.monotonic() > deadline:
            rehearsal.progress.step(f"nothing came of an edit of {name} in {_PATIENCE_SECONDS:.0f} s")
            return _PATIENCE_SECONDS
        time.sleep(_LOOK_SECONDS)


def _account_of(rehearsal: Rehearsal, tenant: str) -> str:
    """The account in which a tenant lives."""
    [placement] = rehearsal.status("tenant", tenant, fleet.NAMESPACE)["placements"]
    return account(int(str(placement["infraGroup"]).rpartition("-")[2]) // GROUPS_PER_CELL)


def _reads(rehearsal: Rehearsal) -> Counter[tuple[str, str, str]]:
    """The reads so far, by account, service and action."""
    found: Counter[tuple[str, str, str]] = Counter()
    for entry in rehearsal.aws.counters():
        if entry["kind"] == "read":
            found[(entry["account"], entry["service"], entry["action"])] += entry["count"]
    return found


def _shares(reads: Counter[tuple[str, str, str]], seconds: float) -> dict[str, float]:
    """For each of AWS's buckets of reads: what share of it was used, in the account that used most of it."""
    used: defaultdict[Bucket, Counter[str]] = defaultdict(Counter)
    for (home, service, action), count in reads.items():
        for bucket in buckets(f"{service}:{action}"):
            used[bucket][home] += count
    return {
        bucket.name: max(accounts.values()) / (bucket.burst + bucket.refill * seconds)
        for bucket, accounts in used.items()
    }
