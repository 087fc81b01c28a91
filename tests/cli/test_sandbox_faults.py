"""`tenant-operator sandbox fault` and `sandbox set`, as a person types them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tenant_operator.cli.sandbox import command
from tenant_operator.cli.sandbox_faults import KINDS
from tenant_operator.sandbox.aws.faults import FaultKind
from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.state_folder import SandboxState, StateFolder

Type = Callable[..., Result]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sandbox whose simulated AWS runs."""
    folder = StateFolder(tmp_path_factory.mktemp("sandbox") / "state")
    with AwsProcess() as aws, folder.owned():
        folder.write(SandboxState(phase="Ready", owner_pid=os.getpid(), aws_endpoint_url=aws.endpoint_url))
        yield folder.path


@pytest.fixture
def type_(sandbox: Path) -> Type:
    def run(*words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--state-dir", str(sandbox)])

    return run


def test_a_fault_is_added_listed_and_ended(type_: Type) -> None:
    added = type_("fault", "add", "throttle", "--service", "ecs", "--action", "Create*", "--count", "3")
    assert added.exit_code == 0, added.output
    number = added.output.strip()
    listed = type_("fault", "list").output
    assert f"{number}  throttle  service=ecs action=Create*  hits: 0" in listed
    [fault] = json.loads(type_("fault", "list", "-o", "json").output)
    assert (fault["count"], fault["probability"]) == (3, 1.0)
    assert type_("fault", "clear", number).output == "ended: 1\n"
    assert type_("fault", "list").output == ""


def test_all_faults_are_ended_at_once(type_: Type) -> None:
    for kind in ("deny", "delay"):
        type_("fault", "add", kind, "--account", "222222222222")
    assert type_("fault", "clear").output == "ended: 2\n"


def test_settings_are_changed_and_shown(type_: Type) -> None:
    shown = type_("set", "staleness=2", "trail_lost=0.1", "throttles=on")
    assert shown.exit_code == 0, shown.output
    settings = json.loads(shown.output)
    assert (settings["durations"]["staleness"], settings["imperfections"]["trail_lost"]) == (2, 0.1)
    assert settings["throttles"]["enabled"] is True
    assert json.loads(type_("set").output) == settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("lunch=1", "unknown setting 'lunch'; known are"),
        ("staleness", "not of the form NAME=VALUE"),
        ("staleness=soon", "staleness must be a number"),
        ("trail_lost=2", "trail_lost must be between 0 and 1"),
        ("throttles=maybe", "throttles must be on or off"),
        ("profile=slow", "profile must be aws or fast"),
    ],
)
def test_a_wrong_setting_is_told_what_to_write(type_: Type, setting: str, message: str) -> None:
    answer = type_("set", setting)
    assert answer.exit_code != 0
    assert message in answer.output


def test_every_kind_of_fault_can_be_typed() -> None:
    assert {kind.value for kind in FaultKind} == set(KINDS)
