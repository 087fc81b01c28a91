from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tenant_operator.sandbox.binaries import PROGRAMS, cache_folder, find_binaries
from tenant_operator.sandbox.binary_cache import BinaryCache
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import SilentProgress
from tests.sandbox.programs import BrokenSource, ProgramSource, write_programs

QUIET = SilentProgress()


def test_a_second_run_takes_what_the_first_one_fetched(tmp_path: Path) -> None:
    source = ProgramSource()
    first = BinaryCache(tmp_path).get([source], QUIET)
    second = BinaryCache(tmp_path).get([source], QUIET)

    assert source.asked == 1
    assert second == first
    assert second.version == "1.34.9"
    assert second.source == "a test"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("damage", ["cut short", "a flipped byte", "gone"])
def test_a_damaged_program_is_replaced(tmp_path: Path, program: str, damage: str) -> None:
    source = ProgramSource()
    path = BinaryCache(tmp_path).get([source], QUIET).folder / program
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut short" else content[:-2] + b"?" + content[-1:])

    BinaryCache(tmp_path).get([source], QUIET)

    assert source.asked == 2
    assert path.read_bytes() == content


def test_an_entry_without_a_manifest_is_replaced(tmp_path: Path) -> None:
    source = ProgramSource()
    (BinaryCache(tmp_path).get([source], QUIET).folder / "manifest.json").write_text("{")

    assert BinaryCache(tmp_path).get([source], QUIET).kubectl.exists()
    assert source.asked == 2


def test_what_a_killed_fetch_left_behind_goes_with_the_next_one(tmp_path: Path) -> None:
    folder = BinaryCache(tmp_path).get([ProgramSource()], QUIET).folder
    leftover = folder.parent / "filling-abc"
    write_programs(leftover / "entry")
    folder.joinpath("etcd").unlink()

    BinaryCache(tmp_path).get([ProgramSource()], QUIET)

    assert not leftover.exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_a_source_that_fails_is_passed_over(tmp_path: Path) -> None:
    found = BinaryCache(tmp_path).get(
        [ProgramSource("the internet", failure="no route"), ProgramSource("a build")], QUIET
    )

    assert found.source == "a build"


def test_programs_that_do_not_run_are_never_kept(tmp_path: Path) -> None:
    found = BinaryCache(tmp_path).get([BrokenSource("a bad mirror"), ProgramSource("a build")], QUIET)

    assert found.source == "a build"


def test_when_nothing_works_the_message_says_why_and_what_to_do(tmp_path: Path) -> None:
    sources = [ProgramSource("the internet", failure="no route"), BrokenSource("a build")]

    with pytest.raises(SandboxError) as raised:
        BinaryCache(tmp_path).get(sources, QUIET)

    for expected in (
        "the internet: no route",
        "a build: ",
        "kube-apiserver",
        "KUBEBUILDER_ASSETS",
        "--kubeconfig",
    ):
        assert expected in str(raised.value)


def test_of_many_runs_at_once_one_fetches_and_the_others_wait(tmp_path: Path) -> None:
    source = ProgramSource()
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = list(pool.map(lambda _: BinaryCache(tmp_path).get([source], QUIET), range(8)))

    assert source.asked == 1
    assert len(set(found)) == 1


def test_kubebuilder_assets_come_before_the_cache(tmp_path: Path) -> None:
    write_programs(tmp_path / "own", version="1.33.1")
    BinaryCache(tmp_path / "cache").get([ProgramSource(version="1.34.9")], QUIET)
    environment = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "own"),
        "TENANT_OPERATOR_CACHE": str(tmp_path / "cache"),
    }

    assert find_binaries(QUIET, environment).version == "1.33.1"


def test_the_cache_comes_before_any_download_or_build(tmp_path: Path) -> None:
    BinaryCache(tmp_path).get([ProgramSource(version="1.34.9")], QUIET)

    found = find_binaries(QUIET, {"TENANT_OPERATOR_CACHE": str(tmp_path), "PATH": ""})

    assert found.version == "1.34.9"


def test_kubebuilder_assets_without_a_program_are_refused(tmp_path: Path) -> None:
    write_programs(tmp_path)
    (tmp_path / "kubectl").unlink()

    with pytest.raises(SandboxError, match=r"KUBEBUILDER_ASSETS is .* lacks kubectl"):
        find_binaries(QUIET, {"KUBEBUILDER_ASSETS": str(tmp_path)})


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"TENANT_OPERATOR_CACHE": "/data/cache", "XDG_CACHE_HOME": "/xdg"}, "/data/cache"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/ada"}, "/xdg/tenant-operator"),
        ({"HOME": "/home/ada"}, "/home/ada/.cache/tenant-operator"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], folder: str) -> None:
    assert cache_folder(environment) == Path(folder)
