"""Listener rules between the ELBv2 API's wording and ours: conditions, actions, transforms.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tenant_operator.aws import listener_actions
from tenant_operator.desired.resources import ListenerRule

_PREFIX_REGEX = re.compile(r"\^(?P<prefix>/.*)/\?\(\.\*\)\$")
_METACHARACTER = re.compile(r"([\\.+*?()\[\]{}|^$])")
_REPLACEMENT = "/$1"


def conditions(rule: ListenerRule) -> list[dict[str, Any]]:
    """All conditions of a rule; each must hold, and in each any one of its values."""
    found: list[dict[str, Any]] = []
    if rule.paths:
        found.append({"Field": "path-pattern", "PathPatternConfig": {"Values": list(rule.paths)}})
    if rule.hosts:
        found.append({"Field": "host-header", "HostHeaderConfig": {"Values": list(rule.hosts)}})
    if rule.header is not None:
        name, value = rule.header
        config = {"HttpHeaderName": name, "Values": [value]}
        found.append({"Field": "http-header", "HttpHeaderConfig": config})
    return found


def transforms(rule: ListenerRule) -> list[dict[str, Any]]:
    """The transform that takes the prefix off, or none."""
    if rule.strip_prefix is None:
        return []
    rewrite = {"Regex": strip_regex(rule.strip_prefix), "Replace": _REPLACEMENT}
    return [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [rewrite]}}]


def strip_regex(prefix: str) -> str:
    """What matches a path below `prefix`, with the rest as the first group."""
    escaped = _METACHARACTER.sub(r"\\\1", prefix)
    return f"^{escaped}/?(.*)$"


def from_api(rule: dict[str, Any], listener: str) -> ListenerRule:
    """A rule of an answer in our terms; what our terms cannot say stands in `unexpected`.

    Args:
        rule: An element of `Rules`.
        listener: The ARN of its listener.
    """
    paths: list[str] = []
    hosts: list[str] = []
    headers: list[tuple[str, str]] = []
    unexpected: list[str] = []
    for condition in rule.get("Conditions", ()):
        match condition["Field"]:
            case "path-pattern" if not _regexes(condition, "PathPatternConfig"):
                paths += _values(condition, "PathPatternConfig")
            case "host-header" if not _regexes(condition, "HostHeaderConfig"):
                hosts += (value.lower() for value in _values(condition, "HostHeaderConfig"))
            case "http-header" if not _regexes(condition, "HttpHeaderConfig"):
                name = condition["HttpHeaderConfig"]["HttpHeaderName"]
                headers += ((name, value) for value in _values(condition, "HttpHeaderConfig"))
            case other:
                unexpected.append(f"a {other} condition of another kind")
    unexpected += (f"a further header condition ({name})" for name, _ in headers[1:])
    action, extra_actions = listener_actions.from_api(rule.get("Actions", ()))
    prefix, extra_transforms = _stripped_prefix(rule.get("Transforms") or ())
    return ListenerRule(
        listener=listener,
        paths=tuple(paths),
        hosts=tuple(hosts),
        header=headers[0] if headers else None,
        action=action,
        strip_prefix=prefix,
        unexpected=(*unexpected, *extra_actions, *extra_transforms),
    )


def _values(condition: dict[str, Any], config: str) -> list[str]:
    """The values, which older answers carry on the condition itself."""
    return list((condition.get(config) or {}).get("Values") or condition.get("Values") or ())


def _regexes(condition: dict[str, Any], config: str) -> bool:
    return bool((condition.get(config) or {}).get("RegexValues"))


def _stripped_prefix(found: Iterable[dict[str, Any]]) -> tuple[str | None, tuple[str, ...]]:
    prefix: str | None = None
    unexpected: list[str] = []
    for transform in found:
        mine = _prefix_of(transform)
        if mine is None:
            unexpected.append(f"a {transform.get('Type')} transform of another kind")
        else:
            prefix = mine
    return prefix, tuple(unexpected)


def _prefix_of(transform: dict[str, Any]) -> str | None:
    """The prefix that a transform of our own making strips; None for any other."""
    rewrites = (transform.get("UrlRewriteConfig") or {}).get("Rewrites") or []
    if (
        transform.get("Type") != "url-rewrite"
        or len(rewrites) != 1
        or rewrites[0].get("Replace") != _REPLACEMENT
    ):
        return None
    found = _PREFIX_REGEX.fullmatch(rewrites[0].get("Regex", ""))
    if found is None:
        return None
    prefix = re.sub(r"\\(.)", r"\1", found["prefix"])
    return prefix if strip_regex(prefix) == rewrites[0]["Regex"] else None
