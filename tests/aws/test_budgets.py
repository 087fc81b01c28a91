"""Token buckets with two priorities, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws.budgets import BudgetExhausted, Budgets, Priority, Ticket, Turnstile, rate_of
from tenant_operator.aws.limits import AGING_SECONDS, EDIT_RESERVE, RATE_HEADROOM, RESYNC_SHARE, Rate

EDIT, BACKLOG, RESYNC = Priority

rates = st.builds(
    Rate,
    name=st.just("bucket"),
    burst=st.sampled_from([1.0, 4.0, 10.0, 20.0, 50.0]),
    refill=st.sampled_from([0.2, 0.3, 1.0, 5.0, 20.0]),
)
arrivals = st.lists(
    st.tuples(st.floats(min_value=0, max_value=60), st.sampled_from(list(Priority))), min_size=1, max_size=80
).map(lambda found: sorted(found, key=lambda pair: pair[0]))
throttles = st.lists(st.floats(min_value=0, max_value=60), max_size=3)


@dataclass
class Day:
    """What happened at one turnstile: who came when, who passed when."""

    rate: Rate
    came: list[Ticket] = field(default_factory=list)
    passed: list[tuple[float, Ticket]] = field(default_factory=list)

    def when(self, ticket: Ticket) -> float:
        return next(at for at, found in self.passed if found is ticket)


def day(rate: Rate, arrivals: list[tuple[float, Priority]], throttles: list[float] = ()) -> Day:  # type: ignore[assignment]  # none
    """Let everybody come and pass, stepping from event to event."""
    gate, found, now = Turnstile(rate, 0.0), Day(rate), 0.0
    events = sorted(
        [(at, priority) for at, priority in arrivals] + [(at, None) for at in throttles], key=lambda e: e[0]
    )
    while events or gate.waiting():
        due = gate.due(now)
        if events and (due is None or events[0][0] <= due):
            at, priority = events.pop(0)
            now = max(now, at)
            if priority is None:
                gate.throttled(now)
            else:
                found.came.append(gate.join(priority, now))
        else:
            assert due is not None
            now = max(now, due)
        found.passed += [(now, ticket) for ticket in gate.pass_through(now)]
    return found


@given(rates, arrivals, throttles)
def test_no_window_has_more_calls_than_aws_allows(
    rate: Rate, arrivals: list[tuple[float, Priority]], throttles: list[float]
) -> None:
    times = [at for at, _ in day(rate, arrivals, throttles).passed]
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            allowed = (
                max(1.0, rate.burst * RATE_HEADROOM) + (times[last] - start) * rate.refill * RATE_HEADROOM
            )
            assert last - first + 1 <= allowed + 1e-3


@given(rates, arrivals, throttles)
def test_everybody_passes_and_within_a_priority_in_order_of_arrival(
    rate: Rate, arrivals: list[tuple[float, Priority]], throttles: list[float]
) -> None:
    found = day(rate, arrivals, throttles)
    assert len(found.passed) == len(arrivals)
    for priority in Priority:
        numbers = [ticket.number for _, ticket in found.passed if ticket.priority is priority]
        assert numbers == sorted(numbers)


@given(rates, arrivals)
def test_sweeps_take_no_more_than_their_share(rate: Rate, arrivals: list[tuple[float, Priority]]) -> None:
    times = [at for at, ticket in day(rate, arrivals).passed if ticket.priority is RESYNC]
    burst = max(1.0, max(1.0, rate.burst * RATE_HEADROOM) * RESYNC_SHARE)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            allowed = burst + (times[last] - start) * rate.refill * RATE_HEADROOM * RESYNC_SHARE
            assert last - first + 1 <= allowed + 1e-3


@given(rates.filter(lambda rate: rate.burst >= 4), st.integers(min_value=1, max_value=60))
def test_a_sweep_leaves_the_reserve_to_people(rate: Rate, count: int) -> None:
    gate = Turnstile(rate, 0.0)
    for _ in range(count):
        gate.join(RESYNC, 0.0)
    gate.pass_through(0.0)
    reserve = int(rate.burst * RATE_HEADROOM * EDIT_RESERVE)
    edits = [gate.join(EDIT, 0.0) for _ in range(reserve)]
    gate.pass_through(0.0)
    assert all(edit.served for edit in edits)


@given(rates, st.integers(min_value=1, max_value=40))
def test_an_edit_passes_all_sweeps_that_came_before_it_but_the_oldest(rate: Rate, count: int) -> None:
    gate = Turnstile(rate, 0.0)
    for _ in range(count):
        gate.join(RESYNC, 0.0)
    gate.pass_through(0.0)
    edit = gate.join(EDIT, 0.0)
    due = gate.due(0.0)
    assert due is not None
    assert due <= 1.0 / (rate.refill * RATE_HEADROOM) + 1e-3
    assert edit in gate.pass_through(due) or due >= AGING_SECONDS


def test_a_sweep_does_not_starve_under_endless_edits() -> None:
    rate = Rate("bucket", 4, 1)
    edits = [(second / 2, EDIT) for second in range(400)]
    found = day(rate, sorted([*edits, (1.0, RESYNC)], key=lambda pair: pair[0]))
    (sweep,) = [ticket for ticket in found.came if ticket.priority is RESYNC]
    later = [
        ticket
        for ticket in found.came
        if ticket.priority is EDIT and ticket.arrived > sweep.arrived + AGING_SECONDS
    ]
    assert all(found.when(sweep) <= found.when(edit) for edit in later)


def test_the_backlog_is_not_held_to_a_sweeps_share_but_leaves_the_reserve() -> None:
    gate = Turnstile(Rate("bucket", 100, 10), 0.0)
    looks = [gate.join(BACKLOG, 0.0) for _ in range(100)]
    gate.pass_through(0.0)
    passed = sum(look.served for look in looks)
    assert passed > 100 * RESYNC_SHARE
    edits = [gate.join(EDIT, 0.0) for _ in range(int(95 * EDIT_RESERVE))]
    gate.pass_through(0.0)
    assert all(edit.served for edit in edits)


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=200),
    st.integers(min_value=1, max_value=100),
)
def test_objects_take_turns_at_a_bucket(flows: list[str], taken: int) -> None:
    """Of two objects that both still wait, neither has been served more than once more often than the other."""
    gate = Turnstile(Rate("bucket", 1, 1), 0.0)
    tickets = [(flow, gate.join(EDIT, 0.0, flow)) for flow in flows]
    now = 0.0
    for _ in range(min(taken, len(flows))):
        now = gate.due(now) or now
        gate.pass_through(now)
    served = Counter(flow for flow, ticket in tickets if ticket.served)
    waiting = {flow for flow, ticket in tickets if not ticket.served}
    counts = [served[flow] for flow in waiting]
    assert not counts or max(counts) - min(counts) <= 1


def test_an_object_that_asks_for_much_does_not_hold_up_one_that_asks_for_little() -> None:
    gate = Turnstile(Rate("bucket", 1, 1), 0.0)
    for _ in range(50):
        gate.join(EDIT, 0.0, "much")
    little = gate.join(EDIT, 0.0, "little")
    now = 0.0
    for _ in range(3):
        now = gate.due(now) or now
        gate.pass_through(now)
    assert little.served


def test_a_throttle_answer_empties_the_bucket_for_everybody_and_slows_it() -> None:
    gate = Turnstile(Rate("bucket", 20, 10), 0.0)
    gate.throttled(0.0)
    tickets = [gate.join(EDIT, 0.0) for _ in range(5)]
    assert gate.pass_through(0.0) == []
    assert gate.pass_through(0.15) == []
    assert gate.pass_through(0.25) == tickets[:1]


def test_many_throttle_answers_at_once_are_one_piece_of_news() -> None:
    once, often = Turnstile(Rate("bucket", 20, 10), 0.0), Turnstile(Rate("bucket", 20, 10), 0.0)
    once.throttled(0.0)
    for _ in range(20):
        often.throttled(0.0)
    for gate in (once, often):
        gate.join(EDIT, 0.0)
    assert once.due(0.0) == often.due(0.0)


def test_a_bucket_comes_back_to_its_rate() -> None:
    gate = Turnstile(Rate("bucket", 20, 10), 0.0)
    gate.throttled(0.0)
    for second in range(1, 90):
        gate.due(float(second))
    tickets = [gate.join(EDIT, 90.0) for _ in range(19)]
    assert gate.pass_through(90.0) == tickets
    gate.join(EDIT, 90.0)
    due = gate.due(90.0)
    assert due is not None
    assert due == pytest.approx(90 + 1 / (10 * RATE_HEADROOM))


@pytest.mark.parametrize(
    ("service", "operation", "burst", "refill"),
    [
        ("elbv2", "create_load_balancer", 10, 0.2),
        ("elbv2", "create_rule", 20, 3),
        ("elbv2", "describe_tags", 40, 10),
        ("ecs", "create_cluster", 20, 1),
        ("ecs", "register_task_definition", 20, 1),
        ("ecs", "update_service", 50, 5),
        ("ecs", "describe_services", 100, 20),
        ("ec2", "create_vpc_endpoint", 4, 0.3),
        ("ec2", "create_tags", 100, 10),
        ("ec2", "describe_vpcs", 100, 20),
    ],
)
def test_calls_are_counted_in_awss_own_buckets(
    service: str, operation: str, burst: float, refill: float
) -> None:
    rate = rate_of(service, operation)
    assert (rate.burst, rate.refill) == (burst, refill)


async def test_global_services_have_one_bucket_whatever_the_region() -> None:
    budgets = Budgets(clock=lambda: 0.0)
    burst = int(rate_of("route53", "list_resource_record_sets").burst * RATE_HEADROOM)
    for number in range(burst):
        region = ("us-east-1", "eu-west-1")[number % 2]
        await budgets.acquire("1", region, "route53", "list_resource_record_sets", EDIT, patience=0)
    with pytest.raises(BudgetExhausted):
        await budgets.acquire("1", "us-east-1", "route53", "list_resource_record_sets", EDIT, patience=0)
    await budgets.acquire("2", "us-east-1", "route53", "list_resource_record_sets", EDIT, patience=0)


async def test_a_caller_that_gives_up_leaves_its_place_to_the_next() -> None:
    budgets = Budgets(clock=lambda: 0.0)
    for _ in range(3):
        await budgets.acquire("1", "us-east-1", "ec2", "create_vpc_endpoint", EDIT, patience=0)
    impatient = asyncio.create_task(budgets.acquire("1", "us-east-1", "ec2", "create_vpc_endpoint", EDIT))
    patient = asyncio.create_task(budgets.acquire("1", "us-east-1", "ec2", "create_vpc_endpoint", EDIT))
    await asyncio.sleep(0)
    assert sum(budgets.waiting().values()) == 2
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    assert sum(budgets.waiting().values()) == 1
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)
    assert budgets.waiting() == {}


async def test_a_scale_leaves_a_part_of_awss_rates_to_others() -> None:
    budgets = Budgets(clock=lambda: 0.0, scale=0.5)
    half = int(rate_of("elbv2", "create_rule").burst * 0.5 * RATE_HEADROOM)
    for _ in range(half):
        await budgets.acquire("1", "us-east-1", "elbv2", "create_rule", EDIT, patience=0)
    with pytest.raises(BudgetExhausted):
        await budgets.acquire("1", "us-east-1", "elbv2", "create_rule", EDIT, patience=0)
