"""Weighted alias records: reading those of a name and of the names below it; AWS's wording and ours.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.hosted_zones import plain_name
from tenant_operator.desired.resources import GLOBAL, Address, Live, Record

PAGE = "300"
"""The most that one ListResourceRecordSets gives."""

FOREIGN = "foreign:"
"""How the last part of an address's name begins for what is no weighted alias: its type and set identifier follow. A
colon is in no set identifier of ours."""

BLOCKING_TYPES = frozenset({"A", "CNAME"})
"""What a weighted A record cannot stand beside, unless it is weighted too."""

RECORD_SET = "record_set"
"""The live attribute that holds the record as AWS shows it: a DELETE must repeat every value of it."""


async def read_records(caller: Caller, zone: str, endpoint_name: str) -> dict[Address, Live]:
    """The A and CNAME records of a name and of every name below it.

    Weighted aliases have the address name `<zone>/<name>/<set identifier>`, whoever made them. All others are there as
    `<zone>/<name>/foreign:<type>:<set identifier>`, so that one can say what stands in the way.

    Args:
        caller: Bound to the account that owns the zone.
        zone: The hosted zone's id.
        endpoint_name: The name.

    Raises:
        AwsError: AWS refused the reading.
    """
    found: dict[Address, Live] = {}
    wanted = plain_name(endpoint_name)
    async for record_set in _from(caller, zone, wanted):
        name = plain_name(record_set["Name"])
        if name != wanted and not name.endswith("." + wanted):
            break
        if record_set["Type"] in BLOCKING_TYPES:
            live = live_record(caller.account, zone, record_set)
            found[live.address] = live
    return found


async def read_name(caller: Caller, zone: str, name: str) -> list[dict[str, Any]]:
    """The A and CNAME records of one name, as AWS shows them.

    Raises:
        AwsError: AWS refused the reading.
    """
    found: list[dict[str, Any]] = []
    async for record_set in _from(caller, zone, name):
        if plain_name(record_set["Name"]) != name:
            break
        if record_set["Type"] in BLOCKING_TYPES:
            found.append(record_set)
    return found


async def _from(caller: Caller, zone: str, name: str) -> AsyncIterator[dict[str, Any]]:
    """The zone's records from a name on: those below it come next, as AWS sorts by the labels in reverse.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html
    """
    start: dict[str, str] = {"StartRecordName": name}
    while True:
        answer = await caller(
            "route53", "list_resource_record_sets", HostedZoneId=zone, MaxItems=PAGE, **start
        )
        for record_set in answer["ResourceRecordSets"]:
            yield record_set
        if not answer.get("IsTruncated"):
            return
        following = {
            "StartRecordName": answer.get("NextRecordName"),
            "StartRecordType": answer.get("NextRecordType"),
            "StartRecordIdentifier": answer.get("NextRecordIdentifier"),
        }
        start = {key: value for key, value in following.items() if value}


def is_weighted_alias(record_set: dict[str, Any]) -> bool:
    """Whether it is of the one kind that this operator makes."""
    return record_set["Type"] == "A" and "Weight" in record_set and "AliasTarget" in record_set


def live_record(account: str, zone: str, record_set: dict[str, Any]) -> Live:
    """A record in our terms. Live attributes: `type`, `record_set`."""
    name, identifier = plain_name(record_set["Name"]), record_set.get("SetIdentifier", "")
    known = is_weighted_alias(record_set)
    last = identifier if known else f"{FOREIGN}{record_set['Type']}:{identifier}"
    alias = record_set.get("AliasTarget") or {}
    return Live(
        address=Address(account=account, region=GLOBAL, type=Record.__name__, name=f"{zone}/{name}/{last}"),
        id=f"{zone}/{name}/{last}",
        spec=Record(
            zone=zone,
            name=name,
            set_identifier=identifier,
            weight=int(record_set.get("Weight", 0)),
            alias_dns_name=plain_name(alias.get("DNSName", "")).removeprefix("dualstack."),
            alias_zone=alias.get("HostedZoneId", ""),
            unexpected=tuple(_unexpected(record_set, alias)),
        ),
        attributes={"type": record_set["Type"], RECORD_SET: record_set},
    )


def _unexpected(record_set: dict[str, Any], alias: dict[str, Any]) -> Iterable[str]:
    if not is_weighted_alias(record_set):
        yield "it is no weighted alias"
    if alias.get("EvaluateTargetHealth"):
        yield "it evaluates target health"
    if "HealthCheckId" in record_set:
        yield "it has a health check"


def to_api(record: Record) -> dict[str, Any]:
    """The record set that a record of ours is.

    `EvaluateTargetHealth` is always false: with it one tenant's empty target group takes the whole load balancer out of
    DNS (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-weighted-alias.html).
    """
    return {
        "Name": record.name,
        "Type": "A",
        "SetIdentifier": record.set_identifier,
        "Weight": record.weight,
        "AliasTarget": {
            "HostedZoneId": str(record.alias_zone),
            "DNSName": str(record.alias_dns_name),
            "EvaluateTargetHealth": False,
        },
    }
