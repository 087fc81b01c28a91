"""Putting the operator together and running it: kopf's ear, the engine, the probes, and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import kopf
import kubernetes
from aiohttp import web

from tenant_operator.aws.accounts import Accounts, session_name
from tenant_operator.aws.budgets import Budgets
from tenant_operator.aws.caller import Transport
from tenant_operator.engine import cell, infra_group, tenant, tier
from tenant_operator.engine.cache import Cache, Kind
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.fence import Fence
from tenant_operator.engine.heartbeat import Heartbeat
from tenant_operator.engine.kubernetes import Kubernetes
from tenant_operator.engine.leases import IdentityTaken, Leases
from tenant_operator.engine.listing import kinds_are_installed
from tenant_operator.engine.settings import FENCE_SHARE, RENEWALS_PER_LEASE, Settings
from tenant_operator.engine.shards import ShardMap
from tenant_operator.engine.sharing import Sharing
from tenant_operator.operator import handlers, memory
from tenant_operator.operator.health import HealthServer

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""How long visits that are under way may take to end once the operator is told to stop; Kubernetes waits 30 s."""

GIVE_BACK_SECONDS = 30.0
"""How often freed memory is given back: a start's listing soon, and a sweep's readings once each."""

WATCH_SECONDS = 600.0
"""A watch is begun anew after so long in any case."""
WATCH_SILENCE_SECONDS = 70.0
"""A watch over which nothing came for so long is dead, and begun anew: the API server sends a bookmark every minute
(https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks)."""


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
    """An engine with everything that it needs, which writes only while it holds the lease of what it writes for."""
    fence = Fence(settings.lease_seconds * FENCE_SHARE)
    cache = Cache()
    transport = Transport(Budgets(scale=settings.api_rate), permit=fence.permit)
    return Engine(
        settings=settings,
        kubernetes=Kubernetes(permit=fence.kubernetes_permit),
        clouds=Clouds(
            installation=settings.installation,
            accounts=Accounts(transport, session_name=session_name(settings.identity)),
        ),
        cache=cache,
        sharing=_sharing(settings, fence, cache),
        reconcilers={
            Kind.TIER: tier.reconcile,
            Kind.CELL: cell.reconcile,
            Kind.INFRA_GROUP: infra_group.reconcile,
            Kind.TENANT: tenant.reconcile,
        },
    )


def _sharing(settings: Settings, fence: Fence, cache: Cache) -> Sharing:
    leases = Leases(
        settings.operator_namespace, settings.installation, settings.identity, settings.lease_seconds
    )
    every = settings.lease_seconds / RENEWALS_PER_LEASE
    return Sharing(
        leases=leases,
        fence=fence,
        heartbeat=Heartbeat(leases, fence, every),
        map=ShardMap(cache, settings.shards),
        every=every,
    )


async def run(settings: Settings, health: HealthAddress) -> None:
    """Run until SIGTERM or SIGINT; visits that are under way end first.

    Raises:
        IdentityTaken: another process runs as this one.
    """
    engine = engine_for(settings)
    stop = asyncio.Event()
    _stop_on_signals(stop)
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
    tasks = await kopf.spawn_tasks(
        registry=registry, settings=_kopf_settings(), clusterwide=True, standalone=True, stop_flag=stop
    )
    _stop_on_signals(stop)  # kopf has just put its own handlers there, which fail at a second signal
    ear = asyncio.create_task(kopf.run_tasks(tasks, ignored=_Everything()), name="kopf")
    brain = asyncio.create_task(engine.run(), name="engine")
    tidying = asyncio.create_task(_give_back_regularly(), name="memory")
    await asyncio.wait([ear, brain], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    asyncio.get_running_loop().set_exception_handler(_at_the_end)
    tidying.cancel()
    at_rest = await engine.stop(STOP_SECONDS)
    brain.cancel()
    try:
        await _end_of(brain)
    finally:
        if engine.sharing is not None:
            await engine.sharing.leave(at_rest=at_rest)
        await ear


def _at_the_end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As ever, but for kopf's watches: the loop closes those that are left, and they cannot be closed where they just yield."""
    if "asyncgen" in context:
        log.debug("a watch was left open: %r", context.get("exception"))
    else:
        loop.default_exception_handler(context)


async def _give_back_regularly() -> None:
    while True:
        await asyncio.sleep(GIVE_BACK_SECONDS)
        await asyncio.to_thread(memory.give_back)


class _Everything(Collection[asyncio.Task[Any]]):
    """All tasks there are. kopf takes every task of the loop for its own when it ends, and would cancel our visits."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(asyncio.all_tasks())

    def __len__(self) -> int:
        return len(asyncio.all_tasks())


async def _end_of(brain: asyncio.Task[None]) -> None:
    """Wait for the engine's end; what made it end is raised as it is.

    Raises:
        IdentityTaken: another process runs as this one.
    """
    (error,) = await asyncio.gather(brain, return_exceptions=True)
    if isinstance(error, BaseExceptionGroup) and (taken := error.subgroup(IdentityTaken)):
        raise taken.exceptions[0]
    if error is not None and not isinstance(error, asyncio.CancelledError):
        raise error


def _stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT end the operator gracefully, however many of them come."""
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)


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
    settings.persistence.diffbase_storage = handlers.NothingKept()
    settings.watching.client_timeout = WATCH_SECONDS
    settings.watching.inactivity_timeout = WATCH_SILENCE_SECONDS
    settings.watching.connect_timeout = 10
    settings.networking.connect_timeout = 10
    return settings
