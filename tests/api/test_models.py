"""Reading objects: what they say, what is meant where they say nothing, and what cannot be read."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tenant_operator.api import CONDITIONS, KINDS, Cell, InfraGroup, Tenant, Tier, UnreadableObject, parse
from tenant_operator.api.selector import LabelSelector
from tenant_operator.api.workload import FARGATE_SIZES, fargate_memory_options
from tests.api.manifests import HTTPS_LISTENER, Manifest, manifest


def tier(spec: Manifest | None = None) -> Tier:
    found = parse(manifest("Tier", "tier", spec))
    assert isinstance(found, Tier)
    return found


def tenant(spec: Manifest | None = None) -> Tenant:
    found = parse(manifest("Tenant", "acme", spec))
    assert isinstance(found, Tenant)
    return found


def infra_group(spec: Manifest | None = None) -> InfraGroup:
    found = parse(manifest("InfraGroup", "group", spec))
    assert isinstance(found, InfraGroup)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_kind_decides_about_the_model(kind: type[Tier | Cell | InfraGroup | Tenant]) -> None:
    assert type(parse(manifest(kind.KIND, "it"))) is kind


def test_foreign_kind_cannot_be_read() -> None:
    with pytest.raises(UnreadableObject, match=r"kind 'Pod' is none of tenant-operator\.dev's kinds"):
        parse({"kind": "Pod"})


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(UnreadableObject, match=r"Tenant acme cannot be read: spec\.tierRef: Field required"):
        parse(manifest("Tenant", "acme", {"tierRef": None}))


def test_fields_of_a_newer_version_are_left_out() -> None:
    newer = manifest("Tier", "tier", {"canary": "Slow", "allowedTenants": {"overrides": ["cpu", "teleport"]}})
    read = parse(newer)
    assert not hasattr(read.spec, "canary")
    assert isinstance(read, Tier)
    assert read.spec.allowed_tenants.overrides == ("cpu", "teleport")


def test_status_of_another_version_counts_as_none() -> None:
    odd = {**manifest("Tenant", "acme"), "status": {"placements": "many", "conditions": 7}}
    read = parse(odd)
    assert isinstance(read, Tenant)
    assert read.status.placements == ()


def test_models_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tier().spec.endpoint.mode = "PerTenant"  # type: ignore[misc]  # that this is refused is what is tested


@pytest.mark.parametrize(
    ("spec", "by"),
    [
        ({}, "Path"),
        ({"endpoint": {"mode": "PerTenant"}}, "Host"),
        ({"endpoint": {"mode": "PerTenant"}, "routing": {"by": "Path"}}, "Path"),
        ({"routing": {"by": "Header"}}, "Header"),
    ],
)
def test_routing_where_the_tier_does_not_say(spec: Manifest, by: str) -> None:
    assert tier(spec).routing_by == by


def test_header_where_the_tier_does_not_say() -> None:
    assert tier({"routing": {"by": "Header"}}).routing_header == "X-Tenant-Id"
    assert tier({"routing": {"by": "Header", "header": "X-Customer"}}).routing_header == "X-Customer"


def test_tenant_that_says_nothing_goes_by_its_name() -> None:
    quiet = tenant()
    assert (quiet.tenant_id, quiet.path_prefix, quiet.header_value) == ("acme", "/acme", "acme")
    assert (quiet.clusters, quiet.pinned_groups, quiet.spread, quiet.spread_asked) == (1, (), 1, False)
    assert quiet.workload.image is None


def test_tenant_that_says_everything() -> None:
    loud = tenant(
        {
            "tenantId": "acme-eu",
            "clusters": 2,
            "routing": {"pathPrefix": "/eu/acme", "headerValue": "eu.acme"},
            "placement": {"spread": 3},
            "workload": {"image": "app:2"},
        }
    )
    assert (loud.tenant_id, loud.path_prefix, loud.header_value) == ("acme-eu", "/eu/acme", "eu.acme")
    assert (loud.clusters, loud.spread, loud.spread_asked) == (2, 3, True)
    assert loud.workload.image == "app:2"
    assert tenant({"placement": {"infraGroups": ["a", "b"]}}).pinned_groups == ("a", "b")


def test_prefix_follows_the_tenant_id() -> None:
    assert tenant({"tenantId": "globex"}).path_prefix == "/globex"


def test_https_redirects_where_the_spec_does_not_say() -> None:
    assert infra_group(
        {"loadBalancer": {"listener": HTTPS_LISTENER}}
    ).spec.load_balancer.listener.redirect_http
    assert not infra_group().spec.load_balancer.listener.redirect_http
    off = {**HTTPS_LISTENER, "redirectHttp": False}
    assert not infra_group({"loadBalancer": {"listener": off}}).spec.load_balancer.listener.redirect_http


def test_status_is_written_without_what_is_absent() -> None:
    read = parse({**manifest("Tenant", "acme"), "status": {"tenantId": "acme", "summary": {"tasks": "1/2"}}})
    written = read.status.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert written["tenantId"] == "acme"
    assert written["summary"] == {"tasks": "1/2"}
    assert "revision" not in written


def test_ready_comes_first_in_every_kind() -> None:
    assert {kind.KIND for kind in KINDS} == CONDITIONS.keys()
    assert all(types[0] == "Ready" for types in CONDITIONS.values())


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "a", "x": "y"}, True),
        ({"matchLabels": {"team": "a"}}, {"team": "b"}, False),
        (
            {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]},
            {"team": "b"},
            True,
        ),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}, {}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {"team": "a"}, False),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, {"team": ""}, True),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, {"team": "a"}, False),
        (
            {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]},
            {"a": "b"},
            False,
        ),
    ],
)
def test_selector_selects_as_kubernetes_does(selector: Any, labels: dict[str, str], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(labels) is matches


def test_selector_is_described_as_kubectl_takes_it() -> None:
    selector = LabelSelector.model_validate(
        {
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "NotIn", "values": ["x", "y"]},
                {"key": "d", "operator": "Exists"},
                {"key": "e", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.describe() == "a=1,b=2,c notin (x,y),d,!e"


@given(st.sampled_from(sorted(FARGATE_SIZES)))
def test_fargate_sizes_grow_with_the_cpu(cpu: int) -> None:
    options = fargate_memory_options(cpu)
    assert list(options) == sorted(set(options))
    assert all(cpu <= memory * 2 for memory in options), "at least 0.5 MiB a CPU unit"


def test_unknown_fargate_size_has_no_memory() -> None:
    assert fargate_memory_options(1000) == ()


def test_reading_a_tenant_costs_little() -> None:
    """Thousands are read at start: counted in CPU time of this process, which other processes do not lengthen."""
    body = manifest("Tenant", "acme", {"workload": {"cpu": 512, "environment": {"A": "b"}}})
    body["status"] = {
        "conditions": [
            {"type": type_, "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "x"}
            for type_ in CONDITIONS["Tenant"]
        ],
        "placements": [{"infraGroup": f"group-{number}", "ready": True} for number in range(3)],
    }
    before = time.process_time()
    for _ in range(1000):
        parse(body)
    assert (time.process_time() - before) / 1000 < 0.0003
