"""The brain: who is woken by what, the workers, the sweeps, and the writing of statuses.

Kopf's events come in through `observe`; everything after that is level-based. A visit never trusts what woke it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.api import (
    ANNOTATION_ORPHAN,
    ANNOTATION_RECONCILE,
    CONDITIONS,
    FINALIZER,
    Cell,
    InfraGroup,
    Tenant,
    Tier,
    UnreadableObject,
)
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired.resources import Live
from tenant_operator.engine import summary
from tenant_operator.engine.cache import (
    Cache,
    Key,
    Kind,
    Object,
    cell_key,
    group_key,
    key_of,
    object_key,
    tier_key,
)
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.conditions import Conditions
from tenant_operator.engine.kubernetes import Gone, Kubernetes, Refused
from tenant_operator.engine.queue import KeyedQueue
from tenant_operator.engine.settings import (
    STATUS_QUIET_SECONDS,
    SUMMARY_DEBOUNCE_SECONDS,
    SWEEP_JITTER,
    Settings,
)
from tenant_operator.engine.status import is_detail, status_of, status_patch
from tenant_operator.engine.visit import RELEASED, Notice, Visit

log = logging.getLogger(__name__)

RETRY_START_SECONDS = 3.0

Reconciler = Callable[["Engine", Visit, Any], Any]


@dataclass
class Engine:
    """One process's engine. It belongs to one event loop."""

    settings: Settings
    kubernetes: Kubernetes
    clouds: Clouds
    reconcilers: Mapping[Kind, Reconciler]
    cache: Cache = field(default_factory=Cache)
    clock: Callable[[], float] = time.monotonic
    today: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)

    def __post_init__(self) -> None:
        self.queue: KeyedQueue[Key] = KeyedQueue(clock=self.clock)
        self.definitions: dict[str, Live] = {}
        """Task definitions by ARN: a revision never changes."""
        self.memory: dict[Key, dict[Any, Any]] = {}
        """What visits remember of an object until the process ends: never anything that matters after a crash."""
        self._uids: dict[str, Key] = {}
        self._written: dict[Key, float] = {}
        self._shown: dict[Key, Mapping[str, Any]] = {}
        self._forced: set[Key] = set()
        self._refused: set[Key] = set()
        self.ready = asyncio.Event()
        self._stopping = False

    # --- the ear ----------------------------------------------------------------------------------

    def observe(self, body: Mapping[str, Any], *, deleted: bool) -> None:
        """Take in an object as a watch shows it, and wake what depends on it."""
        key = key_of(body)
        if deleted:
            gone = self.cache.remove(key)
            self._uids.pop(body["metadata"]["uid"], None)
            self.queue.forget(key)
            self.memory.pop(key, None)
            self._shown.pop(key, None)
            self._written.pop(key, None)
            self._refused.discard(key)
            if gone is not None:
                self._wake_around(key, gone, SUMMARY_DEBOUNCE_SECONDS / 3)
            return
        self._uids[body["metadata"]["uid"]] = key
        try:
            key, old = self.cache.put(body)
        except UnreadableObject as error:
            log.warning("%s is not understood and left alone: %s", key, error)
            return
        new = self.cache.get(key)
        assert new is not None
        if not self.ready.is_set():
            self.queue.add(key, Priority.RESYNC)
        elif old is None:
            self.queue.add(key)
            self._wake_around(key, new, SUMMARY_DEBOUNCE_SECONDS)
        elif _spec_changed(old, new):
            self.queue.add(key)
            self._wake_below(key, new)
            self._wake_around(key, new, SUMMARY_DEBOUNCE_SECONDS)
        elif _is_ours(new) and not _is_ours(old):
            self.queue.add(key)
        elif _asked(old, new):
            self._forced.add(key)
            self.queue.add(key)

    def observe_namespace(self, name: str, labels: Mapping[str, str], *, deleted: bool) -> None:
        """Take in a namespace's labels; tenants in it may be allowed, or no longer."""
        if deleted:
            self.cache.remove_namespace(name)
        elif self.cache.put_namespace(name, labels):
            for key in self.cache:
                if key.kind is Kind.TENANT and key.namespace == name:
                    self.queue.add(key)

    def is_released(self, body: Mapping[str, Any]) -> bool:
        """Whether an object's own status says that nothing of it is left in AWS, so that its finalizer may go."""
        if not body["metadata"].get("deletionTimestamp"):
            return False
        conditions = (body.get("status") or {}).get("conditions") or ()
        return any(c.get("type") == "Ready" and c.get("reason") == RELEASED for c in conditions)

    # --- waking -----------------------------------------------------------------------------------

    def wake(self, keys: Iterable[Key], priority: Priority = Priority.EDIT) -> None:
        """Visit some objects soon."""
        for key in keys:
            self.queue.add(key, priority)

    def _wake_below(self, key: Key, obj: Object) -> None:
        """A parent's spec changed: everything below it may have to."""
        if isinstance(obj, Tier):
            name = obj.metadata.name
            self.wake((object_key(cell) for cell in self.cache.cells_of(name)), Priority.EDIT)
            self.wake((object_key(group) for group in self.cache.groups_of_tier(name)), Priority.EDIT)
            self.wake((object_key(tenant) for tenant in self.cache.tenants_of(name)), Priority.RESYNC)
        elif isinstance(obj, Cell):
            self.wake(object_key(group) for group in self.cache.groups_of_cell(obj.metadata.name))
            self._wake_tenants_of(obj.spec.tier_ref.name)
        elif isinstance(obj, InfraGroup):
            self._wake_tenants_of(self.cache.tier_name_of(key))

    def _wake_around(self, key: Key, obj: Object, debounce: float) -> None:
        """Parents sum up; those who wait for this one look again."""
        if isinstance(obj, Tenant):
            tier = obj.spec.tier_ref.name
            self.wake(self._refused)
            for group in self.cache.groups_of_tier(tier):
                self.queue.add_after(object_key(group), debounce, Priority.RESYNC)
            for cell in self.cache.cells_of(tier):
                self.queue.add_after(object_key(cell), debounce, Priority.RESYNC)
            self.queue.add_after(tier_key(tier), debounce, Priority.RESYNC)
            return
        if isinstance(obj, InfraGroup):
            self.queue.add_after(cell_key(obj.spec.cell_ref.name), debounce, Priority.RESYNC)
            tier = self.cache.tier_name_of(key)
            for sibling in self.cache.groups_of_cell(obj.spec.cell_ref.name):
                if sibling.metadata.name != key.name:
                    self.queue.add_after(object_key(sibling), debounce, Priority.RESYNC)
            if tier:
                self.queue.add_after(tier_key(tier), debounce, Priority.RESYNC)
                self._wake_tenants_of(tier)
        elif isinstance(obj, Cell):
            self.queue.add_after(tier_key(obj.spec.tier_ref.name), debounce, Priority.RESYNC)
            self.wake(object_key(group) for group in self.cache.groups_of_cell(obj.metadata.name))
        elif isinstance(obj, Tier):
            self.wake(object_key(cell) for cell in self.cache.cells_of(obj.metadata.name))
            self.wake(object_key(group) for group in self.cache.groups_of_tier(obj.metadata.name))
            self._wake_tenants_of(obj.metadata.name)

    def _wake_tenants_of(self, tier: str) -> None:
        self.wake((object_key(tenant) for tenant in self.cache.tenants_of(tier)), Priority.RESYNC)

    # --- working ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled; begins once all four kinds have been listed."""
        await self._barrier()
        self.ready.set()
        log.info("all kinds are listed: %d objects", len(self.cache))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep())
            group.create_task(self._dispatch(group))

    async def kinds_are_installed(self) -> None:
        """Wait until the API server knows the four kinds."""
        while True:
            try:
                await asyncio.gather(*(self.kubernetes.list_uids(kind) for kind in Kind))
            except Gone:
                log.warning("the CRDs are not installed; install them: kubectl apply --server-side -f crds/")
            except Refused as error:
                log.warning("cannot list the custom resources: %s", error)
            except OSError as error:
                log.warning("cannot reach the API server: %s", error)
            else:
                return
            await asyncio.sleep(RETRY_START_SECONDS)

    async def _barrier(self) -> None:
        """Wait until the watches have shown everything that a listing of our own shows."""
        while True:
            try:
                listed = set().union(
                    *await asyncio.gather(*(self.kubernetes.list_uids(kind) for kind in Kind))
                )
                for name, labels in (await self.kubernetes.list_namespaces()).items():
                    self.cache.put_namespace(name, labels)
            except (Gone, Refused, OSError) as error:
                log.warning("cannot list: %s", error)
                await asyncio.sleep(RETRY_START_SECONDS)
                continue
            for _ in range(20):
                if listed <= set(self._uids):
                    return
                await asyncio.sleep(0.1)

    async def stop(self, seconds: float) -> None:
        """Take no new keys, and wait so long at most until those in flight are done."""
        self._stopping = True
        for _ in range(int(seconds * 10)):
            if not self.queue.depth()["in_flight"]:
                return
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """Give threads and connections back."""
        self.kubernetes.close()
        self.clouds.accounts.transport.close()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Begin visits, so many at once at most. One task waits for keys: hundreds that do would all wake for each."""
        free = asyncio.Semaphore(self.settings.workers)
        while not self._stopping:
            await free.acquire()
            task = group.create_task(self._work(await self.queue.get()))
            task.add_done_callback(lambda _: free.release())

    async def _work(self, key: Key) -> None:
        try:
            await self._visit(key)
        except Exception:
            log.exception("the visit to %s failed in a way that nobody foresaw; it is tried again", key)
            self.queue.retry(key)
        finally:
            self.queue.done(key)

    async def _visit(self, key: Key) -> None:
        obj = self.cache.get(key)
        if obj is None or not _is_ours(obj):
            self.queue.forget(key)
            return
        visit = self.begin(key, obj)
        try:
            await self.reconcilers[key.kind](self, visit, obj)
        except AwsError as error:
            visit.fail("Ready", error)
            visit.conditions.keep(*visit.conditions.known)
            log.info("%s: %s", key, error)
        await self.finish(visit, obj)

    def begin(self, key: Key, obj: Object) -> Visit:
        """An empty visit to an object."""
        previous = self.cache.status(key).get("conditions") or ()
        conditions = Conditions(
            known=CONDITIONS[key.kind.value],
            previous=previous,
            generation=obj.metadata.generation,
            now=self.today(),
        )
        return Visit(
            key=key,
            generation=obj.metadata.generation,
            conditions=conditions,
            previous=self.cache.status(key),
            forced=key in self._forced,
        )

    async def finish(self, visit: Visit, obj: Object) -> None:
        """Write what a visit came to, and see to the next one."""
        key = visit.key
        if self.cache.get(key) is None:
            return
        await self._publish(visit, obj, may_wait=visit.requeue is not None and not visit.forced)
        self._forced.discard(key)
        if visit.conditions.get("Accepted").get("reason") == "Conflict":
            self._refused.add(key)
        else:
            self._refused.discard(key)
        if visit.failed:
            self.queue.retry(key)
            return
        self.queue.succeeded(key)
        if visit.requeue is not None:
            self.queue.add_after(key, visit.requeue)

    async def checkpoint(self, visit: Visit, obj: Object) -> None:
        """Write what a visit has come to so far, before anything is done in AWS that depends on it."""
        await self._publish(visit, obj, may_wait=False)

    async def _publish(self, visit: Visit, obj: Object, *, may_wait: bool) -> None:
        """Take the status in at once; write it when it differs from what Kubernetes has, and cannot wait a moment."""
        key = visit.key
        before, shown = self.cache.status(key), self._shown.get(key, self.cache.shown_status(key))
        after = status_of(visit, before, (obj.metadata.annotations or {}).get(ANNOTATION_RECONCILE))
        self.cache.assume_status(key, after)
        if _mattered(before, after):
            self._wake_around(key, obj, SUMMARY_DEBOUNCE_SECONDS)
        patch = status_patch(shown, after)
        recently = self.clock() - self._written.get(key, float("-inf")) < STATUS_QUIET_SECONDS
        if patch and not (may_wait and recently and is_detail(shown, after)):
            try:
                await self.kubernetes.patch_status(key, patch)
            except Gone:
                return
            except Refused as error:
                visit.failed = True
                log.warning("cannot write the status of %s: %s", key, error)
                return
            self._written[key] = self.clock()
            self._shown[key] = after
        notices, visit.notices = visit.notices, []
        for notice in notices:
            await self.tell(key, obj, notice)

    async def tell(self, key: Key, obj: Object, notice: Notice) -> None:
        """Post an Event about an object."""
        await self.kubernetes.post_event(key, obj.metadata.uid, notice, self.today())

    # --- sweeping ---------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Everything is read anew and visited, every `sweep_seconds`, a little earlier or later."""
        while True:
            spread = 1 + SWEEP_JITTER * (2 * random.random() - 1)
            await asyncio.sleep(self.settings.sweep_seconds * spread)
            for view in self.clouds.views().values():
                view.forget_all()
            log.debug("sweep: %d objects", len(self.cache))
            self.wake(sorted(self.cache), Priority.RESYNC)

    # --- what reconcilers ask ---------------------------------------------------------------------

    def remember(self, key: Key) -> dict[Any, Any]:
        """The memory of an object."""
        return self.memory.setdefault(key, {})

    def settled(self, key: Key, names: Iterable[str], seconds: float, scope: str = "") -> frozenset[str]:
        """Which of some named things have been asked about for `seconds` without a break.

        The clock starts now for new ones, and is forgotten for those that are not named any more. `scope` keeps apart
        what is asked for several purposes.
        """
        memory = self.remember(key)
        old: Mapping[str, float] = memory.get(("settling since", scope), {})
        now = self.clock()
        current = memory[("settling since", scope)] = {name: old.get(name, now) for name in names}
        return frozenset(name for name, since in current.items() if now - since >= seconds)

    def summary(self) -> summary.Summaries:
        """Counts over the cache."""
        return summary.Summaries(self.cache)


