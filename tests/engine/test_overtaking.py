"""A visit that nobody waits for is broken off by an edit, and made afterwards, unless it has begun to write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from tenant_operator.aws import undertaking
from tenant_operator.aws.budgets import Priority
from tenant_operator.engine.overtaking import PATIENCE_SECONDS, Overtaking

KEY = "tenant acme"


@dataclass
class Visits:
    """Visits to one object, with a clock that is set by hand."""

    now: float = 0.0
    ended: list[str] = field(default_factory=list)
    running: asyncio.Task[bool] | None = None

    def __post_init__(self) -> None:
        self.overtaking: Overtaking[str] = Overtaking(lambda: self.now)

    async def begin(
        self, name: str, priority: Priority, before: Callable[[], Awaitable[None]] | None = None
    ) -> asyncio.Event:
        """Begin a visit that ends when the event is set."""
        go = asyncio.Event()

        async def visit() -> None:
            if before is not None:
                await before()
            await go.wait()
            self.ended.append(name)

        self.running = asyncio.create_task(self.overtaking.run(KEY, visit(), priority))
        for _ in range(5):
            await asyncio.sleep(0)
        return go

    async def result(self) -> bool:
        assert self.running is not None
        return await self.running


@pytest.fixture
async def visits() -> AsyncIterator[Visits]:
    found = Visits()
    yield found
    if found.running is not None:
        found.running.cancel()


async def _write_in_a_task_of_its_own() -> None:
    async def write() -> None:
        undertaking.commit()

    await asyncio.gather(write())


async def test_a_sweeps_visit_is_broken_off_and_owed_until_one_has_been_made(visits: Visits) -> None:
    await visits.begin("sweep", Priority.RESYNC)
    visits.overtaking.overtake(KEY)
    visits.overtaking.overtake(KEY)
    assert not await visits.result()
    (await visits.begin("edit", Priority.EDIT)).set()
    assert await visits.result()
    assert visits.overtaking.owed(KEY) is Priority.RESYNC
    (await visits.begin("sweep", Priority.RESYNC)).set()
    assert await visits.result()
    assert visits.overtaking.owed(KEY) is None
    assert visits.ended == ["edit", "sweep"]


async def test_one_that_has_begun_to_write_comes_to_its_end(visits: Visits) -> None:
    go = await visits.begin("sweep", Priority.RESYNC, _write_in_a_task_of_its_own)
    visits.overtaking.overtake(KEY)
    go.set()
    assert await visits.result()
    assert visits.ended == ["sweep"]
    assert visits.overtaking.owed(KEY) is None


async def test_under_edits_without_end_a_sweep_gets_its_turn(visits: Visits) -> None:
    for second in range(0, int(PATIENCE_SECONDS), 10):
        visits.now = float(second)
        await visits.begin("sweep", Priority.RESYNC)
        visits.overtaking.overtake(KEY)
        assert not await visits.result()
    visits.now = PATIENCE_SECONDS
    go = await visits.begin("sweep", Priority.RESYNC)
    visits.overtaking.overtake(KEY)
    go.set()
    assert await visits.result()


async def test_what_is_broken_off_for_the_slower_of_two_reasons_is_owed_at_that_pace(visits: Visits) -> None:
    for priority in (Priority.RESYNC, Priority.BACKLOG):
        await visits.begin(priority.name, priority)
        visits.overtaking.overtake(KEY)
        assert not await visits.result()
    assert visits.overtaking.owed(KEY) is Priority.RESYNC


async def test_nothing_is_owed_to_an_object_that_is_gone(visits: Visits) -> None:
    await visits.begin("sweep", Priority.RESYNC)
    visits.overtaking.overtake(KEY)
    await visits.result()
    visits.overtaking.forget(KEY)
    assert visits.overtaking.owed(KEY) is None


async def test_the_end_of_the_process_is_not_taken_for_a_breaking_off(visits: Visits) -> None:
    await visits.begin("sweep", Priority.RESYNC)
    assert visits.running is not None
    visits.overtaking.overtake(KEY)
    visits.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visits.running


async def test_a_visit_that_takes_long_is_named_with_what_it_waits_for(visits: Visits) -> None:
    go = await visits.begin("slow", Priority.EDIT)
    visits.now = 119.0
    assert not visits.overtaking.longer_than(120.0)
    visits.now = 120.0
    ((seconds, where),) = visits.overtaking.longer_than(120.0).values()
    assert seconds == 120.0
    assert [part.partition(":")[0] for part in where.split(" > ")] == ["run", "visit", "wait"]
    go.set()
    assert await visits.result()
    assert not visits.overtaking.longer_than(0.0)


async def test_a_visit_that_would_never_end_is_broken_off_even_if_it_has_written(visits: Visits) -> None:
    async def write() -> None:
        undertaking.commit()

    await visits.begin("stuck", Priority.EDIT, write)
    visits.overtaking.overtake(KEY)
    await asyncio.sleep(0)
    assert visits.running is not None
    assert not visits.running.done()
    visits.overtaking.end(KEY)
    visits.overtaking.end(KEY)
    assert await visits.result() is False
    assert visits.ended == []
