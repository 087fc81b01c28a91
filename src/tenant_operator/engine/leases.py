"""Leases in Kubernetes (https://kubernetes.io/docs/concepts/architecture/leases/): one of each process, one of each unit.

A process renews its own Lease only. The Lease of a unit (a tier, an AWS account) names its holder and is written when it
changes hands: so the API server is written to once in two seconds for each process, however many cells there are.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import kubernetes

from tenant_operator.api import GROUP
from tenant_operator.engine.kubernetes import CONFLICT, Gone, Refused, call
from tenant_operator.engine.shards import Unit

LABEL_INSTALLATION = f"{GROUP}/installation"
LABEL_ROLE = f"{GROUP}/lease-of"
ANNOTATION_PROCESS = f"{GROUP}/process"
"""Tells two processes apart that were given the same identity by mistake."""
WRITERS = 4
RETRIES = 1
"""Of a request whose connection broke: with the time-out of a fifth of the lease each, two tries are over before the fence
closes. urllib3 by itself would take four."""
MAX_NAME = 253


class Role(StrEnum):
    """What a Lease is of."""

    MEMBER = "process"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as it was read or written."""

    name: str
    holder: str
    """Empty: nobody."""
    seconds: float
    """How long it lasts after a renewal."""
    version: str
    """`resourceVersion`: another one whenever it was written."""
    process: str = ""
    transitions: int = 0
    renewed: float = 0.0
    """Seconds since the epoch, by its writer's clock."""


class IdentityTaken(Exception):
    """Another process runs with the same identity."""


class Leases:
    """The Leases of one installation. Its calls block: from the event loop they are made in `pool`.

    Arguments:
        namespace: where they are.
        installation: whose they are.
        identity: who this process is.
        seconds: how long a Lease lasts.
    """

    def __init__(self, namespace: str, installation: str, identity: str, seconds: float) -> None:
        self.identity = identity
        self.seconds = seconds
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._installation = installation
        self._process = str(uuid.uuid4())
        self._api = kubernetes.client.ApiClient(_configuration())
        self._timeout = max(0.5, seconds / 5)
        self.pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="leases")

    # --- this process -----------------------------------------------------------------------------

    def join(self) -> Lease:
        """Make this process known; one of the same identity that was there before has ended.

        Raises:
            Refused: the API server refused.
        """
        known = self._read(self.member_name(self.identity))
        return self._write(Role.MEMBER, self.member_name(self.identity), self.identity, known)

    def renew(self, known: Lease) -> Lease:
        """Renew this process's Lease.

        Raises:
            IdentityTaken: another process has written it.
            Gone: somebody has deleted it.
            Refused: the API server refused.
        """
        try:
            return self._write(Role.MEMBER, known.name, self.identity, known)
        except Refused as refused:
            if refused.status != CONFLICT:
                raise
            found = self._read(known.name)
            if found is not None and found.process != self._process:
                raise IdentityTaken(
                    f"another process runs as {self.identity}; give each an --identity of its own"
                ) from refused
            return self._write(Role.MEMBER, known.name, self.identity, found)

    def member_name(self, identity: str) -> str:
        """The name of a process's Lease."""
        return self._name("process", identity)

    # --- all of them ------------------------------------------------------------------------------

    def of(self, role: Role) -> dict[str, Lease]:
        """The Leases of a role by name, as they are now (not from the API server's cache).

        Raises:
            Refused: the API server refused.
        """
        query = [("labelSelector", f"{LABEL_INSTALLATION}={self._installation},{LABEL_ROLE}={role.value}")]
        found = [_lease(item) for item in self._call("GET", "", query=query).get("items") or ()]
        return {lease.name: lease for lease in found}

    def unit_name(self, unit: Unit) -> str:
        """The name of a unit's Lease."""
        return self._name(unit.kind.value, unit.name)

    def take(self, unit: Unit, known: Lease | None) -> Lease | None:
        """Become the holder of a unit whose Lease was last seen as `known`; None where somebody else was faster.

        Raises:
            Refused: the API server refused.
        """
        return self._swap(self.unit_name(unit), self.identity, known)

    def give_back(self, known: Lease) -> None:
        """Leave a unit to whoever wants it; where it was taken meanwhile, nothing happens.

        Raises:
            Refused: the API server refused.
        """
        self._swap(known.name, "", known)

    def delete(self, known: Lease) -> None:
        """Remove a Lease unless it was written meanwhile.

        Raises:
            Refused: the API server refused.
        """
        try:
            self._call("DELETE", f"/{known.name}", body={"preconditions": {"resourceVersion": known.version}})
        except Gone:
            return
        except Refused as refused:
            if refused.status != CONFLICT:
                raise

    def close(self) -> None:
        """Give the threads back."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    # --- one of them ------------------------------------------------------------------------------

    def _swap(self, name: str, holder: str, known: Lease | None) -> Lease | None:
        try:
            return self._write(Role.UNIT, name, holder, known)
        except Gone:
            return None
        except Refused as refused:
            if refused.status != CONFLICT:
                raise
            return None

    def _read(self, name: str) -> Lease | None:
        try:
            return _lease(self._call("GET", f"/{name}"))
        except Gone:
            return None

    def _write(self, role: Role, name: str, holder: str, known: Lease | None) -> Lease:
        """Create a Lease, or replace it as long as it is still as `known`."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        changed = known is not None and holder not in ("", known.holder)
        body: dict[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "labels": {LABEL_INSTALLATION: self._installation, LABEL_ROLE: role.value},
                "annotations": {ANNOTATION_PROCESS: self._process},
                **({} if known is None else {"resourceVersion": known.version}),
            },
            "spec": {
                "holderIdentity": holder or None,
                "leaseDurationSeconds": math.ceil(self.seconds),
                "renewTime": now,
                "leaseTransitions": (known.transitions if known else 0) + changed,
            },
        }
        if known is None:
            return _lease(self._call("POST", "", body=body))
        return _lease(self._call("PUT", f"/{name}", body=body))

    def _name(self, kind: str, name: str) -> str:
        """`tenant-operator.INSTALLATION.KIND.NAME`: dots, because installations and names may hold hyphens."""
        plain = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip(".-") or "x"
        if plain != name:
            plain = f"{plain[:200]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return f"tenant-operator.{self._installation}.{kind}.{plain}"[:MAX_NAME]

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: object = None,
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return call(self._api, method, self._path + path, query or [], headers, body, timeout=self._timeout)


def _lease(item: dict[str, Any]) -> Lease:
    spec, metadata = item.get("spec") or {}, item["metadata"]
    return Lease(
        name=metadata["name"],
        holder=spec.get("holderIdentity") or "",
        seconds=float(spec.get("leaseDurationSeconds") or 0),
        version=metadata["resourceVersion"],
        process=(metadata.get("annotations") or {}).get(ANNOTATION_PROCESS, ""),
        transitions=spec.get("leaseTransitions") or 0,
        renewed=_seconds(spec.get("renewTime") or ""),
    )


def _configuration() -> kubernetes.client.Configuration:
    found = kubernetes.client.Configuration.get_default_copy()
    found.retries = RETRIES
    return found


def _seconds(stamp: str) -> float:
    try:
        return dt.datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0
