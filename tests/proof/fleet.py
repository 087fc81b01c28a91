"""A fleet as its manifests have it, and what people do to it: pure, so that a sequence is a value that can be shrunk.

Each change says what it needs of the fleet (`fits`), what it does to it (`on`), and whom it hurts on purpose (`hurts`):
those tenants' own requests may be lost, nobody else's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import manifests as m
from tests.e2e.manifests import Manifest
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B
from tests.e2e.traffic import LOAD_BALANCER

SHARED, OWN = "tier-1", "tier-2"
GROUPS_PER_ACCOUNT = 4
"""One below what an account's quota of VPCs in a Region (5) allows: a group that goes still has its own for a while.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""
REPOSITORY = "222222222222.dkr.ecr.us-east-1.amazonaws.com/app"


@dataclass(frozen=True)
class TenantSpec:
    """What is declared of a tenant."""

    tier: str
    image: int = 1
    replicas: int = 1
    clusters: int = 1
    port: int = 8080
    prefix: str = ""
    suspended: bool = False

    def manifest(self, name: str) -> Manifest:
        """As `kubectl apply` takes it."""
        spec: dict[str, Any] = {"routing": {"pathPrefix": self.prefix}} if self.prefix else {}
        spec |= {"clusters": self.clusters, "suspended": self.suspended}
        workload = {"image": f"{REPOSITORY}:{self.image}", "replicas": self.replicas, "port": self.port}
        return m.tenant(name, self.tier, workload=workload, **spec)


@dataclass(frozen=True)
class GroupSpec:
    """What is declared of an infra group."""

    cell: str
    octet: int
    weight: int = 100

    def manifest(self, name: str) -> Manifest:
        """As `kubectl apply` takes it."""
        return m.group(
            name, self.cell, f"10.{self.octet}.0.0/16", dnsWeight=self.weight, loadBalancer=LOAD_BALANCER
        )


CELLS: Mapping[str, tuple[str, str]] = {
    "cell-a": (SHARED, ACCOUNT_A),
    "cell-b": (SHARED, ACCOUNT_B),
    "cell-c": (OWN, ACCOUNT_A),
    "cell-d": (OWN, ACCOUNT_B),
}
"""The cells that there may be: tier and account."""


@dataclass(frozen=True)
class Fleet:
    """Everything that is declared."""

    tenants: Mapping[str, TenantSpec] = field(default_factory=dict)
    groups: Mapping[str, GroupSpec] = field(default_factory=dict)

    def groups_of(self, tier: str) -> list[str]:
        """The groups of a tier, by name."""
        return sorted(name for name, group in self.groups.items() if CELLS[group.cell][0] == tier)

    def manifests(self) -> list[Manifest]:
        """Everything, as `kubectl apply` takes it."""
        return [
            m.namespace(),
            m.tier(SHARED),
            m.tier(OWN, mode="PerTenant"),
            *(m.cell(name, tier, account) for name, (tier, account) in CELLS.items()),
            *(group.manifest(name) for name, group in self.groups.items()),
            *(tenant.manifest(name) for name, tenant in self.tenants.items()),
        ]

    def having(self, name: str, **changes: Any) -> Fleet:
        """The fleet with a tenant changed."""
        changed = dataclasses.replace(self.tenants[name], **changes)
        return dataclasses.replace(self, tenants={**self.tenants, name: changed})


