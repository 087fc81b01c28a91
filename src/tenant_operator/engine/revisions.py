"""The revisions of task definitions that a tenant's services run: read once, kept for ever, the oldest deregistered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tenant_operator.aws import compute
from tenant_operator.aws.task_definitions import KEPT_REVISIONS
from tenant_operator.desired.resources import Address, Live, Service, TaskDefinition, lookup_in, resolve
from tenant_operator.desired.tenancy import Slot, Tenancy
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.records import placement_in
from tenant_operator.engine.visit import Visit


def recorded(visit: Visit, memory: dict[Any, Any], group: str) -> Mapping[str, str]:
    """The digests of the revisions that a tenant ran in a group when its status was written, by ARN.

    Only the first visit in a process goes by them. What is looked at later was read, or somebody has changed its tags.
    """
    is_first = ("revisions known", group) not in memory
    memory[("revisions known", group)] = True
    if visit.forced or not is_first:
        return {}
    found = placement_in(visit.previous, group).get("taskDefinitions") or ()
    return {definition["arn"]: definition["digest"] for definition in found}


def to_status(definitions: Mapping[Address, Live], world: Mapping[Address, Live]) -> list[dict[str, str]]:
    """The same for the status: those of `definitions` that a service of a world runs."""
    run = {live.spec.task_definition for live in world.values() if isinstance(live.spec, Service)}
    return [
        {"arn": live.id, "digest": compute.digest(live.spec, live.tags)}
        for live in sorted(definitions.values(), key=lambda live: live.id)
        if live.id in run and isinstance(live.spec, TaskDefinition)
    ]


async def world(
    engine: Engine,
    site: Site,
    wanted: Tenancy,
    group: str,
    definitions: dict[Address, Live],
    tried: Collection[Address],
    recorded: Mapping[str, str],
) -> dict[Address, Live]:
    """What the stage looks at: the group's things, the tenant's own, and the task definitions that its services run.

    Where there is no service yet, a family is looked for unless there can be none: its cluster was made just now, and
    nothing has been `tried` since.
    """
    addresses = [r.address for slot in wanted.slots for r in (slot.target_group, slot.cluster, slot.service)]
    found = site.view.world(group, wanted.tenant, also=addresses)
    for slot in wanted.slots:
        address = slot.task_definition.address
        service = found.get(slot.service.address)
        if service is not None and isinstance(service.spec, Service):
            arn = str(service.spec.task_definition)
            known = definitions.get(address)
            if known is None or known.id != arn:
                recalled = None if arn in engine.definitions else _recalled(slot, arn, found, recorded)
                definitions[address] = recalled or await compute.read_task_definition(
                    site.caller, arn, engine.definitions
                )
        elif (
            address not in definitions
            and slot.cluster.address in found
            and (address in tried or not site.view.made_here(slot.cluster.address))
        ):
            newest = await compute.newest_task_definitions(site.caller, address.name)
            if newest:
                definitions[address] = await compute.read_task_definition(
                    site.caller, newest[0], engine.definitions
                )
    return {**found, **definitions}


def _recalled(
    slot: Slot, arn: str, world: Mapping[Address, Live], recorded: Mapping[str, str]
) -> Live | None:
    """A revision that was read before, where the status says that it is what is wanted; None where it has to be read."""
    spec = resolve(slot.task_definition.spec, lookup_in(world))
    assert isinstance(spec, TaskDefinition)
    if any(spec.refs()) or recorded.get(arn) != compute.digest(spec, slot.task_definition.tags):
        return None
    return compute.recalled(arn, slot.task_definition.address, spec, slot.task_definition.tags)


async def prune(memory: dict[Any, Any], site: Site, definitions: Mapping[Address, Live]) -> None:
    """Deregister old revisions but for the last few, once after each release."""
    for definition in definitions.values():
        if (
            definition.attributes.get("revision", 0) <= KEPT_REVISIONS
            or memory.get("pruned") == definition.id
        ):
            continue
        await compute.prune(site.caller, definition.address.name, in_use=[definition.id])
        memory["pruned"] = definition.id
