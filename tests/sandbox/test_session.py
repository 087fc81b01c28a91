"""`Sandbox`, as a test or a demo uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenant_operator.sandbox import Sandbox
from tenant_operator.sandbox.cluster import ControlPlane
from tenant_operator.sandbox.failure import SandboxError
from tests.sandbox.processes import eventually, none_is_running

ACCOUNT = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"


def test_two_sandboxes_run_side_by_side(
    sandbox: Sandbox, control_plane: ControlPlane, tmp_path: Path
) -> None:
    with Sandbox(tmp_path / "other", kubeconfig=control_plane.kubeconfig) as other:
        assert sandbox.kubeconfig != other.kubeconfig
        assert sandbox.aws_endpoint_url != other.aws_endpoint_url
        for each in (sandbox, other):
            answer = each.kubectl("get", "tenancy", "--all-namespaces")
            assert (answer.returncode, answer.stdout) == (0, ""), answer.stderr


def test_the_operators_environment_leads_to_the_sandbox_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    environment = sandbox.operator_environment()

    answer = subprocess.run(
        [sys.executable, "-c", ACCOUNT], env=environment, capture_output=True, text=True, check=False
    )

    assert answer.stdout.strip() == sandbox.state.account, answer.stderr
    assert environment["KUBECONFIG"] == str(sandbox.kubeconfig)
    assert environment["TENANT_OPERATOR_INSTALLATION_ID"]
    assert environment["PATH"] == os.environ["PATH"]


def test_leaving_by_an_error_stops_everything(control_plane: ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    sandbox = Sandbox(folder, kubeconfig=control_plane.kubeconfig)

    with pytest.raises(ZeroDivisionError), sandbox:
        raise ZeroDivisionError

    assert eventually(lambda: none_is_running(sandbox.state.pids.values()))
    assert not folder.exists()


def test_a_state_folder_belongs_to_one_sandbox(control_plane: ControlPlane, tmp_path: Path) -> None:
    with (
        Sandbox(tmp_path / "state", kubeconfig=control_plane.kubeconfig) as first,
        pytest.raises(SandboxError, match="--state-dir"),
    ):
        Sandbox(tmp_path / "state", kubeconfig=control_plane.kubeconfig).start()

    assert first.state.phase == "Ready"


@pytest.mark.parametrize("broken", ["https://127.0.0.1:1", "'"])
def test_a_cluster_that_cannot_be_reached_is_said_so(
    control_plane: ControlPlane, tmp_path: Path, broken: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(control_plane.kubeconfig.read_text().replace(control_plane.endpoint, broken))

    with pytest.raises(SandboxError, match="cannot be used"):
        Sandbox(tmp_path / "state", kubeconfig=kubeconfig).start()
