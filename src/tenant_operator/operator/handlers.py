"""Kopf's ear: watch events in, finalizers on and off, and nothing else.

Finalizers go through `patch.fns`, which kopf turns into a JSON patch with a `test`: two writers never undo each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import kopf

from tenant_operator.api import FINALIZER, GROUP, VERSION
from tenant_operator.engine.cache import PLURALS
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.waking import is_orphan

DELETED = "DELETED"


def register(registry: kopf.OperatorRegistry, engine: Engine) -> None:
    """Listen to the four kinds and to namespaces on behalf of an engine."""
    kopf.on.login(registry=registry)(_login)
    handler = _handler(engine)
    for plural in PLURALS.values():
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(handler)

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace(type: str | None, body: kopf.Body, **_: Any) -> None:
        metadata = body["metadata"]
        engine.observe_namespace(metadata["name"], metadata.get("labels") or {}, deleted=type == DELETED)


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """As the official client was told to (see `main.connect_to_kubernetes`)."""
    return kopf.login_via_client(**kwargs)


def _handler(engine: Engine) -> Callable[..., Any]:
    async def observe(type: str | None, body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        raw: Mapping[str, Any] = dict(body)
        deleted = type == DELETED
        if not deleted:
            _see_to_finalizer(engine, raw, patch)
        engine.observe(raw, deleted=deleted)

    return observe


def _see_to_finalizer(engine: Engine, body: Mapping[str, Any], patch: kopf.Patch) -> None:
    metadata = body["metadata"]
    present = FINALIZER in (metadata.get("finalizers") or ())
    going = bool(metadata.get("deletionTimestamp"))
    orphaned = is_orphan(metadata.get("annotations"))
    if not going and not present:
        patch.fns.append(_add)
    elif going and present and (orphaned or engine.is_released(body)):
        patch.fns.append(_remove)


def _add(body: kopf.RawBody) -> None:
    finalizers = body["metadata"].setdefault("finalizers", [])
    if FINALIZER not in finalizers and not body["metadata"].get("deletionTimestamp"):
        finalizers.append(FINALIZER)


def _remove(body: kopf.RawBody) -> None:
    finalizers = body["metadata"].get("finalizers", [])
    if FINALIZER in finalizers:
        finalizers.remove(FINALIZER)
