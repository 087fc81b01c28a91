"""The advice on growth: the published rule, with the number that led to it and a manifest that can be applied."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api import Cell, InfraGroup, parse
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.engine.capacity import Ledgers
from tenant_operator.engine.growth import scale_up
from tenant_operator.placement.growth import MAX_NAME, free_block, free_name
from tests.engine.fleet import Fleet, stored


def advice(made: Fleet) -> dict[str, Any]:
    return scale_up(made.cache, made.tier, made.candidates(), Ledgers(made.cache))


def filled(tenants: int, mode: str = "PerTenant", **more: Any) -> Fleet:
    """A tier of one cell with one group of ten tenants at most."""
    limits = {"tenantsPerInfraGroup": 10, **more.pop("limits", {})}
    made = Fleet(mode, limits=limits, **more).cell().group("group-1")
    for number in range(tenants):
        assert made.tenant(f"t{number}").complete
    return made


def test_while_there_is_room_larger_tasks_come_first() -> None:
    said = advice(filled(5))
    assert said["kind"] == "Tenant"
    assert said["reason"].startswith("group-1 holds 5 of limits.tenantsPerInfraGroup 10: there is room")
    assert "manifest" not in said


def test_where_nobody_is_nothing_is_advised() -> None:
    assert advice(filled(0))["kind"] == "None"


def test_near_a_load_balancers_limit_a_further_group_is_advised_with_a_block_of_its_own() -> None:
    said = advice(filled(8))
    assert said["kind"] == "InfraGroup"
    assert "group-1 holds 8 of limits.tenantsPerInfraGroup 10" in said["reason"]
    group = parse(stored(yaml.safe_load(said["manifest"])))
    assert isinstance(group, InfraGroup)
    assert group.metadata.name == "group-2"
    assert group.spec.cell_ref.name == "cell-a"
    assert group.spec.network.create is not None
    assert group.spec.network.create.cidr == "10.21.0.0/16"
    assert group.spec.load_balancer.listener.port == 80


@pytest.mark.parametrize(
    ("quotas", "why"),
    [
        ({QuotaCode.VPCS.value: 1}, "has 1 of 1 VPCs per Region"),
        ({QuotaCode.LOAD_BALANCERS.value: 1}, "has 1 of 1 application Load Balancers per Region"),
        ({QuotaCode.ENDPOINTS.value: 0}, "interface VPC endpoints per VPC"),
    ],
)
def test_where_the_account_takes_no_further_group_a_cell_is_advised(quotas: dict[str, int], why: str) -> None:
    made = filled(8)
    made.told("cell-a", **quotas)
    said = advice(made)
    assert said["kind"] == "Cell"
    assert why in said["reason"]
    cell, group = (parse(stored(body)) for body in yaml.safe_load_all(said["manifest"]))
    assert isinstance(cell, Cell)
    assert isinstance(group, InfraGroup)
    assert group.spec.cell_ref.name == cell.metadata.name == "cell-a-2"


def test_where_the_cell_is_full_of_groups_a_cell_is_advised() -> None:
    said = advice(filled(8, limits={"infraGroupsPerCell": 1}))
    assert said["kind"] == "Cell"
    assert "cell cell-a has 1 of limits.infraGroupsPerCell 1" in said["reason"]


def test_near_the_accounts_own_limit_a_cell_is_advised_however_empty_its_groups_are() -> None:
    made = filled(2)
    made.told("cell-a", **{QuotaCode.VCPU.value: 1})
    said = advice(made)
    assert said["kind"] == "Cell"
    assert "1 of 1 Fargate On-Demand vCPUs per Region (L-3032A538)" in said["reason"]


def test_in_a_shared_tier_a_further_group_brings_no_room_for_tenants_and_is_not_advised() -> None:
    said = advice(filled(9, "Shared"))
    assert said["kind"] == "None"
    assert "create a second tier" in said["reason"]


def test_in_a_shared_tier_a_further_group_takes_over_tasks() -> None:
    made = filled(5, "Shared")
    made.told("cell-a", **{QuotaCode.TARGETS.value: 12})
    said = advice(made)
    assert said["kind"] == "InfraGroup"
    assert "10 of 12 Targets per Application Load Balancer (L-7E6692B2)" in said["reason"]


def test_the_same_fleet_gives_the_same_advice_again() -> None:
    made = filled(8)
    assert advice(made) == advice(made)


blocks = st.builds(
    lambda second, prefix: str(ipaddress.ip_network((f"10.{second}.0.0", prefix), strict=False)),
    st.integers(0, 255),
    st.integers(16, 20),
)


@given(blocks, st.lists(blocks, max_size=20))
def test_a_free_block_overlaps_nothing_and_is_as_large_as_its_model(like: str, taken: list[str]) -> None:
    found = ipaddress.ip_network(free_block(like, [like, *taken]))
    assert found.prefixlen == ipaddress.ip_network(like).prefixlen
    assert not any(found.overlaps(ipaddress.ip_network(block)) for block in (like, *taken))


@given(st.from_regex(r"\A[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z"), st.sets(st.just("group-2")))
def test_a_free_name_is_free_and_is_a_name(like: str, taken: set[str]) -> None:
    found = free_name(like, {like, *taken})
    assert found not in {like, *taken}
    assert len(found) <= MAX_NAME
    assert not found.startswith("-")
    assert not found.endswith("-")


def test_a_series_goes_on() -> None:
    assert free_name("group-1", {"group-1", "group-2"}) == "group-3"
    assert free_name("main", {"main"}) == "main-2"
