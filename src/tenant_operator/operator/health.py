"""`/healthz` and `/readyz` for Kubernetes' probes (https://kubernetes.io/docs/concepts/workloads/pods/probes/)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiohttp import web

from tenant_operator.engine.engine import Engine

log = logging.getLogger(__name__)

STUCK_SECONDS = 300.0
"""A ready key that has waited so long means that no worker gets through any more: a restart is due."""


@dataclass
class HealthServer:
    """Answers the probes while the engine's loop turns."""

    engine: Engine
    host: str
    port: int

    async def start(self) -> web.AppRunner:
        """Begin to listen.

        Raises:
            OSError: the address is not free.
        """
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, self.host, self.port).start()
        log.info("probes at http://%s:%d/healthz and /readyz", self.host, self.port)
        return runner

    async def _healthz(self, _: web.Request) -> web.Response:
        waited = self.engine.queue.oldest_wait() if self.engine.ready.is_set() else 0.0
        status = 200 if waited < STUCK_SECONDS else 503
        return web.json_response(
            {
                "oldestWaitSeconds": round(waited, 1),
                "queue": self.engine.queue.depth(),
                "driftEvents": dict(self.engine.feed.counts),
            },
            status=status,
        )

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self.engine.ready.is_set()
        return web.json_response(
            {"ready": ready, "objects": len(self.engine.cache)}, status=200 if ready else 503
        )
