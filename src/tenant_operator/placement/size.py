"""How large a tenant is in one infra group, and what that takes of each quota.

A size is what the spec asks for; a `Peak` is the most that may stand side by side while one size becomes another. Both
are counted with the tasks that a rollout starts before it stops others: ECS may run `replicas × maximumPercent / 100`
tasks of a service at any time (a release, or the replacement of a task that turned unhealthy), so that much is kept
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tenant_operator.api.quota_codes import QuotaCode

Use = Counter[QuotaCode]
"""How much of each quota something takes; CPU in CPU units."""

Stack = tuple[int, int]
"""A target group with its service, by the number of its cluster and its port: another port is another stack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A tenant's size in one infra group."""

    clusters: int = 1
    replicas: int = 1
    """Tasks per cluster, at most."""
    maximum_percent: int = 200
    cpu: int = 0
    """CPU units of a task."""
    memory: int = 0
    """MiB of a task; it counts for no quota, and is held back together with the CPU."""
    port: int = 0
    spot: bool = False
    suspended: bool = False
    """It answers 503. What it had stays reserved, so that nothing keeps it from coming back."""
    records: bool = False
    """Whether the tenant has a record of its own for each group (PerTenant)."""

    @property
    def tasks(self) -> int:
        """The most tasks of one service."""
        return max(self.replicas, self.replicas * self.maximum_percent // 100)

    @property
    def stacks(self) -> frozenset[Stack]:
        """Its target groups."""
        return frozenset((index, self.port) for index in range(1, self.clusters + 1))

    @property
    def peak(self) -> Peak:
        """What it takes when nothing changes."""
        return Peak(
            target_groups=self.clusters,
            clusters=self.clusters,
            tasks=self.tasks,
            cpu=self.cpu,
            on_demand=not self.spot,
            spot=self.spot,
            records=self.records,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The most that may stand at one moment."""

    target_groups: int
    clusters: int
    tasks: int
    """Of one service."""
    cpu: int
    """CPU units of one task."""
    rules: int = 1
    on_demand: bool = True
    spot: bool = False
    records: bool = False

    @property
    def use(self) -> Use:
        """What it takes of each quota."""
        tasks = self.target_groups * self.tasks
        found: Use = Counter(
            {
                QuotaCode.RULES: self.rules,
                QuotaCode.TARGET_GROUPS: self.target_groups,
                QuotaCode.REGION_TARGET_GROUPS: self.target_groups,
                QuotaCode.TARGETS: tasks,
                QuotaCode.INTERFACES: tasks,
                QuotaCode.CLUSTERS: self.clusters,
                QuotaCode.VCPU: tasks * self.cpu if self.on_demand else 0,
                QuotaCode.SPOT_VCPU: tasks * self.cpu if self.spot else 0,
                QuotaCode.RECORDS: int(self.records),
            }
        )
        return +found  # without zeros


def transition(
    before: Size, peak: Peak, after: Size, live: Collection[Stack], *, standby: bool = False
) -> Peak:
    """The most that may stand from now until nothing but `after` is left.

    Going back to `before` never takes more than what is reserved already, so a person can always take an edit back.

    Args:
        before: the size that was let in last; what is made of it may not show in AWS yet.
        peak: what is reserved now.
        after: the size to come.
        live: the stacks that there are.
        standby: whether a second rule holds the target groups, as while a suspended tenant comes back.
    """
    stacks = {*live, *before.stacks, *after.stacks}
    resumes = standby or (before.suspended and not after.suspended)
    changing = peak != before.peak
    return Peak(
        target_groups=len(stacks),
        clusters=len({index for index, _ in stacks}),
        tasks=max(before.tasks, after.tasks, peak.tasks if changing else 0),
        cpu=max(before.cpu, after.cpu, peak.cpu if changing else 0),
        rules=2 if resumes else max(1, peak.rules),
        on_demand=not (before.spot and after.spot) or (changing and peak.on_demand),
        spot=before.spot or after.spot or (changing and peak.spot),
        records=before.records or after.records,
    )


def total(uses: Collection[Use]) -> Use:
    """The sum of some uses."""
    found: Use = Counter()
    for use in uses:
        found.update(use)
    return found
