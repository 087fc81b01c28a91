"""Filters and pages of EC2's Describe calls, for what is kept here.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure

LEAST_PAGE, LARGEST_PAGE = 5, 1000

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Described:
    """One resource: what Describe shows of it, what filters find it by, and its tags."""

    document: Mapping[str, Any]
    fields: Mapping[str, Sequence[str]]
    tags: Mapping[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The document with the tags in it."""
        return {**self.document, "Tags": tag_list(self.tags)}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 writes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tags_of(call: Call, resource_id: str) -> dict[str, str]:
    """The tags of a resource of the call's account and Region: moto keeps those of all of EC2."""
    return dict(ec2_backends[call.account][call.region].tags.get(resource_id, {}))


def tag_new(call: Call, resource_id: str, resource_type: str) -> None:
    """Give a new resource the tags that TagSpecifications name for its type."""
    for specification in call.parameters.get("TagSpecifications") or ():
        if specification.get("ResourceType") != resource_type:
            message = f"'{specification.get('ResourceType')}' is not a valid taggable resource type for this operation."
            raise AwsFailure("InvalidParameterValue", message)
        tags = {tag["Key"]: tag.get("Value") or "" for tag in specification.get("Tags") or ()}
        ec2_backends[call.account][call.region].create_tags([resource_id], tags)


def forget_tags(account: str, region: str, resource_id: str) -> None:
    """A resource is gone, and its tags with it."""
    ec2_backends[account][region].tags.pop(resource_id, None)


def matching(found: Iterable[Described], filters: Sequence[Mapping[str, Any]] | None) -> list[Described]:
    """What all filters let through; `*` and `?` in values are wildcards, case does not count.

    Raises:
        AwsFailure: InvalidParameterValue, of a filter that the resource does not have.
    """
    items = list(found)
    for given in filters or ():
        name, patterns = given["Name"], [_pattern(value) for value in given.get("Values") or ()]
        items = [item for item in items if any(_hit(patterns, value) for value in _values(item, name))]
    return items


def _pattern(value: str) -> re.Pattern[str]:
    parts = [{"*": ".*", "?": "."}.get(character, re.escape(character)) for character in value]
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _hit(patterns: Sequence[re.Pattern[str]], value: str) -> bool:
    return any(pattern.fullmatch(value) for pattern in patterns)


def _values(item: Described, name: str) -> Sequence[str]:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return [item.tags[key]] if key in item.tags else []
    if name == "tag-key":
        return list(item.tags)
    if name not in item.fields:
        raise AwsFailure("InvalidParameterValue", f"The filter '{name}' is invalid")
    return item.fields[name]


def page(
    items: Sequence[ItemT], parameters: Mapping[str, Any], ids_member: str = ""
) -> tuple[Sequence[ItemT], str | None]:
    """The page that MaxResults and NextToken ask for, and the token of the next one (None: this is the last).

    Raises:
        AwsFailure: a size out of range, ids together with MaxResults, or a token that this service did not give.
    """
    wanted, token = parameters.get("MaxResults"), parameters.get("NextToken")
    if wanted is None:
        return items, None
    size = int(wanted)
    if not LEAST_PAGE <= size <= LARGEST_PAGE:
        message = (
            f"Value ( {size} ) for parameter maxResults is invalid. "
            f"Expecting a value between {LEAST_PAGE} and {LARGEST_PAGE}."
        )
        raise AwsFailure("InvalidParameterValue", message)
    if ids_member and parameters.get(ids_member):
        member = ids_member[0].lower() + ids_member[1:]
        message = f"The parameter {member} cannot be used with the parameter maxResults"
        raise AwsFailure("InvalidParameterCombination", message)
    try:
        start = int(token, 16) if token else 0
    except ValueError:
        raise AwsFailure("InvalidNextToken", f"The token '{token}' is not one of this call") from None
    return items[start : start + size], f"{start + size:016x}" if start + size < len(items) else None
