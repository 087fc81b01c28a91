"""The CRDs as a whole: complete, bounded, described, and as they stand in `crds/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tenant_operator.api import KINDS, crds
from tenant_operator.cli.crds import command

CRDS = Path(__file__).parents[2] / "crds"
MANIFESTS = {manifest["spec"]["names"]["kind"]: manifest for manifest in crds.manifests()}


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a schema, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _fields(child, f"{path}.{name}")
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _fields(schema["additionalProperties"], f"{path}.*")


def _schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = MANIFESTS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def _all_fields(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("spec", "status"):
        yield from _fields(_schema(kind)["properties"][part], part)


def _is_bounded(field: dict[str, Any]) -> bool:
    match field["type"]:
        case "string":
            return bool({"maxLength", "enum", "format"} & field.keys())
        case "integer":
            return "enum" in field or {"minimum", "maximum"} <= field.keys()
        case "array":
            return "maxItems" in field
        case "object" if "properties" not in field:
            return "maxProperties" in field or "x-kubernetes-preserve-unknown-fields" in field
    return True


@pytest.mark.parametrize("kind", MANIFESTS)
def test_every_field_is_described(kind: str) -> None:
    named = [(path, field) for path, field in _all_fields(kind) if not path.endswith(("[]", ".*"))]
    assert [path for path, field in named if not field.get("description", "").endswith((".", "…"))] == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_every_field_is_bounded(kind: str) -> None:
    assert [path for path, field in _all_fields(kind) if not _is_bounded(field)] == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_no_field_is_nullable_or_null_by_default(kind: str) -> None:
    null = [
        path for path, field in _all_fields(kind) if "nullable" in field or field.get("default", 0) is None
    ]
    assert null == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_no_default_stands_in_a_list_or_a_map(kind: str) -> None:
    assert [
        path for path, field in _all_fields(kind) if ("[]" in path or ".*" in path) and "default" in field
    ] == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_every_rule_says_what_to_write_in_one_line(kind: str) -> None:
    messages = [
        rule["message"]
        for _, field in _all_fields(kind)
        for rule in field.get("x-kubernetes-validations", ())
    ]
    assert [message for message in messages if not 20 <= len(message) <= 400 or "\n" in message] == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_rules_at_the_root_look_at_new_objects_only(kind: str) -> None:
    for rule in _schema(kind)["x-kubernetes-validations"]:
        assert rule["optionalOldSelf"] is True
        assert rule["rule"].startswith("oldSelf.hasValue() || ")


@pytest.mark.parametrize(
    ("kind", "plural", "short", "scope"),
    [
        ("Tier", "tiers", "tier", "Cluster"),
        ("Cell", "cells", "cell", "Cluster"),
        ("InfraGroup", "infragroups", "ig", "Cluster"),
        ("Tenant", "tenants", "tn", "Namespaced"),
    ],
)
def test_names_and_scope_of_a_kind(kind: str, plural: str, short: str, scope: str) -> None:
    spec = MANIFESTS[kind]["spec"]
    assert spec["names"]["plural"] == plural
    assert spec["names"]["shortNames"] == [short]
    assert spec["names"]["categories"] == ["tenancy"]
    assert spec["scope"] == scope
    assert spec["versions"][0]["subresources"] == {"status": {}}


def test_columns_show_scalars() -> None:
    for manifest in MANIFESTS.values():
        for column in manifest["spec"]["versions"][0]["additionalPrinterColumns"]:
            assert "[*]" not in column["jsonPath"]


def test_crds_folder_is_up_to_date() -> None:
    result = CliRunner().invoke(command, ["--check", str(CRDS)])
    assert result.exit_code == 0, result.output


def test_printed_crds_are_a_stream_of_all_kinds() -> None:
    result = CliRunner().invoke(command)
    assert result.exit_code == 0
    printed = list(yaml.safe_load_all(result.output))
    assert [manifest["spec"]["names"]["kind"] for manifest in printed] == [kind.KIND for kind in KINDS]


def test_written_folder_passes_the_check_until_it_is_edited(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(command, ["--write", str(tmp_path / "new")]).exit_code == 0
    assert run.invoke(command, ["--check", str(tmp_path / "new")]).exit_code == 0
    (tmp_path / "new" / "cells.tenant-operator.dev.yaml").write_text("kind: Nonsense\n")
    stale = run.invoke(command, ["--check", str(tmp_path / "new")])
    assert stale.exit_code == 1
    assert (
        "not what the models say: cells.tenant-operator.dev.yaml; run: tenant-operator crds --write"
        in stale.output
    )


def test_write_and_check_at_once_is_wrong_use(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--write", str(tmp_path), "--check", str(tmp_path)])
    assert result.exit_code == 2
