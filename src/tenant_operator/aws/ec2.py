"""EC2's dialect, as all of its resources share it: filters, tags as identity, and what to do about lost answers.

EC2 gives no names. A resource is found again by the tags that it was created with, and where two carry the same
identity (a creation whose answer was lost, and its repetition) one has the address and the others are its duplicates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.limits import EC2_PAGE
from tenant_operator.aws.tagging import apply_tag_change
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Id, Live, Resource, Spec
from tenant_operator.plan.change import FieldChange

Filters = Mapping[str, Iterable[str]]


def filters(wanted: Filters) -> list[dict[str, Any]]:
    """As EC2 writes filters: `[{"Name": …, "Values": […]}]`."""
    return [{"Name": name, "Values": list(values)} for name, values in wanted.items()]


def of_installation(installation: str) -> Filters:
    """The filter for everything that an installation owns."""
    return {f"tag:{tags.INSTALLATION}": (installation,)}


def same_identity(resource: Resource) -> Filters:
    """The filter for what carries the identity that a resource's tags give it."""
    keys = (tags.INSTALLATION, tags.INFRA_GROUP, tags.TENANT, tags.COMPONENT)
    return {f"tag:{key}": (resource.tags[key],) for key in keys if key in resource.tags}


async def described(
    caller: Caller, operation: str, key: str, wanted: Filters, *, parameter: str = "Filters"
) -> list[dict[str, Any]]:
    """Everything that a paged Describe call finds by filters.

    Args:
        caller: account and Region.
        operation: such as `describe_vpcs`.
        key: the field of the answer, such as `Vpcs`.
        wanted: the filters; never none, for that is throttled harder.
        parameter: what the call calls its filters.
    """
    parameters: dict[str, Any] = {parameter: filters(wanted)}
    return await caller.pages("ec2", operation, key, **parameters, MaxResults=EC2_PAGE)


def live_of(
    caller: Caller,
    spec: Spec,
    id_: str,
    found_tags: Mapping[str, str],
    attributes: Mapping[str, Any] | None = None,
) -> Live:
    """A resource that was read: its address comes from its tags."""
    address = Address(
        account=caller.account,
        region=caller.region,
        type=type(spec).__name__,
        name=tags.address_name(found_tags) or id_,
    )
    return Live(address=address, id=id_, spec=spec, tags=found_tags, attributes=attributes or {})


def created(
    resource: Resource,
    id_: str,
    attributes: Mapping[str, Any] | None = None,
    put: Mapping[str, str] | None = None,
) -> Live:
    """A resource that has just been made as it should be."""
    return Live(
        address=resource.address,
        id=id_,
        spec=resource.spec,
        tags=dict(resource.tags if put is None else put),
        attributes=attributes or {},
    )


def name_tagged(resource: Resource) -> dict[str, str]:
    """The tags of a creation, with a `Name` for people unless the user gives one."""
    return {tags.HUMAN_NAME: resource.address.name, **resource.tags}


_BEST_STATES = ("available", "pending", "pendingacceptance", "partial")


def by_address(lives: Iterable[Live]) -> dict[Address, Live]:
    """Live resources by address.

    Of those with one identity the one in the best state, then the one with the lowest id, has the address; the others
    get `#<id>` after it, so that they are seen, and go when their owner goes.
    """

    def rank(live: Live) -> tuple[int, str]:
        state = str(live.attributes.get("state", "available"))
        return (_BEST_STATES.index(state) if state in _BEST_STATES else len(_BEST_STATES), live.id)

    found: dict[Address, Live] = {}
    for live in sorted(lives, key=rank):
        if live.address not in found:
            found[live.address] = live
        else:
            address = replace(live.address, name=f"{live.address.name}#{live.id}")
            found[address] = replace(live, address=address)
    return found


async def with_identity(resource: Resource, read: Callable[[Filters], Awaitable[list[Live]]]) -> list[Live]:
    """Everything that carries the identity of a resource, in whatever state."""
    return [live for live in await read(same_identity(resource)) if live.address == resource.address]


async def already_made(resource: Resource, read: Callable[[Filters], Awaitable[list[Live]]]) -> Live | None:
    """What an earlier creation of the same resource has made, if there is one whose answer was lost."""
    return by_address(await with_identity(resource, read)).get(resource.address)


async def adopt_in_place(
    caller: Caller,
    resource: Resource,
    read: Callable[[Filters], Awaitable[list[Live]]],
    place: Filters,
    operation: str,
    error: AwsError,
) -> Live:
    """What has the place that a creation was refused for, if it is this very resource.

    Raises:
        AwsError: EXISTS: it is somebody else's, or another resource of ours; or `error` when nothing is found there.
    """
    found = await read(place)
    if not found:
        raise error
    live = adopted(caller, resource, found[0], "ec2", operation)
    if live.address != resource.address:
        message = f"{live.id}, which belongs to {live.address.name}, is in its place ({error.message})"
        raise caller.error("ec2", operation, error.code, message, Category.EXISTS)
    return live


def known(value: Id) -> str:
    """The id that a spec's field holds.

    Raises:
        TypeError: it is still a reference; whoever carries a plan out resolves them first.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value} is not resolved")
    return value


async def unless_gone(call: Awaitable[object]) -> None:
    """Make a deletion; that the resource is not there means that it is done."""
    try:
        await call
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def update_tags(
    caller: Caller, _resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """The update of a resource of which AWS can change nothing but the tags."""
    return await apply_tag_change(caller, live, changes)
