"""The examples: taken as they are, twice without a change, and with every documented default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tenant_operator.api import InfraGroup, Tenant, Tier, parse

if TYPE_CHECKING:
    from tests.api.conftest import Cluster

EXAMPLES = Path(__file__).parents[2] / "examples"


def _files() -> list[Path]:
    found = sorted(EXAMPLES.rglob("*.yaml"))
    assert found, f"no examples in {EXAMPLES}"
    return found


def _objects() -> Iterator[dict[str, Any]]:
    for path in _files():
        yield from (doc for doc in yaml.safe_load_all(path.read_text()) if doc)


OURS = [doc for doc in _objects() if doc["apiVersion"].startswith("tenant-operator.dev/")]


@pytest.fixture(scope="module")
def applied(cluster: Cluster) -> Mapping[tuple[str, str], dict[str, Any]]:
    """All examples in the cluster, as they are stored."""
    cluster.mine.extend(OURS)
    _apply(cluster)
    return {_key(doc): _stored(cluster, doc) for doc in OURS}


def _apply(cluster: Cluster) -> None:
    done = cluster.run("apply", "--server-side", "--validate=strict", *_arguments())
    assert done.returncode == 0, done.stderr


def _arguments() -> list[str]:
    """Namespaces first: kubectl applies files in the order given."""
    paths = sorted(_files(), key=lambda path: "kind: Namespace" not in path.read_text())
    return [argument for path in paths for argument in ("-f", str(path))]


def _key(doc: Mapping[str, Any]) -> tuple[str, str]:
    return doc["kind"], doc["metadata"]["name"]


def _stored(cluster: Cluster, doc: Mapping[str, Any]) -> dict[str, Any]:
    namespace = doc["metadata"].get("namespace", "default")
    done = cluster.run("get", doc["kind"], doc["metadata"]["name"], "-n", namespace, "-o", "yaml")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


def test_applying_the_examples_twice_changes_nothing(
    cluster: Cluster, applied: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    _apply(cluster)
    for doc in OURS:
        again, before = _stored(cluster, doc)["metadata"], applied[_key(doc)]["metadata"]
        assert again["resourceVersion"] == before["resourceVersion"], _key(doc)
        assert again["generation"] == before["generation"] == 1, _key(doc)


@pytest.mark.parametrize("doc", OURS, ids=lambda doc: "-".join(_key(doc)))
def test_example_is_stored_as_it_was_written(
    doc: dict[str, Any], applied: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    _assert_within(doc["spec"], applied[_key(doc)]["spec"])


def _assert_within(written: Any, stored: Any) -> None:
    """What was written is there; beside it stand defaults only, and none of them in a list."""
    if isinstance(written, dict):
        for name, value in written.items():
            _assert_within(value, stored[name])
    else:
        assert stored == written


@pytest.mark.parametrize("doc", OURS, ids=lambda doc: "-".join(_key(doc)))
def test_example_reads_the_same_with_and_without_the_api_servers_defaults(
    doc: dict[str, Any], applied: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    assert parse(doc).spec == parse(applied[_key(doc)]).spec


def test_examples_cover_both_endpoint_modes_and_both_networks() -> None:
    objects = [parse(doc) for doc in OURS]
    assert {tier.mode for tier in objects if isinstance(tier, Tier)} == {"Shared", "PerTenant"}
    networks = [group.spec.network for group in objects if isinstance(group, InfraGroup)]
    assert any(network.create for network in networks)
    assert any(network.existing for network in networks)


def test_every_tenant_of_the_examples_is_in_a_namespace_that_its_tier_allows() -> None:
    labels = {
        doc["metadata"]["name"]: doc["metadata"]["labels"] for doc in _objects() if doc["kind"] == "Namespace"
    }
    tiers = {tier.metadata.name: tier for tier in map(parse, OURS) if isinstance(tier, Tier)}
    for tenant in map(parse, OURS):
        if isinstance(tenant, Tenant):
            selector = tiers[tenant.spec.tier_ref.name].spec.allowed_tenants.namespace_selector
            assert selector is not None
            assert selector.matches(labels[tenant.metadata.namespace or ""]), tenant.metadata.name
