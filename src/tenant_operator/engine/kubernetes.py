"""Writing to Kubernetes: statuses and Events; and the one-off listing that the start barrier compares with."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import kubernetes
from urllib3.exceptions import HTTPError

from tenant_operator.api import API_VERSION, GROUP, VERSION
from tenant_operator.aws import undertaking
from tenant_operator.engine.cache import PLURALS, Key, Kind
from tenant_operator.engine.conditions import timestamp
from tenant_operator.engine.visit import Notice

log = logging.getLogger(__name__)

WRITERS = 8
"""Writes to the API server at once: enough for hundreds a second, few enough not to meet its fairness limits."""
TIMEOUT_SECONDS = 15.0
LIST_CHUNK = 500
CLUSTER_SCOPED_EVENTS = "default"
"""The namespace of Events about cluster-scoped objects, as kubectl describe looks for them."""


UNREACHABLE = 0
NOT_FOUND, CONFLICT, UNPROCESSABLE, BAD_REQUEST = 404, 409, 422, 400
MAX_EVENT_MESSAGE = 1024
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Gone(Exception):
    """The object, or its whole kind, is not there."""


class Refused(Exception):
    """The API server refused a request."""

    def __init__(self, status: int, content: str) -> None:
        super().__init__(f"HTTP {status}: {content}")
        self.status = status


@dataclass
class Kubernetes:
    """A thin asynchronous face on the official client; its calls run in threads of their own."""

    component: str = "tenant-operator"
    writes: dict[str, int] = field(default_factory=dict)
    """How many writes there were, by kind of write; for metrics and tests."""
    permit: Callable[[], Callable[[], bool]] | None = None
    """Gives for a write what its thread asks right before it sends."""

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="kubernetes")
        self._api = kubernetes.client.ApiClient()

    async def patch_status(self, key: Key, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into an object's status.

        Raises:
            Gone: there is no such object any more.
            Refused: the API server refused.
        """
        namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
        path = f"/apis/{GROUP}/{VERSION}{namespace}/{PLURALS[key.kind]}/{key.name}/status"
        self._count("status")
        await self._request(
            "PATCH", path, body={"status": dict(patch)}, content_type="application/merge-patch+json"
        )

    async def set_finalizers(self, key: Key, uid: str, before: Sequence[str], after: Sequence[str]) -> bool:
        """Replace an object's finalizers as long as they are as `before`; False where they are not, or it is gone.

        Raises:
            Refused: the API server refused for another reason.
        """
        namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
        path = f"/apis/{GROUP}/{VERSION}{namespace}/{PLURALS[key.kind]}/{key.name}"
        where = "/metadata/finalizers"
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": where, "value": list(before) or None},
            {"op": "add", "path": where, "value": list(after)},
        ]
        self._count("finalizer")
        try:
            await self._request("PATCH", path, body=patch, content_type="application/json-patch+json")
        except Gone:
            return False
        except Refused as refused:
            if refused.status not in (CONFLICT, UNPROCESSABLE):
                raise
            return False
        return True

    async def post_event(self, key: Key, uid: str, notice: Notice, now: dt.datetime) -> None:
        """Post an Event about an object. Equal Events within a second are one, and a refusal is only logged."""
        stamp = timestamp(now)
        digest = hashlib.sha256(f"{key}{uid}{notice.reason}{notice.message}{stamp}".encode()).hexdigest()[:16]
        namespace = key.namespace or CLUSTER_SCOPED_EVENTS
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{key.name}.{digest}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": key.kind.value,
                "name": key.name,
                "namespace": key.namespace,
                "uid": uid,
            },
            "type": "Warning" if notice.warning else "Normal",
            "reason": notice.reason,
            "message": notice.message[:MAX_EVENT_MESSAGE],
            "source": {"component": self.component},
            "reportingComponent": f"{GROUP}/{self.component}",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        self._count("event")
        try:
            await self._request("POST", f"/api/v1/namespaces/{namespace}/events", body=body)
        except (Refused, Gone) as error:
            if not isinstance(error, Refused) or error.status != CONFLICT:
                log.warning("cannot post an Event about %s: %s", key, error)

    async def list_versions(self, kind: Kind) -> dict[str, int]:
        """The resourceVersion of each object of a kind by uid; only their metadata is read.

        Raises:
            Gone: the CRD is not installed.
            Refused: the API server refused.
        """
        found = await self._metadata(f"/apis/{GROUP}/{VERSION}/{PLURALS[kind]}")
        return {item["uid"]: int(item["resourceVersion"]) for item in found}

    async def list_objects(self, kind: Kind) -> list[dict[str, Any]]:
        """All objects of a kind.

        Raises:
            Gone: the CRD is not installed.
            Refused: the API server refused.
        """
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = [("limit", str(LIST_CHUNK)), *([("continue", token)] if token else [])]
            page = await self._request("GET", f"/apis/{GROUP}/{VERSION}/{PLURALS[kind]}", query=query)
            found += [{"apiVersion": API_VERSION, "kind": kind.value, **item} for item in page["items"]]
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return found

    async def list_namespaces(self) -> dict[str, dict[str, str]]:
        """Every namespace's labels.

        Raises:
            Refused: the API server refused.
        """
        return {item["name"]: item.get("labels") or {} for item in await self._metadata("/api/v1/namespaces")}

    def close(self) -> None:
        """Give the threads back."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _metadata(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = [("limit", str(LIST_CHUNK)), *([("continue", token)] if token else [])]
            page = await self._request("GET", path, query=query, accept=METADATA_ONLY)
            found += [item["metadata"] for item in page.get("items") or ()]
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return found

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
        loop = asyncio.get_running_loop()
        headers = {"Accept": accept, **({"Content-Type": content_type} if body is not None else {})}
        if method != "GET":
            undertaking.commit()
        may = None if method == "GET" or self.permit is None else self.permit()
        return await loop.run_in_executor(
            self._pool, self._send, may, method, path, query or [], headers, body
        )

    def _send(
        self,
        may: Callable[[], bool] | None,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        headers: dict[str, str],
        body: object,
    ) -> dict[str, Any]:
        if may is not None and not may():
            raise Refused(UNREACHABLE, "this process could not renew its lease in time, so it writes nothing")
        return call(self._api, method, path, query, headers, body)

    def _count(self, what: str) -> None:
        self.writes[what] = self.writes.get(what, 0) + 1


def call(
    api: kubernetes.client.ApiClient,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: object,
    timeout: float = TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """Make one request to the API server, in this thread; its JSON answer.

    Raises:
        Gone: there is nothing at the path.
        Refused: the API server refused, or did not answer within `timeout` seconds.
    """
    request = api.param_serialize(
        method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
    )
    try:
        response = api.call_api(*request, _request_timeout=timeout)
        content = response.read()
    except HTTPError as error:
        raise Refused(UNREACHABLE, f"the API server does not answer: {error}") from error
    if response.status == NOT_FOUND:
        raise Gone(path)
    if response.status >= BAD_REQUEST:
        raise Refused(response.status, content.decode(errors="replace")[:500])
    found: dict[str, Any] = json.loads(content)
    return found
