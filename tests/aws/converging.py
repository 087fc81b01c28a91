"""Carrying plans out one action after the other, the simplest way there is, so that a test can say what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter

from tenant_operator.aws import endpoints, event_rules, identity, logs, network, queues
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Live, Resource, Spec, lookup_in, resolve
from tenant_operator.plan.change import Action, FieldChange, Plan, Verb
from tenant_operator.plan.diff import plan
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tests.aws.conftest import INSTALLATION, Cell

LOOKS, LOOK_SECONDS = 200, 0.05

CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    **network.CREATE, **endpoints.CREATE, **identity.CREATE, **logs.CREATE, **queues.CREATE, **event_rules.CREATE,
}  # fmt: skip
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    **network.UPDATE, **endpoints.UPDATE, **identity.UPDATE, **logs.UPDATE, **queues.UPDATE, **event_rules.UPDATE,
}  # fmt: skip
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    **network.DELETE, **endpoints.DELETE, **identity.DELETE, **logs.DELETE, **queues.DELETE, **event_rules.DELETE,
}  # fmt: skip


async def converge(
    caller: Caller, desired: Sequence[Resource], world: Mapping[Address, Live], removals: Sequence[Live] = ()
) -> dict[Address, Live]:
    """Carry out the plan from `world` to `desired`; gives what exists then, as the writers say."""
    known = dict(world)
    for action in in_turn(plan(desired, known, installation=INSTALLATION, removals=removals)):
        if action.verb is Verb.DELETE:
            assert action.live is not None
            await gone(caller, action.live)
            del known[action.address]
            continue
        assert action.desired is not None
        resource = with_ids(action.desired, known)
        kind = type(resource.spec)
        if action.verb is Verb.CREATE:
            known[action.address] = await CREATE[kind](caller, resource)
        else:
            assert action.live is not None
            known[action.address] = await UPDATE[kind](caller, resource, action.live, action.changes)
    return known


def in_turn(todo: Plan) -> Iterator[Action]:
    """The actions of a plan, each after those that it names."""
    actions = {action.address: action for action in todo.actions}
    graph = {address: [a for a in action.after if a in actions] for address, action in actions.items()}
    return (actions[address] for address in TopologicalSorter(graph).static_order())


async def gone(caller: Caller, live: Live) -> None:
    """Delete a resource, as often as it takes until nothing that lingers is in its way."""
    for _ in range(LOOKS):
        try:
            return await DELETE[type(live.spec)](caller, live)
        except AwsError as error:
            if error.category is not Category.IN_USE:
                raise
        await asyncio.sleep(LOOK_SECONDS)
    return await DELETE[type(live.spec)](caller, live)


async def until(
    read: Callable[[], Awaitable[Mapping[Address, Live]]], wanted: Callable[[Mapping[Address, Live]], bool]
) -> Mapping[Address, Live]:
    """Read again and again until what is there is as wanted."""
    for _ in range(LOOKS):
        found = await read()
        if wanted(found):
            return found
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError(f"still not as wanted: {found}")


def with_ids(resource: Resource, world: Mapping[Address, Live]) -> Resource:
    """The resource with its references resolved."""
    spec = resolve(resource.spec, lookup_in(world))
    return Resource(address=resource.address, spec=spec, tags=resource.tags, after=resource.after)


def left_to_do(desired: Sequence[Resource], world: Mapping[Address, Live]) -> Plan:
    """What a second pass would do."""
    return plan(desired, world, installation=INSTALLATION)


def infra_group_ownership(installation: str = INSTALLATION, infra_group: str = "blue") -> tags.Ownership:
    """The ownership tags of an infra group's resources."""
    owner = tags.Owner(kind="InfraGroup", namespace="", name=infra_group, uid="uid-1")
    return tags.Ownership(
        installation=installation, owner=owner, tier="tier-1", cell="cell-a", infra_group=infra_group
    )


def refuse_once(cell: Cell, action: str, code: str, message: str) -> None:
    """Have the next such call in the account refused as AWS refuses it."""
    cell.aws.door.faults.add(
        Fault(
            kind=FaultKind.ERROR,
            account=cell.caller.account,
            action=action,
            status=400,
            code=code,
            message=message,
            count=1,
        )
    )
