"""The condition operators of IAM policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any


def listed(value: Any) -> list[Any]:
    """A policy's element as a list: it may be written as one value, or be left out."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether all conditions of a statement hold; `context` has its keys in lower case."""
    return all(
        _holds(operator, context.get(key.lower()), [str(value) for value in listed(values)])
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _holds(operator: str, present: str | None, values: Sequence[str]) -> bool:
    """One condition. An operator that is not simulated never holds, so that nothing is allowed by mistake."""
    if operator.endswith("IfExists"):
        return present is None or _holds(operator.removesuffix("IfExists"), present, values)
    if operator == "Null":
        return (present is None) == (values == ["true"])
    match operator:
        case "StringEquals":
            return present in values
        case "StringNotEquals":
            return present not in values
        case "StringEqualsIgnoreCase":
            return present is not None and present.lower() in [value.lower() for value in values]
        case "StringLike" | "ArnLike" | "ArnEquals":  # the two for ARNs behave identically
            return present is not None and any(fnmatchcase(present, value) for value in values)
        case "StringNotLike" | "ArnNotLike" | "ArnNotEquals":
            return present is None or not any(fnmatchcase(present, value) for value in values)
        case _:
            return False
