"""The start barrier: nothing is decided before everything that exists has been seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tenant_operator.engine.cache import Cache, Kind
from tenant_operator.engine.kubernetes import Gone, Kubernetes, Refused

log = logging.getLogger(__name__)

RETRY_START_SECONDS = 3.0


async def kinds_are_installed(kubernetes: Kubernetes) -> None:
    """Wait until the API server knows the four kinds."""
    while True:
        try:
            await asyncio.gather(*(kubernetes.list_uids(kind) for kind in Kind))
        except Gone:
            log.warning("the CRDs are not installed; install them: kubectl apply --server-side -f crds/")
        except Refused as error:
            log.warning("cannot list the custom resources: %s", error)
        except OSError as error:
            log.warning("cannot reach the API server: %s", error)
        else:
            return
        await asyncio.sleep(RETRY_START_SECONDS)


async def everything_is_seen(kubernetes: Kubernetes, cache: Cache, seen: Callable[[], set[str]]) -> None:
    """Wait until the watches have shown everything that a listing of our own shows.

    `seen` returns the uids that the watches have shown. Namespaces' labels are taken into the cache at once.
    """
    while True:
        try:
            listed = set().union(*await asyncio.gather(*(kubernetes.list_uids(kind) for kind in Kind)))
            for name, labels in (await kubernetes.list_namespaces()).items():
                cache.put_namespace(name, labels)
        except (Gone, Refused, OSError) as error:
            log.warning("cannot list: %s", error)
            await asyncio.sleep(RETRY_START_SECONDS)
            continue
        for _ in range(20):
            if listed <= seen():
                return
            await asyncio.sleep(0.1)
