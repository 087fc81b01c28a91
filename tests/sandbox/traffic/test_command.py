"""`tenant-operator sandbox traffic`, where it cannot begin; what it tells of a fleet is in tests/e2e/test_traffic.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tenant_operator.cli.sandbox import command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rps", "100000"), "rps must be above 0 and at most 2000"),
        (("--rps", "0"), "rps must be above 0"),
        (("--seconds", "86400"), "seconds must be above 0 and at most 3600"),
    ],
)
def test_a_rate_or_a_time_out_of_bounds_is_wrong_use(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(command, ["traffic", "--state-dir", str(tmp_path), *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_without_a_sandbox_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["traffic", "--state-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert f"tenant-operator sandbox up --state-dir {tmp_path}" in result.output
