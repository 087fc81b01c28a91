"""The quotas of an account that decide how much it can hold, and where each number comes from.

For each: Service Quotas' applied value → AWS's default → (load balancing) DescribeAccountLimits → what is built in.
No answer lifts a limit that AWS calls hard.
Sources: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category

IAM_QUOTAS_REGION = "us-east-1"
"""Where Service Quotas answers for global services (in the partition `aws`)."""


class Source(StrEnum):
    """Where a number comes from."""

    SERVICE_QUOTAS = "ServiceQuotas"
    """The account's own, as applied."""
    AWS_DEFAULT = "AWSDefault"
    BUILT_IN = "BuiltIn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """One quota of one account and Region."""

    code: str
    """Service Quotas' code, such as L-7EED9B64"""
    name: str
    limit: int
    source: Source


@dataclass(frozen=True, slots=True)
class Known:
    """What is built in about a quota."""

    service: str
    code: str
    name: str
    default: int
    hard: bool = False
    """AWS raises it for nobody."""
    elb_limit: str = ""
    """Its name in DescribeAccountLimits."""


KNOWN: tuple[Known, ...] = (
    Known(
        "elasticloadbalancing", "L-53DA6B97", "Application Load Balancers per Region", 50,
        elb_limit="application-load-balancers",
    ),
    Known(
        "elasticloadbalancing", "L-7EED9B64", "Rules per Application Load Balancer", 100,
        elb_limit="rules-per-application-load-balancer",
    ),
    Known(
        "elasticloadbalancing", "L-822D1B1B", "Target Groups per Application Load Balancer", 100, hard=True,
        elb_limit="target-groups-per-application-load-balancer",
    ),
    Known("elasticloadbalancing", "L-B22855CB", "Target Groups per Region", 3000, elb_limit="target-groups"),
    Known(
        "elasticloadbalancing", "L-7E6692B2", "Targets per Application Load Balancer", 1000,
        elb_limit="targets-per-application-load-balancer",
    ),
    Known("vpc", "L-F678F1CE", "VPCs per Region", 5),
    Known("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50),
    Known("vpc", "L-DF5E4CA3", "Network interfaces per Region", 5000),
    Known("vpc", "L-0EA8095F", "Rules per security group", 60),
    Known("ecs", "L-21C621EB", "ECS clusters per Region", 10000),
    Known("iam", "L-FE177D64", "IAM roles per account", 1000),
)  # fmt: skip


async def read_quotas(caller: Caller, last: Iterable[Quota] = ()) -> list[Quota]:
    """The quotas of the caller's account and Region, in the order of `KNOWN`. Costs a dozen reads or two.

    Args:
        caller: account and Region.
        last: what an earlier reading gave; where nothing answers now, the lower of that and the default counts.

    Raises:
        AwsError: THROTTLED; anything else about one quota means that the next source is asked.
    """
    before = {quota.code: quota for quota in last}
    answers = await asyncio.gather(*(_from_service_quotas(caller, known) for known in KNOWN))
    limits: Mapping[str, int] = {}
    if any(answer is None and known.elb_limit for known, answer in zip(KNOWN, answers, strict=True)):
        limits = await _account_limits(caller)
    return [
        _quota(known, answer, limits, before.get(known.code))
        for known, answer in zip(KNOWN, answers, strict=True)
    ]


def _quota(
    known: Known, answer: tuple[int, Source] | None, limits: Mapping[str, int], before: Quota | None
) -> Quota:
    if answer is not None:
        limit, source = answer
    elif known.elb_limit in limits:
        limit, source = limits[known.elb_limit], Source.SERVICE_QUOTAS
    else:
        limit = known.default if before is None else min(before.limit, known.default)
        source = Source.BUILT_IN
    if known.hard:
        limit = min(limit, known.default)
    return Quota(code=known.code, name=known.name, limit=limit, source=source)


async def _from_service_quotas(caller: Caller, known: Known) -> tuple[int, Source] | None:
    if known.service == "iam" and caller.partition == "aws":
        caller = caller.in_region(IAM_QUOTAS_REGION)
    for operation, source in (
        ("get_service_quota", Source.SERVICE_QUOTAS),
        ("get_aws_default_service_quota", Source.AWS_DEFAULT),
    ):
        try:
            answer = await caller(
                "service-quotas", operation, ServiceCode=known.service, QuotaCode=known.code
            )
        except AwsError as error:
            if error.category is Category.THROTTLED:
                raise
            if error.category is not Category.NOT_FOUND:
                return None
        else:
            return int(answer["Quota"]["Value"]), source
    return None


async def _account_limits(caller: Caller) -> Mapping[str, int]:
    """What load balancing itself says of the account's limits; empty when it may not be asked."""
    try:
        found = await caller.pages("elbv2", "describe_account_limits", "Limits")
    except AwsError as error:
        if error.category is Category.THROTTLED:
            raise
        return {}
    return {limit["Name"]: int(limit["Max"]) for limit in found if str(limit.get("Max", "")).isdigit()}
