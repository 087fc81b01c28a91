"""How CloudTrail writes parameters and results: members begin in lower case, secrets are hidden.

Secret is what the API's model marks as sensitive. Only the first letter changes: `TTL` becomes `tTL`, `DNSName` becomes
`dNSName`; the keys of maps stay.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/logging-using-cloudtrail.html shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"


def spelled(shape: Any, value: Any) -> Any:
    """A value of a botocore shape, as JSON. None stays None."""
    if value is None or shape is None:
        return None
    if shape.metadata.get("sensitive"):
        return HIDDEN if value else value
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list":
            return [spelled(shape.member, item) for item in value]
        case "map":
            return {str(key): spelled(shape.value, item) for key, item in value.items()}
        case _:
            return scalar(value)


def _structure(shape: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        member = shape.members.get(name)
        if item is None or member is None:
            continue
        found[lower_first(name)] = spelled(member, item)
    return found


def lower_first(name: str) -> str:
    """`VpcId` → `vpcId`."""
    return name[:1].lower() + name[1:]


def scalar(value: Any) -> Any:
    """Dates are written as Java writes them; bytes are hidden."""
    if isinstance(value, datetime):
        return f"{value:%b} {value.day}, {value:%Y}, {value.hour % 12 or 12}:{value:%M:%S %p}"
    if isinstance(value, bytes):
        return HIDDEN
    return value if isinstance(value, str | int | float | bool) else str(value)
