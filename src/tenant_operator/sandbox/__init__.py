"""A real kube-apiserver and a simulated AWS on loopback, for rehearsals, tests and benchmarks (extra `sandbox`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenant_operator.sandbox.session import Sandbox as Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> object:
    """Import `Sandbox` on first use: the simulated AWS lives in this package too and needs none of it."""
    if name == "Sandbox":
        from tenant_operator.sandbox.session import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
