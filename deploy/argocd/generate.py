#!/usr/bin/env python3
"""Write `argocd-cm.yaml`: the patch of Argo CD's ConfigMap that carries `health.lua` for the four kinds.

    python deploy/argocd/generate.py          writes it
    python deploy/argocd/generate.py --check  exits with 1 when it is not what would be written

https://argo-cd.readthedocs.io/en/stable/operator-manual/health/
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PATCH = FOLDER / "argocd-cm.yaml"
GROUP = "tenant-operator.dev"
KINDS = ("Tier", "Cell", "InfraGroup", "Tenant")
HEAD = """\
# Made from health.lua by generate.py. Argo CD's own settings in the same ConfigMap stay:
#   kubectl -n argocd patch configmap argocd-cm --patch-file deploy/argocd/argocd-cm.yaml
data:
"""
IGNORED = """\
  # Status is written while objects are on their way. Argo CD still acts at once whenever the health changes; it is
  # only spared a comparison with Git for every other word of it.
"""


def patch() -> str:
    """The text of `argocd-cm.yaml`."""
    lua = (FOLDER / "health.lua").read_text()
    health = "".join(_setting("health", kind, lua) for kind in KINDS)
    ignored = "".join(_setting("ignoreResourceUpdates", kind, "jsonPointers:\n- /status\n") for kind in KINDS)
    return HEAD + health + IGNORED + ignored


def _setting(what: str, kind: str, text: str) -> str:
    indented = "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))
    return f"  resource.customizations.{what}.{GROUP}_{kind}: |\n{indented}"


def main(arguments: list[str]) -> int:
    """Write the patch, or check it; returns the exit code."""
    if arguments == ["--check"]:
        if PATCH.exists() and PATCH.read_text() == patch():
            return 0
        sys.stderr.write(f"{PATCH.name} is stale: run `python deploy/argocd/generate.py`\n")
        return 1
    if arguments:
        sys.stderr.write(f"unknown arguments {' '.join(arguments)}; write --check or nothing\n")
        return 2
    PATCH.write_text(patch())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
