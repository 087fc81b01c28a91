"""Installs the operator's CRDs in a cluster."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import kubernetes

from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_FIELD_MANAGER = "tenant-operator-sandbox"
_ESTABLISHED_SECONDS = 60.0  # usually well under a second
_POLL_SECONDS = 0.1


def install_custom_resources(kubeconfig: Path, progress: Progress) -> None:
    """Apply the CRDs server-side and return when the API server serves them.

    Arguments:
        kubeconfig: a user who may write CRDs.
        progress: told that it happens.

    Raises:
        SandboxError: the cluster refuses one, cannot be reached, or does not establish one.
    """
    from tenant_operator.api.crds import (
        manifests,
    )  # builds schemas; not needed when all one asks is `sandbox status`

    progress.step("Installing the custom resource definitions")
    try:
        with kubernetes.config.new_client_from_config(str(kubeconfig)) as client:
            names = [_apply(client, manifest) for manifest in manifests()]
            for name in names:
                _await_established(client, name)
    except kubernetes.client.ApiException as error:
        raise SandboxError(f"the cluster refuses a CRD: {error.status} {error.body}") from error
    except (kubernetes.config.ConfigException, OSError) as error:
        raise SandboxError(f"the cluster of {kubeconfig} cannot be used: {error}") from error


def _apply(client: Any, manifest: dict[str, Any]) -> str:
    name = str(manifest["metadata"]["name"])
    _request(
        client,
        "PATCH",
        f"{_PATH}/{name}",
        query=[("fieldManager", _FIELD_MANAGER), ("force", "true")],
        content_type="application/apply-patch+yaml",
        body=manifest,
    )
    return name


def _await_established(client: Any, name: str) -> None:
    started = time.monotonic()
    while True:
        conditions = _request(client, "GET", f"{_PATH}/{name}").get("status", {}).get("conditions", [])
        status = {condition["type"]: condition for condition in conditions}
        if status.get("Established", {}).get("status") == "True":
            return
        if time.monotonic() - started > _ESTABLISHED_SECONDS:
            raise SandboxError(f"the CRD {name} is not established; its conditions: {json.dumps(conditions)}")
        time.sleep(_POLL_SECONDS)


def _request(
    client: Any,
    method: str,
    path: str,
    *,
    query: list[tuple[str, str]] | None = None,
    content_type: str = "application/json",
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    response, _, _ = client.call_api(
        path,
        method,
        query_params=query or [],
        header_params={"Accept": "application/json", "Content-Type": content_type},
        body=body,
        auth_settings=["BearerToken"],
        _preload_content=False,
    )
    document: dict[str, Any] = json.loads(response.data)
    return document
