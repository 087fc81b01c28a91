"""A stage in the making: what is observed, and what gathers on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from tenant_operator.desired.resources import (
    Address,
    FixedResponse,
    Forward,
    Id,
    ListenerRule,
    Live,
    Ref,
    Resource,
    Service,
    World,
)
from tenant_operator.desired.tenancy import Slot, Tenancy
from tenant_operator.plan.change import Refusal, Wait
from tenant_operator.plan.diff import field_changes
from tenant_operator.plan.risk import RESTARTING_FIELDS
from tenant_operator.plan.stacks import Stack
from tenant_operator.plan.stage import Progress


@dataclass
class Draft:
    """What is observed of a tenant in a group, asked in the field's words; what comes of it gathers in the lists."""

    tenancy: Tenancy
    world: World
    progress: Progress
    stacks: tuple[Stack, ...]
    rule: Live | None
    desired: list[Resource] = field(default_factory=list)
    removals: list[Live] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unknown: set[Address] = field(default_factory=set)
    settling: set[str] = field(default_factory=set)
    rolled_back: bool = False
    _due: dict[Address, bool] = field(default_factory=dict)

    def rule_with(self, action: Forward | FixedResponse) -> Resource:
        """The tenant's rule with an action."""
        return answering(self.tenancy.rule, action)

    def release_due(self, stack: Stack) -> bool:
        """The live service does not run what the spec says."""
        slot, live = stack.slot, stack.live_service
        if slot is None or live is None or self.tenancy.suspended:
            return False
        if live.address not in self._due:
            self._due[live.address] = self._differs(slot, live)
        return self._due[live.address]

    def _differs(self, slot: Slot, live: Live) -> bool:
        definition = self.world.get(slot.task_definition.address)
        if definition is None:
            return True
        content = [
            c for c in field_changes(slot.task_definition, definition, self.world) if c.field != "tags"
        ]
        if content:
            return True
        return any(c.field in RESTARTING_FIELDS for c in field_changes(slot.service, live, self.world))

    def rolling(self, stack: Stack) -> bool:
        """ECS is bringing the service to its newest deployment."""
        state = stack.state
        return state is not None and state.status == "ACTIVE" and state.rollout == "IN_PROGRESS"

    def whole(self, stack: Stack) -> bool:
        """The service runs what the spec says, completely, and its targets are healthy as far as was asked."""
        return self.complete(stack) and not self.release_due(stack)

    def complete(self, stack: Stack) -> bool:
        """The newest deployment of the service is done, and a task runs where one should."""
        state, live = stack.state, stack.live_service
        if state is None or live is None or stack.slot is None:
            return False
        assert isinstance(live.spec, Service)
        return (
            state.status == "ACTIVE"
            and state.rollout == "COMPLETED"
            and state.running >= min(live.spec.desired_count, 1)
            and state.primary_task_definition == live.spec.task_definition
        )

    def healthy(self, stack: Stack) -> bool:
        """Complete, and its targets were seen healthy; asks for the reading where there is none."""
        if not self.complete(stack) or stack.running == 0:
            return False
        seen = self.progress.healthy_targets.get(stack.target_group)
        if seen is None:
            self.unknown.add(stack.target_group)
            return False
        return seen > 0

    def weight(self, stack: Stack) -> int:
        """The weight that the live rule gives to the stack's target group; 0 where it is not in it."""
        return 0 if self.rule is None else self.weight_in(rule_spec(self.rule).action, stack)

    def weight_in(self, action: object, stack: Stack) -> int:
        """The weight that an action gives to the stack's target group, whether that is there already or not."""
        if not isinstance(action, Forward):
            return 0
        weights = action.weights()
        return weights.get(live_id(stack), 0) or weights.get(Ref(stack.target_group), 0)

    def joined(self) -> set[Address]:
        """The target groups to which the live rule sends requests."""
        return {stack.target_group for stack in self.stacks if self.weight(stack) > 0}

    def is_attached(self, group: Address) -> bool:
        """Whether the live rule names a target group, with whatever weight."""
        live = self.world.get(group)
        if live is None or self.rule is None:
            return False
        return live.id in targets(Resource(address=self.rule.address, spec=self.rule.spec))

    def share(self, stack: Stack) -> int:
        """What the stack is to get of the requests: in proportion to its tasks."""
        if stack.slot is not None:
            return max(1, service_of(stack.slot).desired_count)
        spec = None if stack.live_service is None else stack.live_service.spec
        return max(1, spec.desired_count) if isinstance(spec, Service) else 1


def answering(rule: Resource, action: Forward | FixedResponse) -> Resource:
    """A rule with another action."""
    assert isinstance(rule.spec, ListenerRule)
    return dataclasses.replace(rule, spec=dataclasses.replace(rule.spec, action=action))


def targets(rule: Resource) -> Iterable[Id]:
    """The target groups that a rule forwards to."""
    spec = rule.spec
    assert isinstance(spec, ListenerRule)
    return [target for target, _ in spec.action.targets] if isinstance(spec.action, Forward) else []


def live_id(stack: Stack) -> str:
    """The ARN of the stack's target group; empty where it is not there."""
    return "" if stack.live_group is None else stack.live_group.id


def rule_spec(live: Live) -> ListenerRule:
    """What a live rule says."""
    assert isinstance(live.spec, ListenerRule)
    return live.spec


def service_of(slot: Slot | None) -> Service:
    """The service that a slot wants."""
    assert slot is not None
    assert isinstance(slot.service.spec, Service)
    return slot.service.spec
