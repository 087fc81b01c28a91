"""Pages of Describe answers: PageSize 1–400, an opaque marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tenant_operator.sandbox.aws.failures import AwsFailure

MAX_PAGE_SIZE = (
    400  # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeRules.html
)
MAX_NAMED = 20  # ARNs or names in one Describe call: same pages, "Array Members"

ItemT = TypeVar("ItemT")


def page(items: Sequence[ItemT], parameters: Mapping[str, Any]) -> tuple[Sequence[ItemT], str | None]:
    """The page that Marker and PageSize ask for, and the marker of the next one (None: this is the last).

    Raises:
        AwsFailure: a PageSize out of range, or a marker that this service did not give.
    """
    size = parameters.get("PageSize", MAX_PAGE_SIZE)
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise AwsFailure(
            "ValidationError",
            f"'PageSize' must be between 1 and {MAX_PAGE_SIZE}, inclusive",
        )
    marker = parameters.get("Marker")
    try:
        start = int(marker, 16) if marker else 0
    except ValueError:
        raise AwsFailure("ValidationError", f"Invalid marker '{marker}'") from None
    end = start + size
    return items[start:end], f"{end:012x}" if end < len(items) else None


def limit_named(member: str, values: Sequence[str]) -> None:
    """Raises AwsFailure: more ARNs or names than one Describe call takes."""
    if len(values) > MAX_NAMED:
        raise AwsFailure(
            "ValidationError",
            f"'{member}' must have length less than or equal to {MAX_NAMED}",
        )
