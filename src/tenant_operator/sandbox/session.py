"""One sandbox: a control plane and a simulated AWS, with the CRDs installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tenant_operator.sandbox.aws_process import AwsProcess, Profile
from tenant_operator.sandbox.cluster import ControlPlane, run_kubectl
from tenant_operator.sandbox.environment import INSTALLATION_ID
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress, SilentProgress
from tenant_operator.sandbox.state_folder import SandboxState, StateFolder

_WATCH_SECONDS = 0.5


class Sandbox:
    """Starts and stops one sandbox; as a context manager it is stopped whatever happens inside.

    Arguments:
        state_dir: its state folder; absent: a temporary one that goes with it.
        aws_profile: how long things take in the simulated AWS.
        kubeconfig: an existing cluster to use instead of starting one.
        progress: told what is awaited.
    """

    def __init__(
        self,
        state_dir: Path | None = None,
        aws_profile: Profile = "fast",
        *,
        kubeconfig: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._is_temporary = state_dir is None
        self.folder = StateFolder(state_dir or Path(tempfile.mkdtemp(prefix="tenant-operator-sandbox-")))
        self._progress = _ProgressInState(self, progress or SilentProgress())
        self._foreign_kubeconfig = kubeconfig.expanduser().absolute() if kubeconfig else None
        self._control_plane = None if kubeconfig else ControlPlane(self.folder.path, progress=self._progress)
        self.aws = AwsProcess(aws_profile, folder=self.folder.path, progress=self._progress)
        self._ownership = self.folder.owned()
        self._is_owner = False
        self._state = SandboxState()

    @property
    def control_plane(self) -> ControlPlane:
        """The embedded control plane.

        Raises:
            SandboxError: this sandbox uses an existing cluster.
        """
        if self._control_plane is None:
            raise SandboxError("this sandbox uses an existing cluster and has no control plane of its own")
        return self._control_plane

    @property
    def kubeconfig(self) -> Path:
        """How to reach the cluster, as its admin."""
        return self._foreign_kubeconfig or self.control_plane.kubeconfig

    @property
    def kubectl_program(self) -> Path:
        """kubectl: the control plane's own, or with an existing cluster the one on PATH.

        Raises:
            SandboxError: an existing cluster is used and PATH has no kubectl.
        """
        if self._control_plane is not None:
            return self._control_plane.kubectl
        on_path = shutil.which("kubectl")
        if on_path is None:
            raise SandboxError("kubectl is not on PATH; install it, or leave out --kubeconfig")
        return Path(on_path)

    @property
    def aws_endpoint_url(self) -> str:
        """The simulated AWS's URL."""
        return self.aws.endpoint_url

    @property
    def state(self) -> SandboxState:
        """What `sandbox status` shows."""
        return self._state

    def start(self) -> None:
        """Start everything, install the CRDs, and return when all is ready.

        Raises:
            SandboxError: the folder is in use, or a part does not come up.
        """
        self._ownership.__enter__()
        self._is_owner = True
        try:
            self.report(
                SandboxState(
                    phase="Starting",
                    owner_pid=os.getpid(),
                    started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    profile=self.aws.profile,
                )
            )
            if self._control_plane is not None:
                self._control_plane.launch()
            self.aws.launch()
            # a second of imports, while the others start
            from tenant_operator.sandbox.custom_resources import install_custom_resources

            if self._control_plane is not None:
                self._control_plane.await_ready()
            install_custom_resources(self.kubeconfig, self._progress)
            self.aws.await_ready()
            self.report(self._ready_state())
        except BaseException as error:
            self._end(_failure(error))
            raise

    def watch(self, until: Callable[[], bool]) -> None:
        """Stay until `until` says true, or a part of the sandbox ends by itself.

        Raises:
            SandboxError: a part ended; the state says so too.
        """
        try:
            while not until():
                self.aws.check_running()
                if self._control_plane is not None:
                    self._control_plane.check_running()
                time.sleep(_WATCH_SECONDS)
        except SandboxError as error:
            self._end(str(error))
            raise

    def stop(self) -> None:
        """Stop everything and remove the state folder. Again: nothing happens."""
        self._end(None)

    def kubectl(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin.

        Arguments:
            arguments: kubectl's, such as `"get", "tiers", "-o", "json"`.
            input: its standard input, for `-f -`.

        Returns:
            What it printed and its exit code, whatever that is.
        """
        return run_kubectl(self.kubectl_program, self.kubeconfig, *arguments, input=input)

    def aws_environment(self) -> dict[str, str]:
        """This process's whole environment, led to the simulated AWS: no real credentials, profiles or proxies."""
        return self.aws.environment()

    def operator_environment(self) -> dict[str, str]:
        """The whole environment in which `tenant-operator run` works on this sandbox."""
        return {**self.aws_environment(), **self.settings()}

    def settings(self) -> dict[str, str]:
        """The environment variables to set (`sandbox env` prints them): the cluster, the AWS, the installation's id."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "TENANT_OPERATOR_INSTALLATION_ID": INSTALLATION_ID,
            **self.aws.settings(),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ready_state(self) -> SandboxState:
        plane = self._control_plane
        return replace(
            self._state,
            phase="Ready",
            message="",
            pids={**(plane.pids if plane else {}), **self.aws.pids},
            kubernetes_version=plane.binaries.version if plane else "",
            binaries=plane.binaries.source if plane else "",
            kubeconfig=str(self.kubeconfig),
            kubectl=str(plane.kubectl) if plane else (shutil.which("kubectl") or ""),
            kubernetes_endpoint=plane.endpoint if plane else "",
            aws_endpoint_url=self.aws.endpoint_url,
            account=self.aws.account,
            environment=self.settings(),
        )

    def report(self, state: SandboxState) -> None:
        """Make a state known to whoever reads the folder."""
        self._state = replace(state, folder=str(self.folder.path))
        self.folder.write(self._state)

    def _end(self, failure: str | None) -> None:
        """Stop all parts; keep the folder with its logs when something failed, unless it is temporary."""
        self.aws.stop()
        if self._control_plane is not None:
            self._control_plane.stop()
        if not self._is_owner:
            return
        if failure is not None:
            self.report(replace(self._state, phase="Failed", message=failure, pids={}))
        self._is_owner = False
        is_kept = failure is not None and not self._is_temporary
        if not is_kept:
            self.folder.clear()
        self._ownership.__exit__(None, None, None)
        if not is_kept:
            self.folder.remove()


class _ProgressInState:
    """Shows the present step in the state too, for another process may be waiting for this sandbox."""

    def __init__(self, sandbox: Sandbox, shown: Progress) -> None:
        self._sandbox = sandbox
        self._shown = shown

    def step(self, text: str) -> None:
        self._sandbox.report(replace(self._sandbox.state, message=text))
        self._shown.step(text)

    def detail(self, text: str) -> None:
        self._shown.detail(text)


def _failure(error: BaseException) -> str | None:
    """What the state says of an error; an interruption is none."""
    if not isinstance(error, Exception):
        return None
    return str(error) if isinstance(error, SandboxError) else repr(error)
