"""The start barrier: nothing is decided before everything that exists has been seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from tenant_operator.engine.cache import Cache, Kind
from tenant_operator.engine.kubernetes import Gone, Kubernetes, Refused

log = logging.getLogger(__name__)

RETRY_START_SECONDS = 3.0
LOOK_SECONDS = 0.1
LOOKS = 20
"""After so many looks we list again: something may have been deleted meanwhile."""


async def kinds_are_installed(kubernetes: Kubernetes) -> None:
    """Wait until the API server knows the four kinds."""
    while True:
        try:
            await asyncio.gather(*(kubernetes.list_versions(kind) for kind in Kind))
        except Gone:
            log.warning("the CRDs are not installed; install them: kubectl apply --server-side -f crds/")
        except Refused as error:
            log.warning("cannot list the custom resources: %s", error)
        except OSError as error:
            log.warning("cannot reach the API server: %s", error)
        else:
            return
        await asyncio.sleep(RETRY_START_SECONDS)


async def everything_is_seen(
    kubernetes: Kubernetes, cache: Cache, seen: Callable[[], Mapping[str, int]]
) -> None:
    """Wait until the watches have shown everything that a listing of our own shows, as new as it is there.

    `seen` returns the resourceVersion by uid that the watches have shown. Versions grow (they are etcd's revisions), see
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions. Namespaces' labels are taken into the
    cache at once.
    """
    while True:
        listed: dict[str, int] = {}
        try:
            for found in await asyncio.gather(*(kubernetes.list_versions(kind) for kind in Kind)):
                listed |= found
            for name, labels in (await kubernetes.list_namespaces()).items():
                cache.put_namespace(name, labels)
        except (Gone, Refused, OSError) as error:
            log.warning("cannot list: %s", error)
            await asyncio.sleep(RETRY_START_SECONDS)
            continue
        for _ in range(LOOKS):
            shown = seen()
            if all(shown.get(uid, -1) >= version for uid, version in listed.items()):
                return
            await asyncio.sleep(LOOK_SECONDS)
