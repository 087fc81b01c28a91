"""Weighted alias records: the tier's stable name over its groups' load balancers, and (PerTenant) each tenant's own.

`EvaluateTargetHealth` is always false: with it, one tenant's empty target group takes a whole load balancer out of DNS
(https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-weighted-alias.html).
A weight of 0 is no record at all: Route 53 reads "all weights are 0" as "all are equal".
"""

from __future__ import annotations

from tenant_operator.desired import names
from tenant_operator.desired.resources import GLOBAL, Address, Record, Ref, Resource


def record_address(account: str, zone: str, name: str, set_identifier: str) -> Address:
    """The address of one weighted record; `account` owns the hosted zone."""
    return Address(
        account=account, region=GLOBAL, type=Record.__name__, name=f"{zone}/{name}/{set_identifier}"
    )


def weighted_alias(
    *,
    account: str,
    zone: str,
    name: str,
    installation: str,
    infra_group: str,
    weight: int,
    load_balancer: Address,
) -> Resource:
    """A record that sends `weight` shares (1–255) of a name to an infra group's load balancer."""
    identifier = names.set_identifier(installation, infra_group)
    return Resource(
        address=record_address(account, zone, name, identifier),
        spec=Record(
            zone=zone,
            name=name,
            set_identifier=identifier,
            weight=weight,
            alias_dns_name=Ref(load_balancer, "dns_name"),
            alias_zone=Ref(load_balancer, "zone_id"),
        ),
    )
