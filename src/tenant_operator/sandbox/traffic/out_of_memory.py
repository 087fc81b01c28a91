"""A tenant's task runs out of memory."""

from __future__ import annotations

import json
from pathlib import Path

from tenant_operator.sandbox.aws.client import ControlError, SandboxAWS
from tenant_operator.sandbox.cluster import run_kubectl
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.state_folder import SandboxState


def kill_task(state: SandboxState, tenant: str) -> str:
    """Let one running task of `namespace/name` run out of memory; returns the task's ARN.

    Raises:
        SandboxError: there is no such tenant, or none of its tasks runs.
    """
    namespace, _, name = tenant.rpartition("/")
    found = run_kubectl(
        Path(state.kubectl), Path(state.kubeconfig),
        "get", "tenants.tenant-operator.dev", name, "-n", namespace or "default", "-o", "json",
    )  # fmt: skip
    if found.returncode != 0:
        raise SandboxError(found.stderr.strip())
    document = json.loads(found.stdout)
    tenant_id = document.get("status", {}).get("tenantId") or document["spec"].get("tenantId") or name
    try:
        killed = SandboxAWS(state.aws_endpoint_url).out_of_memory(
            tenant=tenant_id, tier=document["spec"]["tierRef"]["name"]
        )
    except ControlError as error:
        raise SandboxError(f"no task of tenant {tenant} runs") from error
    return str(killed["task"])
