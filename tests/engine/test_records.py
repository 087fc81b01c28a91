"""Growth: whom a new infra group must serve before the tier's name leads there."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_operator.api import InfraGroup, Tier, parse
from tenant_operator.engine.cache import Cache
from tenant_operator.engine.records import missing_tenants, why_no_weight
from tests.e2e import manifests as m
from tests.engine.test_cache import names, stored


def status(ready: str, compute: str, *, stalled: bool = False, serves: bool = True) -> dict[str, Any]:
    """A tenant that is (or is not) served in group-1, and not in group-2 yet."""
    conditions = [
        {"type": "Ready", "status": ready, "reason": compute},
        {"type": "ComputeReady", "status": ready, "reason": compute},
        *([{"type": "Stalled", "status": "True", "reason": compute}] if stalled else []),
    ]
    return {"conditions": conditions, "placements": [{"infraGroup": "group-1", "serves": serves}]}


@pytest.mark.parametrize(
    ("tenant", "is_waited_for"),
    [
        (status("True", "Running"), True),
        (status("False", "RollingOut"), True),
        (status("False", "TargetsNotHealthy"), True),
        (status("False", "RollingOut", serves=False), False),
        (status("False", "NoTaskRuns"), False),
        (status("False", "ReleaseFailed", stalled=True), False),
        ({}, False),
    ],
    ids=["ready", "a release under way", "a cluster joins", "onboarding", "down", "release failed", "not begun"],
)  # fmt: skip
def test_a_new_group_waits_for_tenants_that_are_served_be_it_that_they_are_being_edited(
    tenant: dict[str, Any], is_waited_for: bool
) -> None:
    cache = Cache()
    cache.put(stored(m.tenant("acme"), **tenant))
    tier, group = parse(m.tier()), parse(m.group("group-2"))
    assert isinstance(tier, Tier)
    assert isinstance(group, InfraGroup)
    assert names(missing_tenants(cache, tier, group)) == (["acme"] if is_waited_for else [])
    placements = [*tenant.get("placements", ()), {"infraGroup": "group-2", "ready": False, "serves": True}]
    cache.put(stored(m.tenant("acme"), **tenant))
    cache.assume_status(next(iter(cache)), {**tenant, "placements": placements})
    assert missing_tenants(cache, tier, group) == []


class Weighted:
    """As much of an engine as the rule of weights looks at."""

    def __init__(self, groups: int) -> None:
        self.cache = Cache()
        self.cache.put(stored(m.tier(mode="PerTenant")))
        self.cache.put(stored(m.cell()))
        for number in range(groups):
            self.cache.put(stored(m.group(f"group-{number}", cidr=f"10.{number}.0.0/16"), weight=1))
        self.cache.put(stored(m.group("group-new")))


@pytest.mark.parametrize(("groups", "may"), [(99, True), (100, False)])
def test_a_name_leads_to_a_hundred_groups_and_the_next_one_says_why_it_has_to_wait(
    groups: int, may: bool
) -> None:
    engine: Any = Weighted(groups)
    tier, group = engine.cache.tier("tier-1"), engine.cache.infra_group("group-new")
    why = why_no_weight(engine, tier, group)
    assert may == (not why)
    assert may or "AWS allows no more weighted records of one name" in why
