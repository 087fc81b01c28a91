"""The page that people open when a condition is not what they want: it knows every reason and every condition."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tenant_operator.api import TRANSIENT_CONDITIONS
from tenant_operator.api.conditions import CONDITIONS
from tenant_operator.engine.visit import REASONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
SOURCE = ROOT / "src" / "tenant_operator"
REASON = re.compile(r"[A-Z][A-Za-z]+")
POSITION = {"false": 1, "unknown": 1, "stall": 0, "reconciling": 0}
"""Which argument of `Conditions` and `Visit` methods is the reason. Reasons of what holds need no advice."""


def reasons_in(tree: ast.AST) -> Iterator[str]:
    """Every reason that a module gives to a condition which does not hold, as far as it stands there as a word."""
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        arguments = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        if isinstance(node.func, ast.Attribute) and node.func.attr in POSITION:
            arguments += node.args[POSITION[node.func.attr] :][:1]
        for argument in arguments:
            for part in ast.walk(argument):
                word = constants.get(part.id) if isinstance(part, ast.Name) else getattr(part, "value", None)
                if isinstance(word, str) and REASON.fullmatch(word):
                    yield word


def test_every_reason_is_explained() -> None:
    modules = [
        path for room in ("engine", "desired", "plan", "placement") for path in (SOURCE / room).glob("*.py")
    ]
    given = {reason for path in modules for reason in reasons_in(ast.parse(path.read_text()))}
    assert len(given) > 30, "the source's reasons are no longer found; mend reasons_in"
    explained = set(REASON.findall(PAGE.partition("## Reasons")[2]))
    missing = (given | set(REASONS.values())) - explained
    assert not missing, f"explain in docs/operations.md: {sorted(missing)}"


def test_every_condition_is_explained() -> None:
    section = PAGE.partition("## Reading conditions")[2].partition("## Reasons")[0]
    for types in (*CONDITIONS.values(), TRANSIENT_CONDITIONS):
        missing = set(types) - set(REASON.findall(section))
        assert not missing, f"explain in docs/operations.md: {sorted(missing)}"
