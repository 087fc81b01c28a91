"""The shortest time in which AWS's token buckets let some calls through, whoever makes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tenant_operator.sandbox.aws.calls import Call, Principal
from tenant_operator.sandbox.aws.throttling import Bucket, buckets_of


def bucket_bound(calls: Mapping[str, int]) -> float:
    """Seconds until full buckets have let some calls (by `service:Action`) of one account and Region through."""
    taken: Counter[Bucket] = Counter()
    for operation, count in calls.items():
        for bucket in buckets(operation):
            taken[bucket] += count
    return max(
        (max(0.0, count - bucket.burst) / bucket.refill for bucket, count in taken.items()), default=0.0
    )


def buckets(operation: str) -> tuple[Bucket, ...]:
    """The buckets that a `service:Action` takes a token from."""
    service, _, action = operation.partition(":")
    nobody = Principal(account="", arn="", access_key_id="")
    call = Call(
        account="", region="", service=service, action=action, parameters={}, principal=nobody, request_id=""
    )
    return tuple(buckets_of(call))
