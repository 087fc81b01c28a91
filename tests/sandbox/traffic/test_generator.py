"""Requests are sent at a steady rate, in turn, for a bounded time, whatever becomes of them."""

from __future__ import annotations

import asyncio

import pytest

from tenant_operator.sandbox.traffic.audience import Audience, Destination
from tenant_operator.sandbox.traffic.generator import MAX_IN_FLIGHT, Answered, Generator, Load
from tenant_operator.sandbox.traffic.tally import Outcome
from tests.e2e import manifests as m
from tests.sandbox.traffic.test_audience import tenant

NAMES = ("ant", "bee", "cat")


async def read(audience: Audience) -> None:
    audience.take_in([m.tier()], [tenant(name) for name in NAMES])


async def answer(destination: Destination, _number: int) -> Answered:
    return Answered(
        status=200, answered_by=f"{destination.tier}/{destination.tenant_id}", load_balancer="lb-1"
    )


async def test_every_tenant_gets_its_share_and_the_number_is_rate_times_time() -> None:
    tally = await Generator(Load(rps=60, seconds=0.5), Audience(), answer, read).run()
    assert tally.is_clean
    assert tally.requests + tally.held_back == 30
    counts = [tally.tenants[f"{m.NAMESPACE}/{name}"].requests for name in NAMES]
    assert max(counts) - min(counts) <= 1


async def test_slow_answers_delay_no_other_request_up_to_a_bound() -> None:
    under_way = 0
    full, release = asyncio.Event(), asyncio.Event()

    async def hang(destination: Destination, number: int) -> Answered:
        nonlocal under_way
        under_way += 1
        assert under_way <= MAX_IN_FLIGHT
        if under_way == MAX_IN_FLIGHT:
            full.set()
        await release.wait()
        under_way -= 1
        return await answer(destination, number)

    generator = Generator(Load(rps=2000, seconds=60), Audience(), hang, read)
    run = asyncio.create_task(generator.run())
    await full.wait()
    assert generator.under_way == MAX_IN_FLIGHT
    generator.stop()
    release.set()
    assert (await run).is_clean


async def test_lost_requests_are_counted_and_the_rest_goes_on() -> None:
    async def lose_some(destination: Destination, number: int) -> Answered:
        if destination.tenant_id == "bee":
            return Answered(status=None, answered_by=None, load_balancer="lb-1", error="connection refused")
        return await answer(destination, number)

    tally = await Generator(Load(rps=60, seconds=0.5), Audience(), lose_some, read).run()
    assert tally.total(Outcome.LOST) == tally.tenants[f"{m.NAMESPACE}/bee"].requests > 0
    assert tally.tenants[f"{m.NAMESPACE}/ant"].faults == 0
    assert {fault.exchange.error for fault in tally.faults} == {"connection refused"}


async def test_it_can_be_stopped_early() -> None:
    third = asyncio.Event()

    async def note(destination: Destination, number: int) -> Answered:
        if number == 3:
            third.set()
        return await answer(destination, number)

    generator = Generator(Load(rps=50, seconds=3600), Audience(), note, read)
    run = asyncio.create_task(generator.run())
    await third.wait()
    generator.stop()
    assert (await run).is_clean


@pytest.mark.parametrize(("rps", "seconds"), [(0, 1), (1e6, 1), (1, 0), (1, 1e9)])
def test_neither_rate_nor_time_can_be_unbounded(rps: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="at most"):
        Load(rps=rps, seconds=seconds)
