"""The cache of control plane binaries: filled once, whole or not at all, and mended when it is broken."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tenant_operator.sandbox.binaries import KUBERNETES_MINOR, PROGRAMS, ControlPlaneBinaries, platform_name
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.program_check import check_programs
from tenant_operator.sandbox.progress import Progress

_MANIFEST = "manifest.json"
_POLL_SECONDS = 0.5


class BinarySource(Protocol):
    """Somewhere that binaries can be had from."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Put etcd, kube-apiserver and kubectl into an empty folder.

        Raises:
            SandboxError: they cannot be had from here.
        """


class BinaryCache:
    """A folder of binaries by Kubernetes version and platform.

    An entry is made beside its place and renamed into it, so a reader sees a whole one or none. Its manifest holds each
    program's SHA-256: an entry that does not match (a full disk, a bad copy) is made again.

    Arguments:
        folder: the cache folder; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entry = folder / "control-plane" / f"kubernetes-{KUBERNETES_MINOR}-{platform_name()}"

    def get(self, sources: Sequence[BinarySource], progress: Progress) -> ControlPlaneBinaries:
        """The entry, from the first source that works if it is not there or broken.

        Only one process fills the cache at a time; others wait for it.

        Raises:
            SandboxError: every source failed; the message has each one's reason.
        """
        found = self._read()
        if found:
            return found
        self._entry.parent.mkdir(parents=True, exist_ok=True)
        with self._filling(progress):
            return self._read() or self._fill(sources, progress)

    def _read(self) -> ControlPlaneBinaries | None:
        try:
            manifest = json.loads((self._entry / _MANIFEST).read_text())
            version, source, sums = (
                str(manifest["version"]),
                str(manifest["source"]),
                dict(manifest["sha256"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if sums != _checksums(self._entry):
            return None
        return ControlPlaneBinaries(self._entry, version, source)

    def _fill(self, sources: Sequence[BinarySource], progress: Progress) -> ControlPlaneBinaries:
        if self._entry.exists():
            progress.step(f"The cached binaries in {self._entry} are incomplete or damaged: replacing them")
        failures: list[str] = []
        for source in sources:
            try:
                return self._fill_from(source, progress)
            except SandboxError as error:
                failures.append(f"{source.name}: {error}")
                progress.step(f"Not from {source.name}: {_first_line(str(error))}")
        reasons = "\n".join(f"- {failure}" for failure in failures)
        raise SandboxError(
            f"etcd, kube-apiserver and kubectl cannot be had:\n{reasons}\n"
            "Put the three programs into a folder and name it in KUBEBUILDER_ASSETS, "
            "or use an existing cluster with --kubeconfig."
        )

    def _fill_from(self, source: BinarySource, progress: Progress) -> ControlPlaneBinaries:
        with tempfile.TemporaryDirectory(dir=self._entry.parent, prefix="filling-") as name:
            folder = Path(name) / "entry"
            folder.mkdir()
            source.fetch(folder, progress)
            version = check_programs(folder)
            manifest = {"version": version, "source": source.name, "sha256": _checksums(folder)}
            (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2))
            _replace(self._entry, folder)
        return ControlPlaneBinaries(self._entry, version, source.name)

    @contextlib.contextmanager
    def _filling(self, progress: Progress) -> Iterator[None]:
        with (self._entry.parent / f"{self._entry.name}.lock").open("w") as lock:
            started = time.monotonic()
            while not _try_lock(lock.fileno()):
                waited = time.monotonic() - started
                progress.detail(f"another process is filling the cache; waiting, {waited:.0f} s")
                time.sleep(_POLL_SECONDS)
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        for leftover in self._entry.parent.glob(
            "filling-*"
        ):  # of a process that was killed; the lock says nobody else is here
            shutil.rmtree(leftover, ignore_errors=True)


def own_assets(folder: Path) -> ControlPlaneBinaries:
    """The binaries in the folder that KUBEBUILDER_ASSETS names.

    Raises:
        SandboxError: they are not all there, or do not run.
    """
    missing = [program for program in PROGRAMS if not (folder / program).is_file()]
    if missing:
        raise SandboxError(
            f"KUBEBUILDER_ASSETS is {folder}, which lacks {', '.join(missing)}; "
            "unset it, or point it at a folder with etcd, kube-apiserver and kubectl"
        )
    folder = folder.absolute()
    return ControlPlaneBinaries(folder, check_programs(folder), "KUBEBUILDER_ASSETS")


def _checksums(folder: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    for program in PROGRAMS:
        with contextlib.suppress(OSError), (folder / program).open("rb") as stream:
            sums[program] = hashlib.file_digest(stream, "sha256").hexdigest()
    return sums


def _replace(place: Path, folder: Path) -> None:
    if place.exists():
        place.rename(
            folder.parent / "replaced"
        )  # goes with the temporary folder; who runs its programs keeps them
    folder.rename(place)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else text
