"""The official archive of control plane binaries that controller-runtime's tests use ("envtest").

https://book.kubebuilder.io/reference/envtest.html. The project publishes one index of all archives with their SHA-512;
the newest patch release of our minor version is taken.
"""

from __future__ import annotations

import hashlib
import http.client
import queue
import re
import tarfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from tenant_operator.sandbox.binaries import KUBERNETES_MINOR, PROGRAMS, platform_name
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress

INDEX_URL = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
# Name servers and firewalls that say nothing can hold a connection for minutes, address after address; so the first
# answer as a whole has a limit.
_INDEX_SECONDS = 8.0
_STALL_SECONDS = 20.0
_CHUNK_BYTES = 1 << 20
_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class _Release:
    version: str
    url: str
    sha512: str


class EnvtestArchive:
    """Downloads, verifies and unpacks the archive.

    Arguments:
        index_url: the index of archives.
        patience_seconds: how long the index may take altogether.
    """

    name = "the official envtest archive"

    def __init__(self, index_url: str = INDEX_URL, patience_seconds: float = _INDEX_SECONDS) -> None:
        self._index_url = index_url
        self._patience_seconds = patience_seconds

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Put the three programs into `folder`.

        Raises:
            SandboxError: the archive is not reachable, not listed, or not what the index says.
        """
        progress.step(f"Looking for {self.name} of Kubernetes {KUBERNETES_MINOR}")
        release = _newest(_within(self._patience_seconds, self._index_url), KUBERNETES_MINOR, platform_name())
        archive = folder / "envtest.tar.gz"
        try:
            _download(release, archive, progress)
            _unpack(archive, folder)
        finally:
            archive.unlink(missing_ok=True)


def _within(seconds: float, url: str) -> bytes:
    """The body of a URL, if all of it arrives in time.

    Looking up a name has no time-out of its own, so it happens in a thread that nobody waits for.
    """
    _check_url(url)
    answer: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            with _open(url, seconds) as response:
                answer.put(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer.put(error)

    threading.Thread(target=read, name="envtest-index", daemon=True).start()
    try:
        result = answer.get(timeout=seconds)
    except queue.Empty:
        raise SandboxError(f"{url} did not answer within {seconds:g} s") from None
    if isinstance(result, Exception):
        reason = result.reason if isinstance(result, urllib.error.URLError) else result
        raise SandboxError(f"{url} cannot be read: {reason}") from result
    return result


def _check_url(url: str) -> None:
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise SandboxError(f"{url} is not an https URL")


def _open(url: str, stall_seconds: float) -> http.client.HTTPResponse:
    response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=stall_seconds)  # noqa: S310  # checked
    return response


def _newest(index: bytes, minor: str, platform: str) -> _Release:
    try:
        releases = yaml.safe_load(index)["releases"]
        candidates = [
            _Release(version, str(archive["selfLink"]), str(archive["hash"]))
            for version, archives in releases.items()
            if re.fullmatch(rf"v{re.escape(minor)}\.\d+", version)
            for archive_name, archive in archives.items()
            if archive_name == f"envtest-{version}-{platform}.tar.gz"
        ]
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise SandboxError(f"the index of envtest archives cannot be understood: {error!r}") from error
    if not candidates:
        raise SandboxError(f"the index lists no archive of Kubernetes {minor} for {platform}")
    return max(candidates, key=lambda release: int(release.version.rpartition(".")[2]))


def _download(release: _Release, target: Path, progress: Progress) -> None:
    _check_url(release.url)
    progress.step(f"Downloading {release.url}")
    digest, size, started = hashlib.sha512(), 0, time.monotonic()
    try:
        with (
            _open(release.url, _STALL_SECONDS) as response,
            target.open("wb") as output,
        ):
            while chunk := response.read(_CHUNK_BYTES):
                output.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                progress.detail(f"{size / _MEBIBYTE:.0f} MiB, {time.monotonic() - started:.0f} s")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SandboxError(f"the download broke off after {size} bytes: {error}") from error
    if digest.hexdigest() != release.sha512:
        raise SandboxError(
            f"{release.url} has SHA-512 {digest.hexdigest()}, but the index says {release.sha512}"
        )


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as content:
            for member in content:
                program = Path(member.name).name
                if member.isfile() and program in PROGRAMS:
                    _write_program(content.extractfile(member), folder / program)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SandboxError(f"the archive cannot be unpacked: {error}") from error


def _write_program(content: IO[bytes] | None, target: Path) -> None:
    if content is None:
        raise SandboxError(f"the archive holds no content for {target.name}")
    with content, target.open("wb") as output:
        while chunk := content.read(_CHUNK_BYTES):
            output.write(chunk)
    target.chmod(0o755)
