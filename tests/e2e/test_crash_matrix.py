"""Killed, or cut off, at any single write to AWS or Kubernetes: the end is the same. A sample; all: `make crash-matrix`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e import census
from tests.e2e.crash_matrix import Cell, Matrix, chosen, failures, foundation, table
from tests.e2e.gate import Gate, When
from tests.e2e.stage import Stage

log = logging.getLogger(__name__)

pytestmark = pytest.mark.e2e

EVERYTHING = "TENANT_OPERATOR_CRASH_MATRIX"
"""Set (by `make crash-matrix`) to run the whole matrix, to the titles of scenarios or to `all`; without it a sample."""
EVERY = int(os.environ.get("TENANT_OPERATOR_CRASH_EVERY", "1"))
"""Of the whole matrix, how many writes further the next one is struck."""
PROGRESS = os.environ.get("TENANT_OPERATOR_CRASH_LOG")
"""A file to which each cell's end is added: the whole matrix takes hours."""
SEED = int(os.environ.get("TENANT_OPERATOR_CRASH_SEED", "5"))
SECRET = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def matrix(new_stage: Callable[..., Stage], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder: Path = tmp_path_factory.mktemp("gate")
    stage = new_stage()
    stage.operator.stop()

    def kill() -> None:
        stage.operator.kill()

    gate = Gate(stage.sandbox.aws_endpoint_url, stage.sandbox.kubeconfig, folder, kill)
    with gate:
        stage.operator = OperatorProcess(
            {**stage.sandbox.operator_environment(), **gate.environment()},
            stage.operator.log,
            sweep_seconds=6.0,
            drain_seconds=1.0,
        )
        stage.operator.start()
        foundation(stage)
        yield Matrix(stage, gate, say=_say)
        stage.operator.stop()


def _say(what: str) -> None:
    log.info("%s", what)
    if PROGRESS:
        with Path(PROGRESS).open("a") as file:
            file.write(f"{what}\n")


def _parts() -> Iterator[Any]:
    """What is run: a sample, or every scenario struck in every way, so that several processes share it out."""
    asked = os.environ.get(EVERYTHING)
    if asked is None:
        yield pytest.param(lambda matrix: matrix.sample(SEED), id="a sample")
        return
    for scenario in chosen(asked):
        for when in (*When, None):
            yield pytest.param(
                partial(Matrix.cells, scenario=scenario, when=when, every=EVERY),
                id=f"{scenario.title}, {when}",
            )


@pytest.mark.timeout(2 * 3600 if EVERYTHING in os.environ else 600)
@pytest.mark.parametrize("cells", list(_parts()))
def test_a_crash_at_any_write_changes_nothing_about_the_end(
    matrix: Matrix, cells: Callable[[Matrix], Iterable[Cell]]
) -> None:
    results = [matrix.run(cell) for cell in cells(matrix)]
    log.info("%s", table(results))
    assert any(result.struck for result in results)
    assert failures(results) == []


def test_the_log_of_all_this_has_neither_tracebacks_nor_secrets(matrix: Matrix) -> None:
    assert census.indiscretions(matrix.stage, SECRET) == []
