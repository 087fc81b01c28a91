"""The quotas of an account as data: what each one counts, where it counts it, and which limit is in force.

| scope         | what shares the limit                                             |
|---------------|-------------------------------------------------------------------|
| load balancer | one infra group: everything at its load balancer, others' too     |
| VPC           | one infra group's network                                         |
| Region        | all infra groups of all cells of one account in one Region        |
| account       | the same in all Regions                                           |
| zone          | all names in one hosted zone                                      |

Defaults: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from tenant_operator.api.quota_codes import QuotaCode


class Scope(StrEnum):
    """What shares a limit."""

    LOAD_BALANCER = "load balancer"
    VPC = "VPC"
    REGION = "Region"
    ACCOUNT = "account"
    ZONE = "hosted zone"


class Source(StrEnum):
    """Where a limit comes from."""

    SERVICE_QUOTAS = "ServiceQuotas"
    """The account's own, as applied."""
    AWS_DEFAULT = "AWSDefault"
    BUILT_IN = "BuiltIn"
    OVERRIDE = "Override"
    """`Cell.spec.quotaOverrides`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is built in about a quota."""

    service: str
    code: QuotaCode
    name: str
    scope: Scope
    default: int | None
    """AWS's default; None where it differs so much between accounts that only AWS's own answer counts."""
    hard: bool = False
    """AWS raises it for nobody."""
    elb_limit: str = ""
    """Its name in DescribeAccountLimits."""


_ELB = "elasticloadbalancing"

KNOWN: tuple[Known, ...] = (
    Known(
        _ELB, QuotaCode.LOAD_BALANCERS, "Application Load Balancers per Region", Scope.REGION, 50,
        elb_limit="application-load-balancers",
    ),
    Known(
        _ELB, QuotaCode.RULES, "Rules per Application Load Balancer", Scope.LOAD_BALANCER, 100,
        elb_limit="rules-per-application-load-balancer",
    ),
    Known(
        _ELB, QuotaCode.TARGET_GROUPS, "Target groups per Application Load Balancer", Scope.LOAD_BALANCER, 100,
        hard=True, elb_limit="target-groups-per-application-load-balancer",
    ),
    Known(
        _ELB, QuotaCode.REGION_TARGET_GROUPS, "Target groups per Region", Scope.REGION, 3000,
        elb_limit="target-groups",
    ),
    Known(
        _ELB, QuotaCode.TARGETS, "Targets per Application Load Balancer", Scope.LOAD_BALANCER, 1000,
        elb_limit="targets-per-application-load-balancer",
    ),
    Known("vpc", QuotaCode.VPCS, "VPCs per Region", Scope.REGION, 5),
    Known("vpc", QuotaCode.ENDPOINTS, "Interface VPC endpoints per VPC", Scope.VPC, 50),
    Known("vpc", QuotaCode.GATEWAY_ENDPOINTS, "Gateway VPC endpoints per Region", Scope.REGION, 20),
    Known("vpc", QuotaCode.INTERFACES, "Network interfaces per Region", Scope.REGION, 5000),
    Known("vpc", QuotaCode.SECURITY_GROUP_RULES, "Rules per security group", Scope.VPC, 60),
    Known("ecs", QuotaCode.CLUSTERS, "ECS clusters per Region", Scope.REGION, 10000),
    Known("fargate", QuotaCode.VCPU, "Fargate On-Demand vCPUs per Region", Scope.REGION, None),
    Known("fargate", QuotaCode.SPOT_VCPU, "Fargate Spot vCPUs per Region", Scope.REGION, None),
    Known("iam", QuotaCode.ROLES, "IAM roles per account", Scope.ACCOUNT, 1000),
)  # fmt: skip
"""The quotas of an account that a cell's status shows, in its order."""

RECORDS = Known("route53", QuotaCode.RECORDS, "Records per hosted zone", Scope.ZONE, 10_000)

NAMES: Mapping[QuotaCode, str] = {known.code: known.name for known in (*KNOWN, RECORDS)}
SCOPES: Mapping[QuotaCode, Scope] = {known.code: known.scope for known in (*KNOWN, RECORDS)}

WEIGHTED_RECORDS = 100
"""Weighted records of one name and type, which AWS raises for nobody: so many infra groups can share a name."""

CPU_UNITS = 1024
"""CPU units in a vCPU. Use of `VCPU` and `SPOT_VCPU` is counted in CPU units, for a task may be a quarter of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """One quota of one account and Region, in AWS's unit (vCPUs for Fargate)."""

    code: str
    """Service Quotas' code, such as L-7EED9B64"""
    name: str
    limit: int
    source: Source


Limits = Mapping[QuotaCode, Quota]

BUILT_IN: Limits = {
    known.code: Quota(code=known.code.value, name=known.name, limit=known.default, source=Source.BUILT_IN)
    for known in (*KNOWN, RECORDS)
    if known.default is not None
}
"""What counts before anything was read."""


_UNITS: Mapping[QuotaCode, int] = {QuotaCode.VCPU: CPU_UNITS, QuotaCode.SPOT_VCPU: CPU_UNITS}


def unit(code: QuotaCode) -> int:
    """In how many parts one of AWS's units is counted here."""
    return _UNITS.get(code, 1)


def in_force(read: Iterable[Quota], overrides: Mapping[str, int]) -> list[Quota]:
    """The limits that count: what was read, or what the cell's spec says in its place, never above a hard limit.

    An override of a quota that nothing was read of counts as well. The order is that of `KNOWN`.
    """
    by_code = {quota.code: quota for quota in read}
    found = []
    for known in KNOWN:
        quota = by_code.get(known.code)
        wanted = overrides.get(known.code)
        if wanted is not None:
            quota = Quota(code=known.code.value, name=known.name, limit=wanted, source=Source.OVERRIDE)
        if quota is None:
            continue
        if known.hard and known.default is not None:
            quota = replace(quota, limit=min(quota.limit, known.default))
        found.append(quota)
    return found


def limits(quotas: Iterable[Quota]) -> dict[QuotaCode, Quota]:
    """Limits by code; where a quota is told twice (two cells of one account), the lower counts."""
    found = dict(BUILT_IN)
    told: set[QuotaCode] = set()
    for quota in quotas:
        code = QuotaCode(quota.code)
        if code not in told or quota.limit < found[code].limit:
            found[code] = quota
        told.add(code)
    return found