def is_orphan(annotations: Mapping[str, str] | None) -> bool:
    """Whether a person wants an object to go at once when it is deleted, and everything in AWS to stay as it is."""
    return (annotations or {}).get(ANNOTATION_ORPHAN) == "true"


def _spec_changed(old: Object, new: Object) -> bool:
    return (
        old.metadata.uid != new.metadata.uid
        or old.metadata.generation != new.metadata.generation
        or bool(old.metadata.deletion_timestamp) != bool(new.metadata.deletion_timestamp)
    )


def _is_ours(obj: Object) -> bool:
    """Whether an object is to be visited: it has our finalizer, so that it cannot go behind our back, and is no orphan.

    It is wakened once it has. A status that was written before that would make the finalizer's patch fail, too.
    """
    orphan = bool(obj.metadata.deletion_timestamp) and is_orphan(obj.metadata.annotations)
    return FINALIZER in obj.metadata.finalizers and not orphan


def _asked(old: Object, new: Object) -> bool:
    """Whether a person asked for a visit by annotation; other tools' annotations come and go."""
    return old.metadata.annotations.get(ANNOTATION_RECONCILE) != new.metadata.annotations.get(
        ANNOTATION_RECONCILE
    )


def _mattered(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether others may have waited for this change: a condition turned, or its reason did; or where things are."""

    def essence(status: Mapping[str, Any]) -> object:
        conditions = status.get("conditions") or ()
        said = {c["type"]: (c["status"], c["reason"]) for c in conditions if c["type"] != "Reconciling"}
        return said, status.get("placements"), status.get("weight")

    return essence(before) != essence(after)


__all__ = ["Engine", "cell_key", "group_key"]
