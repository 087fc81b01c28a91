"""Sends one request to a tenant as its customers do, and says what came back in the generator's words."""

from __future__ import annotations

from typing import Any

from tenant_operator.sandbox.traffic.audience import Destination
from tenant_operator.sandbox.traffic.client import Answer, Client, RequestLost
from tenant_operator.sandbox.traffic.generator import Answered

TIMEOUT_SECONDS = 10.0
"""Until an answer counts as lost: tasks of the sandbox answer at once unless they were told to be slow."""


class Customers:
    """All customers of all tenants, behind one client that keeps to TTLs and keeps connections.

    Arguments:
        client: what they send with.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(self, destination: Destination, number: int) -> Answered:
        """Send a GET below the tenant's URL; the number makes each request another one."""
        url = f"{destination.url.rstrip('/')}/requests/{number}"
        try:
            answer = await self._client.request("GET", url, headers=dict(destination.headers))
        except RequestLost as lost:
            return Answered(status=None, answered_by=None, load_balancer=lost.load_balancer, error=str(lost))
        return Answered(
            status=answer.status,
            answered_by=_who_answered(answer),
            load_balancer=answer.load_balancer,
        )


def _who_answered(answer: Answer) -> str | None:
    """`tier/tenant id` of the task that answered; None: the load balancer did."""
    if not answer.tenant:
        return None
    try:
        said: Any = answer.json()
        return f"{said['tier']}/{said['tenant']}"
    except (ValueError, LookupError, TypeError):
        return f"?/{answer.tenant}"
