"""A small sample of the traffic proof; `make traffic-proof` runs as many as wanted and shrinks what fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenant_operator.sandbox.binaries import ControlPlaneBinaries
from tests.proof.run import described, run
from tests.proof.sequences import random_sequence

SEED, LENGTH = 20261121, 6


@pytest.mark.e2e
@pytest.mark.parametrize("number", [0, 1])
def test_a_random_sequence_of_changes_loses_no_request(
    number: int, control_plane_binaries: ControlPlaneBinaries, tmp_path: Path
) -> None:
    assert control_plane_binaries.kubectl.exists()
    steps = random_sequence(f"{SEED}/{number}", LENGTH)
    verdict = run(steps, tmp_path)
    assert not verdict.faults, "\n".join((described(steps), *verdict.faults))
    assert verdict.requests > 0
