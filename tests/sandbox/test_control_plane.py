from __future__ import annotations

import os
import signal
from pathlib import Path

import kopf
import kubernetes
import pytest

from tenant_operator.sandbox.binaries import ControlPlaneBinaries
from tenant_operator.sandbox.cluster import ControlPlane
from tenant_operator.sandbox.failure import SandboxError
from tests.sandbox.processes import eventually, none_is_running

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, namespace: default}\ndata: {a: b}\n"


def complaint_of(plane: ControlPlane) -> str:
    try:
        plane.check_running()
    except SandboxError as error:
        return str(error)
    return ""


def test_kubectl_and_the_api_server_are_of_one_version(control_plane: ControlPlane) -> None:
    answer = control_plane.run_kubectl("version")

    assert answer.stdout.count(f"v{control_plane.binaries.version}") == 2, answer


def test_the_official_python_client_reads_the_kubeconfig(control_plane: ControlPlane) -> None:
    with kubernetes.config.new_client_from_config(str(control_plane.kubeconfig)) as client:
        namespaces = kubernetes.client.CoreV1Api(client).list_namespace().items

    names = {namespace.metadata.name for namespace in namespaces if namespace.metadata is not None}
    assert "kube-system" in names


def test_kopf_reads_the_kubeconfig(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))

    found = kopf.login_with_kubeconfig(settings=kopf.OperatorSettings())

    assert found is not None
    assert found.server == control_plane.endpoint
    assert found.token
    assert found.ca_data


def test_rbac_refuses_who_has_no_role(control_plane: ControlPlane) -> None:
    answer = control_plane.run_kubectl("get", "namespaces", "--as=system:serviceaccount:default:nobody")

    assert answer.returncode == 1
    assert "Forbidden" in answer.stderr


def test_nobody_else_may_read_the_admins_token(control_plane: ControlPlane) -> None:
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0
    assert (control_plane.folder / "keys").stat().st_mode & 0o077 == 0


def test_a_restart_keeps_the_data_and_the_address(control_plane_binaries: ControlPlaneBinaries) -> None:
    with ControlPlane(binaries=control_plane_binaries) as plane:
        assert plane.run_kubectl("apply", "-f", "-", input=CONFIG_MAP).returncode == 0
        before, endpoint = plane.pids, plane.endpoint

        plane.restart()

        assert plane.run_kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}").stdout == "b"
        assert plane.endpoint == endpoint
        assert plane.pids["etcd"] == before["etcd"]
        assert plane.pids["kube-apiserver"] != before["kube-apiserver"]


def test_an_api_server_that_dies_is_noticed_and_nothing_is_left(
    control_plane_binaries: ControlPlaneBinaries,
) -> None:
    plane = ControlPlane(binaries=control_plane_binaries)
    plane.start()
    pids, folder = plane.pids, plane.folder
    os.kill(pids["kube-apiserver"], signal.SIGKILL)

    assert eventually(lambda: "kube-apiserver ended with exit code -9" in complaint_of(plane))
    plane.stop()
    plane.stop()

    assert none_is_running(pids.values())
    assert not folder.exists()


def test_a_program_that_cannot_start_shows_why_and_leaves_nothing(
    tmp_path: Path, control_plane_binaries: ControlPlaneBinaries
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "etcd").symlink_to(control_plane_binaries.etcd)
    (folder / "kube-apiserver").write_text("#!/bin/sh\necho cannot allocate memory\nexit 137\n")
    (folder / "kube-apiserver").chmod(0o755)
    plane = ControlPlane(tmp_path / "state", binaries=ControlPlaneBinaries(folder, "1.34.9", "a test"))

    with pytest.raises(
        SandboxError, match=r"(?s)kube-apiserver ended with exit code 137.*cannot allocate memory"
    ):
        plane.start()

    assert plane.pids == {}
