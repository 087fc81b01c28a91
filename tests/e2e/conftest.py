"""Stages for end-to-end tests: a sandbox of its own and an operator, for each test module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenant_operator.sandbox import Sandbox
from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e.stage import Stage

SWEEP_SECONDS = 6.0
API_RATE = 10.0
"""The simulated AWS throttles only where a test tells it to; at AWS's own rates most of a test would be waiting."""


@pytest.fixture(scope="module")
def new_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stage]]:
    """Makes stages; each is taken down at the end of the module."""
    made: list[Stage] = []

    def make(
        *,
        sweep_seconds: float = SWEEP_SECONDS,
        drain_seconds: float = 1.0,
        settle_seconds: float = 1.0,
        api_rate: float = API_RATE,
        arguments: tuple[str, ...] = (),
    ) -> Stage:
        folder: Path = tmp_path_factory.mktemp("stage")
        sandbox = Sandbox(folder / "sandbox")
        sandbox.start()
        operator = OperatorProcess(
            sandbox.operator_environment(),
            folder / "operator.log",
            sweep_seconds=sweep_seconds,
            api_rate=api_rate,
            drain_seconds=drain_seconds,
            settle_seconds=settle_seconds,
            arguments=arguments,
        )
        stage = Stage(sandbox=sandbox, operator=operator, folder=folder)
        made.append(stage)
        operator.start()
        return stage

    yield make
    for stage in made:
        stage.operator.stop()
        stage.sandbox.stop()


@pytest.fixture(scope="module")
def stage(new_stage: Callable[..., Stage]) -> Stage:
    """The module's stage, with the customers' namespace."""
    return new_stage()
