"""What Route 53 takes and refuses of record sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.foundations.conftest import Account, eventually, refused

ZONE = "e.com"
_BALANCER = {
    "HostedZoneId": "Z35SXDOTRQ7X7K",
    "DNSName": "LB-1.us-east-1.elb.amazonaws.com",
    "EvaluateTargetHealth": False,
}


class Zone:
    """A hosted zone and short ways to change it."""

    def __init__(self, account: Account, name: str = ZONE) -> None:
        self.route53 = account.client("route53")
        made = self.route53.create_hosted_zone(Name=name, CallerReference=f"{account.id}/{name}")
        self.id: str = made["HostedZone"]["Id"].removeprefix("/hostedzone/")

    def change(self, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        info: dict[str, Any] = self.route53.change_resource_record_sets(
            HostedZoneId=self.id, ChangeBatch=batch
        )["ChangeInfo"]
        return info

    def records(self, **start: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.route53.list_resource_record_sets(HostedZoneId=self.id, **start)[
            "ResourceRecordSets"
        ]
        return found

    def names(self) -> list[str]:
        return [record["Name"] for record in self.records() if record["Type"] == "A"]


@pytest.fixture
def zone(account: Account) -> Zone:
    return Zone(account)


@pytest.fixture
def change_window(control: SandboxAWS) -> Iterator[Callable[[float], None]]:
    def change(seconds: float) -> None:
        control.request("POST", "route53/change-window", {"seconds": seconds})

    yield change
    change(0.0)


def simple(name: str, *values: str, ttl: int = 60, type_: str = "A") -> dict[str, Any]:
    return {
        "Name": name,
        "Type": type_,
        "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in values or ("192.0.2.1",)],
    }


def weighted(name: str, identifier: str, weight: int = 10, **members: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "A",
        "SetIdentifier": identifier,
        "Weight": weight,
        "AliasTarget": _BALANCER,
        **members,
    }


def test_creating_a_record_that_exists_is_refused(zone: Zone) -> None:
    zone.change(("CREATE", weighted("a.e.com", "ig-1")))
    message = (
        "create resource record set [name='a.e.com.', type='A', set identifier='ig-1'] but it already exists"
    )
    with refused("InvalidChangeBatch", message):
        zone.change(("CREATE", weighted("a.e.com", "ig-1", 20)))


def test_deleting_a_record_that_is_not_there_is_refused(zone: Zone) -> None:
    with refused("InvalidChangeBatch", "[name='a.e.com.', type='A'] but it was not found"):
        zone.change(("DELETE", simple("a.e.com")))


def test_deleting_with_other_values_is_refused_and_keeps_the_record(zone: Zone) -> None:
    zone.change(("CREATE", weighted("a.e.com", "ig-1", 10)))
    with refused("InvalidChangeBatch", "but the values provided do not match the current values"):
        zone.change(("DELETE", weighted("a.e.com", "ig-1", 11)))
    assert zone.names() == ["a.e.com."]
    zone.change(("DELETE", weighted("A.e.com.", "ig-1", 10)))
    assert zone.names() == []


def test_a_batch_happens_wholly_or_not_at_all(zone: Zone) -> None:
    zone.change(("CREATE", simple("b.e.com")))
    with refused("InvalidChangeBatch", "already exists"):
        zone.change(("CREATE", simple("a.e.com")), ("CREATE", simple("b.e.com")))
    assert zone.names() == ["b.e.com."]


def test_a_refusal_tells_every_reason(zone: Zone) -> None:
    missing = "Tried to delete resource record set [name='{}.e.com.', type='A'] but it was not found"
    with refused("InvalidChangeBatch", f"[{missing.format('a')}, {missing.format('b')}]"):
        zone.change(("DELETE", simple("a.e.com")), ("DELETE", simple("b.e.com")))


@pytest.mark.parametrize("weight", [256, 300])
def test_a_weight_above_255_is_refused(zone: Zone, weight: int) -> None:
    with refused("InvalidInput", f"Weight {weight}"):
        zone.change(("CREATE", weighted("a.e.com", "ig-1", weight)))


def test_a_weight_of_zero_and_of_255_is_taken(zone: Zone) -> None:
    zone.change(("CREATE", weighted("a.e.com", "ig-1", 0)), ("CREATE", weighted("a.e.com", "ig-2", 255)))
    assert [record["Weight"] for record in zone.records(StartRecordName="a.e.com")] == [0, 255]


def test_a_weight_needs_a_set_identifier(zone: Zone) -> None:
    record = {"Name": "a.e.com", "Type": "A", "Weight": 1, "AliasTarget": _BALANCER}
    with refused(
        "InvalidInput", "Missing field 'SetIdentifier' in Change with [Action=CREATE, Name=a.e.com."
    ):
        zone.change(("CREATE", record))


def test_a_set_identifier_needs_a_routing_policy(zone: Zone) -> None:
    with refused("InvalidInput", "Expected exactly one of [Weight"):
        zone.change(("CREATE", {**simple("a.e.com"), "SetIdentifier": "x"}))


def test_two_routing_policies_in_one_record_are_refused(zone: Zone) -> None:
    with refused("InvalidInput", "more than one"):
        zone.change(("CREATE", weighted("a.e.com", "ig-1", Region="us-east-1")))


def test_simple_beside_weighted_is_refused_but_can_be_converted_in_one_batch(zone: Zone) -> None:
    zone.change(("CREATE", simple("a.e.com")))
    with refused("InvalidChangeBatch", "cannot be created as other RRSets exist with the same name and type"):
        zone.change(("CREATE", weighted("a.e.com", "ig-1")))
    zone.change(("DELETE", simple("a.e.com")), ("CREATE", weighted("a.e.com", "ig-1")))
    with refused("InvalidChangeBatch", "SetIdentifier null cannot be created"):
        zone.change(("CREATE", simple("a.e.com")))


def test_a_cname_beside_another_record_is_refused(zone: Zone) -> None:
    zone.change(("CREATE", simple("a.e.com")))
    with refused("InvalidChangeBatch", "RRSet of type CNAME with DNS name a.e.com. is not permitted"):
        zone.change(("CREATE", simple("a.e.com", "b.example.org", type_="CNAME")))


def test_a_cname_at_the_apex_is_refused(zone: Zone) -> None:
    with refused("InvalidChangeBatch", "at apex in zone e.com."):
        zone.change(("CREATE", simple("e.com", "b.example.org", type_="CNAME")))


def test_the_101st_weighted_record_of_a_name_is_refused(zone: Zone) -> None:
    zone.change(*(("CREATE", weighted("a.e.com", f"ig-{number}")) for number in range(100)))
    with refused("InvalidChangeBatch", "More than 100"):
        zone.change(("CREATE", weighted("a.e.com", "ig-100")))
    zone.change(("CREATE", weighted("b.e.com", "ig-100")))


def test_a_record_needs_a_ttl_and_values_or_an_alias(zone: Zone) -> None:
    expected = "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]"
    with refused("InvalidInput", expected):
        zone.change(("CREATE", {"Name": "a.e.com", "Type": "A", "ResourceRecords": [{"Value": "192.0.2.1"}]}))
    with refused("InvalidInput", expected):
        zone.change(("CREATE", {"Name": "a.e.com", "Type": "A", "TTL": 60, "AliasTarget": _BALANCER}))


def test_weighted_records_of_a_name_share_their_ttl(zone: Zone) -> None:
    def record(identifier: str, ttl: int) -> dict[str, Any]:
        return {**simple("a.e.com", ttl=ttl), "SetIdentifier": identifier, "Weight": 1}

    zone.change(("CREATE", record("x", 60)), ("CREATE", record("y", 60)))
    with refused("InvalidChangeBatch", "must have the same TTL"):
        zone.change(("UPSERT", record("x", 30)))
    zone.change(("UPSERT", record("x", 30)), ("UPSERT", record("y", 30)))


def test_a_batch_has_at_most_1000_elements_and_an_upsert_counts_twice(zone: Zone) -> None:
    limit = "Number of records limit of 1000 exceeded."
    with refused("InvalidChangeBatch", limit):
        zone.change(*(("CREATE", simple(f"r{number}.e.com")) for number in range(1001)))
    with refused("InvalidChangeBatch", limit):
        zone.change(*(("UPSERT", simple(f"r{number}.e.com")) for number in range(501)))
    zone.change(*(("UPSERT", simple(f"r{number}.e.com")) for number in range(500)))


def test_a_batch_has_at_most_32000_characters_of_values(zone: Zone) -> None:
    texts = [simple(f"t{number}.e.com", f'"{"x" * 3198}"', type_="TXT") for number in range(11)]
    with refused("InvalidChangeBatch", "Number of characters limit of 32000 exceeded."):
        zone.change(*(("CREATE", text) for text in texts))
    zone.change(*(("CREATE", text) for text in texts[:10]))


def test_one_record_twice_in_a_batch_is_refused(zone: Zone) -> None:
    with refused("InvalidChangeBatch", "invalid set of changes for a resource record set 'A a.e.com.'"):
        zone.change(("CREATE", simple("a.e.com")), ("UPSERT", simple("a.e.com", "192.0.2.2")))


def test_a_name_outside_the_zone_is_refused(zone: Zone) -> None:
    with refused("InvalidChangeBatch", "RRSet with DNS name a.example.org. is not permitted in zone e.com."):
        zone.change(("CREATE", simple("a.example.org")))


def test_a_value_that_is_no_address_is_refused(zone: Zone) -> None:
    with refused("InvalidChangeBatch", "encountered with 'nowhere'"):
        zone.change(("CREATE", simple("a.e.com", "nowhere")))


def test_an_alias_to_a_record_of_the_zone_needs_that_record(zone: Zone) -> None:
    alias = {"HostedZoneId": zone.id, "DNSName": "b.e.com", "EvaluateTargetHealth": False}
    record = {"Name": "a.e.com", "Type": "A", "AliasTarget": alias}
    with refused("InvalidChangeBatch", "but that target was not found"):
        zone.change(("CREATE", record))
    zone.change(("CREATE", simple("b.e.com")), ("CREATE", record))


def test_an_alias_to_a_load_balancer_needs_the_zone_of_its_region(zone: Zone) -> None:
    alias = {**_BALANCER, "HostedZoneId": "Z3AADJGX6KTTL2"}
    with refused("InvalidChangeBatch", "but the alias target name does not lie within the target zone"):
        zone.change(("CREATE", {"Name": "a.e.com", "Type": "A", "AliasTarget": alias}))


def test_names_are_told_apart_without_case_and_shown_as_route_53_shows_them(zone: Zone) -> None:
    zone.change(("CREATE", weighted("*.W.E.com", "ig-1")))
    (record,) = zone.records(StartRecordName="\\052.w.e.com", MaxItems="1")
    assert record["Name"] == "\\052.w.e.com."
    assert record["AliasTarget"]["DNSName"] == "lb-1.us-east-1.elb.amazonaws.com."
    with refused("InvalidChangeBatch", "already exists"):
        zone.change(("CREATE", weighted("\\052.w.e.com.", "ig-1")))


def test_records_are_listed_by_their_labels_in_reverse(zone: Zone) -> None:
    names = ["z.e.com", "a.b.e.com", "b.e.com", "b-c.e.com", "*.b.e.com", "e.com"]
    zone.change(*(("CREATE", simple(name)) for name in names))
    expected = ["e.com.", "b-c.e.com.", "b.e.com.", "\\052.b.e.com.", "a.b.e.com.", "z.e.com."]
    assert zone.names() == expected


def test_every_record_is_on_exactly_one_page(zone: Zone) -> None:
    zone.change(*(("CREATE", weighted("w.e.com", f"ig-{number}")) for number in range(40)))
    zone.change(*(("CREATE", simple(f"r{number}.e.com")) for number in range(5)))
    found: list[tuple[str, str, str]] = []
    start: dict[str, str] = {}
    while True:
        answer = zone.route53.list_resource_record_sets(HostedZoneId=zone.id, MaxItems="7", **start)
        found += [
            (record["Name"], record["Type"], record.get("SetIdentifier", ""))
            for record in answer["ResourceRecordSets"]
        ]
        if not answer["IsTruncated"]:
            break
        following = {
            "StartRecordName": answer["NextRecordName"],
            "StartRecordType": answer["NextRecordType"],
            "StartRecordIdentifier": answer.get("NextRecordIdentifier"),
        }
        start = {key: value for key, value in following.items() if value}
    assert len(found) == len(set(found)) == 47


def test_a_page_has_at_most_300_records(zone: Zone) -> None:
    zone.change(*(("CREATE", simple(f"r{number}.e.com")) for number in range(310)))
    answer = zone.route53.list_resource_record_sets(HostedZoneId=zone.id, MaxItems="1000")
    assert (len(answer["ResourceRecordSets"]), answer["MaxItems"]) == (300, "300")


def test_a_change_is_pending_and_in_sync_later(zone: Zone, slow: Callable[..., None]) -> None:
    slow(record_insync=0.3)
    change = zone.change(("CREATE", simple("a.e.com")))
    assert change["Status"] == "PENDING"
    assert zone.names() == ["a.e.com."]
    eventually(lambda: zone.route53.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC")


def test_an_unknown_change_is_not_found(zone: Zone) -> None:
    with refused("NoSuchChange"):
        zone.route53.get_change(Id="C0123456789")


def test_a_zone_takes_one_change_at_a_time(zone: Zone, change_window: Callable[[float], None]) -> None:
    change_window(300.0)
    zone.change(("CREATE", simple("a.e.com")))
    with refused("PriorRequestNotComplete", "still processing a prior request"):
        zone.change(("CREATE", simple("b.e.com")))


def test_another_writer_keeps_a_zone_busy_for_a_while(zone: Zone, control: SandboxAWS) -> None:
    control.request("POST", "route53/busy", {"zone": zone.id, "seconds": 300})
    with refused("PriorRequestNotComplete"):
        zone.change(("CREATE", simple("a.e.com")))
    control.request("POST", "route53/busy", {"zone": zone.id, "seconds": 0})
    zone.change(("CREATE", simple("a.e.com")))


def test_the_records_of_a_zone_are_limited_by_the_quota(zone: Zone, account: Account) -> None:
    account.control.request("POST", "quotas", {"account": account.id, "code": "L-E209CC9F", "value": 3})
    zone.change(("CREATE", simple("a.e.com")))
    with refused("InvalidChangeBatch", "Number of records limit of 3 exceeded."):
        zone.change(("CREATE", simple("b.e.com")))
    limit = zone.route53.get_hosted_zone_limit(HostedZoneId=zone.id, Type="MAX_RRSETS_BY_ZONE")
    assert (limit["Limit"]["Value"], limit["Count"]) == (3, 3)
