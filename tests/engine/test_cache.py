"""The cache's indexes find exactly what a look at everything would."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api import Tenant, Tier, parse
from tenant_operator.desired import acceptance
from tenant_operator.engine.cache import Cache, object_key, tier_key
from tests.e2e import manifests as m

paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
specs = st.fixed_dictionaries(
    {"tenantId": st.sampled_from(["one", "two", "three", "four"])},
    optional={"routing": st.fixed_dictionaries({"pathPrefix": paths})},
)


def stored(manifest: dict[str, Any], **status: Any) -> dict[str, Any]:
    metadata = {**manifest["metadata"], "uid": f"uid-{manifest['metadata']['name']}", "generation": 1}
    return {**manifest, "metadata": metadata, "status": status}


@given(st.lists(specs, min_size=1, max_size=8), st.sampled_from(["Path", "Header"]))
def test_rivals_are_all_with_whom_a_tenant_conflicts(found: list[dict[str, Any]], by: str) -> None:
    routing = {"by": by, **({"header": "X-Tenant-Id"} if by == "Header" else {})}
    tier = parse(m.tier(routing=routing))
    assert isinstance(tier, Tier)
    cache = Cache()
    for number, spec in enumerate(found):
        cache.put(stored(m.tenant(f"t{number}", **spec)))
    everybody = cache.tenants_of("tier-1")
    for tenant in everybody:
        rivals = acceptance.conflicting(tier, tenant, cache.rivals_of(tenant))
        assert rivals == acceptance.conflicting(tier, tenant, everybody)


def placed(*groups: str) -> dict[str, Any]:
    return {"placements": [{"infraGroup": group} for group in groups]}


def names(tenants: list[Tenant]) -> list[str]:
    return [tenant.metadata.name for tenant in tenants]


def test_who_is_placed_where_follows_the_statuses_that_are_worked_out() -> None:
    cache = Cache()
    for name in ("b", "a"):
        cache.put(stored(m.tenant(name), **placed("group-1")))
    assert names(cache.tenants_placed_in("group-1")) == ["a", "b"]
    key = object_key(cache.tenants_of("tier-1")[0])
    cache.assume_status(key, placed("group-2"))
    assert names(cache.tenants_placed_in("group-1")) == ["b"]
    assert names(cache.tenants_placed_in("group-2")) == ["a"]
    cache.remove(key)
    assert cache.tenants_placed_in("group-2") == []


def test_what_a_watch_shows_does_not_undo_what_was_worked_out_since() -> None:
    cache = Cache()
    cache.put(stored(m.tier()))
    cache.assume_status(tier_key("tier-1"), {"observedGeneration": 1})
    cache.put(stored(m.tier()))
    assert cache.status(tier_key("tier-1")) == {"observedGeneration": 1}


def test_children_are_found_by_their_parents() -> None:
    cache = Cache()
    for manifest in (m.tier(), m.cell(), m.group("g-2"), m.group("g-1"), m.tenant("acme")):
        cache.put(stored(manifest))
    assert [group.metadata.name for group in cache.groups_of_tier("tier-1")] == ["g-1", "g-2"]
    assert cache.tier_name_of(object_key(cache.groups_of_cell("cell-a")[0])) == "tier-1"
    cache.remove(object_key(cache.cells_of("tier-1")[0]))
    assert cache.groups_of_tier("tier-1") == []
