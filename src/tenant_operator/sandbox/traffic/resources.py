"""Reads tiers and tenants from the API server, for the audience."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml

from tenant_operator.api.objects import GROUP, VERSION
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.traffic.audience import Audience

_TIMEOUT_SECONDS = 10.0


class CustomResources:
    """A connection to an API server.

    Raises:
        SandboxError: the kubeconfig cannot be used.
    """

    def __init__(self, kubeconfig: Path) -> None:
        try:
            self._client = kubernetes.config.new_client_from_config(str(kubeconfig))
        except (kubernetes.config.ConfigException, yaml.YAMLError, OSError) as error:
            raise SandboxError(f"{kubeconfig} cannot be used: {error}") from error
        self._api = kubernetes.client.CustomObjectsApi(self._client)

    async def read(self, audience: Audience) -> None:
        """Read all tiers and tenants, and have the audience take them in.

        Raises:
            OSError: the API server could not be asked.
        """
        try:
            tiers = await asyncio.to_thread(self._list, "tiers")
            tenants = await asyncio.to_thread(self._list, "tenants")
        except (kubernetes.client.ApiException, urllib3.exceptions.HTTPError) as error:
            raise OSError(f"the API server cannot be asked: {error}") from error
        audience.take_in(tiers, tenants)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _list(self, plural: str) -> list[dict[str, Any]]:
        answer: Any = self._api.list_cluster_custom_object(
            GROUP, VERSION, plural, _request_timeout=_TIMEOUT_SECONDS
        )
        return list(answer["items"])
