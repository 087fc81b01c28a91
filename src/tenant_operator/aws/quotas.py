"""The quotas of an account that decide how much it can hold, and where each number comes from.

For each: Service Quotas' applied value → AWS's default → (load balancing) DescribeAccountLimits → what is built in.
No answer lifts a limit that AWS calls hard. What a cell's spec says in their place is `placement.quotas.in_force`.
Sources: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.placement.quotas import KNOWN, Known, Quota, Source

IAM_QUOTAS_REGION = "us-east-1"
"""Where Service Quotas answers for global services (in the partition `aws`)."""


async def read_quotas(caller: Caller, last: Iterable[Quota] = ()) -> list[Quota]:
    """The quotas of the caller's account and Region, in the order of `KNOWN`. Costs a dozen reads or two.

    Left out is what nothing told and nothing is built in about: Fargate's vCPUs differ too much between accounts.

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
    found = (
        _quota(known, answer, limits, before.get(known.code))
        for known, answer in zip(KNOWN, answers, strict=True)
    )
    return [quota for quota in found if quota is not None]


def _quota(
    known: Known, answer: tuple[int, Source] | None, limits: Mapping[str, int], before: Quota | None
) -> Quota | None:
    if answer is not None:
        limit, source = answer
    elif known.elb_limit in limits:
        limit, source = limits[known.elb_limit], Source.SERVICE_QUOTAS
    else:
        told = [n for n in (known.default, None if before is None else before.limit) if n is not None]
        if not told:
            return None
        limit, source = min(told), Source.BUILT_IN
    if known.hard and known.default is not None:
        limit = min(limit, known.default)
    return Quota(code=known.code.value, name=known.name, limit=limit, source=source)


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
