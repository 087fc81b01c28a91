"""What DNS answers from the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from tenant_operator.sandbox.aws.services.route53.answers import choose
from tenant_operator.sandbox.aws.services.route53.state import RecordSet
from tests.sandbox.aws.foundations.conftest import Account, eventually
from tests.sandbox.aws.foundations.test_route53_records import Zone, simple


def record_sets(**weights: int) -> list[RecordSet]:
    return [
        RecordSet("a.e.com.", "A", identifier, {"Weight": weight, "SetIdentifier": identifier})
        for identifier, weight in weights.items()
    ]


def drawn(sets: list[RecordSet], *unhealthy: str) -> Counter[str]:
    rng = Random(1)
    found = (
        choose(rng, sets, lambda record_set: record_set.set_identifier not in unhealthy) for _ in range(1000)
    )
    return Counter(record_set.set_identifier for record_set in found if record_set is not None)


def test_answers_go_by_weight() -> None:
    counts = drawn(record_sets(one=30, other=10))
    assert 700 < counts["one"] < 800
    assert counts.total() == 1000


def test_weight_0_answers_only_when_no_other_is_healthy() -> None:
    sets = record_sets(active=10, standby=0)
    assert set(drawn(sets)) == {"active"}
    assert set(drawn(sets, "active")) == {"standby"}


def test_all_weights_0_are_equal() -> None:
    assert set(drawn(record_sets(one=0, other=0))) == {"one", "other"}


def test_when_nothing_is_healthy_everything_counts_as_healthy() -> None:
    assert set(drawn(record_sets(one=1, other=1), "one", "other")) == {"one", "other"}


def answer(zone: Zone, name: str, type_: str = "A") -> list[str]:
    found = zone.route53.test_dns_answer(HostedZoneId=zone.id, RecordName=name, RecordType=type_)
    data: list[str] = found["RecordData"]
    return data


def test_a_record_answers_once_it_is_in_sync(account: Account, slow: Callable[..., None]) -> None:
    zone = Zone(account)
    slow(record_insync=300.0)
    zone.change(("CREATE", simple("late.e.com")))
    slow(record_insync=0.0)
    zone.change(("CREATE", simple("soon.e.com", "192.0.2.7")))
    eventually(lambda: answer(zone, "SOON.e.com") == ["192.0.2.7"])
    assert answer(zone, "late.e.com") == []


def test_a_wildcard_answers_for_names_that_are_not_there(account: Account, slow: Callable[..., None]) -> None:
    slow(record_insync=0.0)
    zone = Zone(account)
    zone.change(("CREATE", simple("*.e.com", "192.0.2.1")), ("CREATE", simple("b.e.com", "192.0.2.2")))
    eventually(lambda: answer(zone, "b.e.com") == ["192.0.2.2"])
    assert answer(zone, "x.e.com") == answer(zone, "y.x.e.com") == ["192.0.2.1"]
    assert answer(zone, "a.b.e.com") == []


def test_an_alias_answers_with_the_addresses_of_its_load_balancer(
    account: Account, slow: Callable[..., None]
) -> None:
    slow(record_insync=0.0)
    zone, vpc = Zone(account, f"{account.id}.com"), account.vpc()
    subnets = [account.subnet(vpc, 0, "a"), account.subnet(vpc, 1, "b")]
    made = account.client("elbv2").create_load_balancer(Name="lb", Scheme="internal", Subnets=subnets)
    balancer = made["LoadBalancers"][0]
    alias = {
        "HostedZoneId": balancer["CanonicalHostedZoneId"],
        "DNSName": balancer["DNSName"],
        "EvaluateTargetHealth": False,
    }
    name = f"a.{account.id}.com"
    zone.change(("CREATE", {"Name": name, "Type": "A", "AliasTarget": alias}))
    eventually(lambda: len(answer(zone, name)) == 2)
    assert all(address.startswith("10.0.") for address in answer(zone, name))
