"""The conformance tables name every test once, and no test that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLES = sorted((ROOT / "docs" / "sandbox").glob("conformance-*.md"))
_SECTION = re.compile(r"^Tests: `(?P<file>[^`]+)`$(?P<rows>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def listed() -> dict[str, list[str]]:
    """Test file → the tests that rows name."""
    found: dict[str, list[str]] = {}
    for table in TABLES:
        for section in _SECTION.finditer(table.read_text()):
            found.setdefault(section["file"], []).extend(
                re.findall(r"\| `(test_\w+)` \|$", section["rows"], re.MULTILINE)
            )
    return found


def defined(file: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", sorted(listed()))
def test_each_test_of_a_listed_file_is_one_row(file: str) -> None:
    assert sorted(listed()[file]) == sorted(defined(ROOT / file))


def test_each_file_of_tests_is_listed() -> None:
    folders = ("foundations", "workloads", "front_door", "events", "traffic")
    files = [file for folder in folders for file in (ROOT / "tests/sandbox/aws" / folder).glob("test_*.py")]
    assert sorted(str(file.relative_to(ROOT)) for file in files) == sorted(listed())


def test_the_index_names_every_table() -> None:
    index = (ROOT / "docs" / "sandbox-conformance.md").read_text()
    assert [table.name for table in TABLES if f"(sandbox/{table.name})" not in index] == []
