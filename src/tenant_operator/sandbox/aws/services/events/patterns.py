"""Event patterns: which events a rule takes.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

_NUMERIC: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LARGEST_NUMBER = 5.0e9
_ABSENT: Final = object()

Pattern = Mapping[str, Any]


class InvalidPattern(Exception):
    """The message says why, as AWS begins its own with "Event pattern is not valid. Reason: "."""


def parse(text: str) -> Pattern:
    """A pattern from JSON.

    Raises:
        InvalidPattern: not JSON, or something in it that EventBridge refuses.
    """
    try:
        pattern: Any = json.loads(text)
    except ValueError as error:
        raise InvalidPattern(f"it is not JSON: {error}") from error
    if not isinstance(pattern, dict) or not pattern:
        raise InvalidPattern("Filter is not an object" if pattern else "Empty objects are not allowed")
    _check_object(pattern)
    return pattern


def matches(pattern: Pattern, event: Mapping[str, Any]) -> bool:
    """Whether an event has everything that the pattern asks for."""
    return _object_matches(pattern, event, [event])


def has_wildcards(pattern: Any) -> bool:
    """Whether some field is matched by a wildcard: a bus has few rules of that kind."""
    if isinstance(pattern, dict):
        return "wildcard" in pattern or any(has_wildcards(value) for value in pattern.values())
    return isinstance(pattern, list) and any(has_wildcards(value) for value in pattern)


# -- checking


def _check_object(pattern: Pattern) -> None:
    for name, wanted in pattern.items():
        if name == "$or":
            _check_or(wanted)
        elif isinstance(wanted, dict):
            if not wanted:
                raise InvalidPattern("Empty objects are not allowed")
            _check_object(wanted)
        elif isinstance(wanted, list):
            if not wanted:
                raise InvalidPattern("Empty arrays are not allowed")
            for matcher in wanted:
                _check_matcher(matcher)
        else:
            raise InvalidPattern(f'"{name}" must be an object or an array')


def _check_or(alternatives: Any) -> None:
    if not isinstance(alternatives, list) or len(alternatives) < 2:
        raise InvalidPattern("There must have at least 2 Objects in $or relationship")
    for alternative in alternatives:
        if not isinstance(alternative, dict) or not alternative:
            raise InvalidPattern("Only JSON objects are allowed in array $or")
        _check_object(alternative)


def _check_matcher(matcher: Any) -> None:
    if isinstance(matcher, list):
        raise InvalidPattern("Match value must be String, number, true, false, or null")
    if not isinstance(matcher, dict):
        return
    if len(matcher) != 1:
        raise InvalidPattern("Only one key allowed in match expression")
    [(name, value)] = matcher.items()
    check = _CHECKS.get(name)
    if check is None:
        raise InvalidPattern(f"Unrecognized match type {name}")
    check(name, value)


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidPattern(f"{name} match pattern must be a string")


def _check_affix(name: str, value: Any) -> None:
    if isinstance(value, dict):
        if list(value) != ["equals-ignore-case"]:
            raise InvalidPattern(f"Unsupported {name} pattern: {next(iter(value), '')}")
        value = value["equals-ignore-case"]
    _check_text(name, value)


def _check_exists(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidPattern(f"{name} match pattern must be either true or false.")


def _check_wildcard(name: str, value: Any) -> None:
    _check_text(name, value)
    if "**" in value.replace(r"\*", ""):
        raise InvalidPattern("Consecutive wildcard characters at pos 0")
    if re.search(r"\\(?![*\\])", value.replace(r"\\", "")):
        raise InvalidPattern("Invalid escape character at pos 0")


def _check_network(name: str, value: Any) -> None:
    _check_text(name, value)
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise InvalidPattern(f"Malformed CIDR, {error}") from error


def _check_numeric(_: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise InvalidPattern(
            "Value of numeric must be an array of one or two operators, each with its number."
        )
    for sign, number in zip(value[::2], value[1::2], strict=True):
        if sign not in _NUMERIC:
            raise InvalidPattern(f"Unrecognized numeric range operator: {sign}")
        if not _is_number(number) or abs(number) > _LARGEST_NUMBER:
            raise InvalidPattern(f"Value of {sign} must be numeric, between -5e9 and 5e9")


def _check_anything_but(name: str, value: Any) -> None:
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in _TEXT_TESTS:
            raise InvalidPattern(f"Unsupported {name} pattern: {next(iter(value), '')}")
        [(inner, wanted)] = value.items()
        for one in wanted if isinstance(wanted, list) else [wanted]:
            _check_wildcard(inner, one) if inner == "wildcard" else _check_text(inner, one)
        return
    values = value if isinstance(value, list) else [value]
    texts = all(isinstance(one, str) for one in values)
    if not values or not (texts or all(_is_number(one) for one in values)):
        raise InvalidPattern("Inside anything but list, either all values are number or string")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "prefix": _check_affix,
    "suffix": _check_affix,
    "equals-ignore-case": _check_text,
    "wildcard": _check_wildcard,
    "exists": _check_exists,
    "numeric": _check_numeric,
    "cidr": _check_network,
    "anything-but": _check_anything_but,
}


# -- matching


def _object_matches(pattern: Pattern, value: Any, beside: Sequence[Any]) -> bool:
    """All fields of the pattern, in the same object.

    `beside` holds all objects at the same place of the event, entries of an array: a field is missing when it is in none.
    """
    return all(
        any(_object_matches(alternative, value, beside) for alternative in wanted)
        if name == "$or"
        else _field_matches(wanted, _get(value, name), [_get(other, name) for other in beside])
        for name, wanted in pattern.items()
    )


def _get(value: Any, name: str) -> Any:
    return value.get(name, _ABSENT) if isinstance(value, dict) else _ABSENT


def _field_matches(wanted: Any, here: Any, beside: Sequence[Any]) -> bool:
    if isinstance(wanted, dict):
        everywhere = [found for other in beside for found in _objects(other)]
        return any(_object_matches(wanted, found, everywhere) for found in _objects(here) or (_ABSENT,))
    missing = not any(_leaves(other) for other in beside)
    leaves = _leaves(here)
    return any(
        missing if matcher == {"exists": False} else any(_leaf_matches(matcher, leaf) for leaf in leaves)
        for matcher in wanted
    )


def _objects(value: Any) -> Sequence[Any]:
    """The objects that a value is or holds as an array."""
    if isinstance(value, list):
        return [found for entry in value for found in _objects(entry)]
    return (value,) if isinstance(value, dict) else ()


def _leaves(value: Any) -> Sequence[Any]:
    """What a matcher is held against: a value, or each of an array's; an object is none."""
    if value is _ABSENT or isinstance(value, dict):
        return ()
    if isinstance(value, list):
        return [leaf for found in value for leaf in _leaves(found)]
    return (value,)


