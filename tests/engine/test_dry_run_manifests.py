"""Manifests as a plan reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.engine.cache import Key, Kind
from tenant_operator.engine.dry_run.manifests import UnreadableManifest, key_from, merge_patch, read_manifests

TENANT = """
apiVersion: tenant-operator.dev/v1alpha1
kind: Tenant
metadata: {name: acme, uid: ignored, resourceVersion: "7"}
spec: {tierRef: {name: gold}}
status: {conditions: []}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: customers, labels: {tenants: allowed}}\n"
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"

OBJECTS = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda children: st.dictionaries(st.sampled_from("abcd"), children, max_size=3),
    max_leaves=8,
)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, by the book."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@given(st.dictionaries(st.sampled_from("abcd"), OBJECTS), st.dictionaries(st.sampled_from("abcd"), OBJECTS))
def test_what_was_applied_last_and_is_not_wanted_any_more_goes(
    last: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert merged(last, merge_patch(last, wanted)) == wanted


def test_what_others_have_set_stays() -> None:
    last, wanted = {"spec": {"a": 1, "b": 2}}, {"spec": {"a": 1}}
    assert merged({"spec": {"a": 1, "b": 2, "theirs": 3}}, merge_patch(last, wanted)) == {
        "spec": {"a": 1, "theirs": 3}
    }


def test_a_directory_is_read_as_kubectl_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{TENANT}---\n{NAMESPACE}---\n")
    (tmp_path / "b.yml").write_text(OTHER)
    (tmp_path / "README.md").write_text("no manifest: [")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.yaml").write_text("no manifest: [")
    found = read_manifests([tmp_path], namespace="customers")
    [tenant] = found.bodies
    assert tenant["metadata"] == {"name": "acme", "namespace": "customers"}
    assert "status" not in tenant
    assert found.namespaces == {"customers": {"tenants": "allowed"}}
    assert found.ignored == ("ConfigMap settings",)


def test_the_standard_input_and_lists_are_read() -> None:
    text = "kind: List\nitems:\n- {apiVersion: tenant-operator.dev/v1alpha1, kind: Cell, metadata: {name: c}, spec: {}}"
    assert len(read_manifests([Path("-")], standard_input=text).bodies) == 1


@pytest.mark.parametrize("text", ["a: [", "just words", "kind: Tenant", "- 1"])
def test_what_is_no_manifest_is_refused_with_the_file_s_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(UnreadableManifest, match=r"wrong\.yaml"):
        read_manifests([file])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tenant/customers/acme", Key(Kind.TENANT, "customers", "acme")),
        ("InfraGroups/group-1", Key(Kind.INFRA_GROUP, "", "group-1")),
        ("Tier/gold", Key(Kind.TIER, "", "gold")),
    ],
)
def test_an_object_to_delete_is_named_as_people_write_it(text: str, key: Key) -> None:
    assert key_from(text) == key


@pytest.mark.parametrize(
    "text", ["acme", "tenant/acme", "pod/customers/x", "tier/a/b", "tenant/a/b/c", "tier/"]
)
def test_a_name_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no object"):
        key_from(text)
