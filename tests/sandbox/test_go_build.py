from __future__ import annotations

import importlib.resources
import re
from pathlib import Path

import pytest

from tenant_operator.sandbox.binaries import KUBERNETES_MINOR, PROGRAMS
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.go_build import GoBuild
from tenant_operator.sandbox.program_check import check_programs
from tenant_operator.sandbox.progress import SilentProgress
from tests.sandbox.programs import ANSWERS

QUIET = SilentProgress()

# What `go build -o FOLDER/ PACKAGE…` makes: one program for each package, named after it; etcd's package is called server.
GO = """#!/bin/sh
case $1 in
version) echo go version go{version} linux/amd64 ;;
list) printf 'a\\nb\\nc\\n' ;;
build)
  {trouble}
  test -s go.sum || exit 1
  while [ "$1" != -o ]; do shift; done
  for program in {programs}; do
    answer="$(eval echo \\"\\$answer_$(echo $program | tr - _)\\")"
    printf '#!/bin/sh\\necho "%s"\\n' "$answer" > "$2$program" && chmod +x "$2$program"
  done ;;
esac
"""
UV = """#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin" && cp {go} "$2/go/bin/go"
"""


def write_go(path: Path, version: str = "1.25.1", trouble: str = "true") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    programs = [program if program != "etcd" else "server" for program in PROGRAMS]
    script = GO.format(version=version, trouble=trouble, programs=" ".join(programs))
    for program, name in zip(PROGRAMS, programs, strict=True):
        answer = ANSWERS[program].format(version="1.34.3")
        script = script.replace("case $1 in", f"answer_{name.replace('-', '_')}='{answer}'\ncase $1 in", 1)
    path.write_text(script)
    path.chmod(0o755)
    return path


def path_of(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_go_on_path_builds_all_three(tmp_path: Path, target: Path) -> None:
    write_go(tmp_path / "bin" / "go")

    GoBuild(path_of(tmp_path / "bin"), tmp_path / "toolchain").fetch(target, QUIET)

    assert check_programs(target) == "1.34.3"
    assert sorted(path.name for path in target.iterdir()) == sorted(PROGRAMS)


@pytest.mark.parametrize("on_path", [None, "1.20.4"])
def test_without_a_go_that_is_new_enough_one_is_installed_and_kept(
    tmp_path: Path, target: Path, on_path: str | None
) -> None:
    if on_path:
        write_go(tmp_path / "bin" / "go", version=on_path)
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir(exist_ok=True)
    uv.write_text(UV.format(go=write_go(tmp_path / "package" / "go")))
    uv.chmod(0o755)
    build = GoBuild({"PATH": f"{tmp_path / 'bin'}:/bin"}, tmp_path / "toolchain")

    build.fetch(target, QUIET)
    uv.unlink()
    for path in target.iterdir():
        path.unlink()
    build.fetch(target, QUIET)

    assert check_programs(target) == "1.34.3"


def test_a_build_that_fails_shows_its_last_words(tmp_path: Path, target: Path) -> None:
    write_go(tmp_path / "bin" / "go", trouble="echo no space left on device; exit 1")

    with pytest.raises(SandboxError, match=r"(?s)go build failed with exit code 1.*no space left on device"):
        GoBuild(path_of(tmp_path / "bin"), tmp_path / "toolchain").fetch(target, QUIET)


def test_the_shipped_modules_are_one_kubernetes_release_and_all_pinned() -> None:
    folder = importlib.resources.files("tenant_operator.sandbox") / "control_plane_modules"
    modules, sums = (folder / "go.mod").read_text(), (folder / "go.sum").read_text()

    kubernetes = re.search(r"k8s\.io/kubernetes v1\.(\d+\.\d+)", modules)
    assert kubernetes is not None
    assert f"1.{kubernetes[1].split('.')[0]}" == KUBERNETES_MINOR
    replaced = dict(re.findall(r"(k8s\.io/\S+) => \1 v0\.(\S+)", modules))
    assert len(replaced) == 31
    assert set(replaced.values()) == {kubernetes[1]}
    for module in ("k8s.io/kubernetes v1", "k8s.io/apiserver v0", "go.etcd.io/etcd/server/v3 v3"):
        assert f"{module}." in sums
