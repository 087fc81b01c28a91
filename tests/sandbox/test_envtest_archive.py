from __future__ import annotations

import hashlib
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tenant_operator.sandbox.binaries import PROGRAMS, platform_name
from tenant_operator.sandbox.envtest_archive import EnvtestArchive
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.program_check import check_programs
from tenant_operator.sandbox.progress import SilentProgress
from tests.sandbox.programs import write_programs

QUIET = SilentProgress()


class ReleaseSite:
    """Serves an index of archives, and the archives, on loopback."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        files = self.files

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path)
                self.send_response(200 if content is not None else 404)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def publish(
        self, releases: dict[str, bytes], *, platform: str | None = None, sha512: str | None = None
    ) -> None:
        index: dict[str, dict[str, dict[str, str]]] = {}
        for version, archive in releases.items():
            name = f"envtest-{version}-{platform or platform_name()}.tar.gz"
            self.files[f"/{name}"] = archive
            digest = sha512 or hashlib.sha512(archive).hexdigest()
            index[version] = {name: {"hash": digest, "selfLink": f"{self.url}/{name}"}}
        self.files["/index.yaml"] = yaml.safe_dump({"releases": index}).encode()

    @property
    def archive(self) -> EnvtestArchive:
        return EnvtestArchive(f"{self.url}/index.yaml")

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseSite]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = ReleaseSite()
    yield site
    site.close()


def packed(folder: Path, version: str) -> bytes:
    write_programs(folder, version)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for program in PROGRAMS:
            archive.add(folder / program, arcname=f"controller-tools/envtest/{program}")
    return content.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_the_newest_patch_release_of_our_minor_version_is_unpacked(
    site: ReleaseSite, tmp_path: Path, target: Path
) -> None:
    versions = ["1.33.12", "1.34.9", "1.34.10", "1.35.0", "1.34.11-beta.0"]
    site.publish({f"v{version}": packed(tmp_path / version, version) for version in versions})

    site.archive.fetch(target, QUIET)

    assert check_programs(target) == "1.34.10"
    assert sorted(path.name for path in target.iterdir()) == sorted(PROGRAMS)


def test_an_archive_that_is_not_what_the_index_says_is_refused(
    site: ReleaseSite, tmp_path: Path, target: Path
) -> None:
    site.publish({"v1.34.1": packed(tmp_path / "made", "1.34.1")}, sha512="0" * 128)

    with pytest.raises(SandboxError, match="SHA-512"):
        site.archive.fetch(target, QUIET)

    assert list(target.iterdir()) == []


def test_a_platform_without_an_archive_is_said_so(site: ReleaseSite, tmp_path: Path, target: Path) -> None:
    site.publish({"v1.34.1": packed(tmp_path / "made", "1.34.1")}, platform="plan9-mips")

    with pytest.raises(SandboxError, match=f"no archive of Kubernetes 1.34 for {platform_name()}"):
        site.archive.fetch(target, QUIET)


@pytest.mark.parametrize("index", [b"", b"releases: [", b"[]", b"<html>Sign in to the network</html>"])
def test_something_else_than_an_index_is_refused(site: ReleaseSite, target: Path, index: bytes) -> None:
    site.files["/index.yaml"] = index

    with pytest.raises(SandboxError, match="index"):
        site.archive.fetch(target, QUIET)


def test_an_archive_that_is_gone_is_refused(site: ReleaseSite, tmp_path: Path, target: Path) -> None:
    site.publish({"v1.34.1": packed(tmp_path / "made", "1.34.1")})
    del site.files[f"/envtest-v1.34.1-{platform_name()}.tar.gz"]

    with pytest.raises(SandboxError, match=r"broke off after 0 bytes.*404"):
        site.archive.fetch(target, QUIET)


@pytest.mark.parametrize(
    "url",
    [
        "https://envtest.invalid/index.yaml",  # RFC 6761: a name that never exists
        "http://127.0.0.1:1/index.yaml",
        "ftp://127.0.0.1/index.yaml",
    ],
)
def test_a_site_that_cannot_be_reached_is_given_up(url: str, target: Path) -> None:
    with pytest.raises(SandboxError):
        EnvtestArchive(url, patience_seconds=5).fetch(target, QUIET)


def test_a_site_that_says_nothing_is_given_up(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/index.yaml"
        with pytest.raises(SandboxError):
            EnvtestArchive(url, patience_seconds=0.2).fetch(target, QUIET)
