"""What cells and infra groups take of the quotas before any tenant arrives.

Network interfaces: one for each endpoint in each zone, one for each NAT gateway, and one for each zone of the load
balancer; a load balancer under heavy load takes more, which nobody can know beforehand
(https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html).
"""

from __future__ import annotations

from collections import Counter

from tenant_operator.api import InfraGroup, Tier
from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.desired.private_link import GATEWAY_SERVICES
from tenant_operator.placement.size import Use

ROLES_OF_A_TIER = 2
"""The task role and the execution role, in each account of a tier."""
ROLES_OF_AWS = 2
"""The service-linked roles of ECS and of Elastic Load Balancing, in each account."""


def group_use(tier: Tier, group: InfraGroup) -> Use:
    """What an infra group takes: VPC, load balancer, endpoints and their interfaces."""
    create, existing = group.spec.network.create, group.spec.network.existing
    makes_endpoints = existing is None or existing.endpoints == "Create"
    services = tier.spec.private_link.aws_services if makes_endpoints else ()
    gateways = sum(service in GATEWAY_SERVICES for service in services)
    interfaces = len(services) - gateways + (len(tier.spec.private_link.endpoints) if makes_endpoints else 0)
    if create is not None:
        zones = endpoint_zones = len(create.availability_zones)
        nat = {"None": 0, "NatSingle": 1, "NatPerZone": zones}[create.egress]
    else:
        assert existing is not None, "the API server lets a network be one of the two"
        zones = len(existing.load_balancer_subnet_ids)
        endpoint_zones = len(existing.endpoint_subnet_ids or existing.workload_subnet_ids)
        nat = 0
    return Counter(
        {
            QuotaCode.VPCS: int(create is not None),
            QuotaCode.LOAD_BALANCERS: 1,
            QuotaCode.ENDPOINTS: interfaces,
            QuotaCode.GATEWAY_ENDPOINTS: gateways,
            QuotaCode.INTERFACES: interfaces * endpoint_zones + zones + nat,
        }
    )


def account_use(tiers: int) -> Use:
    """What the identities of so many tiers take in one account."""
    return Counter({QuotaCode.ROLES: ROLES_OF_AWS + ROLES_OF_A_TIER * tiers})
