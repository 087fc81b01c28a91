"""Which of a tenant's infra groups takes a release now: one cluster of one group at a time, each success watched.

How long a success is watched (`rollout.soakSeconds`) is counted in memory: after a restart it is watched anew, which is
longer than asked, and never shorter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenant_operator.api import InfraGroup, Tenant, Tier
from tenant_operator.desired.workload import Workload
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.reserving import Kept
from tenant_operator.engine.serving import GroupTurn, Serving, serve
from tenant_operator.engine.visit import Visit


@dataclass
class Successes:
    """The clusters that are known to run a revision, by infra group, and when the last of them came to it."""

    revision: str
    clusters: dict[str, int] = field(default_factory=dict)
    last: float | None = None

    def note(self, group: str, clusters: int, now: float) -> None:
        """So many clusters of a group run the revision."""
        if clusters > self.clusters.get(group, 0):
            self.last = now
        self.clusters[group] = clusters

    def watched_for(self, soak: float, now: float) -> float:
        """Seconds until the last success has been watched for `soak` seconds; 0: it has been."""
        return 0.0 if self.last is None else max(0.0, self.last + soak - now)


async def serve_in_turn(
    engine: Engine,
    visit: Visit,
    tier: Tier,
    tenant: Tenant,
    workload: Workload,
    groups: Sequence[InfraGroup],
    kept: Mapping[str, Kept],
) -> list[Serving]:
    """Serve a tenant in all its groups at once, but let only one take a release; `kept` has the room in each."""
    soak = float(tier.spec.rollout.soak_seconds)
    successes = _successes(engine, visit, workload)
    turn = _whose_turn(engine, visit, groups)
    wait = successes.watched_for(soak, engine.clock())
    turns = [
        GroupTurn(
            group=group,
            may_release=group.metadata.name == turn,
            soak_seconds=soak,
            soaking=wait > 0,
            clusters_before=successes.clusters.get(group.metadata.name, 0),
        )
        for group in groups
    ]
    results = await asyncio.gather(
        *(
            serve(engine, visit, tier, tenant, workload, turn, kept[turn.group.metadata.name])
            for turn in turns
        )
    )
    for result in results:
        successes.note(result.group.metadata.name, result.stage.released, engine.clock())
    wait = successes.watched_for(soak, engine.clock())
    if wait > 0 and any(result.stage.releasing for result in results):
        visit.look_again(wait)
    return list(results)


def _successes(engine: Engine, visit: Visit, workload: Workload) -> Successes:
    memory = engine.remember(visit.key)
    known: Successes | None = memory.get("successes")
    if known is None or known.revision != workload.revision:
        known = memory["successes"] = Successes(workload.revision)
    return known


def _whose_turn(engine: Engine, visit: Visit, groups: Sequence[InfraGroup]) -> str:
    """The first group that is not done with the release; the first of all while none is known to have one."""
    releasing = engine.remember(visit.key).get("releasing", set())
    names = [group.metadata.name for group in groups]
    return next((name for name in names if name in releasing), next(iter(names), ""))
