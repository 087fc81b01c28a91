from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules[{missing!r}] = None; sys.argv = ['tenant-operator', *{arguments!r}]; "
WITHOUT += "from tenant_operator.cli import main; main(prog_name='tenant-operator')"


def tenant_operator(*arguments: str, missing: str = "nothing") -> subprocess.CompletedProcess[str]:
    """Run it as if a module were not installed."""
    script = WITHOUT.format(missing=missing, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_help_names_the_subcommands_and_needs_no_extra() -> None:
    answer = tenant_operator("--help", missing="moto")

    assert answer.returncode == 0
    for subcommand in ("run", "crds", "sandbox"):
        assert f"\n  {subcommand}  " in answer.stdout


def test_version_is_the_packages() -> None:
    assert tenant_operator("--version").stdout.startswith("tenant-operator, version 0.")


@pytest.mark.parametrize("missing", ["moto", "cryptography", "rich"])
def test_without_the_extra_one_is_told_how_to_get_it(missing: str) -> None:
    answer = tenant_operator("sandbox", "status", missing=missing)

    assert answer.returncode == 1
    assert answer.stderr.strip() == (
        "Error: tenant-operator sandbox needs the extra: pip install 'tenant-operator[sandbox]'"
    )


def test_the_crds_are_printed_without_the_extra() -> None:
    answer = tenant_operator("crds", missing="moto")

    assert answer.returncode == 0
    assert answer.stdout.count("kind: CustomResourceDefinition") == 4


@pytest.mark.parametrize(
    "arguments", [("sandbocks",), ("sandbox", "upp"), ("sandbox", "up", "--profile", "slow"), ()]
)
def test_wrong_use_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    answer = tenant_operator(*arguments)

    assert answer.returncode == 2
    assert "Usage:" in answer.stderr


def test_help_of_a_subcommand_that_is_not_there_is_wrong_use() -> None:
    assert tenant_operator("no-such-thing", "--help").returncode == 2
