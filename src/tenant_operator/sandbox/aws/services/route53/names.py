r"""Domain names as Route 53 keeps, shows and sorts them.

Lower case, a dot at the end, and everything but letters, digits, `-`, `_` and `.` as a three-digit octal code: `*`
is `\052` (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html).
"""

from __future__ import annotations

import re

from tenant_operator.sandbox.aws.failures import AwsFailure

MAX_NAME = 255
MAX_LABEL = 63
_ESCAPE = re.compile(r"\\([0-7]{3})")
_TO_ESCAPE = re.compile(r"[^a-z0-9_.\-]")


def stored(name: str) -> str:
    """A name as Route 53 stores it, however it is written."""
    plain = _ESCAPE.sub(lambda found: chr(int(found.group(1), 8)), name).lower()
    escaped = _TO_ESCAPE.sub(lambda found: f"\\{ord(found.group()):03o}", plain)
    return escaped if escaped.endswith(".") else escaped + "."


def sort_key(name: str) -> str:
    """What names are sorted by: the labels in reverse, with the dot at the end.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html
    """
    return ".".join(reversed(name.removesuffix(".").split("."))) + "."


def lies_within(name: str, zone: str) -> bool:
    """Whether a stored name is the zone's own or one below it."""
    return name == zone or name.endswith("." + zone)


def problem_of(name: str) -> str:
    """What is wrong with a stored name as Route 53 words it; empty when nothing is."""
    if len(name) > MAX_NAME:
        return f"FATAL problem: DomainNameTooLong (Domain name is too long) encountered with '{name}'"
    for label in name.removesuffix(".").split("."):
        if not label:
            return f"FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '{name}'"
        if len(label) > MAX_LABEL:
            return f"FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '{label}'"
    return ""


def checked_zone_name(name: str) -> str:
    """The stored form of a new hosted zone's name.

    Raises:
        AwsFailure: InvalidDomainName.
    """
    found = stored(name)
    if problem_of(found) or "\\" in found:
        raise AwsFailure("InvalidDomainName", f"{name} is not a valid domain name")
    return found
