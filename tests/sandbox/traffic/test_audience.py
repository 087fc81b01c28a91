"""To whom requests are sent, and which answers a tenant's own wish explains."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_operator.sandbox.traffic.audience import Audience, Wish
from tests.e2e import manifests as m

NAME = f"{m.NAMESPACE}/acme"


def tier(**spec: Any) -> dict[str, Any]:
    return m.tier(**spec)


def tenant(
    name: str = "acme",
    *,
    ready: bool = True,
    generation: int = 1,
    deleting: bool = False,
    uid: str = "uid-1",
    endpoint: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A tenant as Kubernetes shows it."""
    body = m.tenant(name, **spec)
    body["metadata"] |= {"uid": uid, "generation": generation}
    if deleting:
        body["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    body["status"] = {
        "observedGeneration": generation if ready else generation - 1,
        "endpoint": endpoint or f"http://tier-1.us-east-1.example.com/{name}",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False", "reason": "Ready"}],
    }
    return body


def audience(*readings: dict[str, Any], patterns: tuple[str, ...] = ()) -> Audience:
    found = Audience(patterns)
    for reading in readings:
        found.take_in([tier()], [reading])
    return found


def test_a_tenant_is_sent_requests_once_it_is_ready() -> None:
    assert audience(tenant(ready=False)).destinations() == []
    [destination] = audience(tenant(ready=False), tenant()).destinations()
    assert (destination.tenant, destination.tenant_id, destination.tier) == (NAME, "acme", "tier-1")
    assert destination.url == "http://tier-1.us-east-1.example.com/acme"


def test_a_tenant_that_is_reached_by_a_header_is_sent_it() -> None:
    found = Audience()
    found.take_in([tier(routing={"by": "Header", "header": "X-Customer"})], [tenant()])
    assert [destination.headers for destination in found.destinations()] == [(("X-Customer", "acme"),)]


@pytest.mark.parametrize("patterns", [("acme",), ("customers/*",), ("nobody", "ac*")])
def test_tenants_are_chosen_by_name_or_by_namespace_and_name(patterns: tuple[str, ...]) -> None:
    assert audience(tenant(), patterns=patterns).destinations()
    assert not audience(tenant("other"), patterns=("acme", "vendors/*")).destinations()


@pytest.mark.parametrize(
    ("then", "wish"),
    [
        (tenant(ready=False, generation=2, workload={"image": "app:2", "replicas": 3}), Wish.SERVED),
        (tenant(ready=False, generation=2, clusters=3), Wish.SERVED),
        (tenant(ready=False, generation=2, suspended=True), Wish.SUSPENDED),
        (tenant(generation=2, suspended=True), Wish.SUSPENDED),
        (tenant(ready=False, generation=2, routing={"pathPrefix": "/new"}), Wish.REROUTED),
        (tenant(deleting=True), Wish.DELETED),
        (tenant(ready=False, uid="uid-2"), Wish.DELETED),
    ],
    ids=["another image", "more clusters", "suspended", "suspended and ready", "another path", "going", "made anew"],
)  # fmt: skip
def test_an_edit_excuses_only_what_it_asks_for(then: dict[str, Any], wish: Wish) -> None:
    assert audience(tenant(), then).wish(NAME) is wish


def test_a_tenant_that_is_gone_is_sent_nothing_more() -> None:
    found = audience(tenant())
    found.take_in([tier()], [])
    assert found.wish(NAME) is Wish.DELETED
    assert found.destinations() == []


def test_a_suspended_tenant_is_resuming_until_it_is_ready_again() -> None:
    found = audience(tenant(), tenant(generation=2, suspended=True), tenant(generation=3, ready=False))
    assert found.wish(NAME) is Wish.RESUMING
    found.take_in([tier()], [tenant(generation=3)])
    assert found.wish(NAME) is Wish.SERVED


def test_a_rerouted_tenant_is_sent_requests_at_its_new_place_once_it_is_ready_there() -> None:
    route = {"pathPrefix": "/new"}
    new = "http://tier-1.us-east-1.example.com/new"
    found = audience(tenant(), tenant(generation=2, ready=False, routing=route, endpoint=new))
    assert [d.url for d in found.destinations()] == ["http://tier-1.us-east-1.example.com/acme"]
    found.take_in([tier()], [tenant(generation=2, routing=route, endpoint=new)])
    assert [d.url for d in found.destinations()] == [new]
    assert found.wish(NAME) is Wish.SERVED
