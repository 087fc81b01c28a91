"""The operator's writes to Kubernetes, as the API server itself counts them.

`apiserver_request_total` (https://kubernetes.io/docs/reference/instrumentation/metrics/) does not say who asked. In a
sandbox three things tell the operator's writes apart: people here apply server-side (verb APPLY), the operator patches
its own kinds (finalizers, status) and posts Events, and nobody else does either of these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from tenant_operator.api import GROUP
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.session import Sandbox

_SERIES = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OWN_VERBS = frozenset({"PATCH", "PUT", "POST", "DELETE"})


def operator_writes(sandbox: Sandbox) -> Counter[str]:
    """How often the operator has written so far, by what, such as `PATCH tenants/status`.

    Raises:
        SandboxError: the API server does not show its metrics.
    """
    shown = sandbox.kubectl("get", "--raw", "/metrics")
    if shown.returncode != 0:
        raise SandboxError(f"kubectl get --raw /metrics: {shown.stderr.strip()}")
    return writes_in(shown.stdout)


def writes_in(metrics: str) -> Counter[str]:
    """The operator's writes in the text of the API server's metrics; those that were refused count as well."""
    found: Counter[str] = Counter()
    for series in _SERIES.finditer(metrics):
        labels = dict(_LABEL.findall(series["labels"]))
        if _is_the_operators(labels):
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            found[f"{labels['verb']} {resource}"] += int(float(series["value"]))
    return found


def _is_the_operators(labels: Mapping[str, str]) -> bool:
    if labels["verb"] not in _OWN_VERBS:
        return False
    return labels["group"] == GROUP or (labels["resource"] == "events" and labels["verb"] == "POST")
