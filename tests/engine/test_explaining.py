"""Why a tenant is where it is, in the words and numbers that the operator goes by."""

from __future__ import annotations

import json

import pytest

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.engine.explaining import (
    NotThere,
    explain_cell,
    explain_group,
    explain_tenant,
    explain_tier,
)
from tests.e2e import manifests as m
from tests.engine.fleet import TIER, Fleet, stored


@pytest.fixture
def made() -> Fleet:
    """Three groups: one that is full by rules, one closed, one with room."""
    fleet = Fleet("PerTenant").cell("cell-a").cell("cell-b")
    fleet.group("group-1").group("group-2", schedulable=False).group("group-3", "cell-b")
    fleet.said_of("group-1", rulesOfOthers=98)
    return fleet


def test_a_tenant_is_told_where_it_lives_and_why_not_elsewhere(made: Fleet) -> None:
    made.tenant("acme")
    found = explain_tenant(made.cache, made.named("acme"))
    assert {place.infra_group: place.verdict for place in found.places} == {
        "group-1": "NoRoom",
        "group-2": "NotSchedulable",
        "group-3": "Here",
    }
    full = next(place for place in found.places if place.infra_group == "group-1")
    assert [(f.code, f.used, f.limit, f.needed) for f in full.findings if not f.fits] == [
        (QuotaCode.RULES.value, 98, 100, 1)
    ]
    assert "strategy Spread takes the group with the fewest tenants" in found.sentences[0]


def test_the_explanation_is_the_operators_own_choice(made: Fleet) -> None:
    made.cache.put(stored(m.tenant("new", TIER)))
    said = explain_tenant(made.cache, made.named("new")).as_json()
    assert said["next"] == list(made.tenant("new").groups)


def test_a_tenant_that_waits_for_room_is_told_for_what(made: Fleet) -> None:
    made.tenant("acme")
    tenant = made.named("acme")
    status = made.cache.status(next(key for key in made.cache if key.name == "acme"))
    made.cell("cell-b", quotaOverrides={QuotaCode.TARGETS.value: 3})
    made.cell("cell-a", quotaOverrides={QuotaCode.TARGETS.value: 3})
    made.cache.put(stored(m.tenant("acme", TIER, clusters=2), **status))
    tenant = made.named("acme")
    here = next(p for p in explain_tenant(made.cache, tenant).places if p.infra_group == "group-3")
    assert here.verdict == "Waiting"
    assert "(L-7E6692B2, Override); 2 needed" in here.why


def test_a_tier_a_cell_and_a_group_tell_their_room(made: Fleet) -> None:
    made.tenant("acme")
    tier = explain_tier(made.cache, made.tier)
    assert "room for 49 more tenants" in tier.sentences[0]
    cell = explain_cell(made.cache, made.cache.cells_of(TIER)[0])
    assert any("shared with cell-b" in sentence for sentence in cell.sentences)
    group = made.cache.infra_group("group-1")
    assert group is not None
    assert "It takes none now: group-1 has 98 of 100" in explain_group(made.cache, group).sentences[1]


def test_what_is_printed_as_json_is_json(made: Fleet) -> None:
    made.tenant("acme")
    said = json.loads(json.dumps(explain_tenant(made.cache, made.named("acme")).as_json()))
    vcpus = [
        limit
        for place in said["infraGroups"]
        for limit in place["limits"]
        if limit["code"] == QuotaCode.INTERFACES.value
    ]
    assert all(limit["fits"] for limit in vcpus)


def test_a_tenant_of_a_tier_that_is_not_there_is_said(made: Fleet) -> None:
    made.cache.put(stored(m.tenant("lost", "tier-9")))
    lost = next(made.cache.get(key) for key in made.cache if key.name == "lost")
    with pytest.raises(NotThere, match="there is no Tier 'tier-9'"):
        explain_tenant(made.cache, lost)  # type: ignore[arg-type]  # it is a Tenant
