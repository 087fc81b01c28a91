"""`tenant-operator plan` without its output: what would change in AWS, worked out by the operator's own engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenant_operator.desired.resources import Forward, Listener, ListenerRule, Live, TargetGroup
from tenant_operator.engine import cell, infra_group, tenant, tier
from tenant_operator.engine.cache import Key, Kind
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
        await _count_again(engine, clouds)
    finally:
        clouds.accounts.close()
    return _found(engine, clouds, journal, settings.api_rate)


def _found(engine: DryRun, clouds: DryRunClouds, journal: Journal, api_rate: float) -> Preview:
    entries = journal.in_order()
    made = [entry.made for entry in entries if entry.made is not None]
    names = names_of(made, clouds.transport.imagined.made)
    return Preview(
        steps=steps_of(entries, names),
        blocked=blocked_in(engine.cache),
        buckets=buckets_of(clouds.transport.calls, api_rate),
        quotas=quota_uses(engine.cache),
        unread=tuple(sorted({str(error) for error in clouds.transport.unread})),
        reads=clouds.transport.reads,
        counts=counts_of(entries),
    )


async def _count_again(engine: DryRun, clouds: DryRunClouds) -> None:
    """Have every cell count what its quotas will be used for."""
    for view in clouds.views().values():
        balancers = _attached(view.lives.values())
        for group in view.of_type(TargetGroup.__name__):
            if group.id in balancers:
                view.annotate(group.address, load_balancer=balancers[group.id])
    engine.wake(key for key in engine.cache if key.kind is Kind.CELL)
    await engine.play()


def _attached(lives: Iterable[Live]) -> Mapping[str, str]:
    """The load balancers of the target groups that rules forward to: what AWS would show once the rules are there."""
    lives = list(lives)
    balancers = {live.id: str(live.spec.load_balancer) for live in lives if isinstance(live.spec, Listener)}
    return {
        str(target): balancers[str(live.spec.listener)]
        for live in lives
        if isinstance(live.spec, ListenerRule)
        and isinstance(live.spec.action, Forward)
        and str(live.spec.listener) in balancers
        for target, _ in live.spec.action.targets
    }
