"""Readings of a view are shared by all who need them, and the most urgent asker sets the pace."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tenant_operator.aws import compute, load_balancing, rules
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.inventory import Family
from tenant_operator.aws.snapshot import View
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, FixedResponse, Listener, Live


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


async def test_a_reading_that_fails_when_nobody_waits_any_more_is_no_error_of_the_loop() -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    shelf, go = Shelf(View(installation="test")), asyncio.Event()

    async def fail(_: Any) -> Mapping[Address, Live]:
        await go.wait()
        raise OSError("AWS is down")

    caller: Any = At(Priority.RESYNC)
    asker = asyncio.ensure_future(shelf.view.readings.refresh("shelf", 60.0, caller, fail))
    await asyncio.sleep(0.01)
    asker.cancel()
    await asyncio.sleep(0.01)
    go.set()
    await asyncio.sleep(0.01)
    shelf.view.readings.forget_all()
    del asker
    gc.collect()
    await asyncio.sleep(0)
    assert said == []
    with pytest.raises(OSError, match="AWS is down"):  # whoever waits is told
        await shelf.view.readings.refresh("shelf", 60.0, caller, fail)


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


class Account:
    """What a view finds there, by way of its own readers; it counts what is read."""

    FAMILIES = (Family.LOAD_BALANCING, Family.RULES, Family.CLUSTERS)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.view = View(installation="test", clock=lambda: self.now)
        self.listeners = ["one"]
        self.read: list[str] = []
        monkeypatch.setattr(load_balancing, "read_load_balancing", self._load_balancing)
        monkeypatch.setattr(rules, "read_rules", self._rules)
        monkeypatch.setattr(compute, "read_clusters", self._clusters)

    async def load(self, max_age: float) -> list[str]:
        """What was read because everything may be so old at most."""
        self.read.clear()
        await self.view.load(At(Priority.EDIT), *self.FAMILIES, max_age=max_age)  # type: ignore[arg-type]
        return sorted(self.read)

    async def _load_balancing(self, *_: Any, **__: Any) -> Mapping[Address, Live]:
        self.read.append("load balancing")
        found = [self._listener(name) for name in self.listeners]
        return {live.address: live for live in found}

    async def _rules(self, _: Any, __: str, listener: Live, ___: Any) -> Mapping[Address, Live]:
        self.read.append(f"rules of {listener.id}")
        return {}

    async def _clusters(self, *_: Any) -> Mapping[Address, Live]:
        self.read.append("clusters")
        return {}

    @staticmethod
    def _listener(name: str) -> Live:
        return Live(
            address=Address("222222222222", "us-east-1", Listener.__name__, name),
            id=name,
            spec=Listener(load_balancer="arn", port=80, protocol="HTTP", default_action=FixedResponse(404)),
            tags={tags.COMPONENT: "listener"},
        )


async def test_what_is_young_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch)
    everything = ["clusters", "load balancing", "rules of one"]
    assert await account.load(60.0) == everything
    account.now = 59.0
    assert await account.load(60.0) == []
    assert await account.load(59.0) == everything
    account.now = 90.0
    assert await account.load(60.0) == []


async def test_what_was_forgotten_is_read_however_young_the_rest_is(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch)
    await account.load(60.0)
    account.view.forget("rules of one")
    assert await account.load(60.0) == ["rules of one"]
    account.view.forget(Family.CLUSTERS.value)
    assert await account.load(60.0) == ["clusters"]
    account.view.distrust_all()
    assert len(await account.load(60.0)) == 3


async def test_the_rules_of_a_listener_that_came_meanwhile_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(monkeypatch)
    await account.load(60.0)
    await account.load(60.0)
    account.view.put(account._listener("two"))
    assert await account.load(60.0) == ["rules of two"]
    account.view.remove(account._listener("one").address)
    account.view.forget("rules of one")
    assert await account.load(60.0) == []
