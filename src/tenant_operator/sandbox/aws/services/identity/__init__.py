"""IAM and STS: roles that have to be trusted, known and old enough before they can be assumed.

IAM's own state is moto's. Not simulated: identity policies (whoever is let in may do everything; an account that may do
nothing is a fault, see faults.py), federation, permissions boundaries in effect.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.identity import (
    access_keys,
    managed_policies,
    roles,
    sts,
)
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Add the behaviour."""
    for module in (managed_policies, roles, access_keys, sts):
        module.install(sim)
