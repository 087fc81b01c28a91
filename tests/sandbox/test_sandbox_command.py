"""`tenant-operator sandbox`, as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tenant_operator.sandbox.aws_process import AwsProcess
from tenant_operator.sandbox.binaries import ControlPlaneBinaries
from tenant_operator.sandbox.cluster import ControlPlane
from tests.sandbox.processes import eventually, none_is_running, processes_naming


@dataclass(frozen=True)
class Shell:
    """A person at a shell, with a state folder."""

    folder: Path

    def arguments(self, subcommand: str, *options: str) -> list[str]:
        command = [sys.executable, "-m", "tenant_operator", "sandbox", subcommand]
        return [*command, "--state-dir", str(self.folder), *options]

    def run(self, subcommand: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(subcommand, *options),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )

    def start(self, subcommand: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.arguments(subcommand, *options), stderr=subprocess.PIPE)

    def up(self, *options: str) -> dict[str, Any]:
        answer = self.run("up", "-o", "json", *options)
        assert answer.returncode == 0, answer.stderr
        return dict(json.loads(answer.stdout))

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "-o", "json").stdout))


@pytest.fixture
def shell(tmp_path: Path, control_plane_binaries: ControlPlaneBinaries) -> Iterator[Shell]:
    assert control_plane_binaries.kubectl.exists()
    shell = Shell(tmp_path / "state")
    yield shell
    shell.run("down")
    assert eventually(lambda: processes_naming(shell.folder) == [])


def test_up_twice_is_one_sandbox_and_down_twice_is_fine(shell: Shell) -> None:
    first = shell.up()
    second = shell.up()
    listed = shell.run("kubectl", "get", "crd", "-o", "name").stdout.split()
    other_profile = shell.run("up", "--profile", "aws")
    downs = [shell.run("down"), shell.run("down")]

    assert first == second == {**first, "phase": "Ready"}
    assert len(listed) == 4
    assert other_profile.returncode == 1
    assert "stop it first" in other_profile.stderr
    assert [down.returncode for down in downs] == [0, 0]
    assert none_is_running([first["owner_pid"], *first["pids"].values()])
    assert not shell.folder.exists()
    assert shell.status()["phase"] == "Stopped"


def test_a_killed_owner_takes_all_with_it_and_up_starts_anew(shell: Shell) -> None:
    first = shell.up()
    os.kill(first["owner_pid"], signal.SIGKILL)

    assert eventually(lambda: none_is_running([first["owner_pid"], *first["pids"].values()]))
    assert shell.status()["phase"] == "Stopped"

    second = shell.up()

    assert second["owner_pid"] != first["owner_pid"]
    assert shell.run("kubectl", "get", "namespaces").returncode == 0


def test_a_starter_that_is_killed_leaves_nothing(shell: Shell) -> None:
    with shell.start("up") as starter:
        assert eventually(lambda: shell.status()["phase"] == "Starting")
        starter.kill()

    assert eventually(lambda: processes_naming(shell.folder) == [])
    assert shell.status()["phase"] == "Stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_a_foreground_sandbox_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    with shell.start("up", "--foreground") as foreground:
        assert eventually(lambda: shell.status()["phase"] == "Ready")
        state = shell.status()
        foreground.send_signal(number)

    assert foreground.returncode == (-number if number == signal.SIGKILL else 0)
    assert eventually(lambda: none_is_running(state["pids"].values()))


def test_when_a_part_dies_the_rest_stops_and_status_says_why(shell: Shell) -> None:
    state = shell.up()
    os.kill(state["pids"]["aws"], signal.SIGKILL)

    assert eventually(lambda: none_is_running([state["owner_pid"], *state["pids"].values()]))
    failed = shell.status()
    assert failed["phase"] == "Failed"
    assert "aws ended with exit code -9" in failed["message"]
    assert shell.up()["phase"] == "Ready"


def test_an_existing_cluster_is_used_instead(shell: Shell, control_plane: ControlPlane) -> None:
    state = shell.up("--kubeconfig", str(control_plane.kubeconfig))

    assert list(state["pids"]) == ["aws"]
    assert state["kubeconfig"] == str(control_plane.kubeconfig)
    assert control_plane.run_kubectl("get", "crd", "tenants.tenant-operator.dev").returncode == 0
    shell.run("down")
    control_plane.check_running()


def test_env_leads_the_shell_to_the_sandbox_and_away_from_real_accounts(
    shell: Shell, control_plane: ControlPlane
) -> None:
    state = shell.up("--kubeconfig", str(control_plane.kubeconfig))

    lines = shell.run("env", AWS_PROFILE="production", https_proxy="http://proxy:3128").stdout.splitlines()

    assert {"unset AWS_PROFILE", "unset https_proxy"} <= set(lines)
    assert f"export KUBECONFIG={control_plane.kubeconfig}" in lines
    assert f"export AWS_ENDPOINT_URL={state['aws_endpoint_url']}" in lines


def test_without_a_sandbox_one_is_told_how_to_start_it(shell: Shell) -> None:
    for subcommand in ("env", "kubectl"):
        answer = shell.run(subcommand)
        assert answer.returncode == 1
        assert f"tenant-operator sandbox up --state-dir {shell.folder}" in answer.stderr
    assert shell.run("status").returncode == 0


def test_a_folder_with_other_files_is_left_alone(shell: Shell) -> None:
    shell.folder.mkdir()
    (shell.folder / "thesis.txt").write_text("years of work")

    up, down = shell.run("up"), shell.run("down")

    assert up.returncode == 1
    assert "no sandbox's" in up.stderr
    assert down.returncode == 0
    assert (shell.folder / "thesis.txt").read_text() == "years of work"


def test_the_simulated_aws_answers_with_the_settings_it_gives(aws: AwsProcess) -> None:
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"

    answer = subprocess.run(
        [sys.executable, "-c", script], env=aws.environment(), capture_output=True, text=True, check=False
    )

    assert answer.stdout.strip() == aws.account, answer.stderr
