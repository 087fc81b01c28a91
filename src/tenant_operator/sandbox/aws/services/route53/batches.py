"""A change batch: all of it is possible, or nothing happens.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html, limits:
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.load_balancers import canonical_hosted_zone_id
from tenant_operator.sandbox.aws.services.route53 import names, record_sets
from tenant_operator.sandbox.aws.services.route53.state import Delta, Group, RecordKey, RecordSet, Zone

MAX_ELEMENTS = 1000  # ResourceRecord elements; an alias is one, an UPSERT counts twice
MAX_CHARACTERS = 32_000  # of all values; an UPSERT counts twice
MAX_GROUP = 100  # record sets with one routing policy, name and type

_LOAD_BALANCER = re.compile(r"[a-z0-9.-]+\.(?P<region>[a-z]+-[a-z-]+-\d)\.elb\.amazonaws\.com\.")

Change = tuple[str, RecordSet]  # CREATE | UPSERT | DELETE and its record set


def deltas_of(zone: Zone, given: Sequence[Mapping[str, Any]], max_records: int) -> list[Delta]:
    """What a batch changes in a zone.

    Args:
        zone: it is only read.
        given: the elements of `Changes`.
        max_records: the zone's quota.

    Raises:
        AwsFailure: InvalidInput or InvalidChangeBatch, with every reason why it cannot be done.
    """
    changes = [
        (change["Action"], record_sets.parsed(change["Action"], change["ResourceRecordSet"]))
        for change in given
    ]
    _refuse(_size_problems(changes))
    _refuse(_problems_one_by_one(zone, changes))
    deltas, problems = _played(zone, changes)
    _refuse(problems)
    _refuse(_problems_after(zone, deltas, max_records))
    return deltas


def _refuse(problems: Iterator[str] | Sequence[str]) -> None:
    found = list(dict.fromkeys(problems))
    if found:
        raise AwsFailure("InvalidChangeBatch", f"[{', '.join(found)}]")


def _size_problems(changes: Sequence[Change]) -> Iterator[str]:
    elements = characters = 0
    for action, record_set in changes:
        times = 2 if action == "UPSERT" else 1
        values = [record["Value"] for record in record_set.document.get("ResourceRecords", ())]
        elements += times * max(1, len(values))
        characters += times * sum(map(len, values))
    if elements > MAX_ELEMENTS:
        yield f"Number of records limit of {MAX_ELEMENTS} exceeded."
    if characters > MAX_CHARACTERS:
        yield f"Number of characters limit of {MAX_CHARACTERS} exceeded."


def _problems_one_by_one(zone: Zone, changes: Sequence[Change]) -> Iterator[str]:
    for action, record_set in changes:
        name = record_set.name
        if not names.lies_within(name, zone.name):
            yield f"RRSet with DNS name {name} is not permitted in zone {zone.name}"
        if action != "DELETE":
            yield from record_sets.value_problems(record_set)
            if record_set.type == "CNAME" and name == zone.name:
                yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone.name}"
        elif name == zone.name and record_set.type in ("NS", "SOA"):
            yield f"A HostedZone must contain at least one {record_set.type} record for the zone itself."
    for (name, (type_, _)), actions in _actions_by_record(changes).items():
        if actions not in (["CREATE"], ["UPSERT"], ["DELETE"], ["DELETE", "CREATE"], ["CREATE", "DELETE"]):
            yield (
                f"The request contains an invalid set of changes for a resource record set '{type_} {name}'"
            )


def _actions_by_record(changes: Sequence[Change]) -> dict[tuple[str, RecordKey], list[str]]:
    found: dict[tuple[str, RecordKey], list[str]] = {}
    for action, record_set in changes:
        found.setdefault((record_set.name, record_set.key), []).append(action)
    return found


def _played(zone: Zone, changes: Sequence[Change]) -> tuple[list[Delta], list[str]]:
    """The changes one after the other, on a copy of the names that they touch."""
    after: dict[tuple[str, RecordKey], RecordSet | None] = {}
    problems: list[str] = []
    for action, record_set in changes:
        place = (record_set.name, record_set.key)
        present = after[place] if place in after else zone.groups.get(record_set.name, {}).get(record_set.key)
        problem = _existence_problem(action, record_set, present)
        if problem:
            problems.append(problem)
        after[place] = None if action == "DELETE" else record_set
    return [Delta(name, key, found) for (name, key), found in after.items()], problems


def _existence_problem(action: str, record_set: RecordSet, present: RecordSet | None) -> str:
    identifier = f", set identifier='{record_set.set_identifier}'" if record_set.set_identifier else ""
    what = f"resource record set [name='{record_set.name}', type='{record_set.type}'{identifier}]"
    if action == "CREATE" and present is not None:
        return f"Tried to create {what} but it already exists"
    if action == "DELETE" and present is None:
        return f"Tried to delete {what} but it was not found"
    if action == "DELETE" and present is not None and not record_sets.same_values(record_set, present):
        return f"Tried to delete {what} but the values provided do not match the current values"
    return ""


def _problems_after(zone: Zone, deltas: Sequence[Delta], max_records: int) -> Iterator[str]:
    touched: dict[str, dict[RecordKey, RecordSet]] = {}
    grown = 0
    for delta in deltas:
        before = zone.groups.get(delta.name, {})
        group = touched.setdefault(delta.name, dict(before))
        grown += (delta.after is not None) - (delta.key in before)
        group.pop(delta.key, None)
        if delta.after is not None:
            group[delta.key] = delta.after
    if grown > 0 and zone.count + grown > max_records:
        yield f"Number of records limit of {max_records} exceeded."
    for name, group in touched.items():
        yield from _group_problems(zone, name, group, zone.groups.get(name, {}))
    for delta in deltas:
        if delta.after is not None:
            yield from _alias_problems(zone, delta.after, touched)


def _group_problems(zone: Zone, name: str, group: Group, before: Group) -> Iterator[str]:
    types = {type_ for type_, _ in group}
    if "CNAME" in types and len(types) > 1:
        yield (
            f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the "
            f"same DNS name in zone {zone.name}"
        )
    for type_ in sorted(types):
        sets = [record_set for record_set in group.values() if record_set.type == type_]
        policies = {record_set.policy for record_set in sets}
        if len(policies) > 1:
            new = next((found for found in sets if found.key not in before), sets[0])
            yield (
                f"RRSet with DNS name {name}, type {type_}, SetIdentifier {new.set_identifier or 'null'} cannot be "
                "created as other RRSets exist with the same name and type."
            )
        elif policies != {"simple"} and len(sets) > MAX_GROUP:
            yield (
                f"More than {MAX_GROUP} RRSets with DNS name {name}, type {type_} and the same routing policy are not "
                f"permitted in zone {zone.name}"
            )
        ttls = Counter(record_set.document["TTL"] for record_set in sets if "TTL" in record_set.document)
        if policies == {"Weight"} and len(ttls) > 1:
            yield f"All weighted RRSets with DNS name {name}, type {type_} must have the same TTL"


def _alias_problems(zone: Zone, record_set: RecordSet, touched: Mapping[str, Group]) -> Iterator[str]:
    """An alias to a record of the same zone needs that record; one to a load balancer the zone of its Region."""
    alias = record_set.document.get("AliasTarget")
    if alias is None:
        return
    target, target_zone = alias["DNSName"], alias["HostedZoneId"]
    what = (
        f"Tried to create an alias that targets {target}, type {record_set.type} in zone {target_zone}, but"
    )
    outside = f"{what} the alias target name does not lie within the target zone"
    balancer = _LOAD_BALANCER.fullmatch(target)
    if target_zone == zone.id:
        group = touched.get(target, zone.groups.get(target, {}))
        if not names.lies_within(target, zone.name):
            yield outside
        elif all(type_ != record_set.type for type_, _ in group):
            yield f"{what} that target was not found"
    elif balancer is not None:
        of_region = {
            canonical_hosted_zone_id(balancer["region"], kind) for kind in ("application", "network")
        }
        if target_zone not in of_region:
            yield outside
