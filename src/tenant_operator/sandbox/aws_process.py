"""The simulated AWS as a process of its own, tied to this one."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tenant_operator.sandbox.environment import aws_settings, without_foreign
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress, SilentProgress
from tenant_operator.sandbox.tied_process import TiedProcess

Profile = Literal["fast", "aws"]

_READY_SECONDS = 60.0  # 2 s on an idle machine, most of it moto's imports
_POLL_SECONDS = 0.05


class AwsProcess:
    """Starts and stops one simulated AWS; as a context manager it is stopped whatever happens inside.

    It holds its state in memory: what is stopped is forgotten.

    Arguments:
        profile: how long things take; `fast` shrinks every wait, `aws` takes the time that AWS takes.
        folder: where its log and ready file live; absent: a temporary folder that goes with it.
        arguments: more arguments for `python -m tenant_operator.sandbox.aws`.
        progress: told what is awaited.
    """

    def __init__(
        self,
        profile: Profile = "fast",
        *,
        folder: Path | None = None,
        arguments: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        self._is_temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tenant-operator-aws-"))
        self.profile = profile
        self._ready_file = self.folder / "aws.json"
        self._arguments = tuple(arguments)
        self._progress = progress or SilentProgress()
        self._process: TiedProcess | None = None
        self.endpoint_url = ""
        self.access_key_id = ""
        self.secret_access_key = ""
        self.account = ""

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by program name, of what was started."""
        return {} if self._process is None else {"aws": self._process.pid}

    def start(self) -> None:
        """Start it and return when it answers.

        Raises:
            SandboxError: it does not come up; the message holds the end of its log.
        """
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start it and return at once; `await_ready` must follow. What else takes its time can be done in between."""
        self._progress.step("Starting the simulated AWS")
        logs = self.folder / "logs"
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tenant_operator.sandbox.aws", "--host", "127.0.0.1", "--port", "0"]
        command += ["--ready-file", str(self._ready_file), "--profile", self.profile, *self._arguments]
        environment = without_foreign(os.environ)
        self._process = TiedProcess("aws", command, logs / "aws.log", environment=environment)

    def await_ready(self) -> None:
        """Return when it answers.

        Raises:
            SandboxError: it does not come up, and is stopped; the message holds the end of its log.
        """
        try:
            self._read_ready_file()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and, if the folder is a temporary one, remove it. Again: nothing happens."""
        if self._process is not None:
            self._process.stop(grace_seconds=2)
            self._process = None
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def check_running(self) -> None:
        """Make sure that it still runs.

        Raises:
            SandboxError: it has ended by itself.
        """
        if self._process is not None:
            self._process.check_running()

    def settings(self) -> dict[str, str]:
        """The environment variables by which boto3 and the AWS CLI reach it."""
        return aws_settings(self.endpoint_url, self.access_key_id, self.secret_access_key)

    def environment(self) -> dict[str, str]:
        """This process's whole environment, led to the simulated AWS: no real credentials, profiles or proxies."""
        return {**without_foreign(os.environ), **self.settings()}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_ready_file(self) -> None:
        if self._process is None:
            raise SandboxError("the simulated AWS was not launched; call start() instead")
        started = time.monotonic()
        while not self._ready_file.exists():
            self._process.check_running()
            if time.monotonic() - started > _READY_SECONDS:
                raise SandboxError(
                    f"the simulated AWS is not ready after {_READY_SECONDS:.0f} s; the end of {self._process.log}:\n"
                    f"{self._process.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)
        ready = json.loads(self._ready_file.read_text())
        self.endpoint_url = str(ready["endpoint"])
        self.access_key_id = str(ready["access_key_id"])
        self.secret_access_key = str(ready["secret_access_key"])
        self.account = str(ready["account"])
