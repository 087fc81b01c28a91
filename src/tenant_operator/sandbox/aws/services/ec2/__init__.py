"""EC2: networks in moto's backend, made to refuse what AWS refuses; VPC endpoints and their services kept here.

Not simulated beyond what moto does: instances, peering, transit gateways, network ACL evaluation, IPv6.
"""

from __future__ import annotations

from tenant_operator.sandbox.aws.services.ec2 import (
    dependencies,
    dry_run,
    endpoints,
    moto_answers,
    nat_gateways,
    network_interfaces,
    offers,
    provider,
    quotas,
)
from tenant_operator.sandbox.aws.simulation import Simulation

__all__ = ["install"]


def install(sim: Simulation) -> None:
    """Add the behaviour."""
    for module in (
        quotas,
        dependencies,
        endpoints,
        offers,
        provider,
        nat_gateways,
        network_interfaces,
        moto_answers,
        dry_run,
    ):
        module.install(sim)
