"""Where etcd, kube-apiserver and kubectl come from: the first of four sources that has them.

    KUBEBUILDER_ASSETS ─► the cache ─► the official envtest archive ─► a build from Go modules
    (the person's own)                 (needs the internet)            (minutes; needs a Go module proxy)

The last two fill the cache. docs/adr/0002-control-plane-binaries.md says why.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress

KUBERNETES_MINOR = "1.34"
PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class ControlPlaneBinaries:
    """Three programs in one folder, and where they came from."""

    folder: Path
    version: str
    source: str

    @property
    def etcd(self) -> Path:
        """The store."""
        return self.folder / "etcd"

    @property
    def kube_apiserver(self) -> Path:
        """The API server."""
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        """The command line, of the API server's version."""
        return self.folder / "kubectl"


def find_binaries(progress: Progress, environment: Mapping[str, str] = os.environ) -> ControlPlaneBinaries:
    """Find the control plane's binaries; fetch or build them when they are nowhere.

    Arguments:
        progress: told what is tried, and how far it is.
        environment: read for KUBEBUILDER_ASSETS, TENANT_OPERATOR_CACHE, XDG_CACHE_HOME, HOME and PATH.

    Returns:
        Binaries that have been run once, or are byte for byte what was run once.

    Raises:
        SandboxError: KUBEBUILDER_ASSETS does not hold them, or no source has them; the message says why each failed.
    """
    # Imported here, for these import this module's names.
    from tenant_operator.sandbox.binary_cache import BinaryCache, own_assets
    from tenant_operator.sandbox.envtest_archive import EnvtestArchive
    from tenant_operator.sandbox.go_build import GoBuild

    assets = environment.get("KUBEBUILDER_ASSETS")
    if assets:
        return own_assets(Path(assets))
    cache = BinaryCache(cache_folder(environment))
    return cache.get([EnvtestArchive(), GoBuild(environment, cache.folder / "toolchain")], progress)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder that outlives sandboxes: TENANT_OPERATOR_CACHE, or `tenant-operator` in the XDG cache folder.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    override = environment.get("TENANT_OPERATOR_CACHE")
    if override:
        return Path(override).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "tenant-operator"


def platform_name() -> str:
    """This machine as Go names it, such as `linux-amd64`.

    Raises:
        SandboxError: the sandbox does not run here.
    """
    system, machine = platform.system().lower(), platform.machine().lower()
    if system != "linux" or machine not in _ARCHITECTURES:
        raise SandboxError(
            f"the sandbox runs on Linux on amd64 or arm64, not on {system} {machine}; "
            "run it in a Linux container, or use an existing cluster with --kubeconfig"
        )
    return f"{system}-{_ARCHITECTURES[machine]}"
