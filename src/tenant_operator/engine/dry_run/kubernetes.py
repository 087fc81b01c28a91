"""Kubernetes as a dry run sees it: objects as they are, and as they would be with some manifests applied.

Nothing is written. What a manifest would become is asked of the API server itself, with `dryRun=All`: defaults,
validation and admission are its own (https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenant_operator.api import GROUP, VERSION, UnreadableObject, parse
from tenant_operator.engine.cache import PLURALS, Key, Kind, key_of
from tenant_operator.engine.dry_run.manifests import Body, Manifests, merge_patch
from tenant_operator.engine.kubernetes import Gone, Kubernetes, Refused
from tenant_operator.engine.visit import Notice

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What `kubectl apply` without `--server-side` leaves behind: it works out the patch itself, from this."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class ManifestRefused(Exception):
    """The API server would refuse a manifest."""

    def __init__(self, key: Key, message: str) -> None:
        super().__init__(f"{key}: {message}")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The custom resources and namespaces as they would be."""

    before: tuple[Body, ...]
    """The custom resources as they are now."""
    bodies: tuple[Body, ...]
    namespaces: Mapping[str, Mapping[str, str]]


class DryRunKubernetes(Kubernetes):
    """Reads, and asks what writes would do; it makes none."""

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> None:
        """Nothing: the status is in the engine's cache, where the next visit finds it."""

    async def set_finalizers(
        self,
        key: Key,  # noqa: ARG002
        uid: str,  # noqa: ARG002
        before: Sequence[str],  # noqa: ARG002
        after: Sequence[str],  # noqa: ARG002
    ) -> bool:
        """Nothing: the engine of a dry run lets objects go by itself."""
        return True

    async def post_event(self, key: Key, uid: str, notice: Notice, now: dt.datetime) -> None:
        """Nothing."""

    async def expected(
        self, manifests: Manifests, deleted: Iterable[Key], *, field_manager: str, now: str
    ) -> Expected:
        """What there would be with some manifests applied and some objects deleted.

        Raises:
            ManifestRefused: a manifest would be refused, or an object to be deleted does not exist.
            Gone: the CRDs are not installed.
            Refused: the API server cannot be asked.
        """
        listed = await asyncio.gather(*(self.list_objects(kind) for kind in Kind))
        present: dict[Key, Body] = {key_of(body): body for bodies in listed for body in bodies}
        before = tuple(present.values())
        existing = await self.list_namespaces()
        missing = set(manifests.namespaces) - set(existing)
        for body in manifests.bodies:
            key = key_of(body)
            if key.namespace in missing:
                present[key] = _by_our_own_rules(body)
            else:
                present[key] = await self._applied(key, body, present.get(key), field_manager)
        for key in deleted:
            if key not in present:
                raise ManifestRefused(key, "there is no such object to delete")
            present[key] = _deleted(present[key], now)
        return Expected(
            before=before,
            bodies=tuple(present[key] for key in sorted(present, key=_parents_first)),
            namespaces={**existing, **manifests.namespaces},
        )

    async def _applied(self, key: Key, body: Body, present: Body | None, field_manager: str) -> Body:
        """What the API server says that an object would be once its manifest is applied."""
        query = [("dryRun", "All"), ("fieldManager", field_manager)]
        last = _last_applied(present)
        if last is None:
            query.append(("force", "true"))
        patch, content_type = (body, APPLY) if last is None else (merge_patch(last, body), MERGE)
        try:
            return await self._request(
                "PATCH", _path(key), query=query, body=patch, content_type=content_type
            )
        except Refused as refused:
            raise ManifestRefused(key, _message(refused)) from refused
        except Gone as gone:
            raise ManifestRefused(key, "its namespace does not exist, or its kind is not installed") from gone

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: object = None,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        if method != "GET" and ("dryRun", "All") not in (query or ()):
            raise AssertionError(f"a dry run writes nothing: {method} {path}")
        return await super()._request(
            method, path, query=query, body=body, accept=accept, content_type=content_type
        )


def _path(key: Key) -> str:
    namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
    return f"/apis/{GROUP}/{VERSION}{namespace}/{PLURALS[key.kind]}/{key.name}"


def _last_applied(present: Body | None) -> Body | None:
    """The manifest that was applied last, where that was done on the client's side and never by the server since."""
    if present is None:
        return None
    managers = present["metadata"].get("managedFields") or ()
    if any(manager.get("operation") == "Apply" for manager in managers):
        return None
    text = (present["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    return None if text is None else dict(json.loads(text))


def _message(refused: Refused) -> str:
    """What the API server said, without its envelope."""
    text = str(refused).partition(": ")[2]
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text


def _by_our_own_rules(body: Body) -> Body:
    """An object for a namespace that does not exist yet: the API server says nothing about it, our models do."""
    try:
        parse({**body, "metadata": {"uid": "", **body["metadata"]}})
    except UnreadableObject as error:
        raise ManifestRefused(key_of(body), str(error)) from error
    return {**body, "metadata": {"uid": f"of {key_of(body)}", "generation": 1, **body["metadata"]}}


def _deleted(body: Body, now: str) -> Body:
    """What `kubectl delete` makes of an object that has a finalizer."""
    metadata = body["metadata"]
    if metadata.get("deletionTimestamp"):
        return body
    generation = int(metadata.get("generation") or 0) + 1
    return {**body, "metadata": {**metadata, "deletionTimestamp": now, "generation": generation}}


def _parents_first(key: Key) -> tuple[int, str, str]:
    return list(Kind).index(key.kind), key.namespace, key.name
