"""Pages of names in order; the token is the last name given."""

from __future__ import annotations

from collections.abc import Sequence

from tenant_operator.sandbox.aws.calls import Call

LARGEST = 100  # the most, and the default, of EventBridge's lists


def page(call: Call, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The names of this page, and `{"NextToken": …}` when there are more."""
    after = call.parameters.get("NextToken") or ""
    rest = [name for name in names if name > after]
    size = min(call.parameters.get("Limit") or LARGEST, LARGEST)
    return rest[:size], {"NextToken": rest[size - 1]} if len(rest) > size else {}
