"""The part of the demonstration in which every tenant is asked for, as its customers do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.traffic.audience import Audience, Destination
from tenant_operator.sandbox.traffic.client import Answer, Client, RequestLost

REQUESTS = 20  # to each tenant: enough for both of two load balancers to be drawn, almost always
PATIENCE_SECONDS = 30.0  # a new name answers once Route 53 is in sync, and a rule once it has propagated


@dataclass(slots=True)
class Asked:
    """What a tenant's requests came to."""

    destination: Destination
    right: int = 0
    tasks: set[str] = field(default_factory=set)
    load_balancers: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)

    def note(self, answer: Answer) -> None:
        """Take in an answer that is the tenant's."""
        said = answer.json()
        self.right += 1
        self.tasks.add(said["task"])
        self.load_balancers.add(answer.load_balancer)
        self.accounts.add(said["account"])


def ask_everybody(
    endpoint: str, tiers: Iterable[Mapping[str, Any]], tenants: Iterable[Mapping[str, Any]]
) -> list[Asked]:
    """Send requests to every tenant that is Ready, each on a new connection.

    Raises:
        SandboxError: one was lost, or answered by another tenant.
    """
    audience = Audience()
    audience.take_in(tiers, tenants)
    return asyncio.run(_ask(endpoint, audience.destinations()))


async def _ask(endpoint: str, destinations: Sequence[Destination]) -> list[Asked]:
    async with Client(endpoint, keep_alive=False, ttl_scale=0.0) as client:
        return await asyncio.gather(*(_ask_one(client, destination) for destination in destinations))


async def _ask_one(client: Client, destination: Destination) -> Asked:
    asked = Asked(destination)
    await _await_first(client, destination)
    for _ in range(REQUESTS):
        answer = await _send(client, destination)
        if (answer.status, answer.tenant) != (200, destination.tenant_id):
            raise SandboxError(
                f"{destination.url} of {destination.tenant} was answered {answer.status} by {answer.tenant or 'no tenant'}"
            )
        asked.note(answer)
    return asked


async def _await_first(client: Client, destination: Destination) -> None:
    """Wait until the tenant is reached at all."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if (await _send(client, destination)).status == 200:
                return
        except RequestLost:
            pass
        await asyncio.sleep(0.2)
    raise SandboxError(f"{destination.url} of {destination.tenant} does not answer")


async def _send(client: Client, destination: Destination) -> Answer:
    return await client.request("GET", destination.url, headers=dict(destination.headers))


def as_text(asked: Iterable[Asked]) -> str:
    """Who was asked for, and who answered, in columns as kubectl prints them."""
    rows: list[tuple[str, ...]] = [("URL", "ANSWERED BY", "REQUESTS", "TASKS", "LOAD BALANCERS", "ACCOUNTS")]
    for found in asked:
        counts = (found.right, len(found.tasks), len(found.load_balancers), len(found.accounts))
        rows.append((found.destination.url, found.destination.tenant_id, *map(str, counts)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
