"""The work queue: one key in flight at a time, duplicates merged, edits first, nothing starves."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.aws.budgets import Priority
from tenant_operator.engine.pulse import ALWAYS, BEGUN_PER_BEAT, BEGUN_WHILE_LATE, LATE_SECONDS, Pulse
from tenant_operator.engine.queue import AGING_SECONDS, IN_FLIGHT_PER_FLOW, RESYNCS_PER_FLOW, KeyedQueue


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_and_clock() -> tuple[KeyedQueue[str], Clock]:
    clock = Clock()
    return KeyedQueue(clock=clock, jitter=lambda: 1.0), clock


async def test_a_key_is_in_flight_once_and_runs_again_if_it_was_added_meanwhile() -> None:
    queue, _ = queue_and_clock()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    assert queue.depth()["edit"] == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.depth()["edit"] == 0


async def test_an_edit_passes_a_resync() -> None:
    queue, _ = queue_and_clock()
    queue.add("slow", Priority.RESYNC)
    queue.add("quick")
    assert await queue.get() == "quick"


async def test_a_resync_that_has_waited_long_enough_passes_the_edits() -> None:
    queue, clock = queue_and_clock()
    queue.add("slow", Priority.RESYNC)
    clock.now = AGING_SECONDS + 1
    for number in range(4):
        queue.add(f"edit-{number}")
    served = [await queue.get() for _ in range(3)]
    assert "slow" in served


async def test_failures_in_a_row_wait_ever_longer_and_a_success_starts_anew() -> None:
    queue, _ = queue_and_clock()
    assert [queue.retry("a") for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    queue.succeeded("a")
    assert queue.retry("a") == 1.0


async def test_the_earliest_of_several_times_counts() -> None:
    queue, clock = queue_and_clock()
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    clock.now = 5.0
    assert await asyncio.wait_for(queue.get(), 1) == "a"
    queue.done("a")
    clock.now = 30.0
    queue.add("b")
    assert await queue.get() == "b"
    assert queue.depth()["delayed"] == 0


async def test_what_is_forgotten_does_not_come_back() -> None:
    queue, clock = queue_and_clock()
    queue.add("a")
    queue.add_after("b", 1)
    queue.forget("a")
    queue.forget("b")
    clock.now = 2.0
    queue.add("c")
    assert await queue.get() == "c"
    assert queue.depth() == {"edit": 0, "backlog": 0, "resync": 0, "delayed": 0, "in_flight": 1}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(list(Priority))), max_size=40))
def test_every_key_that_was_added_is_served_exactly_once_until_it_is_added_again(
    adds: list[tuple[str, Priority]],
) -> None:
    async def serve() -> list[str]:
        queue, _ = queue_and_clock()
        for key, priority in adds:
            queue.add(key, priority)
        served = []
        while sum(queue.depth()[p] for p in ("edit", "backlog", "resync")):
            served.append(await queue.get())
            queue.done(served[-1])
        return served

    assert sorted(asyncio.run(serve())) == sorted({key for key, _ in adds})


async def test_an_account_that_answers_nothing_takes_no_place_from_the_others() -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock=Clock(), flow=lambda key: key[0])
    for number in range(3 * IN_FLIGHT_PER_FLOW):
        queue.add(f"dead {number}")
    dead = [await queue.get() for _ in range(IN_FLIGHT_PER_FLOW)]
    queue.add("fine")
    assert await queue.get() == "fine"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)
    queue.done(dead[0])
    assert (await queue.get()).startswith("dead")


async def test_a_sweep_of_an_account_leaves_places_for_its_edits() -> None:
    queue, _ = queue_and_clock()
    for number in range(3 * RESYNCS_PER_FLOW):
        queue.add(f"swept {number}", Priority.RESYNC)
    for _ in range(RESYNCS_PER_FLOW):
        assert (await queue.get()).startswith("swept")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.01)
    queue.add("edit")
    assert await queue.get() == "edit"


async def test_accounts_take_turns() -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock=Clock(), flow=lambda key: key[0])
    for key in ("a1", "a2", "a3", "a4", "b1", "c1", "c2"):
        queue.add(key)
    assert [await queue.get() for _ in range(7)] == ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]


async def test_a_waiting_key_that_becomes_urgent_keeps_its_place_in_time() -> None:
    queue, _ = queue_and_clock()
    queue.add("a", Priority.RESYNC)
    queue.add("a", Priority.BACKLOG)
    queue.add("a")
    queue.add("a", Priority.RESYNC)
    assert await queue.get() == "a"
    assert queue.priority_of("a") is Priority.EDIT
    assert queue.depth()["resync"] == queue.depth()["backlog"] == 0


async def test_a_sweep_begins_little_by_little_and_less_while_the_loop_is_late() -> None:
    queue, _ = queue_and_clock()
    queue.pulse = Pulse(lambda: 0.0)
    queue.flow = lambda key: key
    for number in range(40):
        queue.add(f"swept {number}", Priority.RESYNC)
    assert len(queue.take_ready()) == BEGUN_PER_BEAT
    queue.pulse.beat(late=LATE_SECONDS)
    assert len(queue.take_ready()) == BEGUN_WHILE_LATE
    queue.add("edited")
    assert queue.take_ready() == ["edited"]
    queue.pulse.beat(late=0.0)
    assert len(queue.take_ready()) == BEGUN_PER_BEAT


async def test_however_late_the_loop_is_a_few_of_a_sweep_are_at_work() -> None:
    queue, _ = queue_and_clock()
    queue.pulse = Pulse(lambda: 0.0)
    queue.pulse.beat(late=10.0)
    for number in range(2 * ALWAYS + BEGUN_WHILE_LATE):
        queue.add(f"swept {number}", Priority.RESYNC)
    begun = queue.take_ready()
    assert len(begun) == ALWAYS
    for key in begun:
        queue.done(key)
    assert len(queue.take_ready()) == ALWAYS


async def test_whoever_waits_for_a_key_gets_it_once_the_loop_is_in_time_again() -> None:
    queue, _ = queue_and_clock()
    queue.pulse = Pulse(lambda: 0.0)
    for number in range(ALWAYS + 1):
        queue.add(f"swept {number}", Priority.RESYNC)
    queue.pulse.beat(late=1.0)
    queue.take_ready()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.pulse.beat(late=0.0)
    assert await asyncio.wait_for(waiting, 10) == f"swept {ALWAYS}"


@pytest.mark.parametrize(
    ("at_work", "comes", "overtakes"),
    [(at_work, comes, comes < at_work) for at_work in Priority for comes in Priority],
)
async def test_it_is_told_when_something_more_urgent_comes_for_what_is_worked_on(
    at_work: Priority, comes: Priority, overtakes: bool
) -> None:
    queue, _ = queue_and_clock()
    told: list[str] = []
    queue.overtaken = told.append
    queue.add("at work", at_work)
    assert await queue.get() == "at work"
    queue.add("at work", comes)
    assert told == ["at work"] * overtakes


async def test_what_overtakes_is_next() -> None:
    queue, _ = queue_and_clock()
    told: list[str] = []
    queue.overtaken = told.append
    queue.add("swept", Priority.RESYNC)
    assert await queue.get() == "swept"
    queue.add("swept")
    assert told == ["swept"]
    queue.done("swept")
    assert await queue.get() == "swept"
    assert queue.priority_of("swept") is Priority.EDIT
    queue.add("swept")
    assert told == ["swept"]


async def test_however_many_are_swept_at_once_there_are_places_for_edits() -> None:
    queue, _ = queue_and_clock()
    queue.most_others, queue.flow = 3, lambda key: key
    for number in range(5):
        queue.add(f"swept {number}", Priority.RESYNC)
        queue.add(f"waiting {number}", Priority.BACKLOG)
    begun = queue.take_ready()
    assert len(begun) == 3
    queue.add("edited")
    assert queue.take_ready() == ["edited"]
    queue.done("edited")
    assert queue.take_ready() == []
    queue.done(begun[0])
    assert len(queue.take_ready()) == 1
