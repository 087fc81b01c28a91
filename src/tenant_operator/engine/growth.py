"""The advice on growth in a tier's status: what to add, why, and the manifest that adds it."""

from __future__ import annotations

from typing import Any

import yaml

from tenant_operator.api import API_VERSION, Cell, InfraGroup, Tier
from tenant_operator.engine.cache import Cache
from tenant_operator.engine.capacity import Ledgers
from tenant_operator.placement.choice import Candidate
from tenant_operator.placement.growth import Advice, CellRoom, advise, free_block, free_name
from tenant_operator.placement.infrastructure import group_use
from tenant_operator.placement.ledger import grown, shortage

DEFAULT_BLOCK = "10.0.0.0/16"
NEW_ACCOUNT = "000000000000"


def scale_up(cache: Cache, tier: Tier, candidates: list[Candidate], ledgers: Ledgers) -> dict[str, Any]:
    """`status.scaleUp` of a tier. It changes when what it speaks of does, and never by itself."""
    cells = [cell_room(cache, tier, cell, ledgers) for cell in cache.cells_of(tier.metadata.name)]
    advice = advise(
        candidates,
        cells,
        shared=tier.mode == "Shared",
        tenants=len(cache.tenants_of(tier.metadata.name)),
    )
    manifest = _manifest(cache, tier, advice)
    return {
        "kind": advice.kind,
        "reason": advice.reason[:1024],
        **({"manifest": manifest} if manifest else {}),
    }


def shortage_for_group(ledgers: Ledgers, tier: Tier, cell: Cell, group: InfraGroup) -> str:
    """What a cell's account has no room for, if a group like this one were made; empty where it has."""
    need = group_use(tier, group)
    return shortage(grown(ledgers.of_new_group(tier, cell, group.metadata.name), need, need))


def cell_room(cache: Cache, tier: Tier, cell: Cell, ledgers: Ledgers) -> CellRoom:
    """Whether a cell could take a further infra group like those that it has."""
    groups = cache.groups_of_cell(cell.metadata.name)
    like = _model(cache, tier, cell)
    return CellRoom(
        name=cell.metadata.name,
        groups=len(groups),
        most=tier.spec.limits.infra_groups_per_cell,
        schedulable=cell.spec.schedulable and not cell.metadata.deletion_timestamp,
        shortage="" if like is None else shortage_for_group(ledgers, tier, cell, like),
    )


def _model(cache: Cache, tier: Tier, cell: Cell | None) -> InfraGroup | None:
    """The group that a new one should be like: the last of the cell's by name, or else of the tier's."""
    groups = cache.groups_of_cell(cell.metadata.name) if cell is not None else []
    groups = groups or cache.groups_of_tier(tier.metadata.name)
    return groups[-1] if groups else None


def _manifest(cache: Cache, tier: Tier, advice: Advice) -> str:
    if advice.kind == "InfraGroup":
        return yaml.safe_dump(_new_group(cache, tier, cache.cell(advice.cell), advice.cell), sort_keys=False)
    if advice.kind != "Cell":
        return ""
    cells = cache.cells_of(tier.metadata.name)
    like = cells[-1] if cells else None
    taken = [key.name for key in cache if key.kind.value == "Cell"]
    name = free_name(like.metadata.name if like else f"{tier.metadata.name}-cell", taken)
    cell = {
        "apiVersion": API_VERSION,
        "kind": "Cell",
        "metadata": {"name": name},
        "spec": {
            "tierRef": {"name": tier.metadata.name},
            "accountId": NEW_ACCOUNT,
            "roleArn": f"arn:aws:iam::{NEW_ACCOUNT}:role/tenant-operator",
        },
    }
    group = _new_group(cache, tier, None, name)
    note = f"# Write the new account's id for {NEW_ACCOUNT}; set its role up first (deploy/aws).\n"
    return note + yaml.safe_dump_all([cell, group], sort_keys=False)


def _new_group(cache: Cache, tier: Tier, cell: Cell | None, cell_name: str) -> dict[str, Any]:
    like = _model(cache, tier, cell)
    groups = [g for key in cache if isinstance(g := cache.get(key), InfraGroup)]
    taken = [g.spec.network.create.cidr for g in groups if g.spec.network.create is not None]
    create = None if like is None else like.spec.network.create
    block = free_block(create.cidr if create else DEFAULT_BLOCK, taken)
    balancer: dict[str, Any] = {"listener": {"port": 80, "protocol": "HTTP"}}
    if like is not None:
        balancer = like.spec.load_balancer.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
        )
    zones = list(create.availability_zones) if create else [f"{tier.spec.region}a", f"{tier.spec.region}b"]
    egress = {"egress": create.egress} if create and create.egress != "None" else {}
    name = free_name(like.metadata.name if like else f"{cell_name}-group", [g.metadata.name for g in groups])
    return {
        "apiVersion": API_VERSION,
        "kind": "InfraGroup",
        "metadata": {"name": name},
        "spec": {
            "cellRef": {"name": cell_name},
            "network": {"create": {"cidr": block, "availabilityZones": zones, **egress}},
            "loadBalancer": balancer,
        },
    }
