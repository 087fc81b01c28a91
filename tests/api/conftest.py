"""A cluster to which the tests of the API apply manifests through kubectl."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.manifests import NAMESPACE, Manifest, as_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenant_operator.sandbox.cluster import ControlPlane

_REFUSAL = re.compile(r"^(?=Error from server)", re.MULTILINE)
_INVALID = re.compile(r'"([^"]+)" is invalid')
_UNTYPED = re.compile(r"typed patch object \([^/]*/([^;]+);")


@dataclass(frozen=True)
class Cluster:
    """kubectl on a real API server, which remembers what it applied."""

    plane: ControlPlane
    mine: list[Manifest] = field(default_factory=list)

    def run(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """kubectl's answer, whatever it is."""
        return self.plane.run_kubectl(*arguments, input=input)

    def apply(self, *manifests: Manifest, dry: bool = False) -> subprocess.CompletedProcess[str]:
        """Apply manifests server-side, with unknown fields refused."""
        arguments = ["apply", "--server-side", "--validate=strict", "-f", "-"]
        return self.run(*arguments, *(["--dry-run=server"] if dry else []), input=as_yaml(*manifests))

    def applied(self, *manifests: Manifest) -> None:
        """Apply manifests that must be taken."""
        self.mine.extend(manifests)
        done = self.apply(*manifests)
        assert done.returncode == 0, done.stderr

    def clean_up(self) -> None:
        """Delete what was applied: other tests' operators must not find it."""
        done = self.run("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=as_yaml(*self.mine))
        assert done.returncode == 0, done.stderr

    def refusals(self, manifests: Iterable[Manifest]) -> dict[str, str]:
        """What the API server says to each of some manifests that it refuses, by name; nothing is stored."""
        done = self.apply(*manifests, dry=True)
        said = [" ".join(part.split()) for part in _REFUSAL.split(done.stderr) if part.strip()]
        found: dict[str, str] = {}
        for part in said:
            name = _INVALID.search(part) or _UNTYPED.search(part)
            assert name is not None, f"a refusal without a name: {part}"
            found[name[1]] = part
        return found

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object as it is stored."""
        done = self.run("get", kind, name, "--namespace", NAMESPACE, "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    """The run's cluster, with a namespace for tenants; what a module applies goes when the module is done."""
    found = Cluster(control_plane)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert found.apply(namespace).returncode == 0
    yield found
    if found.mine:
        found.clean_up()
