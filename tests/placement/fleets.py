"""Groups and fleets as examples and as strategies."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from tenant_operator.placement.choice import Candidate
from tenant_operator.placement.ledger import GroupLedger
from tenant_operator.placement.size import Size, Use

ACCOUNT, REGION = "222222222222", "us-east-1"


def size(clusters: int = 1, replicas: int = 1) -> Size:
    """A tenant of small tasks."""
    return Size(clusters=clusters, replicas=replicas, cpu=256, memory=512, port=8080)


def need(clusters: int = 1) -> Use:
    """What such a tenant takes."""
    return size(clusters).peak.use


def ledger(name: str, tenants: int = 0, *, clusters: int = 1, account: str = ACCOUNT) -> GroupLedger:
    """A group with so many tenants of so many clusters."""
    use: Use = Counter({code: n * tenants for code, n in need(clusters).items()})
    return GroupLedger(
        name=name,
        account=account,
        region=REGION,
        tenants=tenants,
        lasting=use,
        now=use,
        shared=use,
    )


def candidate(
    name: str, tenants: int = 0, *, cell: str = "cell-a", clusters: int = 1, **more: bool
) -> Candidate:
    """A group that tenants could live in."""
    return Candidate(
        ledger=ledger(name, tenants, clusters=clusters),
        cell=cell,
        schedulable=more.pop("schedulable", True),
        **more,
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[Candidate]:
    """Some groups, fuller or emptier, in a few cells."""
    return [
        candidate(
            f"group-{number}",
            draw(st.integers(0, 60)),
            cell=f"cell-{draw(st.integers(0, 2))}",
            clusters=draw(st.integers(1, 5)),
            schedulable=draw(st.booleans()),
            leaving=draw(st.booleans()),
            weighted=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
