"""A tier that tells its tenants apart by a header, and that watches each release for a while before the next tenant's."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e import inventory
from tests.e2e import manifests as m
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage

pytestmark = pytest.mark.e2e

ECR = "222222222222.dkr.ecr.us-east-1.amazonaws.com"
URL = "http://tier-1.us-east-1.example.com/any/path"
HEADER = "X-Customer"
NAMES = ("first", "second", "third")
SOAK_SECONDS = 4


def tier(version: str) -> Manifest:
    return m.tier(
        routing={"by": "Header", "header": HEADER},
        workload={"image": f"{ECR}/app:{version}"},
        rollout={"maxConcurrentTenants": 1, "soakSeconds": SOAK_SECONDS},
    )


def tenant(name: str, header: str | None = None) -> Manifest:
    return m.tenant(name, routing={"headerValue": header}) if header else m.tenant(name)


def asked(stage: Stage, value: str) -> str:
    """Who answers a request with a value in the header; what is said instead where nobody does."""
    answer = stage.ask(URL, **{HEADER: value})
    return answer.tenant or str(answer.status)


@pytest.fixture(scope="module")
def served(stage: Stage) -> Stage:
    stage.apply(m.namespace(), tier("1"), m.cell(), m.group(dnsWeight=100), *(tenant(name) for name in NAMES))
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", *NAMES, namespace=m.NAMESPACE)
    stage.wait("the tier's name leads to the group", lambda: asked(stage, "first") == "first")
    return stage


def test_each_value_of_the_header_is_answered_by_its_tenant_on_any_path(served: Stage) -> None:
    assert {name: asked(served, name) for name in NAMES} == {name: name for name in NAMES}
    assert asked(served, "nobody") == "404"
    assert served.ask(URL).status == 404


def test_a_tenants_rule_asks_for_the_header_alone(served: Stage) -> None:
    asked_for = [
        condition["HttpHeaderConfig"]
        for rule in served.rules()
        for condition in rule["Conditions"]
        if condition["Field"] == "http-header" and len(rule["Conditions"]) == 1
    ]
    assert sorted(found["Values"] for found in asked_for) == [[name] for name in sorted(NAMES)]
    assert {found["HttpHeaderName"] for found in asked_for} == {HEADER}


def test_another_value_is_followed_and_the_former_one_is_free(served: Stage) -> None:
    served.apply(tenant("third", "moved"))
    served.wait("the new value is answered", lambda: asked(served, "moved") == "third")
    served.await_ready("tenant", "third", namespace=m.NAMESPACE)
    assert asked(served, "third") == "404"


def test_a_value_that_is_another_tenants_is_refused_and_nothing_changes(served: Stage) -> None:
    served.apply(tenant("second", "first"))
    served.await_condition("tenant", "second", "Accepted", "Conflict", m.NAMESPACE)
    assert asked(served, "first") == "first"
    assert asked(served, "second") == "second"
    served.apply(tenant("second", "second"))
    served.await_ready("tenant", "second", namespace=m.NAMESPACE)


def _finished(stage: Stage) -> dict[str, dict[str, Any]]:
    """The releases of the tenants that run the new image to its end."""
    found = {name: stage.get("tenant", name, m.NAMESPACE)["status"]["release"] for name in NAMES}
    running = [name for name in NAMES if inventory.container(stage, name)["image"].endswith(":2")]
    return {name: found[name] for name in running if found[name].get("completedAt")}


def test_the_next_tenants_release_begins_only_when_the_last_one_was_watched(served: Stage) -> None:
    served.apply(tier("2"))
    served.wait("every tenant runs the new image", lambda: len(_finished(served)) == len(NAMES))
    releases = sorted(_finished(served).values(), key=lambda release: str(release["startedAt"]))
    for before, after in pairwise(releases):
        assert _seconds(after["startedAt"]) - _seconds(before["completedAt"]) >= SOAK_SECONDS - 1, releases
    served.wait(
        "the tier says so", lambda: served.condition("tier", "tier-1", "RolloutComplete")["status"] == "True"
    )


def _seconds(stamp: str) -> float:
    return dt.datetime.fromisoformat(stamp).timestamp()
