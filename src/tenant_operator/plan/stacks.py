"""Stacks: a tenant's target groups in a group, each with its service; and the steps that take one away."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tenant_operator.desired.resources import (
    Address,
    Live,
    Resource,
    Service,
    ServiceState,
    TargetGroup,
    World,
)
from tenant_operator.desired.tenancy import Slot, Tenancy
from tenant_operator.plan.change import Wait
from tenant_operator.plan.stage import POLL_SECONDS, Progress


@dataclass(frozen=True, slots=True)
class Stack:
    """One target group with its service: a wanted slot's, or one that is left over from an earlier spec."""

    target_group: Address
    service: Address | None
    slot: Slot | None
    live_group: Live | None
    live_service: Live | None
    index: int

    @property
    def state(self) -> ServiceState | None:
        """What ECS says of the service; None where there is none."""
        return None if self.live_service is None else self.live_service.attributes["state"]

    @property
    def running(self) -> int:
        """Tasks that run now."""
        return 0 if self.state is None else self.state.running

    @property
    def failed(self) -> bool:
        """Nothing ever ran here: the first deployment failed."""
        return self.state is not None and self.state.rollout == "FAILED" and self.running == 0


def stacks_of(tenancy: Tenancy, world: World) -> tuple[Stack, ...]:
    """The wanted slots in order, then what is left over from earlier specs."""
    wanted = [
        Stack(
            slot.target_group.address,
            slot.service.address,
            slot,
            world.get(slot.target_group.address),
            world.get(slot.service.address),
            slot.index,
        )
        for slot in tenancy.slots
    ]
    known_groups = {stack.target_group for stack in wanted}
    known_services = {stack.service for stack in wanted}
    groups = {a: live for a, live in tenancy.mine(world, TargetGroup) if a not in known_groups}
    services = {a: live for a, live in tenancy.mine(world, Service) if a not in known_services}
    by_group = {
        str(live.spec.target_group): live for live in services.values() if isinstance(live.spec, Service)
    }
    leftover = [
        Stack(
            address,
            _address(by_group.get(live.id)),
            None,
            live,
            by_group.get(live.id),
            tenancy.index_of(live),
        )
        for address, live in sorted(groups.items())
    ]
    paired = {stack.service for stack in leftover}
    bare = [
        Stack(_bare_group(live), address, None, None, live, tenancy.index_of(live))
        for address, live in sorted(services.items())
        if address not in paired
    ]
    return (*wanted, *leftover, *bare)


def _address(live: Live | None) -> Address | None:
    return None if live is None else live.address


def _bare_group(service: Live) -> Address:
    """The address that the target group of a service without one would have: they share a name."""
    name = service.address.name.rsplit("/", 1)[-1]
    return dataclasses.replace(service.address, type=TargetGroup.__name__, name=name)


@dataclass(frozen=True, kw_only=True)
class RemovalSteps:
    """One step of taking a service away."""

    desired: tuple[Resource, ...] = ()
    removals: tuple[Live, ...] = ()
    waits: tuple[Wait, ...] = ()
    unknown: frozenset[Address] = frozenset()


def removal_steps(stack: Stack, progress: Progress) -> RemovalSteps:
    """Tasks to zero → no target left → the service deleted → INACTIVE; the target group is the caller's to remove."""
    live = stack.live_service
    if live is None:
        return RemovalSteps()
    spec, state = live.spec, live.attributes["state"]
    assert isinstance(spec, Service)
    if state.status == "DRAINING":
        return RemovalSteps(waits=(_removal_wait(live, "waiting for ECS to drain the service"),))
    if spec.desired_count > 0:
        zero = Resource(address=live.address, spec=dataclasses.replace(spec, desired_count=0), tags=live.tags)
        return RemovalSteps(desired=(zero,), waits=(_removal_wait(live, "waiting for the tasks to stop"),))
    if state.running or state.pending:
        return RemovalSteps(waits=(_removal_wait(live, f"{state.running} tasks are still stopping"),))
    if stack.live_group is not None:
        left = progress.draining_targets.get(stack.target_group)
        if left is None:
            return RemovalSteps(unknown=frozenset({stack.target_group}))
        if left:
            return RemovalSteps(waits=(_removal_wait(live, f"{left} targets are still draining"),))
    return RemovalSteps(removals=(live,), waits=(_removal_wait(live, "waiting for the service to be gone"),))


def _removal_wait(live: Live, message: str) -> Wait:
    return Wait(reason="Draining", message=message, seconds=POLL_SECONDS, address=live.address)
