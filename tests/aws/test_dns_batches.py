"""How record changes are put into requests that Route 53 takes: pure, so properties."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws import records
from tenant_operator.aws.record_changes import (
    MAX_CHARACTERS,
    MAX_ELEMENTS,
    RecordChange,
    batches,
    fits,
    halves,
)
from tenant_operator.desired.resources import Record

ZONE = "Z0123456789"


def record(name: str, weight: int = 1, group: str = "g1") -> Record:
    return Record(
        zone=ZONE,
        name=name,
        set_identifier=f"inst/{group}",
        weight=weight,
        alias_dns_name="lb-1.us-east-1.elb.amazonaws.com",
        alias_zone="Z35SXDOTRQ7X7K",
    )


@dataclass(frozen=True)
class Submitted:
    number: int
    changes: tuple[RecordChange, ...]


def change(name: str, verb: str) -> RecordChange:
    live = records.live_record("111111111111", ZONE, records.to_api(record(name)))
    match verb:
        case "CREATE":
            return RecordChange(desired=record(name), live=None)
        case "UPSERT":
            return RecordChange(desired=record(name, 7), live=live)
        case _:
            return RecordChange(desired=None, live=live)


NAMES = st.integers(min_value=0, max_value=400).map(lambda n: f"t{n}.tier.example.com")
CHANGES = st.builds(change, NAMES, st.sampled_from(["CREATE", "UPSERT", "DELETE"]))
SUBMISSIONS = st.lists(
    st.lists(CHANGES, min_size=1, max_size=60, unique_by=lambda c: c.key).map(tuple), max_size=40
).map(lambda found: [Submitted(number, changes) for number, changes in enumerate(found)])


@given(SUBMISSIONS)
def test_every_submission_goes_out_once_in_order_and_in_one_piece(submissions: list[Submitted]) -> None:
    assert [submission for batch in batches(submissions) for submission in batch] == submissions


@given(SUBMISSIONS)
def test_no_request_is_larger_than_aws_takes(submissions: list[Submitted]) -> None:
    for batch in batches(submissions):
        listed = [change for submission in batch for change in submission.changes]
        assert sum(2 if c.verb == "UPSERT" else 1 for c in listed) <= MAX_ELEMENTS
        assert sum(c.characters for c in listed) <= MAX_CHARACTERS
        assert len({c.key for c in listed}) == len(listed)


@pytest.mark.parametrize(("verb", "requests"), [("CREATE", 1), ("DELETE", 1), ("UPSERT", 2)])
def test_a_thousand_tenants_share_as_few_requests_as_route_53_allows(verb: str, requests: int) -> None:
    submissions = [Submitted(n, (change(f"t{n}.example.com", verb),)) for n in range(1000)]
    assert len(batches(submissions)) == requests


def test_an_update_counts_twice() -> None:
    assert change("a", "UPSERT").elements == 2
    assert fits([change(f"a{n}", "CREATE") for n in range(900)])
    assert not fits([change(f"a{n}", "UPSERT") for n in range(501)])


def test_a_second_change_of_a_record_waits_for_the_next_request() -> None:
    first, second = Submitted(1, (change("a", "CREATE"),)), Submitted(2, (change("a", "DELETE"),))
    assert batches([first, second]) == [[first], [second]]


@given(st.lists(st.integers(), min_size=2, max_size=50))
def test_a_refused_batch_falls_into_two_parts_that_are_both_smaller(numbers: list[int]) -> None:
    batch = [Submitted(n, ()) for n in numbers]
    left, right = halves(batch)
    assert left + right == batch
    assert left
    assert right


def test_a_delete_repeats_what_aws_showed() -> None:
    shown = records.to_api(record("a"))
    shown["AliasTarget"] = {**shown["AliasTarget"], "DNSName": "dualstack.LB-1.us-east-1.elb.amazonaws.com."}
    live = records.live_record("111111111111", ZONE, shown)
    assert RecordChange(desired=None, live=live).to_api() == {"Action": "DELETE", "ResourceRecordSet": shown}


def test_a_change_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        RecordChange(desired=None, live=None)


@given(st.builds(record, st.from_regex(r"\A[a-z0-9-]{1,30}\.example\.com\Z"), st.integers(1, 255)))
def test_a_record_that_was_written_reads_back_equal(wanted: Record) -> None:
    shown = records.to_api(wanted)
    shown["Name"] += "."
    shown["AliasTarget"]["DNSName"] = f"dualstack.{shown['AliasTarget']['DNSName'].upper().lower()}."
    live = records.live_record("111111111111", ZONE, shown)
    assert live.spec == wanted
    assert live.address.name == f"{ZONE}/{wanted.name}/{wanted.set_identifier}"
