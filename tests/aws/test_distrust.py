"""A view that is told of somebody else's change: what is read after it counts, whatever was read or written before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.readings import Reader
from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import Address, FixedResponse, ListenerRule, Live

ADDRESS = Address("222222222222", "us-east-1", "ListenerRule", "group-1/acme/rule")
READING = "rules of arn:listener"


class _Edit:
    """All that a view asks of a caller itself."""

    priority = Priority.EDIT


CALLER = cast("Caller", _Edit())


def rule(status: int) -> Live:
    spec = ListenerRule(listener="arn:listener", action=FixedResponse(status))
    return Live(address=ADDRESS, id="arn:rule", spec=spec, tags={"team": "blue"}, attributes={"priority": 1})


def reader(*found: Live, begun: asyncio.Event | None = None, go: asyncio.Event | None = None) -> Reader:
    async def read(_: Caller) -> Mapping[Address, Live]:
        if begun is not None and go is not None:
            begun.set()
            await go.wait()
        return {live.address: live for live in found}

    return read


async def test_a_reading_that_was_under_way_when_something_changed_is_made_again() -> None:
    view, begun, go = View("prod"), asyncio.Event(), asyncio.Event()
    slow = asyncio.create_task(
        view.readings.refresh(READING, 60, CALLER, reader(rule(200), begun=begun, go=go))
    )
    await begun.wait()
    view.forget(READING)
    later = asyncio.create_task(view.readings.refresh(READING, 60, CALLER, reader(rule(503))))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(slow, later)
    assert view.lives[ADDRESS].spec == rule(503).spec


async def test_nobody_takes_the_outdated_reading_for_new_afterwards() -> None:
    view, begun, go = View("prod"), asyncio.Event(), asyncio.Event()
    slow = asyncio.create_task(
        view.readings.refresh(READING, 60, CALLER, reader(rule(200), begun=begun, go=go))
    )
    await begun.wait()
    view.forget(READING)
    go.set()
    await slow
    await view.readings.refresh(READING, 60, CALLER, reader(rule(503)))
    assert view.lives[ADDRESS].spec == rule(503).spec


async def test_somebody_elses_change_a_moment_after_ours_is_seen() -> None:
    view = View("prod")
    await view.readings.refresh(READING, 60, CALLER, reader(rule(200)))
    view.put(rule(404))
    await view.readings.refresh(READING, 0, CALLER, reader(rule(503)))
    assert view.lives[ADDRESS].spec == rule(404).spec, "AWS may show our own write late"
    view.distrust(view.lives[ADDRESS])
    await view.readings.refresh(READING, 60, CALLER, reader(rule(503)))
    assert view.lives[ADDRESS].spec == rule(503).spec


async def test_what_somebody_deletes_a_moment_after_we_made_it_is_missed() -> None:
    view = View("prod")
    view.put(rule(200))
    view.distrust(view.lives[ADDRESS])
    await view.readings.refresh(READING, 60, CALLER, reader())
    assert ADDRESS not in view.lives
    assert view.with_id("arn:rule") is None
