"""JSON documents (IAM and endpoint policies) in one canonical text, so that equal documents compare equal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def canonical(document: Mapping[str, Any]) -> str:
    """The document with sorted keys and no blanks."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def filled(value: Any, placeholders: Mapping[str, str]) -> Any:
    """The value with `${AccountId}`, `${Region}` and `${Partition}` replaced in every string, at any depth.

    Any other `${…}` (IAM's own policy variables) stays.
    """
    if isinstance(value, str):
        for name, text in placeholders.items():
            value = value.replace(f"${{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: filled(element, placeholders) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [filled(element, placeholders) for element in value]
    return value
