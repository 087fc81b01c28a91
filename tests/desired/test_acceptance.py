"""Who may be a tenant, and who of two that cannot both be is the one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api import Tenant, Tier, parse
from tenant_operator.desired import acceptance, routing
from tenant_operator.desired.workload import merged
from tests.e2e import manifests as m


def tier(**spec: Any) -> Tier:
    found = parse(m.tier(**spec))
    assert isinstance(found, Tier)
    return found


def tenant(
    name: str, *, created: str = "2026-01-01T00:00:00Z", namespace: str = "customers", **spec: Any
) -> Tenant:
    manifest = m.tenant(name, namespace=namespace, **spec)
    manifest["metadata"]["creationTimestamp"] = created
    found = parse(manifest)
    assert isinstance(found, Tenant)
    return found


def reasons(of: Tier, who: Tenant, labels: dict[str, str] | None = None) -> list[str]:
    found = acceptance.objections(
        of,
        who,
        merged(of.spec.workload, who.workload),
        namespace_labels={"tenants": "allowed"} if labels is None else labels,
        operator_namespace="tenant-operator",
    )
    return [objection.reason for objection in found]


def allowing(**rules: Any) -> Tier:
    return tier(allowedTenants={"namespaceSelector": {"matchLabels": {"tenants": "allowed"}}, **rules})


@pytest.mark.parametrize(
    ("rules", "spec", "reason"),
    [
        ({"tenantIdPrefixes": ["{namespace}-"]}, {}, "TenantIdNotAllowed"),
        ({"overrides": []}, {"workload": {"cpu": 512, "memory": 1024}}, "OverrideNotAllowed"),
        ({"overrides": ["cpu"]}, {"workload": {"environmentUnset": ["A"]}}, "OverrideNotAllowed"),
        ({"overrides": []}, {"routing": {"pathPrefix": "/x"}}, "OverrideNotAllowed"),
        (
            {"overrides": ["image"], "imagePrefixes": ["registry/team"]},
            {"workload": {"image": "registry/teams/app:1"}},
            "ImageNotAllowed",
        ),
        ({"overrides": ["replicas"], "max": {"replicas": 2}}, {"workload": {"replicas": 3}}, "AboveMaximum"),
        ({"max": {"clusters": 1}}, {"clusters": 2}, "AboveMaximum"),
        ({"overrides": ["cpu", "memory"]}, {"workload": {"cpu": 4096}}, "InvalidWorkload"),
        (
            {"overrides": ["secrets"], "secretArnPrefixes": ["arn:aws:secretsmanager:us-east-1:222222222222:secret:{tenantId}/"]},
            {"workload": {"secrets": {"KEY": "arn:aws:secretsmanager:us-east-1:222222222222:secret:other/key-AbCdEf"}}},
            "SecretNotAllowed",
        ),
    ],
)  # fmt: skip
def test_what_the_tier_does_not_allow_is_refused(
    rules: dict[str, Any], spec: dict[str, Any], reason: str
) -> None:
    assert reason in reasons(allowing(**rules), tenant("acme", **spec))


def test_what_the_tier_allows_is_accepted() -> None:
    assert reasons(tier(), tenant("acme", workload={"cpu": 512, "memory": 1024})) == []


def test_an_image_below_an_allowed_prefix_is_accepted() -> None:
    of = allowing(overrides=["image"], imagePrefixes=["registry/team"])
    assert reasons(of, tenant("acme", workload={"image": "registry/team/app:1"})) == []


def test_another_namespace_is_refused_and_told_which_label_it_lacks() -> None:
    found = list(
        acceptance.objections(
            tier(),
            tenant("acme"),
            merged(tier().spec.workload, tenant("acme").workload),
            namespace_labels={},
            operator_namespace="tenant-operator",
        )
    )
    assert found[0].reason == "NamespaceNotAllowed"
    assert "tenants=allowed" in found[0].message


def test_a_secret_of_a_tenants_own_is_told_by_its_variable_never_by_its_arn() -> None:
    of = allowing(overrides=["secrets"])
    arn = "arn:aws:secretsmanager:us-east-1:222222222222:secret:other/key-AbCdEf"
    who = tenant("acme", workload={"secrets": {"KEY": arn}})
    found = next(
        o
        for o in acceptance.objections(
            of,
            who,
            merged(of.spec.workload, who.workload),
            namespace_labels={"tenants": "allowed"},
            operator_namespace="",
        )
        if o.reason == "SecretNotAllowed"
    )
    assert "KEY" in found.message
    assert arn not in found.message


segments = st.lists(st.sampled_from(["a", "ab", "b", "c"]), min_size=1, max_size=3)


@given(segments, segments)
def test_two_prefixes_overlap_exactly_when_some_path_would_be_taken_by_both(
    one: list[str], other: list[str]
) -> None:
    shorter, longer = sorted((one, other), key=len)
    expected = longer[: len(shorter)] == shorter
    assert acceptance.overlap("/" + "/".join(one), "/" + "/".join(other)) == expected


def test_a_prefix_never_takes_a_longer_word() -> None:
    route = routing.route(tier(), tenant("acme"))
    assert route.paths == ("/acme", "/acme/*")


def test_in_a_per_tenant_tier_every_rule_carries_the_tenants_own_host() -> None:
    of = tier(mode="PerTenant")
    assert routing.route(of, tenant("acme")).hosts == ("acme.tier-1.us-east-1.example.com",)


def test_the_same_id_and_overlapping_prefixes_conflict() -> None:
    one = tenant("one", tenantId="acme")
    two = tenant("two", tenantId="acme")
    three = tenant("three", routing={"pathPrefix": "/acme/sub"})
    four = tenant("four", routing={"pathPrefix": "/acmes"})
    assert acceptance.conflicting(tier(), one, [one, two, three, four]) == [two, three]


def test_the_holder_is_whom_the_tags_name_then_the_older_then_the_first_by_name() -> None:
    old = tenant("z-old", created="2026-01-01T00:00:00Z")
    new = tenant("a-new", created="2026-02-01T00:00:00Z")
    twin = tenant("a-twin", created="2026-01-01T00:00:00Z")
    assert acceptance.holder([new, old], ("customers", "a-new")) is new
    assert acceptance.holder([new, old], None) is old
    assert acceptance.holder([old, twin], None) is twin
