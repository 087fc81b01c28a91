"""The data plane: tasks and load balancers as HTTP servers on loopback, and names that lead to them.

All of it runs on one event loop in one thread (`data_plane.py`); the control plane's calls change what it acts on. Sockets
are opened when a name is asked for or a request needs them, so that tenants nobody calls cost nothing.
"""

from __future__ import annotations

TENANT_HEADER = "x-sandbox-tenant"  # of every answer that comes from a task
