"""Writing what a visit came to: the status, where it differs from what Kubernetes has, and the Events."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.api import ANNOTATION_RECONCILE
from tenant_operator.engine.cache import Cache, Key, Object
from tenant_operator.engine.kubernetes import Gone, Kubernetes, Refused
from tenant_operator.engine.settings import STATUS_QUIET_SECONDS
from tenant_operator.engine.status import is_detail, status_of, status_patch
from tenant_operator.engine.visit import Notice, Visit

log = logging.getLogger(__name__)


@dataclass
class Publisher:
    """The one writer of statuses and Events."""

    kubernetes: Kubernetes
    cache: Cache
    clock: Callable[[], float]
    today: Callable[[], dt.datetime]
    _written: dict[Key, float] = field(default_factory=dict)
    _shown: dict[Key, Mapping[str, Any]] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._written.pop(key, None)
        self._shown.pop(key, None)

    async def publish(self, visit: Visit, obj: Object, *, may_wait: bool) -> bool:
        """Take the status in at once; write it when it differs from what Kubernetes has, and cannot wait a moment.

        Returns whether others may have waited for what changed.
        """
        key = visit.key
        before, shown = self.cache.status(key), self._shown.get(key, self.cache.shown_status(key))
        after = status_of(visit, before, (obj.metadata.annotations or {}).get(ANNOTATION_RECONCILE))
        self.cache.assume_status(key, after)
        mattered = _mattered(before, after)
        patch = status_patch(shown, after)
        recently = self.clock() - self._written.get(key, float("-inf")) < STATUS_QUIET_SECONDS
        if patch and not (may_wait and recently and is_detail(shown, after)):
            try:
                await self.kubernetes.patch_status(key, patch)
            except Gone:
                return mattered
            except Refused as error:
                visit.failed = True
                log.warning("cannot write the status of %s: %s", key, error)
                return mattered
            self._written[key] = self.clock()
            self._shown[key] = after
        notices, visit.notices = visit.notices, []
        for notice in notices:
            await self.tell(key, obj, notice)
        return mattered

    async def amend(self, key: Key, fields: Mapping[str, Any]) -> None:
        """Write some fields of the status at once, in the middle of a visit; what else it holds stays as it was.

        Raises:
            Gone, Refused: the API server did not take them.
        """
        shown = self._shown.get(key, self.cache.shown_status(key))
        after = {**shown, **fields}
        patch = status_patch(shown, after)
        if patch:
            await self.kubernetes.patch_status(key, patch)
        self._shown[key] = after
        self.cache.assume_status(key, {**self.cache.status(key), **fields})

    async def tell(self, key: Key, obj: Object, notice: Notice) -> None:
        """Post an Event about an object."""
        await self.kubernetes.post_event(key, obj.metadata.uid, notice, self.today())


UNHEARD = ("Reconciling", "RolloutComplete")
"""Conditions that nobody else waits for. Whose turn it is in a tier's rollout is woken by name, not with all tenants."""


def _mattered(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether others may have waited for this change: a condition turned, or its reason did; or where things are."""

    def essence(status: Mapping[str, Any]) -> object:
        conditions = status.get("conditions") or ()
        said = {c["type"]: (c["status"], c["reason"]) for c in conditions if c["type"] not in UNHEARD}
        return said, status.get("placements"), status.get("weight"), status.get("release")

    return essence(before) != essence(after)
