"""The data plane: tasks and load balancers as HTTP servers on loopback, and names that lead to them.

All of it runs on one event loop in one thread (`data_plane.py`); the control plane's calls change what it acts on. Sockets
are opened when a name is asked for or a request needs them, so that tenants nobody calls cost nothing.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.simulation import Simulation
from tenant_operator.sandbox.aws.traffic import control

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Add the control routes, and follow what is deleted."""
    control.behaviours.install(sim)
