"""`tenant-operator plan` without its output: what would change in AWS, worked out by the operator's own engine."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from tenant_operator.engine import cell, infra_group, tenant, tier
from tenant_operator.engine.cache import Cache, Key, Kind
from tenant_operator.engine.conditions import timestamp
from tenant_operator.engine.dry_run.clock import ImaginedClock
from tenant_operator.engine.dry_run.clouds import DryRunClouds
from tenant_operator.engine.dry_run.engine import DryRun
from tenant_operator.engine.dry_run.journal import Journal
from tenant_operator.engine.dry_run.kubernetes import DryRunKubernetes, Expected
from tenant_operator.engine.dry_run.manifests import Manifests
from tenant_operator.engine.dry_run.preview import (
    Preview,
    blocked_in,
    buckets_of,
    cache_of,
    counts_of,
    quota_uses,
    steps_of,
)
from tenant_operator.engine.settings import Settings
from tenant_operator.plan.shown import names_of


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person asks about."""

    manifests: Manifests
    deleted: tuple[Key, ...] = ()
    field_manager: str = "kubectl"


async def preview(settings: Settings, wish: Wish) -> Preview:
    """What the operator would do if the wish came true now. Nothing is written, to AWS or to Kubernetes.

    Raises:
        ManifestRefused: the API server would not take a manifest.
        Gone, Refused: Kubernetes cannot be asked.
        DoesNotConverge, NotImagined: a defect of the operator.
    """
    clock = ImaginedClock(dt.datetime.now(dt.UTC))
    kubernetes = DryRunKubernetes()
    try:
        expected = await kubernetes.expected(
            wish.manifests, wish.deleted, field_manager=wish.field_manager, now=timestamp(clock.today())
        )
        return await _play(settings, clock, kubernetes, expected)
    finally:
        kubernetes.close()


async def _play(
    settings: Settings, clock: ImaginedClock, kubernetes: DryRunKubernetes, expected: Expected
) -> Preview:
    journal = Journal()
    clouds = DryRunClouds(settings, clock, journal)
    engine = DryRun(
        settings=settings,
        kubernetes=kubernetes,
        clouds=clouds,
        reconcilers={
            Kind.TIER: tier.reconcile,
            Kind.CELL: cell.reconcile,
            Kind.INFRA_GROUP: infra_group.reconcile,
            Kind.TENANT: tenant.reconcile,
        },
        clock=clock,
        today=clock.today,
        imagined_clock=clock,
        journal=journal,
    )
    try:
        for name, labels in expected.namespaces.items():
            engine.observe_namespace(name, labels, deleted=False)
        engine.take_in(expected.bodies)
        await engine.play()
    finally:
        clouds.accounts.close()
    return _found(engine, clouds, journal, cache_of(expected.before))


def _found(engine: DryRun, clouds: DryRunClouds, journal: Journal, before: Cache) -> Preview:
    entries = journal.in_order()
    made = [entry.made for entry in entries if entry.made is not None]
    names = names_of(made, clouds.transport.imagined.made)
    return Preview(
        steps=steps_of(entries, names),
        blocked=blocked_in(engine.cache),
        buckets=buckets_of(clouds.transport.calls, engine.settings.api_rate),
        quotas=quota_uses(before, engine.cache),
        unread=tuple(sorted({str(error) for error in clouds.transport.unread})),
        reads=clouds.transport.reads,
        counts=counts_of(entries),
    )
