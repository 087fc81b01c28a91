"""Programs in Go that tests run: Helm and kstatus, built once for a machine from `tests/deploy/tools`.

Helm takes one to three minutes on two cores, so both stay in the cache folder, by what they were built from. `go.sum`
holds what each module must hash to (https://go.dev/ref/mod#go-sum-files).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from tenant_operator.sandbox.binaries import KUBERNETES_MINOR, cache_folder
from tenant_operator.sandbox.go_toolchain import find_go
from tenant_operator.sandbox.progress import SilentProgress

MODULE = Path(__file__).parent / "tools"
PACKAGES = {"helm": "helm.sh/helm/v3/cmd/helm", "kstatus": "./kstatus"}
BUILD_SECONDS = 900
"""With everything to fetch and compile on two cores that others use too."""


def go_tool(name: str) -> Path:
    """The program `helm` or `kstatus`; it is built when the cache has none of this version.

    Raises:
        subprocess.CalledProcessError: it cannot be built; the compiler's words are on standard error.
        SandboxError: there is no Go and none can be installed.
    """
    package = PACKAGES[name]
    folder = cache_folder(os.environ) / "test-tools"
    program = folder / f"{name}-{_digest()}"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as building:
                _build(package, Path(building) / name)
                (Path(building) / name).rename(program)
    return program


def _build(package: str, target: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    go = find_go(cache_folder(os.environ) / "toolchain", environment, SilentProgress())
    subprocess.run(
        [
            str(go),
            "build",
            "-trimpath",
            "-buildvcs=false",
            f"-ldflags={_linker_flags()}",
            "-o",
            str(target),
            package,
        ],
        cwd=MODULE,
        env=environment,
        check=True,
        timeout=BUILD_SECONDS,
    )


def _linker_flags() -> str:
    """Without the Kubernetes version, as Helm's own Makefile gives it, Helm takes itself to be for Kubernetes 1.20."""
    major, minor = KUBERNETES_MINOR.split(".")
    packages = ("helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules")
    versions = [
        f"-X {p}.k8sVersion{part}={value}"
        for p in packages
        for part, value in (("Major", major), ("Minor", minor))
    ]
    return " ".join(["-s", "-w", *versions])


def _digest() -> str:
    """Changes whenever the programs would."""
    digest = hashlib.sha256(_linker_flags().encode())
    for path in sorted([MODULE / "go.mod", MODULE / "go.sum", *MODULE.rglob("*.go")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
