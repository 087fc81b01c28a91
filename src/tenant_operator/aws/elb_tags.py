"""Tags of load balancers, listeners, rules and target groups: read twenty at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from tenant_operator.aws import tagging
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category

ARNS_PER_CALL = 20
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html"""


async def read_tags(caller: Caller, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """The tags by ARN. What was deleted since it was listed is left out.

    Raises:
        AwsError: a reading failed for another reason.
    """
    wanted = list(dict.fromkeys(arns))
    chunks = [wanted[start : start + ARNS_PER_CALL] for start in range(0, len(wanted), ARNS_PER_CALL)]
    found = await asyncio.gather(*(_read_chunk(caller, chunk) for chunk in chunks))
    return {arn: tags for part in found for arn, tags in part.items()}


async def _read_chunk(caller: Caller, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    try:
        answer = await caller("elbv2", "describe_tags", ResourceArns=list(arns))
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise
        if len(arns) == 1:
            return {}
        # One that has gone fails the whole call: the halves without it are still wanted.
        middle = len(arns) // 2
        halves = (await _read_chunk(caller, arns[:middle]), await _read_chunk(caller, arns[middle:]))
        return {**halves[0], **halves[1]}
    return {entry["ResourceArn"]: tagging.from_list(entry["Tags"]) for entry in answer["TagDescriptions"]}
