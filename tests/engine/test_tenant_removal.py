"""Which accounts a tenant's visit asks whether something of it is where it should not be."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_operator.api import Tenant
from tenant_operator.aws.budgets import Priority
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Cluster, Live
from tenant_operator.engine import tenant_removal
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.summary import Summaries
from tenant_operator.engine.visit import Visit
from tests.e2e import manifests as m
from tests.engine.fleet import Fleet, stored


class Engine:
    """As much of an engine as is asked: three cells, of which the accounts of two have been read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, known: dict[str, Site]) -> None:
        fleet = Fleet()
        for number, name in enumerate(("cell-a", "cell-b", "cell-c"), 2):
            fleet.cell(name, account=f"{number}" * 12)
        self.cache = fleet.cache
        self.tier = fleet.tier
        self.clouds = self
        self.known = known
        self.asked: list[str] = []
        monkeypatch.setattr(tenant_removal, "_ask", self._ask)

    def summary(self) -> Summaries:
        return Summaries(self.cache)

    def known_site(self, cell: Any, *_: Any) -> Site | None:
        return self.known.get(cell.metadata.name)

    async def _ask(self, _: Any, __: Any, ___: Any, cell: Any) -> None:
        self.asked.append(cell.metadata.name)


class View:
    """A view in which a tenant has a cluster."""

    def __init__(self, tenant: Tenant, cell: str) -> None:
        owner = {"kind": "Tenant", "namespace": tenant.metadata.namespace, "name": tenant.metadata.name}
        self.live = Live(
            address=Address("444444444444", "us-east-1", Cluster.__name__, "c"),
            id="arn:c",
            spec=Cluster(),
            tags={
                **{f"{tags.PREFIX}{key}": str(value) for key, value in owner.items()},
                tags.CELL: cell,
            },
        )

    def groups_of(self, *_: str) -> set[str]:
        return {"group-9"}

    def of_tenant(self, *_: str) -> dict[Address, Live]:
        return {self.live.address: self.live}


@pytest.fixture
def tenant() -> Tenant:
    return Tenant.model_validate(stored(m.tenant("acme")))


def a_sweeps_visit() -> Any:
    found = Visit.__new__(Visit)
    found.previous = {"placements": [{"infraGroup": "group-1", "cell": "cell-a"}]}
    found.priority, found.trust = Priority.RESYNC, 0.0
    return found


async def test_a_visit_waits_for_the_accounts_where_the_tenant_is_placed_and_for_no_others(
    monkeypatch: pytest.MonkeyPatch, tenant: Tenant
) -> None:
    engine: Any = Engine(monkeypatch, {})
    assert await tenant_removal.leave_others(engine, a_sweeps_visit(), engine.tier, tenant, ["group-1"]) == []
    assert engine.asked == ["cell-a"]


async def test_what_a_lost_status_has_left_elsewhere_is_found_once_that_account_was_read(
    monkeypatch: pytest.MonkeyPatch, tenant: Tenant
) -> None:
    site: Any = type("Known", (), {"view": View(tenant, "cell-c")})()
    engine: Any = Engine(monkeypatch, {"cell-c": site})
    left: list[str] = []

    async def leave(*arguments: Any) -> list[Any]:
        left.append(arguments[-1].group)
        return []

    async def may_leave(*_: Any) -> bool:
        return True

    monkeypatch.setattr(tenant_removal, "_leave", leave)
    monkeypatch.setattr(tenant_removal, "_may_leave", may_leave)
    visit = a_sweeps_visit()
    visit.failed = False
    assert await tenant_removal.leave_others(engine, visit, engine.tier, tenant, ["group-1"]) == ["group-9"]
    assert left == ["group-9"]


async def test_a_tenant_that_goes_is_looked_for_in_every_account(
    monkeypatch: pytest.MonkeyPatch, tenant: Tenant
) -> None:
    engine: Any = Engine(monkeypatch, {})
    assert await tenant_removal._presence(engine, a_sweeps_visit(), engine.tier, tenant) == ([], [])
    assert sorted(engine.asked) == ["cell-a", "cell-b", "cell-c"]
