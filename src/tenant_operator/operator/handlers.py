"""Kopf's ear: watch events in, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import kopf

from tenant_operator.api import GROUP, VERSION
from tenant_operator.engine.cache import PLURALS
from tenant_operator.engine.engine import Engine

DELETED = "DELETED"


class NothingKept(kopf.DiffBaseStorage):
    """No last handled configuration: whoever only listens needs none.

    kopf works it out for every event all the same. Copying each object for it was two thirds of what an event costs.
    """

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002  # kopf gives it by name
        extra_fields: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> kopf.BodyEssence:
        """Nothing of an object."""
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is stored."""


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
    async def observe(type: str | None, body: kopf.Body, **_: Any) -> None:
        engine.observe(dict(body), deleted=type == DELETED)

    return observe
