"""Putting the operator together and running it: kopf's ear, the engine, the probes, and a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import kopf
import kubernetes
from aiohttp import web

from tenant_operator.aws.accounts import Accounts
from tenant_operator.aws.budgets import Budgets
from tenant_operator.aws.caller import Transport
from tenant_operator.engine import cell, infra_group, tenant, tier
from tenant_operator.engine.cache import Kind
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.kubernetes import Kubernetes
from tenant_operator.engine.listing import kinds_are_installed
from tenant_operator.engine.settings import Settings
from tenant_operator.operator import handlers
from tenant_operator.operator.health import HealthServer

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""How long visits that are under way may take to end once the operator is told to stop; Kubernetes waits 30 s."""


@dataclass(frozen=True, kw_only=True)
class HealthAddress:
    """Where the probes are answered. `required`: somebody asked for just this address."""

    host: str
    port: int
    required: bool


def connect_to_kubernetes() -> None:
    """Take the Pod's service account, or the kubeconfig as kubectl would.

    Raises:
        kubernetes.config.ConfigException: there is neither.
    """
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config()


def engine_for(settings: Settings) -> Engine:
    """An engine with everything that it needs."""
    return Engine(
        settings=settings,
        kubernetes=Kubernetes(),
        clouds=Clouds(
            installation=settings.installation, accounts=Accounts(Transport(Budgets(scale=settings.api_rate)))
        ),
        reconcilers={
            Kind.TIER: tier.reconcile,
            Kind.CELL: cell.reconcile,
            Kind.INFRA_GROUP: infra_group.reconcile,
            Kind.TENANT: tenant.reconcile,
        },
    )


async def run(settings: Settings, health: HealthAddress) -> None:
    """Run until SIGTERM or SIGINT; visits that are under way end first."""
    engine = engine_for(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    probes = await _probes(engine, health)
    log.info("installation %s; sweeps every %.0f s", settings.installation, settings.sweep_seconds)
    try:
        if await _until(stop, kinds_are_installed(engine.kubernetes)):
            return
        await _listen_and_work(engine, stop)
    finally:
        if probes is not None:
            await probes.cleanup()
        engine.close()
        log.info("stopped")


async def _probes(engine: Engine, health: HealthAddress) -> web.AppRunner | None:
    try:
        return await HealthServer(engine, health.host, health.port).start()
    except OSError as error:
        if health.required:
            raise
        log.warning("no probes are answered: %s; give another --health-address", error)
        return None


async def _listen_and_work(engine: Engine, stop: asyncio.Event) -> None:
    registry = kopf.OperatorRegistry()
    handlers.register(registry, engine)
    ear = asyncio.create_task(
        kopf.operator(
            registry=registry, settings=_kopf_settings(), clusterwide=True, standalone=True, stop_flag=stop
        ),
        name="kopf",
    )
    brain = asyncio.create_task(engine.run(), name="engine")
    await asyncio.wait([ear, brain], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await engine.stop(STOP_SECONDS)
    brain.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await brain
    await ear


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work unless told to stop meanwhile; True when told to stop."""
    task = asyncio.ensure_future(work)
    waiter = asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiter.cancel()
        task.result()
        return False
    task.cancel()
    return True


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.client_timeout = 600
    settings.watching.connect_timeout = 10
    settings.networking.connect_timeout = 10
    return settings
