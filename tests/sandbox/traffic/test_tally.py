"""What is called a lost request, and when."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.sandbox.traffic.audience import Destination, Wish
from tenant_operator.sandbox.traffic.tally import Exchange, Outcome, Tally, judge, percentiles

ACME = Destination(
    tenant="customers/acme", tenant_id="acme", tier="tier-1", url="http://tier-1.example.com/acme"
)


def exchange(
    status: int | None = 200,
    answered_by: str | None = "tier-1/acme",
    wish: Wish = Wish.SERVED,
    ended: float = 1.0,
) -> Exchange:
    return Exchange(
        destination=ACME,
        sent_at=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        ended=ended,
        seconds=0.002,
        status=status,
        answered_by=answered_by,
        load_balancer="lb-1",
        wish=wish,
    )


@pytest.mark.parametrize(
    ("status", "answered_by", "wish", "outcome"),
    [
        (200, "tier-1/acme", Wish.SERVED, Outcome.ANSWERED),
        (500, "tier-1/acme", Wish.SERVED, Outcome.LOST),
        (None, None, Wish.SERVED, Outcome.LOST),
        (502, None, Wish.SERVED, Outcome.LOST),
        (503, None, Wish.SERVED, Outcome.LOST),
        (404, None, Wish.SERVED, Outcome.LOST),
        (200, "tier-1/other", Wish.SERVED, Outcome.WRONG_TENANT),
        (200, "tier-2/acme", Wish.SERVED, Outcome.WRONG_TENANT),
        (503, None, Wish.SUSPENDED, Outcome.WISHED),
        (503, None, Wish.RESUMING, Outcome.WISHED),
        (404, None, Wish.SUSPENDED, Outcome.LOST),
        (None, None, Wish.SUSPENDED, Outcome.LOST),
        (200, "tier-1/other", Wish.SUSPENDED, Outcome.WRONG_TENANT),
        (404, None, Wish.REROUTED, Outcome.WISHED),
        (None, None, Wish.DELETED, Outcome.WISHED),
    ],
)
def test_a_request_is_lost_unless_its_tenant_answers_or_asked_for_that(
    status: int | None, answered_by: str | None, wish: Wish, outcome: Outcome
) -> None:
    assert judge(exchange(status, answered_by), wish) is outcome
    assert judge(exchange(status, answered_by, wish), Wish.SERVED) is outcome


def test_an_answer_is_judged_by_what_a_reading_begun_after_it_shows() -> None:
    tally = Tally()
    tally.take(exchange(503, None, ended=5.0))
    tally.settle(4.9, lambda _: Wish.SERVED)
    assert tally.is_clean
    assert tally.requests == 1
    tally.settle(5.1, lambda _: Wish.SUSPENDED)
    assert tally.is_clean
    assert tally.total(Outcome.WISHED) == 1


def test_a_lost_request_is_told_with_time_tenant_status_and_load_balancer() -> None:
    tally = Tally()
    tally.take(exchange())
    tally.take(exchange(502, None))
    tally.settle(2.0, lambda _: Wish.SERVED)
    assert not tally.is_clean
    [fault] = tally.faults
    assert (fault.exchange.status, fault.exchange.load_balancer, fault.outcome) == (502, "lb-1", Outcome.LOST)
    counts = tally.tenants["customers/acme"]
    assert (counts.requests, counts.faults, len(counts.milliseconds)) == (2, 1, 1)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1))
def test_a_percentile_is_a_latency_that_there_was_and_so_many_stayed_at_or_below_it(
    latencies: list[float], share: float
) -> None:
    [found] = percentiles(latencies, [share])
    assert found in latencies
    assert sum(latency <= found for latency in latencies) >= share * len(latencies) - 1e-9
    assert sum(latency < found for latency in latencies) < share * len(latencies)
