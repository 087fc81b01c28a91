"""What a rule may say: conditions, actions and transforms, checked and in the form that Describe shows.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.quotas import (
    CONDITION_VALUES,
    CONDITION_WILDCARDS,
    TARGET_GROUPS_PER_ACTION,
)
from tenant_operator.sandbox.aws.services.elbv2.state import Document

FIRST_PRIORITY, LAST_PRIORITY = 1, 50_000
MAX_WEIGHT = 999
MAX_TEXT = 128  # a condition's value, or regular expression
MAX_HEADER_NAME = 40
MAX_REGEX = 1024
MAX_STICKINESS_SECONDS = 604_800
MAX_FIXED_BODY = 1024

_CONFIGS = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}
_REPEATABLE = frozenset({"http-header", "query-string"})
_WITH_PLAIN_VALUES = frozenset({"host-header", "path-pattern"})
_WILDCARDS_IN = frozenset({"host-header", "path-pattern", "http-header", "query-string"})
_PATH = re.compile(r"[A-Za-z0-9_\-.$/~\"'@:+&?*]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_STATUS = re.compile(r"[245]\d\d")


def _invalid(message: str) -> AwsFailure:
    return AwsFailure("ValidationError", message)


def priority(value: int) -> int:
    """Raises AwsFailure: out of 1–50000."""
    if not FIRST_PRIORITY <= value <= LAST_PRIORITY:
        raise _invalid(f"Rule priority '{value}' must be between {FIRST_PRIORITY} and {LAST_PRIORITY}")
    return value


def conditions(given: Sequence[Mapping[str, Any]]) -> tuple[Document, ...]:
    """Raises AwsFailure: no condition, too many values or wildcards, a field twice, or a value that is not allowed."""
    if not given:
        raise _invalid("A rule must have at least one condition")
    made = tuple(_condition(condition) for condition in given)
    for field_name, count in Counter(condition["Field"] for condition in made).items():
        if count > 1 and field_name not in _REPEATABLE:
            raise _invalid(f"A rule can only have one '{field_name}' condition")
    values = [(condition["Field"], value) for condition in made for value in _texts(condition)]
    if len(values) > CONDITION_VALUES.default:
        raise _invalid(f"A rule can only have '{CONDITION_VALUES.default}' condition values")
    wildcards = sum(value.count("*") + value.count("?") for name, value in values if name in _WILDCARDS_IN)
    if wildcards > CONDITION_WILDCARDS.default:
        raise _invalid(f"A rule can only have '{CONDITION_WILDCARDS.default}' condition wildcards")
    return made


def _condition(given: Mapping[str, Any]) -> Document:
    name = given.get("Field")
    if name not in _CONFIGS:
        raise _invalid(f"Condition field '{name}' must be one of '[{', '.join(_CONFIGS)}]'")
    config = dict(given.get(_CONFIGS[name]) or {})
    if "Values" in given and "Values" in config:
        raise _invalid("You cannot specify both Values and a condition's own config")
    if "Values" in given:
        config["Values"] = given["Values"]
    key = "RegexValues" if given.get("RegexValues") or config.get("RegexValues") else "Values"
    if key == "RegexValues":
        config.setdefault("RegexValues", given.get("RegexValues"))
    _check_values(name, config, key)
    shown: dict[str, Any] = {"Field": name, _CONFIGS[name]: config}
    if name in _WITH_PLAIN_VALUES and key == "Values":
        shown["Values"] = config["Values"]
    return shown


def _check_values(name: str, config: Mapping[str, Any], key: str) -> None:
    values = config.get(key)
    if not values:
        raise _invalid("A condition value must be specified")
    if name == "http-header":
        _check_header_name(config.get("HttpHeaderName", ""))
    check = _VALUE_CHECKS.get(name)
    for value in values:
        text = value if isinstance(value, str) else value.get("Value", "")
        if not text:
            raise _invalid("A condition value cannot be empty")
        if len(text) > MAX_TEXT:
            raise _invalid(f"The condition value '{text}' must have at most {MAX_TEXT} characters")
        if check is not None and key == "Values":
            check(text)


def _check_header_name(name: str) -> None:
    if not name or len(name) > MAX_HEADER_NAME or not _HEADER_NAME.fullmatch(name) or "*" in name:
        raise _invalid(
            f"The HTTP header name '{name}' is not valid: at most {MAX_HEADER_NAME} characters of RFC 7230"
        )
    if name.lower() == "host":
        raise _invalid("Use a host-header condition to match the host header")


def _check_path(value: str) -> None:
    if not _PATH.fullmatch(value):
        raise _invalid(f"The path pattern '{value}' contains a character that is not allowed")


def _check_host(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9\-.?*]+", value):
        raise _invalid(f"The host header '{value}' contains a character that is not allowed")


_VALUE_CHECKS: Mapping[str, Callable[[str], None]] = {
    "path-pattern": _check_path,
    "host-header": _check_host,
}


def _texts(condition: Document) -> list[str]:
    config = condition[_CONFIGS[condition["Field"]]]
    values = [*config.get("Values", ()), *config.get("RegexValues", ())]
    return [
        value if isinstance(value, str) else f"{value.get('Key', '')}{value.get('Value', '')}"
        for value in values
    ]


def actions(given: Sequence[Mapping[str, Any]]) -> tuple[Document, ...]:
    """Raises AwsFailure: not exactly one routing action, or one that is not allowed."""
    if not given:
        raise _invalid("At least one action must be specified")
    routing = [action for action in given if action.get("Type") in _ACTIONS]
    if len(routing) != 1 or len(given) != 1:
        kinds = ", ".join(_ACTIONS)
        raise AwsFailure(
            "InvalidLoadBalancerAction",
            f"The sandbox takes exactly one action, of type {kinds}",
        )
    return tuple({"Order": 1, **_ACTIONS[action["Type"]](action)} for action in given)


def _forward(given: Mapping[str, Any]) -> dict[str, Any]:
    config = given.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or []
    if not groups and given.get("TargetGroupArn"):
        groups = [{"TargetGroupArn": given["TargetGroupArn"]}]
    if not groups:
        raise _invalid("A target group ARN must be specified")
    if len(groups) > TARGET_GROUPS_PER_ACTION.default:
        raise _invalid(f"A forward action can have at most {TARGET_GROUPS_PER_ACTION.default} target groups")
    arns = [group["TargetGroupArn"] for group in groups]
    if len(set(arns)) < len(arns):
        raise _invalid("A target group can be specified only once in a forward action")
    if given.get("TargetGroupArn") not in (None, *arns):
        raise AwsFailure(
            "InvalidLoadBalancerAction",
            "TargetGroupArn and ForwardConfig must name the same target group",
        )
    for group in groups:
        if not 0 <= group.get("Weight", 1) <= MAX_WEIGHT:
            raise _invalid(f"The weight of a target group must be between 0 and {MAX_WEIGHT}")
    shown: dict[str, Any] = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {
                    "TargetGroupArn": group["TargetGroupArn"],
                    "Weight": group.get("Weight", 1),
                }
                for group in groups
            ],
            "TargetGroupStickinessConfig": _stickiness(config.get("TargetGroupStickinessConfig") or {}),
        },
    }
    if len(groups) == 1:
        shown["TargetGroupArn"] = arns[0]
    return shown


def _stickiness(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given.get("Enabled"):
        return {"Enabled": False}
    seconds = given.get("DurationSeconds")
    if seconds is None or not 1 <= seconds <= MAX_STICKINESS_SECONDS:
        raise _invalid(f"Stickiness needs DurationSeconds between 1 and {MAX_STICKINESS_SECONDS}")
    return {"Enabled": True, "DurationSeconds": seconds}


def _fixed_response(given: Mapping[str, Any]) -> dict[str, Any]:
    config = given.get("FixedResponseConfig") or {}
    if not _STATUS.fullmatch(config.get("StatusCode", "")):
        raise _invalid(
            f"The fixed response's status code '{config.get('StatusCode')}' must be 2XX, 4XX or 5XX"
        )
    if len(config.get("MessageBody", "")) > MAX_FIXED_BODY:
        raise _invalid(f"The fixed response's body must have at most {MAX_FIXED_BODY} characters")
    return {"Type": "fixed-response", "FixedResponseConfig": dict(config)}


def _redirect(given: Mapping[str, Any]) -> dict[str, Any]:
    config = {
        "Protocol": "#{protocol}",
        "Port": "#{port}",
        "Host": "#{host}",
        "Path": "/#{path}",
        "Query": "#{query}",
        **(given.get("RedirectConfig") or {}),
    }
    if config.get("StatusCode") not in ("HTTP_301", "HTTP_302"):
        raise _invalid("The redirect's status code must be HTTP_301 or HTTP_302")
    unchanged = ("#{protocol}", "#{port}", "#{host}", "/#{path}")
    if (
        config["Protocol"],
        config["Port"],
        config["Host"],
        config["Path"],
    ) == unchanged:
        raise AwsFailure(
            "InvalidLoadBalancerAction",
            "The redirect configuration is not valid: it would loop",
        )
    return {"Type": "redirect", "RedirectConfig": config}


_ACTIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "forward": _forward,
    "fixed-response": _fixed_response,
    "redirect": _redirect,
}
_TRANSFORMS = {
    "host-header-rewrite": "HostHeaderRewriteConfig",
    "url-rewrite": "UrlRewriteConfig",
}


def transforms(given: Sequence[Mapping[str, Any]]) -> tuple[Document, ...]:
    """Raises AwsFailure: a type twice, or a rewrite without exactly one valid regular expression."""
    kinds = Counter(transform.get("Type") for transform in given)
    for kind, count in kinds.items():
        if kind not in _TRANSFORMS:
            raise _invalid(f"The transform type '{kind}' must be one of '[{', '.join(_TRANSFORMS)}]'")
        if count > 1:
            raise _invalid(f"A rule can only have one '{kind}' transform")
    for transform in given:
        rewrites = (transform.get(_TRANSFORMS[transform["Type"]]) or {}).get("Rewrites") or []
        if len(rewrites) != 1:
            raise _invalid(f"A '{transform['Type']}' transform must have exactly one rewrite")
        _check_rewrite(rewrites[0])
    return tuple(dict(transform) for transform in given)


def _check_rewrite(rewrite: Mapping[str, Any]) -> None:
    pattern, replacement = rewrite.get("Regex", ""), rewrite.get("Replace", "")
    if not 1 <= len(pattern) <= MAX_REGEX or len(replacement) > MAX_REGEX:
        raise _invalid(f"A rewrite's Regex and Replace have at most {MAX_REGEX} characters")
    try:
        re.compile(pattern)
    except re.error as error:
        raise _invalid(f"The regular expression '{pattern}' is not valid: {error}") from error
