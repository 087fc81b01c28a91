"""Hosted zones and records in the simulated AWS."""

from __future__ import annotations

import pytest

from tenant_operator.aws.dns import Pace, RecordChange, RecordLane, find_zone, hosted_zone, read_records
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.hosted_zones import records_in_zone
from tenant_operator.desired.resources import Live, Record
from tests.aws.conftest import Cell

NAME = "tier-1.example.com"
QUICK = Pace(idle=0.01, longest=0.1, busy_first=0.2, busy_longest=0.5, sync_first=0.2, sync_longest=0.5)


def make_zone(cell: Cell, name: str, *, private: bool = False, reference: str = "1") -> str:
    options = {"VPC": {"VPCRegion": "us-east-1", "VPCId": cell.vpc}} if private else {}
    zone = cell.client("route53").create_hosted_zone(
        Name=name,
        CallerReference=f"{cell.caller.account}-{name}-{private}-{reference}",
        HostedZoneConfig={"PrivateZone": private},
        **options,
    )
    return str(zone["HostedZone"]["Id"]).rsplit("/", 1)[-1]


def record(zone: str, weight: int = 100, group: str = "ig-1") -> Record:
    return Record(
        zone=zone,
        name=NAME,
        set_identifier=f"prod/{group}",
        weight=weight,
        alias_dns_name="internal-prod-ig-1-1.us-east-1.elb.amazonaws.com",
        alias_zone="Z35SXDOTRQ7X7K",
    )


async def test_a_zone_is_found_by_its_exact_name(cell: Cell) -> None:
    zone = make_zone(cell, "example.com")
    make_zone(cell, "a.example.com")
    assert await find_zone(cell.caller, "Example.com.", private=False) == zone
    assert await hosted_zone(cell.caller, zone) == ("example.com", False)


async def test_a_zone_tells_how_many_records_it_holds_and_may_hold(cell: Cell) -> None:
    zone = make_zone(cell, "example.com")
    count, limit = await records_in_zone(cell.caller, zone)
    assert (count, limit) == (2, 10_000)  # NS and SOA


async def test_the_private_zone_of_a_name_is_told_from_the_public_one(cell: Cell) -> None:
    public, private = make_zone(cell, "example.com"), make_zone(cell, "example.com", private=True)
    assert await find_zone(cell.caller, "example.com", private=True) == private
    assert await find_zone(cell.caller, "example.com", private=False) == public
    assert await hosted_zone(cell.caller, private) == ("example.com", True)


async def test_a_missing_zone_is_said_to_be_missing(cell: Cell) -> None:
    make_zone(cell, "example.com")
    with pytest.raises(
        AwsError, match=r"no public hosted zone named other\.com; create it, or correct the name"
    ):
        await find_zone(cell.caller, "other.com", private=False)
    with pytest.raises(
        AwsError, match=r"there is a public one: set spec\.endpoint\.hostedZone\.private"
    ) as refusal:
        await find_zone(cell.caller, "example.com", private=True)
    assert refusal.value.category is Category.SPEC
    with pytest.raises(AwsError, match="no hosted zone Z0000000000000"):
        await hosted_zone(cell.caller, "Z0000000000000")


async def test_two_zones_of_one_name_must_be_told_apart_by_id(cell: Cell) -> None:
    zones = {make_zone(cell, "example.com", reference=reference) for reference in ("1", "2")}
    with pytest.raises(AwsError, match=r"spec\.endpoint\.hostedZone\.id") as refusal:
        await find_zone(cell.caller, "example.com", private=False)
    assert all(zone in refusal.value.message for zone in zones)


async def test_a_weighted_record_lives_through_creation_edit_and_deletion(cell: Cell) -> None:
    zone = make_zone(cell, "example.com")
    lane = RecordLane(cell.caller, zone, pace=QUICK)
    (made,) = await lane.submit([RecordChange(desired=record(zone), live=None)])
    assert await only(cell, zone) == made.spec == record(zone)
    await lane.submit([RecordChange(desired=record(zone, weight=7), live=made)])
    assert await only(cell, zone) == record(zone, weight=7)
    (seen,) = (await read_records(cell.caller, zone, NAME)).values()
    await lane.submit([RecordChange(desired=None, live=seen)])
    assert await read_records(cell.caller, zone, NAME) == {}


async def test_what_a_person_changed_by_hand_is_set_right_and_deleted_all_the_same(cell: Cell) -> None:
    zone = make_zone(cell, "example.com")
    lane = RecordLane(cell.caller, zone, pace=QUICK)
    (made,) = await lane.submit([RecordChange(desired=record(zone), live=None)])
    await by_hand(cell, zone, made, weight=3)
    await lane.submit([RecordChange(desired=record(zone), live=None)])
    assert await only(cell, zone) == record(zone)
    await by_hand(cell, zone, made, weight=4)
    await lane.submit([RecordChange(desired=None, live=made)])
    assert await read_records(cell.caller, zone, NAME) == {}


async def only(cell: Cell, zone: str) -> Record:
    (live,) = (await read_records(cell.caller, zone, NAME)).values()
    assert isinstance(live.spec, Record)
    return live.spec


async def by_hand(cell: Cell, zone: str, live: Live, weight: int) -> None:
    record_set = {**live.attributes["record_set"], "Weight": weight}
    change = {"Action": "UPSERT", "ResourceRecordSet": record_set}
    route53 = cell.client("route53")
    made = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    while route53.get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] != "INSYNC":
        pass
