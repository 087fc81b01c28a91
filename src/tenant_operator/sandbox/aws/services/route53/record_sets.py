"""One record set of a request: its normal form, and what AWS refuses about it by itself.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53 import names
from tenant_operator.sandbox.aws.services.route53.state import POLICIES, RecordSet

MAX_WEIGHT = 255
MAX_SET_IDENTIFIER = 128
MAX_TTL = 2**31 - 1
MAX_VALUES = 400  # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html


def parsed(action: str, given: Mapping[str, Any]) -> RecordSet:
    """The record set of one change, in normal form.

    Raises:
        AwsFailure: InvalidInput, when its members do not go together.
    """
    where = (
        f"in Change with [Action={action}, Name={names.stored(given['Name'])}, Type={given['Type']}, "
        f"SetIdentifier={given.get('SetIdentifier', 'null')}]"
    )
    for problem in _problems(given):
        raise AwsFailure("InvalidInput", f"Invalid request: {problem} {where}")
    document = {
        key: value
        for key, value in given.items()
        if key not in ("Name", "AliasTarget", "ResourceRecords") and value is not None
    }
    name = names.stored(given["Name"])
    document["Name"] = name
    if given.get("ResourceRecords"):
        document["ResourceRecords"] = [{"Value": record["Value"]} for record in given["ResourceRecords"]]
    if given.get("AliasTarget"):
        alias = given["AliasTarget"]
        document["AliasTarget"] = {**alias, "DNSName": names.stored(alias["DNSName"])}
    return RecordSet(name, given["Type"], given.get("SetIdentifier") or "", document)


def _problems(given: Mapping[str, Any]) -> Iterator[str]:
    alias, values, ttl = given.get("AliasTarget"), given.get("ResourceRecords"), given.get("TTL")
    whole_value = bool(values) and ttl is not None
    if bool(alias) == whole_value:
        found = "more than one" if alias else "none"
        yield (
            "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], "
            f"but found {found}"
        )
    if alias and (values or ttl is not None):
        yield "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]], but found more than one"
    policies = [member for member in POLICIES if given.get(member) is not None]
    identifier = given.get("SetIdentifier")
    if len(policies) > 1:
        yield f"Expected exactly one of [{', '.join(POLICIES)}], but found more than one"
    if policies and not identifier:
        yield "Missing field 'SetIdentifier'"
    if identifier and not policies:
        yield f"Expected exactly one of [{', '.join(POLICIES)}], but found none"
    if identifier and len(identifier) > MAX_SET_IDENTIFIER:
        yield f"SetIdentifier has more than {MAX_SET_IDENTIFIER} characters"
    weight = given.get("Weight")
    if weight is not None and not 0 <= weight <= MAX_WEIGHT:
        yield f"Weight {weight} is not between 0 and {MAX_WEIGHT}"
    if weight is not None and len(values or ()) > 1:
        yield "A weighted record set can have one ResourceRecord only"
    if ttl is not None and not 0 <= ttl <= MAX_TTL:
        yield f"TTL {ttl} is not between 0 and {MAX_TTL}"


def value_problems(record_set: RecordSet) -> Iterator[str]:
    """What is wrong with its name and values, as an InvalidChangeBatch words it."""
    problem = names.problem_of(record_set.name)
    if problem:
        yield problem
    values = [record["Value"] for record in record_set.document.get("ResourceRecords", ())]
    if len(values) > MAX_VALUES:
        yield f"The record set has more than {MAX_VALUES} values"
    for repeated in sorted({value for value in values if values.count(value) > 1}):
        yield f"Duplicate Resource Record: '{repeated}'"
    for value in values:
        problem = _value_problem(record_set.type, value)
        if problem:
            yield f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"
    if record_set.type == "CNAME" and len(values) > 1:
        yield f"RRSet of type CNAME with DNS name {record_set.name} can have one value only"


def _value_problem(type_: str, value: str) -> str:
    try:
        if type_ == "A":
            IPv4Address(value)
        elif type_ == "AAAA":
            IPv6Address(value)
    except AddressValueError:
        version = "4" if type_ == "A" else "6"
        return f"{type_}RRDATAIllegalIPv{version}Address (Value is not a valid IPv{version} address)"
    if type_ == "TXT" and not (value.startswith('"') and value.endswith('"') and len(value) > 1):
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    return ""


def same_values(one: RecordSet, other: RecordSet) -> bool:
    """Whether a DELETE repeats every value; the order of ResourceRecords does not count."""

    def comparable(record_set: RecordSet) -> dict[str, Any]:
        document = dict(record_set.document)
        values = [record["Value"] for record in document.pop("ResourceRecords", ())]
        return {**document, "values": sorted(values)}

    return comparable(one) == comparable(other)
