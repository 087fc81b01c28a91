"""The custom resources as last seen, by kind and key, with the few reverse indexes that waking needs.

The engine fills it from watch events. It is read by reconcilers and never written by them, but for the status that
they have just written (`assume_status`), which counts until the watch brings it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from sys import intern
from typing import Any

from tenant_operator.api import Cell, InfraGroup, Tenant, Tier, parse
from tenant_operator.placement.ledger import Totals
from tenant_operator.placement.reservation import counted

Object = Tier | Cell | InfraGroup | Tenant


class Kind(StrEnum):
    """The four kinds, parents first."""

    TIER = "Tier"
    CELL = "Cell"
    INFRA_GROUP = "InfraGroup"
    TENANT = "Tenant"


PLURALS: Mapping[Kind, str] = {
    Kind.TIER: "tiers",
    Kind.CELL: "cells",
    Kind.INFRA_GROUP: "infragroups",
    Kind.TENANT: "tenants",
}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One custom resource: kind, namespace (empty for the cluster-scoped kinds) and name."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.namespace + '/' if self.namespace else ''}{self.name}"


def key_of(body: Mapping[str, Any]) -> Key:
    """The key of an object as Kubernetes shows it."""
    metadata = body["metadata"]
    return Key(Kind(body["kind"]), metadata.get("namespace") or "", metadata["name"])


def tier_key(name: str) -> Key:
    """The key of a tier."""
    return Key(Kind.TIER, "", name)


def cell_key(name: str) -> Key:
    """The key of a cell."""
    return Key(Kind.CELL, "", name)


def group_key(name: str) -> Key:
    """The key of an infra group."""
    return Key(Kind.INFRA_GROUP, "", name)


def _kept_once(value: Any) -> Any:
    """The same status; thousands have the same types, reasons and messages, and each text is kept once."""
    if isinstance(value, str):
        return intern(value)
    if isinstance(value, dict):
        return {intern(name): _kept_once(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_kept_once(part) for part in value]
    return value


class Cache:
    """All custom resources, and what belongs to what."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._status: dict[Key, dict[str, Any]] = {}
        self._first_status: dict[Key, dict[str, Any]] = {}
        self._cells_of: defaultdict[str, set[Key]] = defaultdict(set)
        self._groups_of: defaultdict[str, set[Key]] = defaultdict(set)
        self._tenants_of: defaultdict[str, set[Key]] = defaultdict(set)
        self._tenants_by_claim: defaultdict[tuple[str, str, str], set[Key]] = defaultdict(set)
        self._placed_in: defaultdict[str, set[Key]] = defaultdict(set)
        self._tiers: defaultdict[str, set[Key]] = defaultdict(set)
        self._cells_in: defaultdict[str, set[Key]] = defaultdict(set)
        self._totals: defaultdict[str, Totals] = defaultdict(Totals)
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._parents: set[Key] = set()
        self._groups_of_tier: dict[str, tuple[int, tuple[Key, ...]]] = {}
        """Since when, by `topology`: every visit to a tenant asks for them."""
        self.topology = 0
        """Another number whenever a tier, cell or infra group came or went, or a tier got its first tenant."""

    # --- filling ----------------------------------------------------------------------------------

    def put(self, body: Mapping[str, Any], *, follow: bool = False) -> tuple[Key, Object | None]:
        """Take in an object; returns its key and what was known of it before.

        With `follow` its status is taken in as well: somebody else writes it. Else it is what we wrote last.
        """
        key = key_of(body)
        new = parse({name: part for name, part in body.items() if name != "status"})
        old = self._objects.get(key)
        if old is None or old.metadata.uid != new.metadata.uid:
            self._drawn_anew(key, new)
            follow = True
        self._unindex(key)
        self._objects[key] = new
        if follow:
            self._first_status[key] = _kept_once(body.get("status") or {})
            self._set_status(key, self._first_status[key])
        self._index(key, new)
        return key, old

    def remove(self, key: Key) -> Object | None:
        """Forget an object that is gone."""
        if key in self._parents:
            self._parents.discard(key)
            self.topology += 1
        self._unindex(key)
        self._set_status(key, {})
        self._status.pop(key, None)
        self._first_status.pop(key, None)
        return self._objects.pop(key, None)

    def assume_status(self, key: Key, status: dict[str, Any]) -> None:
        """Take in the status that we have just written. One that says nothing new takes no memory."""
        if key in self._objects and self._status.get(key) != status:
            self._set_status(key, status)

    # --- looking ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Key]:
        """The keys of all objects, as they are now."""
        return iter(list(self._objects))

    def parents(self) -> Iterator[Key]:
        """The keys of all tiers, cells and infra groups."""
        return iter(list(self._parents))

    def tiers_of_tenants(self) -> Iterator[str]:
        """The names of all tiers that tenants name, whether they are there or not."""
        return iter([name for name, tenants in self._tenants_of.items() if tenants])

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        return self._objects.get(key)

    def tier(self, name: str) -> Tier | None:
        """A tier by name."""
        found = self._objects.get(tier_key(name))
        return found if isinstance(found, Tier) else None

    def tiers(self) -> list[Tier]:
        """All tiers, by name."""
        return [obj for obj in self._sorted(self._tiers[""]) if isinstance(obj, Tier)]

    def cell(self, name: str) -> Cell | None:
        """A cell by name."""
        found = self._objects.get(cell_key(name))
        return found if isinstance(found, Cell) else None

    def infra_group(self, name: str) -> InfraGroup | None:
        """An infra group by name."""
        found = self._objects.get(group_key(name))
        return found if isinstance(found, InfraGroup) else None

    def status(self, key: Key) -> Mapping[str, Any]:
        """The status as last worked out by this process, or as first seen."""
        return self._status.get(key, {})

    def shown_status(self, key: Key) -> Mapping[str, Any]:
        """The status as it was when the object was first seen."""
        return self._first_status.get(key, {})

    def condition(self, key: Key, type_: str) -> Mapping[str, Any]:
        """One condition of an object's status; empty where there is none."""
        for condition in self.status(key).get("conditions") or ():
            if condition.get("type") == type_:
                return dict(condition)
        return {}

    def is_true(self, key: Key, type_: str) -> bool:
        """Whether a condition is True."""
        return self.condition(key, type_).get("status") == "True"

    def tenants_placed_in(self, group: str) -> list[Tenant]:
        """The tenants whose status places them in an infra group, by namespace and name."""
        return [obj for obj in self._sorted(self._placed_in[group]) if isinstance(obj, Tenant)]

    def cells_of(self, tier: str) -> list[Cell]:
        """A tier's cells, by name."""
        return [obj for obj in self._sorted(self._cells_of[tier]) if isinstance(obj, Cell)]

    def cells_in_account(self, account: str) -> list[Cell]:
        """The cells of all tiers in one AWS account, by name."""
        return [obj for obj in self._sorted(self._cells_in[account]) if isinstance(obj, Cell)]

    def reserved_in(self, group: str) -> Totals:
        """What is reserved for the tenants of an infra group: sums that are kept, so that nobody walks over tenants."""
        return self._totals[group]

    def groups_of_cell(self, cell: str) -> list[InfraGroup]:
        """A cell's infra groups, by name."""
        return [obj for obj in self._sorted(self._groups_of[cell]) if isinstance(obj, InfraGroup)]

    def groups_of_tier(self, tier: str) -> list[InfraGroup]:
        """A tier's infra groups, by name."""
        topology, keys = self._groups_of_tier.get(tier, (-1, ()))
        if topology != self.topology:
            cells = self._cells_of[tier]
            keys = tuple(sorted({key for cell in cells for key in self._groups_of[cell.name]}))
            self._groups_of_tier[tier] = (self.topology, keys)
        return [obj for key in keys if isinstance(obj := self._objects[key], InfraGroup)]

    def tenants_of(self, tier: str) -> list[Tenant]:
        """A tier's tenants, by namespace and name."""
        return [obj for obj in self._sorted(self._tenants_of[tier]) if isinstance(obj, Tenant)]

    def tenants_with_id(self, tier: str, tenant_id: str) -> list[Tenant]:
        """A tier's tenants of this id: one, or rivals for it."""
        found = self._tenants_by_claim.get((tier, "id", tenant_id), set())
        return [obj for obj in self._sorted(found) if isinstance(obj, Tenant)]

    def rivals_of(self, tenant: Tenant) -> list[Tenant]:
        """The tenants of the same tier that may conflict with one: every true rival, and few others."""
        tier, path = tenant.spec.tier_ref.name, tenant.path_prefix
        found = set(self._tenants_by_claim.get((tier, "id", tenant.tenant_id), ()))
        found |= self._tenants_by_claim.get((tier, "header", tenant.header_value), set())
        found |= self._tenants_by_claim.get((tier, "below", path), set())
        for ancestor in (path, *_ancestors(path)):
            found |= self._tenants_by_claim.get((tier, "path", ancestor), set())
        return [obj for obj in self._sorted(found) if isinstance(obj, Tenant)]

    def tier_name_of(self, key: Key) -> str:
        """The name of the tier that an object belongs to; empty where a parent is not known."""
        found = self._objects.get(key)
        if isinstance(found, Tier):
            return found.metadata.name
        if isinstance(found, Cell | Tenant):
            return found.spec.tier_ref.name
        if isinstance(found, InfraGroup):
            cell = self.cell(found.spec.cell_ref.name)
            return "" if cell is None else cell.spec.tier_ref.name
        return ""

    # --- namespaces -------------------------------------------------------------------------------

    def cells_waited_for(self, key: Key) -> Hashable:
        """What a visit to an object may have to wait for: the cells in which it is; visits to others go on meanwhile."""
        obj = self.get(key)
        if isinstance(obj, InfraGroup):
            return (obj.spec.cell_ref.name,)
        if isinstance(obj, Cell):
            return (key.name,)
        if not isinstance(obj, Tenant):
            return key
        groups = (self.infra_group(p["infraGroup"]) for p in self.status(key).get("placements") or ())
        cells = sorted({group.spec.cell_ref.name for group in groups if group is not None})
        return tuple(cells) or tier_key(obj.spec.tier_ref.name)

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Take in a namespace's labels; True when they changed."""
        changed = self._namespaces.get(name) != labels
        self._namespaces[name] = dict(labels)
        return changed

    def remove_namespace(self, name: str) -> None:
        """Forget a namespace."""
        self._namespaces.pop(name, None)

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """A namespace's labels, or None when it is not known."""
        return self._namespaces.get(name)

    # --- the indexes ------------------------------------------------------------------------------

    def _sorted(self, keys: set[Key]) -> Iterator[Object]:
        for key in sorted(keys):
            yield self._objects[key]

    def _set_status(self, key: Key, status: dict[str, Any]) -> None:
        for placement in self._status.get(key, {}).get("placements") or ():
            kept = counted(placement)
            self._placed_in[placement["infraGroup"]].discard(key)
            self._totals[placement["infraGroup"]].take(kept.lasting, kept.now)
        self._status[key] = status
        for placement in status.get("placements") or ():
            kept = counted(placement)
            self._placed_in[placement["infraGroup"]].add(key)
            self._totals[placement["infraGroup"]].add(kept.lasting, kept.now)

    def _drawn_anew(self, key: Key, new: Object) -> None:
        if not isinstance(new, Tenant):
            self._parents.add(key)
            self.topology += 1
        elif not self._tenants_of.get(new.spec.tier_ref.name):
            self.topology += 1

    def _index(self, key: Key, obj: Object) -> None:
        for index, value in self._entries(obj):
            index[value].add(key)

    def _unindex(self, key: Key) -> None:
        old = self._objects.get(key)
        if old is None:
            return
        for index, value in self._entries(old):
            index[value].discard(key)
            if not index[value]:
                del index[value]

    def _entries(self, obj: Object) -> Iterator[tuple[defaultdict[Any, set[Key]], Any]]:
        if isinstance(obj, Tier):
            yield self._tiers, ""
        elif isinstance(obj, Cell):
            yield self._cells_of, obj.spec.tier_ref.name
            yield self._cells_in, obj.spec.account_id
        elif isinstance(obj, InfraGroup):
            yield self._groups_of, obj.spec.cell_ref.name
        elif isinstance(obj, Tenant):
            yield self._tenants_of, obj.spec.tier_ref.name
            for claim in _claims(obj):
                yield self._tenants_by_claim, (obj.spec.tier_ref.name, *claim)


def _ancestors(path: str) -> Iterator[str]:
    """The paths above one: `/a` and `/a/b` for `/a/b/c`."""
    while path := path.rpartition("/")[0]:
        yield path


def _claims(tenant: Tenant) -> Iterator[tuple[str, str]]:
    """What a tenant claims of its tier, so that those who claim the same are found without looking at everybody."""
    yield "id", tenant.tenant_id
    yield "header", tenant.header_value
    yield "path", tenant.path_prefix
    for ancestor in _ancestors(tenant.path_prefix):
        yield "below", ancestor


def object_key(obj: Object) -> Key:
    """The key of a parsed object."""
    return Key(Kind(type(obj).__name__), obj.metadata.namespace or "", obj.metadata.name)
