"""The embedded control plane: a real etcd and a real kube-apiserver (RBAC on), on loopback, for one owner."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import random
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tenant_operator.sandbox.binaries import ControlPlaneBinaries, find_binaries
from tenant_operator.sandbox.certificates import ControlPlaneKeys, create_keys
from tenant_operator.sandbox.environment import without_foreign
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress, SilentProgress
from tenant_operator.sandbox.tied_process import TiedProcess

ADMIN = "sandbox-admin"
CONTEXT = "tenant-operator-sandbox"
_LOOPBACK = "127.0.0.1"
# Below Linux's ephemeral ports (32768 and up): no outgoing connection takes one between its choice and its use.
_PORTS = range(20_000, 32_000)
_START_ATTEMPTS = 3  # a port can still be taken by a neighbour that chose it in the same moment
_READY_SECONDS = 120.0  # 3 s on an idle machine; much more where two cores are shared by many builds
_POLL_SECONDS = 0.05


class ControlPlane:
    """Starts and stops one control plane; as a context manager it is stopped whatever happens inside.

    There is no controller manager, no scheduler and no kubelet: objects are stored, validated, watched and guarded by
    RBAC, but a namespace that is deleted stays Terminating and no Pod runs.

    Arguments:
        folder: where its data, keys, logs and kubeconfig live; absent: a temporary folder that goes with it.
        binaries: what to run; absent: found as `find_binaries` does, which can take minutes the first time.
        progress: told what is awaited.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binaries: ControlPlaneBinaries | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._is_temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tenant-operator-"))
        self._progress = progress or SilentProgress()
        self._binaries = binaries
        self._token = secrets.token_urlsafe(32)
        self._keys: ControlPlaneKeys | None = None
        self._etcd: TiedProcess | None = None
        self._apiserver: TiedProcess | None = None
        self.port = 0
        self.kubeconfig = self.folder / "kubeconfig"

    @property
    def binaries(self) -> ControlPlaneBinaries:
        """What it runs; found on first use."""
        if self._binaries is None:
            self._binaries = find_binaries(self._progress)
        return self._binaries

    @property
    def kubectl(self) -> Path:
        """A kubectl of the API server's version."""
        return self.binaries.kubectl

    @property
    def endpoint(self) -> str:
        """The API server's URL."""
        return f"https://{_LOOPBACK}:{self.port}"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by program name, of what was started."""
        return {process.name: process.pid for process in (self._etcd, self._apiserver) if process is not None}

    def start(self) -> None:
        """Start both programs and return when the API server is ready.

        Raises:
            SandboxError: the binaries cannot be had, or a program does not come up; then the end of its log is shown.
        """
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start both programs and return at once; `await_ready` must follow. Much else can be done in between.

        Raises:
            SandboxError: the binaries cannot be had.
        """
        binaries = self.binaries
        try:
            self._prepare_folder()
            self._progress.step(f"Starting etcd and kube-apiserver {binaries.version}")
            self._etcd = self._start_etcd()
            self.port = free_port()
            self._apiserver = self._run_apiserver()
        except BaseException:
            self.stop()
            raise

    def await_ready(self) -> None:
        """Return when the API server is ready.

        Raises:
            SandboxError: a program does not come up; the end of its log is shown, and both are stopped.
        """
        try:
            for attempt in range(1, _START_ATTEMPTS + 1):
                try:
                    self._poll_until_ready()
                except SandboxError as error:
                    if attempt == _START_ATTEMPTS or "address already in use" not in str(error):
                        raise
                    self.port = free_port()
                    self._apiserver = self._run_apiserver()
                else:
                    return
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        """Stop the API server and start it again, on the same port and with the same data, and return when it is ready.

        Raises:
            SandboxError: it does not come up again.
        """
        if self._apiserver is None:
            raise SandboxError("the control plane was not started; call start() first")
        self._apiserver.stop()
        self._apiserver = self._run_apiserver()
        self._poll_until_ready()

    def stop(self) -> None:
        """Stop both programs and, if the folder is a temporary one, remove it. Again: nothing happens."""
        # The data is thrown away, so nothing is lost by not waiting for kube-apiserver's graceful end.
        for process in (self._apiserver, self._etcd):
            if process is not None:
                process.kill()
        self._apiserver = self._etcd = None
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def check_running(self) -> None:
        """Make sure that both programs still run.

        Raises:
            SandboxError: one has ended by itself.
        """
        for process in (self._etcd, self._apiserver):
            if process is not None:
                process.check_running()

    def run_kubectl(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin.

        Arguments:
            arguments: kubectl's, such as `"get", "tiers", "-o", "json"`.
            input: its standard input, for `-f -`.

        Returns:
            What it printed and its exit code, whatever that is.
        """
        return run_kubectl(self.kubectl, self.kubeconfig, *arguments, input=input)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare_folder(self) -> None:
        for name in ("etcd", "keys", "logs"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keys = create_keys(self.folder / "keys")
        _write_private(self.folder / "keys" / "tokens.csv", f"{self._token},{ADMIN},{ADMIN},system:masters\n")

    def _start_etcd(self) -> TiedProcess:
        # A UNIX socket needs no free port and lets in nobody else; its path is relative, for it may hold 107 characters
        # only. The peer and the advertised URL must be host:port, but a lone member never uses them.
        command = [
            str(self.binaries.etcd),
            "--name=sandbox",
            f"--data-dir={self.folder / 'etcd'}",
            "--listen-client-urls=unix://etcd.sock",
            f"--advertise-client-urls=http://{_LOOPBACK}:0",
            f"--listen-peer-urls=http://{_LOOPBACK}:0",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        return TiedProcess("etcd", command, self.folder / "logs" / "etcd.log", directory=self.folder)

    def _run_apiserver(self) -> TiedProcess:
        assert self._keys is not None, "the folder is prepared before anything runs"
        command = [
            str(self.binaries.kube_apiserver),
            "--etcd-servers=unix://etcd.sock",
            f"--bind-address={_LOOPBACK}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._keys.serving_certificate}",
            f"--tls-private-key-file={self._keys.serving_key}",
            f"--cert-dir={self.folder / 'keys'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._keys.service_account_key}",
            f"--service-account-signing-key-file={self._keys.service_account_key}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'keys' / 'tokens.csv'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            # It waits for a controller manager to make each namespace's default service account, which is not here.
            "--disable-admission-plugins=ServiceAccount",
            "--profiling=false",
        ]
        log = self.folder / "logs" / "kube-apiserver.log"
        self._write_kubeconfig()
        return TiedProcess("kube-apiserver", command, log, directory=self.folder)

    def _poll_until_ready(self) -> None:
        assert self._keys is not None
        assert self._etcd is not None
        assert self._apiserver is not None
        context = ssl.create_default_context(cafile=str(self._keys.authority))
        started = time.monotonic()
        while not _answers_ready(self.port, self._token, context):
            self._etcd.check_running()
            self._apiserver.check_running()
            waited = time.monotonic() - started
            if waited > _READY_SECONDS:
                raise SandboxError(
                    f"kube-apiserver is not ready after {_READY_SECONDS:.0f} s; the end of {self._apiserver.log}:\n"
                    f"{self._apiserver.log_tail()}"
                )
            self._progress.detail(f"waiting for kube-apiserver, {waited:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _write_kubeconfig(self) -> None:
        assert self._keys is not None
        authority = base64.b64encode(self._keys.authority.read_bytes()).decode()
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": CONTEXT,
                    "cluster": {"server": self.endpoint, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": ADMIN, "user": {"token": self._token}}],
            "contexts": [
                {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": ADMIN, "namespace": "default"}}
            ],
            "current-context": CONTEXT,
        }
        _write_private(self.kubeconfig, yaml.safe_dump(document, sort_keys=False))


def run_kubectl(
    kubectl: Path, kubeconfig: Path, *arguments: str, input: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a kubectl against a kubeconfig; what it printed and its exit code come back, whatever that is."""
    return subprocess.run(
        [str(kubectl), f"--kubeconfig={kubeconfig}", *arguments],
        input=input,
        capture_output=True,
        text=True,
        check=False,
        env=without_foreign(os.environ),
    )


def free_port() -> int:
    """A loopback port that nobody listens on.

    Raises:
        SandboxError: none was found.
    """
    for port in random.sample(_PORTS, k=100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((_LOOPBACK, port))
            return port
    raise SandboxError(f"no free port between {_PORTS.start} and {_PORTS.stop - 1} on {_LOOPBACK}")


def _answers_ready(port: int, token: str, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(_LOOPBACK, port, context=context, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
