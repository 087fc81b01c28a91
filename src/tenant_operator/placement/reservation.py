"""What is kept for a tenant in one infra group, as its status says: written before anything is made there.

It is the one source of the ledger: a restart finds it, everybody else counts it, and a tenant that was placed and is
not built yet holds its room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tenant_operator.placement.size import Peak, Size, Use


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """The size that was let in, and the most that stands on the way to it."""

    size: Size
    peak: Peak

    @property
    def lasting(self) -> Use:
        """What the tenant takes once nothing changes any more."""
        return self.size.peak.use

    @property
    def now(self) -> Use:
        """What it may take until then."""
        return self.peak.use


def steady(size: Size) -> Reservation:
    """A reservation for a size with nothing under way."""
    return Reservation(size=size, peak=size.peak)


def to_status(reservation: Reservation) -> dict[str, Any]:
    """`placements[].reserved`."""
    size, peak = reservation.size, reservation.peak
    found: dict[str, Any] = {
        "clusters": size.clusters,
        "replicas": size.replicas,
        "maximumPercent": size.maximum_percent,
        "cpu": size.cpu,
        "memory": size.memory,
        "port": size.port,
        **{name: True for name in ("spot", "suspended", "records") if getattr(size, name)},
    }
    if peak != size.peak:
        found["changing"] = {
            "targetGroups": peak.target_groups,
            "clusters": peak.clusters,
            "tasks": peak.tasks,
            "cpu": peak.cpu,
            "rules": peak.rules,
            **({"bothProviders": True} if peak.on_demand and peak.spot else {}),
        }
    return found


def from_status(placement: Mapping[str, Any]) -> Reservation | None:
    """The reservation that a placement in a status holds; None where it was written before there were any."""
    kept = placement.get("reserved")
    if not kept:
        return None
    size = Size(
        clusters=kept.get("clusters", 1),
        replicas=kept.get("replicas", 1),
        maximum_percent=kept.get("maximumPercent", 200),
        cpu=kept.get("cpu", 0),
        memory=kept.get("memory", 0),
        port=kept.get("port", 0),
        spot=kept.get("spot", False),
        suspended=kept.get("suspended", False),
        records=kept.get("records", False),
    )
    moving = kept.get("changing")
    if not moving:
        return steady(size)
    both = moving.get("bothProviders", False)
    peak = replace(
        size.peak,
        target_groups=moving.get("targetGroups", size.clusters),
        clusters=moving.get("clusters", size.clusters),
        tasks=moving.get("tasks", size.tasks),
        cpu=moving.get("cpu", size.cpu),
        rules=moving.get("rules", 1),
        on_demand=both or not size.spot,
        spot=both or size.spot,
    )
    return Reservation(size=size, peak=peak)


def counted(placement: Mapping[str, Any]) -> Reservation:
    """What the ledger counts for a placement: its reservation, or by what it lists where it has none."""
    known = from_status(placement)
    if known is not None:
        return known
    clusters = max(1, len(placement.get("targetGroups") or placement.get("clusters") or ()))
    return steady(Size(clusters=clusters, maximum_percent=100))
