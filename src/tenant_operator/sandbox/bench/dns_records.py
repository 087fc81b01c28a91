"""Measured: how many requests the DNS records of many tenants take."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.dns import RecordChange, RecordLane, find_zone
from tenant_operator.desired.resources import Record
from tenant_operator.sandbox.bench.converged_start import account
from tenant_operator.sandbox.bench.fleet import ZONE
from tenant_operator.sandbox.bench.rehearsal import Rehearsal
from tenant_operator.sandbox.environment import REGION

RECORDS = 1000


@dataclass(frozen=True, slots=True)
class DnsRecords:
    """What records that are wanted at the same time cost.

    Attributes:
        records: how many, each of another name.
        create_requests: ChangeResourceRecordSets calls to make them.
        update_requests: the same to change the weight of each; AWS counts a change twice, so that 500 fit one call.
    """

    records: int
    create_requests: int
    update_requests: int


def change_records(rehearsal: Rehearsal, records: int = RECORDS) -> DnsRecords:
    """Make and change so many records through the operator's own lane to a hosted zone."""
    rehearsal.progress.step(f"{records} tenants' DNS records at once")
    elb = rehearsal.client("elbv2", account(0))
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]
    wanted = [
        Record(
            zone="",
            name=f"tenant-{number:04}.records.{ZONE}",
            set_identifier="bench/records",
            weight=100,
            alias_dns_name=str(balancer["DNSName"]).lower(),
            alias_zone=str(balancer["CanonicalHostedZoneId"]),
        )
        for number in range(records)
    ]
    with _environment(rehearsal.sandbox.aws_environment()):
        created, updated = asyncio.run(_submit(rehearsal, wanted))
    return DnsRecords(records=records, create_requests=created, update_requests=updated)


async def _submit(rehearsal: Rehearsal, wanted: list[Record]) -> tuple[int, int]:
    accounts = Accounts()
    try:
        start = _requests(rehearsal)
        caller = await accounts.caller(AccountRef(), REGION)
        zone = await find_zone(caller, ZONE, private=False)
        lane = RecordLane(caller, zone)
        before = [replace(record, zone=zone) for record in wanted]
        made = await asyncio.gather(
            *(lane.submit([RecordChange(desired=record, live=None)]) for record in before)
        )
        created = _requests(rehearsal) - start
        await asyncio.gather(
            *(
                lane.submit([RecordChange(desired=replace(record, weight=50), live=live)])
                for record, [live] in zip(before, made, strict=True)
            )
        )
        return created, _requests(rehearsal) - start - created
    finally:
        accounts.close()


def _requests(rehearsal: Rehearsal) -> int:
    """The requests so far."""
    counters = rehearsal.aws.counters()
    return sum(entry["count"] for entry in counters if entry["action"] == "ChangeResourceRecordSets")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """The process's environment, for a while."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)
