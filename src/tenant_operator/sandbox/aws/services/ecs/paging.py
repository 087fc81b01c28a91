"""Pages of List answers: maxResults 1–100, an opaque nextToken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tenant_operator.sandbox.aws.services.ecs.state import invalid

ItemT = TypeVar("ItemT")


def page(
    items: Sequence[ItemT], parameters: Mapping[str, Any], default: int = 100, largest: int = 100
) -> tuple[Sequence[ItemT], str | None]:
    """The page that is asked for, and the token of the next one (None: this is the last).

    Raises:
        AwsFailure: maxResults out of range, or a token that this service did not give.
    """
    size = parameters.get("maxResults", default)
    if not 1 <= size <= largest:
        raise invalid(f"maxResults must be between 1 and {largest}.")
    token = parameters.get("nextToken")
    try:
        start = int(token, 16) if token else 0
    except ValueError:
        raise invalid("Invalid token.") from None
    end = start + size
    return items[start:end], f"{end:016x}" if end < len(items) else None
