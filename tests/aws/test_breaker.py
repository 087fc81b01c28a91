"""A circuit breaker, in virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws.breaker import Breaker
from tenant_operator.aws.limits import (
    BREAKER_FAILURES,
    BREAKER_FIRST_PAUSE_SECONDS,
    BREAKER_LONGEST_PAUSE_SECONDS,
)


def broken(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(BREAKER_FAILURES):
        breaker.begin(now)
        breaker.failed(now)
    return breaker


def test_a_few_failures_are_forgiven_and_forgotten_once_aws_answers() -> None:
    breaker = Breaker()
    for _ in range(10):
        for _ in range(BREAKER_FAILURES - 1):
            breaker.failed(0.0)
        breaker.answered()
    assert not breaker.open
    assert breaker.remaining(0.0) == 0


def test_after_the_pause_one_probe_passes_and_its_answer_opens_the_way() -> None:
    breaker = broken()
    assert breaker.remaining(0.0) == BREAKER_FIRST_PAUSE_SECONDS
    later = BREAKER_FIRST_PAUSE_SECONDS
    assert breaker.remaining(later) == 0
    breaker.begin(later)
    assert breaker.remaining(later) > 0
    breaker.answered()
    assert breaker.remaining(later) == 0
    assert not breaker.open


def test_a_probe_that_was_cancelled_leaves_its_place_to_another() -> None:
    breaker = broken()
    breaker.begin(BREAKER_FIRST_PAUSE_SECONDS)
    breaker.abandoned()
    assert breaker.remaining(BREAKER_FIRST_PAUSE_SECONDS) == 0


@given(st.integers(min_value=1, max_value=30))
def test_the_pauses_grow_up_to_the_longest(probes: int) -> None:
    breaker, now, before = broken(), 0.0, 0.0
    for _ in range(probes):
        pause = breaker.remaining(now)
        assert min(before * 2, BREAKER_LONGEST_PAUSE_SECONDS) <= pause <= BREAKER_LONGEST_PAUSE_SECONDS
        before, now = pause, now + pause
        breaker.begin(now)
        breaker.failed(now)


def test_calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause() -> None:
    breaker = broken()
    for _ in range(20):
        breaker.failed(1.0)
    assert breaker.remaining(1.0) == BREAKER_FIRST_PAUSE_SECONDS - 1.0
