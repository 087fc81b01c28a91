"""Readings of a view are shared by all who need them, and the most urgent asker sets the pace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import Address, Live


@dataclass(frozen=True)
class At:
    """As much of a caller as a reading is told."""

    priority: Priority


@dataclass
class Shelf:
    """Something to read; it is read when told to be."""

    view: View
    begun: list[Priority] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)

    async def read(self, caller: Any) -> Mapping[Address, Live]:
        self.begun.append(caller.priority)
        self.gates.append(asyncio.Event())
        await self.gates[-1].wait()
        return {}

    def ask(self, priority: Priority, max_age: float = 60.0) -> asyncio.Task[None]:
        caller: Any = At(priority)
        return asyncio.ensure_future(self.view.readings.refresh("shelf", max_age, caller, self.read))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(View(installation="test"))


async def test_askers_at_the_same_time_share_one_reading(shelf: Shelf) -> None:
    askers = [shelf.ask(Priority.RESYNC) for _ in range(5)]
    await asyncio.sleep(0.01)
    shelf.gates[0].set()
    await asyncio.gather(*askers)
    assert shelf.begun == [Priority.RESYNC]


async def test_an_edit_does_not_wait_for_a_sweeps_slow_reading_and_the_sweep_gets_the_edits(
    shelf: Shelf,
) -> None:
    sweeps = [shelf.ask(Priority.RESYNC) for _ in range(3)]
    await asyncio.sleep(0.01)
    edit = shelf.ask(Priority.EDIT)
    await asyncio.sleep(0.01)
    assert shelf.begun == [Priority.RESYNC, Priority.EDIT]
    shelf.gates[1].set()
    await asyncio.gather(edit, *sweeps)


async def test_a_sweep_waits_for_an_edits_reading(shelf: Shelf) -> None:
    edit = shelf.ask(Priority.EDIT)
    await asyncio.sleep(0.01)
    sweep = shelf.ask(Priority.RESYNC)
    await asyncio.sleep(0.01)
    shelf.gates[0].set()
    await asyncio.gather(edit, sweep)
    assert shelf.begun == [Priority.EDIT]


async def test_an_asker_who_wants_it_new_gets_a_reading_that_began_after_the_question(shelf: Shelf) -> None:
    old = shelf.ask(Priority.EDIT)
    await asyncio.sleep(0.01)
    new = shelf.ask(Priority.EDIT, max_age=0.0)
    await asyncio.sleep(0.01)
    shelf.gates[0].set()
    await old
    await asyncio.sleep(0.01)
    assert not new.done()
    shelf.gates[1].set()
    await new


async def test_what_is_young_enough_is_not_read_again(shelf: Shelf) -> None:
    first = shelf.ask(Priority.EDIT)
    await asyncio.sleep(0.01)
    shelf.gates[0].set()
    await first
    await shelf.ask(Priority.EDIT)
    assert len(shelf.begun) == 1
