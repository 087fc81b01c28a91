"""The fence: open only while nobody else can have taken over, and closed to what was begun before."""

from __future__ import annotations

import pytest

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Target
from tenant_operator.aws.errors import AwsError
from tenant_operator.aws.limits import CONNECT_TIMEOUT_SECONDS
from tenant_operator.engine.fence import Fence
from tenant_operator.engine.settings import FENCE_SHARE, LEASE_SECONDS

OURS, THEIRS, ELSEWHERE = "222222222222", "333333333333", "111111111111"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def target(account: str = OURS, service: str = "elbv2", operation: str = "create_rule") -> Target:
    return Target(account, "us-east-1", service, operation, Priority.EDIT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fence(clock: Clock) -> Fence:
    """Renewed a moment ago; one of two cells is ours."""
    fence = Fence(6.0, clock)
    term = fence.begin_term()
    fence.renew(clock(), term)
    fence.stand(frozenset({OURS, THEIRS}), frozenset({OURS}), term)
    return fence


def passes(fence: Fence, call: Target) -> bool:
    try:
        fence.permit(call)()
    except AwsError as error:
        return error.code != "LeaseLost"
    return True


def test_writes_pass_in_accounts_that_are_ours_and_in_those_that_hold_no_cell(fence: Fence) -> None:
    assert passes(fence, target())
    assert passes(fence, target(ELSEWHERE))
    assert not passes(fence, target(THEIRS))
    assert passes(fence, target(THEIRS, operation="describe_rules"))
    assert passes(fence, target(THEIRS, "route53", "change_resource_record_sets"))


def test_without_a_renewal_in_time_only_reads_pass(fence: Fence, clock: Clock) -> None:
    clock.now += 5.9
    assert passes(fence, target())
    clock.now += 0.2
    assert not passes(fence, target())
    assert not passes(fence, target(ELSEWHERE, "route53", "change_resource_record_sets"))
    assert not fence.kubernetes_permit()()
    assert passes(fence, target(operation="describe_rules"))


async def test_what_was_begun_in_an_earlier_term_writes_nothing_even_when_it_is_open_again(
    fence: Fence, clock: Clock
) -> None:
    fence.enter()
    early = fence.permit(target())
    early()
    term = fence.begin_term()
    fence.renew(clock(), term)
    fence.stand(frozenset({OURS}), frozenset({OURS}), term)
    assert fence.is_passed
    assert not fence.kubernetes_permit()()
    assert not passes(fence, target())
    with pytest.raises(AwsError):
        early()
    fence.enter()
    assert passes(fence, target())


def test_a_renewal_of_an_earlier_term_opens_nothing(fence: Fence, clock: Clock) -> None:
    term = fence.term
    fence.begin_term()
    fence.renew(clock(), term)
    assert not fence.is_open


def test_the_fence_closes_long_enough_before_the_lease_ends_for_a_write_to_have_been_sent() -> None:
    assert LEASE_SECONDS * (1 - FENCE_SHARE) > CONNECT_TIMEOUT_SECONDS
