"""Does a program run at all, and which version does it say it is?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tenant_operator.sandbox.binaries import PROGRAMS
from tenant_operator.sandbox.failure import SandboxError

_VERSION_ARGUMENTS = {
    "etcd": ["--version"],
    "kube-apiserver": ["--version"],
    "kubectl": ["version", "--client"],
}
_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+\S*)")
_SECONDS = 60.0  # they answer in 0.1 s; a cold disk or a busy machine may take longer


def check_programs(folder: Path) -> str:
    """Run each of the control plane's programs once.

    Arguments:
        folder: holds etcd, kube-apiserver and kubectl.

    Returns:
        The version of kube-apiserver, such as `1.34.3`.

    Raises:
        SandboxError: one is not there, does not run, or names no version.
    """
    return {program: program_version(folder / program) for program in PROGRAMS}["kube-apiserver"]


def program_version(program: Path) -> str:
    """Run one of the control plane's programs and return the version that it prints.

    Raises:
        SandboxError: it is not there, does not run, or names no version.
    """
    try:
        result = subprocess.run(
            [str(program), *_VERSION_ARGUMENTS[program.name]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{program} does not run: {error}") from error
    found = _VERSION.search(result.stdout)
    if result.returncode != 0 or not found:
        said = (result.stderr or result.stdout).strip()[:500]
        raise SandboxError(
            f"{program} does not run: exit code {result.returncode}, {said or 'nothing printed'}"
        )
    return found[1]
