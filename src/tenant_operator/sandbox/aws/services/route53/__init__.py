"""Route 53: batches that happen wholly or not at all, one writer a zone, changes that take time to be in sync.

Moto holds no state of this service: zones are kept here (`state.py`). Not simulated, and refused as such: health
checks, traffic policies, reusable delegation sets, DNSSEC, query logging,
authorisations to associate other accounts' VPCs.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.route53 import answers, limits, records, tags, zones
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Answer all calls of the service."""
    sim.own_services.add("route53")
    for module in (zones, records, limits, tags, answers):
        module.install(sim)
