"""What the log says of a loop's end: nothing of watches that are left open, and everything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from tenant_operator.operator.main import _at_the_end


async def _watch() -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        raise RuntimeError("generator didn't stop after athrow()")


def test_a_watch_that_cannot_be_closed_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> AsyncIterator[int]:
        asyncio.get_running_loop().set_exception_handler(_at_the_end)
        watch = _watch()
        assert await anext(watch) == 1
        return watch

    with caplog.at_level(logging.INFO):
        left_open = asyncio.run(work())
    assert caplog.records == []
    del left_open


def test_everything_else_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_at_the_end)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)

    asyncio.run(work())
    assert "division by zero" in caplog.text
