"""Where tenants go in a fleet, how much room is left, and that neither costs a walk over those who are there."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.engine.cache import group_key, object_key
from tenant_operator.engine.capacity import Ledgers, used_in_cell, usual_size
from tenant_operator.placement.reservation import counted
from tenant_operator.placement.slots import free_slots
from tests.engine.fleet import TIER, Fleet

STRATEGIES = ("Spread", "Pack")


def fleet(strategy: str = "Spread", mode: str = "PerTenant", **limits: Any) -> Fleet:
    """Three groups in two cells of one account."""
    made = Fleet(mode, placement={"strategy": strategy}, limits={"tenantsPerInfraGroup": 6, **limits})
    made.cell("cell-a").cell("cell-b")
    return made.group("group-1").group("group-2").group("group-3", "cell-b")


specs = st.fixed_dictionaries(
    {
        "clusters": st.integers(1, 5),
        "placement": st.fixed_dictionaries({"spread": st.integers(1, 3)}),
    }
)
edits = st.lists(
    st.tuples(st.sampled_from([f"t{n}" for n in range(8)]), st.one_of(st.none(), specs)), max_size=25
)
"""Who comes, changes, or goes (None), one after another."""


@given(edits, st.sampled_from(STRATEGIES))
def test_nobody_moves_when_somebody_comes_goes_or_changes(found: Any, strategy: str) -> None:
    made = fleet(strategy)
    for name, spec in found:
        before = {who: where for who, where in made.where().items() if who != name}
        if spec is not None:
            made.tenant(name, **spec)
        elif name in made.where():
            made.gone(name)
        assert {who: where for who, where in made.where().items() if who != name} == before


@given(edits)
def test_the_running_sums_are_what_a_walk_over_everybody_gives(found: Any) -> None:
    made = fleet()
    for name, spec in found:
        if spec is not None:
            made.tenant(name, **spec)
        elif name in made.where():
            made.gone(name)
    for group in ("group-1", "group-2", "group-3"):
        walked: Counter[QuotaCode] = Counter()
        for tenant in made.cache.tenants_placed_in(group):
            for placement in made.cache.status(object_key(tenant))["placements"]:
                if placement["infraGroup"] == group:
                    walked.update(counted(placement).now)
        kept = made.cache.reserved_in(group)
        assert +kept.now == +walked
        assert kept.tenants == len(made.cache.tenants_placed_in(group))


@given(st.permutations([f"t{n}" for n in range(7)]), st.sampled_from(STRATEGIES))
def test_equal_tenants_fill_the_groups_alike_in_whatever_order_they_arrive(
    order: list[str], strategy: str
) -> None:
    made = fleet(strategy)
    for name in order:
        made.tenant(name)
    assert Counter(where for [where] in made.where().values()) == (
        {"group-1": 3, "group-2": 2, "group-3": 2} if strategy == "Spread" else {"group-1": 6, "group-2": 1}
    )


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(STRATEGIES),
    st.sampled_from(["PerTenant", "Shared"]),
    st.fixed_dictionaries(
        {},
        optional={
            QuotaCode.INTERFACES.value: st.integers(0, 60),
            QuotaCode.CLUSTERS.value: st.integers(0, 20),
            QuotaCode.RULES.value: st.integers(0, 9),
            QuotaCode.TARGETS.value: st.integers(0, 30),
            QuotaCode.VCPU.value: st.integers(0, 9),
        },
    ),
    st.lists(st.integers(1, 3), max_size=4),
)
def test_so_many_tenants_as_there_are_free_slots_find_a_place_and_not_one_more(
    strategy: str, mode: str, overrides: dict[str, int], there: list[int]
) -> None:
    made = fleet(strategy, mode)
    made.cell("cell-b", quotaOverrides=overrides)
    for number, clusters in enumerate(there):
        made.tenant(f"old-{number}", clusters=clusters)
    need = usual_size(made.tier).peak.use
    slots = free_slots(made.candidates(), need, in_every_group=mode == "Shared")
    placed = 0
    while made.tenant(f"new-{placed}").complete:
        placed += 1
    assert placed == slots


def test_two_cells_of_one_account_share_its_quotas() -> None:
    made = fleet().told("cell-a", **{QuotaCode.CLUSTERS.value: 3})
    assert made.tenant("one", placement={"infraGroups": ["group-1"]}, clusters=2).complete
    choice = made.tenant("two", placement={"infraGroups": ["group-3"]}, clusters=2)
    assert choice.reason == "NoCapacity"
    assert (
        "account 222222222222 in us-east-1 has 2 of 3 ECS clusters per Region (L-21C621EB, ServiceQuotas); 2 needed"
        in (choice.message)
    )
    assert used_in_cell(made.cache, made.tier, made.cache.cells_of(TIER)[1])[QuotaCode.CLUSTERS] == 2


def test_a_tenant_that_lives_in_two_groups_of_one_account_takes_its_quota_twice() -> None:
    made = fleet().told("cell-a", **{QuotaCode.CLUSTERS.value: 1})
    assert not made.tenant("one", placement={"spread": 2}).complete
    assert made.tenant("two", placement={"spread": 1}).complete


def test_what_others_have_at_a_load_balancer_counts() -> None:
    made = fleet().said_of("group-1", rulesOfOthers=98).said_of("group-2", targetGroupsOfOthers=95)
    assert made.tenant("one").groups == ("group-3",)
    assert made.tenant("two").groups == ("group-3",)


def test_a_tenant_that_is_placed_and_not_built_holds_its_room() -> None:
    made = fleet(tenantsPerInfraGroup=1)
    assert [made.tenant(f"t{n}").complete for n in range(4)] == [True, True, True, False]


def test_an_override_never_lifts_a_limit_that_aws_raises_for_nobody() -> None:
    made = fleet()
    made.cell("cell-a", quotaOverrides={QuotaCode.TARGET_GROUPS.value: 500, QuotaCode.RULES.value: 500})
    cell, group = made.cache.cell("cell-a"), made.cache.infra_group("group-1")
    assert cell is not None
    assert group is not None
    limits = Ledgers(made.cache).of(made.tier, cell, group).limits
    assert (limits[QuotaCode.TARGET_GROUPS].limit, limits[QuotaCode.RULES].limit) == (100, 500)
    assert {limits[c].source for c in (QuotaCode.TARGET_GROUPS, QuotaCode.RULES)} == {"Override"}


def test_the_zones_records_are_counted_with_those_of_others() -> None:
    made = fleet()
    made.cache.assume_status(
        next(key for key in made.cache if key.kind.value == "Tier"),
        {
            "summary": {"recordsOfOthers": 6},
            "quotas": [
                {
                    "code": "L-E209CC9F",
                    "name": "Records per hosted zone",
                    "limit": 10,
                    "source": "ServiceQuotas",
                }
            ],
        },
    )
    assert made.tenant("one").complete
    choice = made.tenant("two")
    assert (
        "the hosted zone of tier-1.us-east-1.example.com has 10 of 10 records per hosted zone"
        in choice.message
    )


@pytest.mark.parametrize("mode", ["PerTenant", "Shared"])
def test_placing_a_tenant_costs_the_same_whoever_is_there(mode: str) -> None:
    assert _calls(mode, there=3) == _calls(mode, there=60)


def _calls(mode: str, there: int) -> int:
    """Python calls that one placement makes."""
    made = fleet(mode=mode, tenantsPerInfraGroup=100)
    for number in range(there):
        made.tenant(f"t{number:03}")
    made.tenant("warm")
    made.gone("warm")
    counted_calls = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal counted_calls
        counted_calls += event == "call"

    need = usual_size(made.tier).peak.use
    sys.setprofile(count)
    try:
        free_slots(made.candidates(), need, in_every_group=mode == "Shared")
    finally:
        sys.setprofile(None)
    assert made.cache.get(group_key("group-1")) is not None
    return counted_calls
