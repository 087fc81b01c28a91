"""A client of the control API, for tests, the demo and benchmarks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
TIMEOUT_SECONDS = 30.0


class ControlError(Exception):
    """The control API refused: the message says what to write instead."""


class SandboxAWS:
    """Talks to the simulated AWS at `endpoint` (http://127.0.0.1:…)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")

    def health(self) -> dict[str, Any]:
        """{"status": "ok", …} once it answers."""
        return self.request("GET", "health")

    def calls(self, since: int = 0, **wanted: str) -> list[dict[str, Any]]:
        """Calls after a sequence number, filtered by fields: `calls(service="ecs", kind="write")`."""
        found: list[dict[str, Any]] = self.request("GET", "calls", query={"since": str(since), **wanted})[
            "calls"
        ]
        return found

    def last_call(self) -> int:
        """The newest sequence number, to be given to `calls` later."""
        return int(self.request("GET", "calls", query={"since": str(2**62)})["last"])

    def counters(self) -> list[dict[str, Any]]:
        """Calls by account, region, service, action, kind, code: each with `count`."""
        found: list[dict[str, Any]] = self.request("GET", "counters")["counters"]
        return found

    def reset_counters(self) -> None:
        """Start counting anew."""
        self.request("POST", "reset-counters")

    def add_fault(self, kind: str, **values: Any) -> int:
        """Put a fault in force (fields of faults.Fault); returns its id."""
        return int(self.request("POST", "faults", {"kind": kind, **values})["id"])

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Take away one fault, or all; returns how many."""
        query = {} if fault_id is None else {"id": str(fault_id)}
        return int(self.request("DELETE", "faults", query=query)["removed"])

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with their hits."""
        found: list[dict[str, Any]] = self.request("GET", "faults")["faults"]
        return found

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Read the settings, or change some: `settings(durations={"task_load": 2.0})`."""
        return self.request("POST", "settings", changes) if changes else self.request("GET", "settings")

    def throttles(self, *, enabled: bool, scale: float = 1.0) -> None:
        """Switch AWS's token buckets on or off; `scale` 1 is what AWS gives."""
        self.request("POST", "throttles", {"enabled": enabled, "scale": scale})

    def seed(self, **values: Any) -> dict[str, Any]:
        """Plant accounts, zone and certificates (fields of seed.Seed)."""
        return self.request("POST", "seed", values)

    def accept_endpoint(self, **values: Any) -> dict[str, Any]:
        """Accept a PrivateLink connection as the provider does."""
        return self.request("POST", "provider/accept", values)

    def reject_endpoint(self, **values: Any) -> dict[str, Any]:
        """Reject a PrivateLink connection as the provider does."""
        return self.request("POST", "provider/reject", values)

    def fail_images(self, *patterns: str) -> None:
        """Images that match one of these shell patterns cannot be pulled from now on; none: all can."""
        self.request("POST", "ecs/fail-image", {"patterns": list(patterns)})

    def out_of_memory(self, cluster: str = "", **values: Any) -> dict[str, Any]:
        """One running task runs out of memory: of a cluster, or what `service=`, `task=`, `tenant=`, `tier=` say."""
        return self.request("POST", "tasks/oom", {**({"cluster": cluster} if cluster else {}), **values})

    def change_tasks(self, **values: Any) -> dict[str, Any]:
        """How tasks answer: `latency_ms=`, `error_rate=`, `unhealthy=` of those that `tenant=`, `service=` … say."""
        return self.request("POST", "tasks/behaviour", values)

    def resolve(self, name: str, *, private: bool = False) -> dict[str, Any]:
        """Where a name leads now, drawn by weight; `private` asks from inside a VPC.

        Raises:
            ControlError: NXDOMAIN.
        """
        return self.request("POST", "dns", {"name": name, "private": private})

    def traffic(self) -> dict[str, Any]:
        """Requests by `loadBalancers`, `targetGroups` and `tenants`, and the last `failures`."""
        return self.request("GET", "traffic")

    def reset_traffic(self) -> None:
        """Count requests anew."""
        self.request("POST", "traffic/reset")

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Any control route.

        Raises:
            ControlError: the route refused, or is unknown.
        """
        url = f"{self.endpoint}/_sandbox/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310  # always http on loopback
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise ControlError(json.load(error).get("error", str(error))) from error
