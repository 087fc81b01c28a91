"""Installs the operator's CRDs in a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml

from tenant_operator.api.crds import manifests
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import Progress

_APPLY = "application/apply-patch+yaml"
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
    progress.step("Installing the custom resource definitions")
    try:
        with kubernetes.config.new_client_from_config(str(kubeconfig)) as client:
            api = kubernetes.client.ApiextensionsV1Api(client)
            definitions = manifests()
            for definition in definitions:
                _apply(api, definition)
            for definition in definitions:
                _await_established(api, definition["metadata"]["name"])
            for definition in definitions:
                _await_served(kubernetes.client.CustomObjectsApi(client), definition["spec"])
    except kubernetes.client.ApiException as error:
        raise SandboxError(f"the cluster refuses a CRD: {_reason(error)}") from error
    except (
        kubernetes.config.ConfigException,
        yaml.YAMLError,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise SandboxError(f"the cluster of {kubeconfig} cannot be used: {error}") from error


def _apply(api: kubernetes.client.ApiextensionsV1Api, manifest: dict[str, Any]) -> None:
    api.patch_custom_resource_definition(
        manifest["metadata"]["name"], manifest, field_manager=_FIELD_MANAGER, force=True, _content_type=_APPLY
    )


def _await_established(api: kubernetes.client.ApiextensionsV1Api, name: str) -> None:
    started = time.monotonic()
    while True:
        conditions = (api.read_custom_resource_definition(name).status or _NO_STATUS).conditions or []
        if any(condition.type == "Established" and condition.status == "True" for condition in conditions):
            return
        if time.monotonic() - started > _ESTABLISHED_SECONDS:
            said = "; ".join(
                f"{condition.type}={condition.status}: {condition.message}" for condition in conditions
            )
            raise SandboxError(
                f"the CRD {name} is not established: {said or 'the cluster says nothing of it'}"
            )
        time.sleep(_POLL_SECONDS)


def _await_served(api: kubernetes.client.CustomObjectsApi, spec: Mapping[str, Any]) -> None:
    """An established definition is not served at once: the API server's handler follows a moment later, and says 404."""
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    while True:
        try:
            api.list_cluster_custom_object(
                spec["group"], spec["versions"][0]["name"], spec["names"]["plural"], limit=1
            )
        except kubernetes.client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _reason(error: kubernetes.client.ApiException) -> str:
    """The sentence in Kubernetes' Status object, or whatever else was answered."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, LookupError, TypeError):
        return f"{error.status} {error.reason} {error.body or ''}"


_NO_STATUS = kubernetes.client.V1CustomResourceDefinitionStatus(conditions=[])