def first_fleet() -> Fleet:
    """What each sequence begins with: a Shared tier and a PerTenant tier, two groups and two tenants each."""
    return Fleet(
        tenants={"ant": TenantSpec(SHARED), "bee": TenantSpec(SHARED), "fox": TenantSpec(OWN), "gnu": TenantSpec(OWN)},
        groups={
            "group-1": GroupSpec("cell-a", 20),
            "group-2": GroupSpec("cell-b", 21),
            "group-8": GroupSpec("cell-c", 28),
            "group-9": GroupSpec("cell-d", 29),
        },
    )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One thing that somebody does."""

    def fits(self, fleet: Fleet) -> bool:
        """Whether it can be done to such a fleet."""
        raise NotImplementedError

    def on(self, fleet: Fleet) -> Fleet:
        """The fleet as it is declared afterwards."""
        raise NotImplementedError

    def hurts(self) -> frozenset[str]:
        """The tenants that are struck by it on purpose, so that requests of theirs may be lost."""
        return frozenset()


@dataclass(frozen=True)
class Onboard(Change):
    """Some tenants, in one apply."""

    names: tuple[str, ...]
    tier: str

    def fits(self, fleet: Fleet) -> bool:
        return not set(self.names) & set(fleet.tenants) and bool(fleet.groups_of(self.tier))

    def on(self, fleet: Fleet) -> Fleet:
        new = {name: TenantSpec(self.tier) for name in self.names}
        return dataclasses.replace(fleet, tenants={**fleet.tenants, **new})


@dataclass(frozen=True)
class Edit(Change):
    """Another value in one field of a tenant: image, replicas, clusters, port, prefix or suspended."""

    name: str
    what: str
    value: Any

    def fits(self, fleet: Fleet) -> bool:
        tenant = fleet.tenants.get(self.name)
        return tenant is not None and getattr(tenant, self.what) != self.value

    def on(self, fleet: Fleet) -> Fleet:
        return fleet.having(self.name, **{self.what: self.value})


@dataclass(frozen=True)
class EditAll(Change):
    """One edit of every tenant that there is."""

    what: str
    value: Any

    def fits(self, fleet: Fleet) -> bool:
        return bool(fleet.tenants)

    def on(self, fleet: Fleet) -> Fleet:
        for name in fleet.tenants:
            fleet = fleet.having(name, **{self.what: self.value})
        return fleet


@dataclass(frozen=True)
class DeleteTenant(Change):
    """A tenant goes."""

    name: str

    def fits(self, fleet: Fleet) -> bool:
        return self.name in fleet.tenants and len(fleet.tenants) > 2

    def on(self, fleet: Fleet) -> Fleet:
        kept = {name: tenant for name, tenant in fleet.tenants.items() if name != self.name}
        return dataclasses.replace(fleet, tenants=kept)


@dataclass(frozen=True)
class AddGroup(Change):
    """A further infra group."""

    name: str
    cell: str
    octet: int

    def fits(self, fleet: Fleet) -> bool:
        account = CELLS[self.cell][1]
        there = sum(CELLS[group.cell][1] == account for group in fleet.groups.values())
        return self.name not in fleet.groups and there < GROUPS_PER_ACCOUNT

    def on(self, fleet: Fleet) -> Fleet:
        groups = {**fleet.groups, self.name: GroupSpec(self.cell, self.octet)}
        return dataclasses.replace(fleet, groups=groups)


@dataclass(frozen=True)
class DeleteGroup(Change):
    """An infra group goes, while another keeps the tier's name up."""

    name: str

    def fits(self, fleet: Fleet) -> bool:
        return self.name in fleet.groups and _leads_elsewhere(fleet, self.name)

    def on(self, fleet: Fleet) -> Fleet:
        kept = {name: group for name, group in fleet.groups.items() if name != self.name}
        return dataclasses.replace(fleet, groups=kept)


@dataclass(frozen=True)
class Weigh(Change):
    """Another share of the names for a group; 0 takes it out, while another keeps them up (Shared tiers only)."""

    name: str
    weight: int

    def fits(self, fleet: Fleet) -> bool:
        group = fleet.groups.get(self.name)
        if group is None or group.weight == self.weight or CELLS[group.cell][0] != SHARED:
            return False
        return bool(self.weight) or _leads_elsewhere(fleet, self.name)

    def on(self, fleet: Fleet) -> Fleet:
        changed = dataclasses.replace(fleet.groups[self.name], weight=self.weight)
        return dataclasses.replace(fleet, groups={**fleet.groups, self.name: changed})


@dataclass(frozen=True)
class Meddle(Change):
    """A person changes something in AWS behind the operator's back (`meddling.py` knows how)."""

    how: str
    tenant: str = ""
    """Whose own resources are struck, if any tenant's are."""

    def fits(self, fleet: Fleet) -> bool:
        return not self.tenant or self.tenant in fleet.tenants

    def on(self, fleet: Fleet) -> Fleet:
        return fleet

    def hurts(self) -> frozenset[str]:
        return frozenset({self.tenant} - {""})


def _leads_elsewhere(fleet: Fleet, group: str) -> bool:
    """Whether another group of the same tier is declared to have weight."""
    tier = CELLS[fleet.groups[group].cell][0]
    others = [name for name in fleet.groups_of(tier) if name != group]
    return any(fleet.groups[name].weight for name in others)