def _leaf_matches(matcher: Any, leaf: Any) -> bool:
    if not isinstance(matcher, dict):
        return _equal(matcher, leaf)
    [(name, wanted)] = matcher.items()
    match name:
        case "exists":
            return bool(wanted)
        case "anything-but":
            return not _is_excepted(wanted, leaf)
        case "numeric":
            pairs = zip(wanted[::2], wanted[1::2], strict=True)
            return _is_number(leaf) and all(_NUMERIC[sign](leaf, number) for sign, number in pairs)
        case "cidr":
            return _in_network(wanted, leaf)
        case _:
            return isinstance(leaf, str) and _TEXT_TESTS[name](wanted, leaf)


def _equal(wanted: Any, leaf: Any) -> bool:
    """By type too: in JSON, 1 is not true."""
    return json.dumps(wanted) == json.dumps(leaf)


def _is_excepted(wanted: Any, leaf: Any) -> bool:
    if isinstance(wanted, dict):
        [(name, values)] = wanted.items()
        tests = values if isinstance(values, list) else [values]
        return isinstance(leaf, str) and any(_TEXT_TESTS[name](value, leaf) for value in tests)
    return any(_equal(value, leaf) for value in (wanted if isinstance(wanted, list) else [wanted]))


def _in_network(network: str, leaf: Any) -> bool:
    try:
        return ipaddress.ip_address(leaf) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _has_prefix(wanted: Any, leaf: str) -> bool:
    if isinstance(wanted, dict):
        return leaf.lower().startswith(wanted["equals-ignore-case"].lower())
    return leaf.startswith(wanted)


def _has_suffix(wanted: Any, leaf: str) -> bool:
    if isinstance(wanted, dict):
        return leaf.lower().endswith(wanted["equals-ignore-case"].lower())
    return leaf.endswith(wanted)


def _fits_wildcard(wanted: str, leaf: str) -> bool:
    r"""`*` is any text; `\*` and `\\` stand for themselves."""
    parts = [
        ".*" if part == "*" else re.escape(part[1] if len(part) > 1 else part)
        for part in re.findall(r"\\.|.", wanted, re.DOTALL)
    ]
    return re.fullmatch("".join(parts), leaf, re.DOTALL) is not None


_TEXT_TESTS: Mapping[str, Callable[[Any, str], bool]] = {
    "prefix": _has_prefix,
    "suffix": _has_suffix,
    "equals-ignore-case": lambda wanted, leaf: leaf.lower() == wanted.lower(),
    "wildcard": _fits_wildcard,
}
