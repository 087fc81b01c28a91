"""The whole decision: what should exist × what exists → what to do, as one pure function.

| desired | live                                   | what comes of it                                     |
|---------|----------------------------------------|------------------------------------------------------|
| yes     | no                                     | create                                               |
| yes     | ours, equal                            | nothing                                              |
| yes     | ours, a field differs                  | update, in place, with the fields that differ        |
| yes     | ours, a create-only field differs      | refusal `Immutable`; the builders give such a change |
|         |                                        | another address, so that the new thing is made first |
| yes     | ours, owned by another custom resource | refusal `Conflict`                                   |
| yes     | ours, released by `Retain`             | update: adopted, its tags set anew                   |
| yes     | not ours                               | refusal `ForeignOwner`                               |
| yes     | a task definition that is not ours     | create: our revision, beside it                      |
| removal | ours                                   | delete, after everything that refers to it           |
| removal | not ours                               | nothing, ever                                        |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter

from tenant_operator.desired import tags
from tenant_operator.desired.resources import (
    TYPES,
    Address,
    Forward,
    Live,
    Ref,
    Resource,
    Spec,
    TaskDefinition,
    World,
    lookup_in,
    resolve,
)
from tenant_operator.plan.change import Action, FieldChange, Plan, Refusal, Verb
from tenant_operator.plan.risk import risk_of_create, risk_of_delete, risk_of_update

DELETE_ORDER = (
    "Record", "ListenerRule", "Service", "TargetGroup", "Cluster", "TaskDefinition", "Listener", "LoadBalancer",
    "VpcEndpoint", "NatGateway", "ElasticIp", "SecurityGroup", "RouteTable", "Subnet", "InternetGateway", "Vpc",
    "LogGroup", "Role", "ServiceLinkedRole", "EventRule", "EventBus", "Queue",
)  # fmt: skip
"""Types in the order in which AWS lets them go: whatever refers to another stands before it."""

_RANK = {kind: rank for rank, kind in enumerate(DELETE_ORDER)}
assert set(_RANK) == set(TYPES), "every type of resource has its place in the order of deletes"


def plan(
    desired: Iterable[Resource],
    world: World,
    *,
    installation: str,
    removals: Iterable[Live] = (),
) -> Plan:
    """What to do so that `desired` exists and `removals` do not; nothing else is looked at, let alone touched.

    Actions come in an order in which each finds what it refers to; `Action.after` names the edges, so that one that
    fails holds back only those that need it.
    """
    wanted = {resource.address: resource for resource in desired}
    actions, refusals = _steps(wanted, world, installation)
    gone = [live for live in removals if live.address not in wanted and deletable(live, installation)]
    actions.extend(_deletes(gone))
    return Plan(actions=tuple(actions), refusals=tuple(refusals))


def _steps(
    wanted: Mapping[Address, Resource], world: World, installation: str
) -> tuple[list[Action], list[Refusal]]:
    actions: list[Action] = []
    refusals: list[Refusal] = []
    if all(_step(resource, world, world, installation) is None for resource in wanted.values()):
        return actions, refusals  # the usual case by far, and nothing to put in order
    known = dict(world)
    for address in in_order(wanted):
        step = _step(wanted[address], world, known, installation)
        if isinstance(step, Refusal):
            refusals.append(step)
        elif step is not None:
            actions.append(step)
            if gets_another_id(step):
                known.pop(address, None)
    return actions, refusals


def in_order(resources: Mapping[Address, Resource]) -> tuple[Address, ...]:
    """The addresses so that each comes after those that it refers to; deterministic."""
    graph = {
        address: [a for a in needs(resources[address]) if a in resources] for address in sorted(resources)
    }
    return tuple(TopologicalSorter(graph).static_order())


def needs(resource: Resource) -> tuple[Address, ...]:
    """The addresses that must be there before this resource can be made."""
    return tuple(sorted({ref.address for ref in resource.spec.refs()} | set(resource.after)))


def deletable(live: Live, installation: str) -> bool:
    """Whether the ownership tags (or, where AWS takes none, the identity) allow us to delete it."""
    if not live.spec.taggable:
        return True
    return tags.is_ours(live.tags, installation) and not tags.is_released(live.tags)


def field_changes(desired: Resource, live: Live, world: World) -> tuple[FieldChange, ...]:
    """The fields in which a live resource is not as it should be, `tags` last."""
    spec = resolve(desired.spec, lookup_in(world))
    found = []
    if spec != live.spec:
        found = [
            FieldChange(field=item.name, old=old, new=new)
            for item in dataclasses.fields(spec)
            if (new := getattr(spec, item.name)) != (old := getattr(live.spec, item.name))
        ]
    if desired.spec.taggable and desired.tags != live.tags:
        put, drop = tags.changes(desired.tags, live.tags)
        if put or drop:
            touched = sorted({*put, *drop})
            old = {key: live.tags[key] for key in touched if key in live.tags}
            found.append(FieldChange(field="tags", old=old, new=put))
    return tuple(found)


def gets_another_id(action: Action) -> bool:
    """Whether an action gives the resource another id, so that whatever refers to it changes too.

    A task definition's content cannot change: each change is another revision.
    """
    return isinstance(action.desired and action.desired.spec, TaskDefinition) and (
        action.verb is Verb.CREATE or any(change.field != "tags" for change in action.changes)
    )


def _step(resource: Resource, world: World, known: World, installation: str) -> Action | Refusal | None:
    live = world.get(resource.address)
    if live is None or _is_anothers_revision(live, installation):
        reason = "it does not exist" if live is None else f"{live.id} was registered by somebody else"
        return Action(
            verb=Verb.CREATE,
            address=resource.address,
            desired=resource,
            reason=reason,
            risk=risk_of_create(resource.spec),
            after=needs(resource),
        )
    refusal = _refusal(resource, live, installation)
    if refusal is not None:
        return refusal
    changes = field_changes(resource, live, known)
    if not changes:
        return None
    fixed = [change for change in changes if _create_only(resource.spec, change.field)]
    if fixed and not any(isinstance(change.new, Ref) for change in fixed):
        return Refusal(
            address=resource.address,
            reason="Immutable",
            message=f"AWS cannot change {_listed(fixed)} of {resource.address.name}; undo the change, or remove the "
            "resource by hand",
        )
    return Action(
        verb=Verb.UPDATE,
        address=resource.address,
        desired=resource,
        live=live,
        changes=changes,
        reason=f"{_listed(changes)} differ{'s' if len(changes) == 1 else ''} from the spec",
        risk=risk_of_update(resource.spec, changes),
        after=needs(resource),
    )


def _is_anothers_revision(live: Live, installation: str) -> bool:
    """Whether our service was made to run a task definition that is not ours: ours is registered beside it."""
    return isinstance(live.spec, TaskDefinition) and not tags.is_ours(live.tags, installation)


def _refusal(resource: Resource, live: Live, installation: str) -> Refusal | None:
    if not resource.spec.taggable:
        return None
    if not tags.is_ours(live.tags, installation):
        other = live.tags.get(tags.INSTALLATION)
        who = (
            f"installation {other!r} owns it" if other else "it does not carry this operator's ownership tags"
        )
        return Refusal(
            address=resource.address,
            reason="ForeignOwner",
            message=f"{resource.address.type} {live.id} has the name that is needed here, but {who}; remove or rename it",
        )
    theirs, mine = tags.owner_of(live.tags), tags.owner_of(resource.tags)
    if theirs is None or mine is None or theirs.key == mine.key or tags.is_released(live.tags):
        return None
    return Refusal(
        address=resource.address,
        reason="Conflict",
        message=f"{resource.address.type} {live.id} belongs to {theirs}; delete that one first, or choose another name or "
        "tenantId",
    )


def _deletes(gone: list[Live]) -> list[Action]:
    ordered = sorted(gone, key=lambda live: (_RANK[live.address.type], live.address))
    by_id = {live.id: live.address for live in ordered}
    users: dict[Address, list[Address]] = {live.address: [] for live in ordered}
    for live in ordered:
        for used in _ids(live.spec):
            if used in by_id and by_id[used] != live.address:
                users[by_id[used]].append(live.address)
    return [
        Action(
            verb=Verb.DELETE,
            address=live.address,
            live=live,
            reason="nothing declares it any more",
            risk=risk_of_delete(live.spec),
            after=tuple(sorted(users[live.address])),
        )
        for live in ordered
    ]


def _ids(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for element in value:
            yield from _ids(element)
    elif isinstance(value, Forward):
        yield from _ids(value.targets)
    elif dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            yield from _ids(getattr(value, item.name))


def _create_only(spec: Spec, name: str) -> bool:
    return any(item.name == name and item.metadata.get("create_only") for item in dataclasses.fields(spec))


def _listed(changes: Iterable[FieldChange]) -> str:
    return ", ".join(change.field for change in changes)
