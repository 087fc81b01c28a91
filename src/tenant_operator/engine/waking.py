"""Who is woken by what: the object itself, what is below it, and those that sum it up or wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tenant_operator.api import (
    ANNOTATION_RECONCILE,
    Cell,
    InfraGroup,
    Tenant,
    Tier,
)
from tenant_operator.aws.budgets import Priority
from tenant_operator.engine.cache import Cache, Key, Kind, Object, cell_key, object_key, tier_key
from tenant_operator.engine.queue import KeyedQueue
from tenant_operator.engine.settings import SUMMARY_DEBOUNCE_SECONDS


@dataclass
class Waking:
    """Puts into the queue what a change concerns."""

    cache: Cache
    queue: KeyedQueue[Key]
    refused: set[Key] = field(default_factory=set)
    """The tenants that wait for another to give up what they want."""

    def wake(self, keys: Iterable[Key], priority: Priority = Priority.EDIT) -> None:
        """Visit some objects soon."""
        for key in keys:
            self.queue.add(key, priority)

    def gone(self, key: Key, obj: Object) -> None:
        """An object is not there any more."""
        self.around(key, obj, SUMMARY_DEBOUNCE_SECONDS / 3)

    def appeared(self, key: Key, obj: Object) -> None:
        """An object was created."""
        self.queue.add(key)
        self.around(key, obj)

    def edited(self, key: Key, obj: Object) -> None:
        """An object's spec changed, or it is to go."""
        self.queue.add(key)
        self.below(key, obj)
        self.around(key, obj)

    def relabelled(self, namespace: str) -> None:
        """A namespace's labels changed: its tenants may be allowed, or no longer."""
        for key in self.cache:
            if key.kind is Kind.TENANT and key.namespace == namespace:
                self.queue.add(key)

    def below(self, key: Key, obj: Object) -> None:
        """A parent's spec changed: everything below it may have to."""
        if isinstance(obj, Tier):
            name = obj.metadata.name
            self.wake((object_key(cell) for cell in self.cache.cells_of(name)), Priority.EDIT)
            self.wake((object_key(group) for group in self.cache.groups_of_tier(name)), Priority.EDIT)
            self.wake((object_key(tenant) for tenant in self.cache.tenants_of(name)), Priority.BACKLOG)
        elif isinstance(obj, Cell):
            self.wake(object_key(group) for group in self.cache.groups_of_cell(obj.metadata.name))
            self._tenants_of(obj.spec.tier_ref.name)
        elif isinstance(obj, InfraGroup):
            self._tenants_of(self.cache.tier_name_of(key))

    def around(self, key: Key, obj: Object, debounce: float = SUMMARY_DEBOUNCE_SECONDS) -> None:
        """Parents sum up, `debounce` seconds later; those who wait for this one look again."""
        if isinstance(obj, Tenant):
            tier = obj.spec.tier_ref.name
            self.wake(self.refused)
            for group in self.cache.groups_of_tier(tier):
                self.queue.add_after(object_key(group), debounce, Priority.BACKLOG)
            for cell in self.cache.cells_of(tier):
                self.queue.add_after(object_key(cell), debounce, Priority.BACKLOG)
            self.queue.add_after(tier_key(tier), debounce, Priority.BACKLOG)
            return
        if isinstance(obj, InfraGroup):
            self.queue.add_after(cell_key(obj.spec.cell_ref.name), debounce, Priority.BACKLOG)
            tier = self.cache.tier_name_of(key)
            for sibling in self.cache.groups_of_cell(obj.spec.cell_ref.name):
                if sibling.metadata.name != key.name:
                    self.queue.add_after(object_key(sibling), debounce, Priority.BACKLOG)
            if tier:
                self.queue.add_after(tier_key(tier), debounce, Priority.BACKLOG)
                self._tenants_of(tier)
        elif isinstance(obj, Cell):
            self.queue.add_after(tier_key(obj.spec.tier_ref.name), debounce, Priority.BACKLOG)
            self.wake(object_key(group) for group in self.cache.groups_of_cell(obj.metadata.name))
        elif isinstance(obj, Tier):
            self.wake(object_key(cell) for cell in self.cache.cells_of(obj.metadata.name))
            self.wake(object_key(group) for group in self.cache.groups_of_tier(obj.metadata.name))
            self._tenants_of(obj.metadata.name)

    def _tenants_of(self, tier: str) -> None:
        self.wake((object_key(tenant) for tenant in self.cache.tenants_of(tier)), Priority.BACKLOG)


def spec_changed(old: Object, new: Object) -> bool:
    """Whether a person changed what is wanted, deleted the object, or made it anew."""
    return (
        old.metadata.uid != new.metadata.uid
        or old.metadata.generation != new.metadata.generation
        or bool(old.metadata.deletion_timestamp) != bool(new.metadata.deletion_timestamp)
    )


def asked(old: Object, new: Object) -> bool:
    """Whether a person asked for a visit by annotation; other tools' annotations come and go."""
    return old.metadata.annotations.get(ANNOTATION_RECONCILE) != new.metadata.annotations.get(
        ANNOTATION_RECONCILE
    )
