"""To whom requests are sent, and which answers a tenant's own wish explains, from readings of the custom resources.

A tenant joins once it is Ready: from then on every request to it must be answered by it, but for what was asked of the
tenant itself. Edits of its image, size or clusters explain nothing. These do:

| what is read                                              | wish      | explains           |
|-----------------------------------------------------------|-----------|--------------------|
| the tenant is being deleted, or gone                      | deleted   | everything         |
| it is suspended                                           | suspended | 503                |
| it was suspended, and is not Ready again yet              | resuming  | 503                |
| its path or header is another, and it is not Ready with it| rerouted  | everything         |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from tenant_operator.api import Tenant, Tier, UnreadableObject, parse


class Wish(StrEnum):
    """What was asked of a tenant, as far as it explains answers that are not its own."""

    SERVED = "served"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    REROUTED = "rerouted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a tenant's requests go, and who must answer them."""

    tenant: str
    """`namespace/name`"""
    tenant_id: str
    tier: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Facing:
    """What a client of the tenant can tell: an edit that leaves it alone must not be noticed."""

    suspended: bool
    path_prefix: str
    header_value: str
    endpoint: str


@dataclass(slots=True)
class _Member:
    uid: str
    destination: Destination
    settled: _Facing
    """How the tenant was when it was Ready last."""
    wish: Wish = Wish.SERVED


class Audience:
    """The tenants that requests are sent to.

    Arguments:
        patterns: shell patterns of `namespace/name`, or of the name alone; empty: all tenants.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._members: dict[str, _Member] = {}

    def take_in(self, tiers: Iterable[Mapping[str, Any]], tenants: Iterable[Mapping[str, Any]]) -> None:
        """Take in one reading of all tiers and tenants, as Kubernetes shows them."""
        known = {tier.metadata.name: tier for tier in map(_parsed, tiers) if isinstance(tier, Tier)}
        seen = set()
        for body in tenants:
            tenant = _parsed(body)
            tier = known.get(tenant.spec.tier_ref.name) if isinstance(tenant, Tenant) else None
            if not isinstance(tenant, Tenant) or tier is None:
                continue
            name = f"{tenant.metadata.namespace}/{tenant.metadata.name}"
            if self._is_wanted(name, tenant.metadata.name):
                seen.add(name)
                self._see(name, tier, tenant, body.get("status") or {})
        for name in self._members.keys() - seen:
            self._members[name].wish = Wish.DELETED

    def destinations(self) -> list[Destination]:
        """Everybody who is sent requests now, by name."""
        members = (self._members[name] for name in sorted(self._members))
        return [member.destination for member in members if member.wish is not Wish.DELETED]

    def wish(self, tenant: str) -> Wish:
        """What was asked of a tenant, as of the newest reading."""
        member = self._members.get(tenant)
        return Wish.DELETED if member is None else member.wish

    def _is_wanted(self, qualified: str, name: str) -> bool:
        return not self._patterns or any(
            fnmatchcase(qualified, pattern) or fnmatchcase(name, pattern) for pattern in self._patterns
        )

    def _see(self, name: str, tier: Tier, tenant: Tenant, status: Mapping[str, Any]) -> None:
        member = self._members.get(name)
        if tenant.metadata.deletion_timestamp:
            if member is not None:
                member.wish = Wish.DELETED
            return
        facing = _Facing(
            suspended=tenant.spec.suspended,
            path_prefix=tenant.path_prefix,
            header_value=tenant.header_value,
            endpoint=str(status.get("endpoint") or ""),
        )
        if _is_ready(tenant, status):
            self._members[name] = _Member(
                uid=tenant.metadata.uid,
                destination=_destination(name, tier, tenant, facing.endpoint),
                settled=facing,
                wish=Wish.SUSPENDED if facing.suspended else Wish.SERVED,
            )
        elif member is not None and member.uid != tenant.metadata.uid:
            member.wish = Wish.DELETED  # one of the same name is being made
        elif member is not None:
            member.wish = _wish(facing, member.settled)


def _wish(facing: _Facing, settled: _Facing) -> Wish:
    """What was asked of a tenant that is not Ready."""
    if facing.suspended:
        return Wish.SUSPENDED
    if settled.suspended:
        return Wish.RESUMING
    return Wish.SERVED if facing == settled else Wish.REROUTED


def _is_ready(tenant: Tenant, status: Mapping[str, Any]) -> bool:
    """Whether it is Ready, and says so of its present generation."""
    if status.get("observedGeneration") != tenant.metadata.generation or not status.get("endpoint"):
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())


def _destination(name: str, tier: Tier, tenant: Tenant, endpoint: str) -> Destination:
    header = ((tier.routing_header, tenant.header_value),) if tier.routing_by == "Header" else ()
    return Destination(
        tenant=name,
        tenant_id=tenant.tenant_id,
        tier=tier.metadata.name,
        url=endpoint,
        headers=header,
    )


def _parsed(body: Mapping[str, Any]) -> object:
    try:
        return parse(body)
    except UnreadableObject:
        return None
