"""One tenant in one infra group: the next safe state between what exists and what should, as a pure function.

The end state is data (`Tenancy`). Getting there in one leap would lose requests, so `stage` answers with the part of it
that may be made true *now*, given what is observed, and with the waits that hold the rest back. The engine makes that
true (through `plan.diff`), looks again, and asks again, until the stage is the end state. Order is always: make the new
path whole and healthy → switch → let it settle → drain the old → remove it.

| what is seen                                | the rule                                  | the services                       |
|---------------------------------------------|-------------------------------------------|------------------------------------|
| no rule yet                                 | forwards to every cluster, equally        | made once the rule is there        |
| a further cluster, or a cluster's successor | weight 0 until healthy, then its share    | made once the rule is there        |
| a cluster without a running task            | weight 0, but only while another has some | untouched                          |
| a cluster that is not wanted any more       | weight 0 once another is healthy          | after the rule settled: zero, gone |
| suspended                                   | 503                                       | to zero once the rule says 503     |
| resumed                                     | 503; a standby rule holds the groups      | up; then forward, standby removed  |
| a new release                               | untouched                                 | one cluster of one group at a time |
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    lookup_in,
    resolve,
)
from tenant_operator.desired.tenancy import SUSPENDED_ANSWER, Slot, Tenancy
from tenant_operator.plan.change import Refusal, Wait
from tenant_operator.plan.diff import RESTARTING_FIELDS, field_changes
from tenant_operator.plan.stacks import Stack, removal_steps, stacks_of
from tenant_operator.plan.stage import POLL_SECONDS, SETTLE_SECONDS, Progress, Stage

TARGET_GROUPS_PER_ACTION = 5
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html (not adjustable)"""


def stage(tenancy: Tenancy, world: World, progress: Progress) -> Stage:
    """The next safe state of a tenant in a group that should serve it.

    `world` holds at least the tenant's own resources in the group, and those that they refer to.
    """
    stacks = stacks_of(tenancy, world)
    rule = world.get(tenancy.rule.address)
    return _Staging(tenancy, world, progress, stacks, rule).run()


@dataclass
class _Staging:
    """The steps of `stage`, in the order of its table; what they find out gathers in the lists."""

    tenancy: Tenancy
    world: World
    progress: Progress
    stacks: tuple[Stack, ...]
    rule: Live | None

    def __post_init__(self) -> None:
        self.desired: list[Resource] = []
        self.removals: list[Live] = []
        self.waits: list[Wait] = []
        self.refusals: list[Refusal] = []
        self.unknown: set[Address] = set()
        self.settling: set[str] = set()
        self.rolled_back = False

    def run(self) -> Stage:
        wanted = [stack for stack in self.stacks if stack.slot is not None]
        if self.tenancy.suspended:
            self._suspend(wanted)
        else:
            self._serve(wanted)
        self._remove_duplicates()
        live_action = None if self.rule is None else _rule_spec(self.rule).action
        programmed = self.rule is not None and self._says_what_it_should(live_action)
        joined = self._joined()
        ready = programmed and not self.unknown and not self.rolled_back
        if not self.tenancy.suspended:
            ready = ready and all(self._whole(stack) and stack.target_group in joined for stack in wanted)
        if ready and not self.tenancy.suspended and self.progress.verify:
            ready = self._proved(wanted)
        return Stage(
            desired=tuple(self.desired),
            removals=tuple(self.removals),
            waits=tuple(self.waits),
            refusals=tuple(self.refusals),
            unknown=frozenset(self.unknown),
            settling=frozenset(self.settling),
            programmed=programmed,
            ready=ready,
            releasing=any(self._release_due(stack) or self._rolling(stack) for stack in wanted),
            failures=tuple(stack.service for stack in wanted if stack.failed and stack.service is not None),
            rolled_back=self.rolled_back,
            running=sum(stack.running for stack in self.stacks),
            wanted=0
            if self.tenancy.suspended
            else sum(_service(s.slot).desired_count for s in wanted if s.slot),
        )

    # --- suspended --------------------------------------------------------------------------------

    def _suspend(self, wanted: list[Stack]) -> None:
        self.desired.append(self._rule_with(SUSPENDED_ANSWER))
        answered = self.rule is not None and _rule_spec(self.rule).action == SUSPENDED_ANSWER
        for stack in wanted:
            self._keep(stack, desired_count=0 if answered else None)
        self._remove_standby()
        if answered and any(stack.running for stack in wanted):
            self.waits.append(
                Wait(reason="Stopping", message="waiting for the tasks to stop", seconds=POLL_SECONDS)
            )
        for stack in self.stacks:
            if stack.slot is None:
                self._retire(stack, unweighted=answered)

    def _keep(self, stack: Stack, desired_count: int | None) -> None:
        """What there is of a slot stays as it is, but for its tags and the number of its tasks."""
        assert stack.slot is not None
        for resource in (stack.slot.target_group, stack.slot.cluster):
            if resource.address in self.world:
                self.desired.append(resource)
        if stack.live_service is None:
            return
        spec = stack.live_service.spec
        assert isinstance(spec, Service)
        count = spec.desired_count if desired_count is None else desired_count
        self.desired.append(
            dataclasses.replace(stack.slot.service, spec=dataclasses.replace(spec, desired_count=count))
        )

    # --- serving ----------------------------------------------------------------------------------

    def _serve(self, wanted: list[Stack]) -> None:
        action = self._action(wanted)
        rule = self._rule_with(action)
        resuming = isinstance(action, FixedResponse)
        holder = self._standby(wanted) if resuming else rule
        attached = set(_targets(holder)) | (set() if resuming else set(_targets(rule)))
        for stack in wanted:
            assert stack.slot is not None
            self.desired.append(stack.slot.target_group)
            if Ref(stack.target_group) in attached or _live_id(stack) in attached:
                self._compute(stack, holder.address)
        self.desired.append(rule)
        if resuming:
            self.desired.append(holder)
        else:
            self._remove_standby()
        for stack in wanted:
            self._watch(stack)
        for stack in self.stacks:
            if stack.slot is None:
                self._retire(
                    stack, unweighted=self._weight(stack) == 0 and self._weight_in(action, stack) == 0
                )

    def _action(self, wanted: list[Stack]) -> Forward | FixedResponse:
        live = None if self.rule is None else _rule_spec(self.rule).action
        if live is None:
            return _forward({stack.target_group: self._share(stack) for stack in wanted}, self.world)
        if not isinstance(live, Forward):
            return self._resumed(wanted)
        weights = {
            stack.target_group: self._next_weight(stack) for stack in self.stacks if self._in_rule(stack)
        }
        if not any(weights.values()):
            keep = {
                s.target_group: self._share(s) for s in self.stacks if self._weight(s) > 0 and s.live_group
            }
            weights.update(keep or {stack.target_group: self._share(stack) for stack in wanted})
        return _forward(self._within_action(weights), self.world)

    def _resumed(self, wanted: list[Stack]) -> Forward | FixedResponse:
        """503 until every cluster is healthy, or has failed while another is healthy."""
        whole = [stack for stack in wanted if self._healthy(stack)]
        if whole and all(stack in whole or stack.failed for stack in wanted):
            return _forward({s.target_group: self._share(s) if s in whole else 0 for s in wanted}, self.world)
        return SUSPENDED_ANSWER

    def _in_rule(self, stack: Stack) -> bool:
        """A left-over target group stays in the rule until its service is gone."""
        if stack.slot is not None:
            return True
        return stack.live_group is not None and (stack.live_service is not None or self._weight(stack) > 0)

    def _next_weight(self, stack: Stack) -> int:
        others = [other for other in self.stacks if other is not stack and self._carries(other)]
        if stack.slot is None:
            successor = [s for s in self.stacks if s.slot is not None and s.index == stack.index]
            replaced = all(self._carries(s) for s in successor) and bool(others)
            return 0 if self._weight(stack) == 0 or replaced else self._share(stack)
        if self._weight(stack) > 0:
            return self._share(stack) if stack.running or not others else 0
        return self._share(stack) if self._healthy(stack) else 0

    def _carries(self, stack: Stack) -> bool:
        """Requests sent there are answered: it is weighted and runs, or it is healthy and about to be weighted."""
        if stack.live_service is None or not stack.running:
            return False
        return self._weight(stack) > 0 or (stack.slot is not None and self._healthy(stack))

    def _within_action(self, weights: dict[Address, int]) -> dict[Address, int]:
        """At most five target groups: successors wait outside until there is room."""
        if len(weights) <= TARGET_GROUPS_PER_ACTION:
            return weights
        new = [a for a, weight in weights.items() if weight == 0 and not self._is_attached(a)]
        surplus = new[TARGET_GROUPS_PER_ACTION - len(weights) :]
        self.waits.append(
            Wait(
                reason="TargetGroupsPerAction",
                message="a listener rule forwards to five target groups at most, so five clusters leave no room to put "
                "a changed port beside the old one: set clusters to 4 first, and back to 5 afterwards",
                seconds=60.0,
            )
        )
        return {a: weight for a, weight in weights.items() if a not in surplus}

    # --- compute ----------------------------------------------------------------------------------

    def _compute(self, stack: Stack, holder: Address) -> None:
        """Cluster, task definition and service of a slot whose target group is (about to be) attached."""
        slot = stack.slot
        assert slot is not None
        self.desired.append(slot.cluster)
        service = dataclasses.replace(slot.service, after=(*slot.service.after, holder))
        if stack.live_service is None:
            self.desired += [slot.task_definition, service]
            return
        if self._release_due(stack) and not self._may_release(stack):
            self._hold_release(stack, service)
            return
        self.desired += [slot.task_definition, service]

    def _hold_release(self, stack: Stack, service: Resource) -> None:
        """Everything but the release: what would restart tasks stays as it is."""
        live = stack.live_service
        assert live is not None
        assert isinstance(service.spec, Service)
        kept = {name: getattr(live.spec, name) for name in RESTARTING_FIELDS}
        self.desired.append(dataclasses.replace(service, spec=dataclasses.replace(service.spec, **kept)))

    def _may_release(self, stack: Stack) -> bool:
        assert stack.slot is not None
        if self.tenancy.revision == self.progress.failed_revision:
            self.rolled_back = True
            return False
        if self._rolling(stack) or not self.progress.may_release:
            return False
        due = [
            s
            for s in self.stacks
            if s.slot is not None and s.live_service is not None and self._release_due(s)
        ]
        others_roll = any(self._rolling(other) for other in self.stacks if other.slot is not None)
        return not others_roll and due[0] is stack

    def _release_due(self, stack: Stack) -> bool:
        """The live service does not run what the spec says."""
        slot, live = stack.slot, stack.live_service
        if slot is None or live is None or self.tenancy.suspended:
            return False
        definition = self.world.get(slot.task_definition.address)
        if definition is None:
            return True
        content = [
            c for c in field_changes(slot.task_definition, definition, self.world) if c.field != "tags"
        ]
        if content:
            return True
        return any(c.field in RESTARTING_FIELDS for c in field_changes(slot.service, live, self.world))

    def _rolling(self, stack: Stack) -> bool:
        state = stack.state
        return state is not None and state.status == "ACTIVE" and state.rollout == "IN_PROGRESS"

    def _whole(self, stack: Stack) -> bool:
        """The service runs what the spec says, completely, and its targets are healthy as far as was asked."""
        return self._complete(stack) and not self._release_due(stack)

    def _complete(self, stack: Stack) -> bool:
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

    def _healthy(self, stack: Stack) -> bool:
        """Complete, and its targets were seen healthy; asks for the reading where there is none."""
        if not self._complete(stack) or stack.running == 0:
            return False
        seen = self.progress.healthy_targets.get(stack.target_group)
        if seen is None:
            self.unknown.add(stack.target_group)
            return False
        return seen > 0

    def _proved(self, wanted: list[Stack]) -> bool:
        """Whether every cluster's targets were seen healthy; what is missing is waited for."""
        sick = [stack for stack in wanted if not self._healthy(stack)]
        if sick and not self.unknown:
            message = f"cluster {sick[0].index}: waiting for its targets to turn healthy"
            self.waits.append(
                Wait(
                    reason="TargetsNotHealthy", message=message, seconds=POLL_SECONDS, address=sick[0].service
                )
            )
        return not sick

    def _watch(self, stack: Stack) -> None:
        assert stack.slot is not None
        cluster = stack.slot.index
        if self._rolling(stack) or (stack.state is not None and stack.state.status == "DRAINING"):
            message = f"cluster {cluster}: {stack.running} of {_service(stack.slot).desired_count} tasks run"
            self.waits.append(
                Wait(reason="RollingOut", message=message, seconds=POLL_SECONDS, address=stack.service)
            )
        elif stack.live_service is not None and not self._complete(stack):
            message = f"cluster {cluster}: no task runs; {'' if stack.state is None else stack.state.event}"
            self.waits.append(
                Wait(reason="NoTaskRuns", message=message, seconds=3 * POLL_SECONDS, address=stack.service)
            )
        elif self._complete(stack) and self._weight(stack) == 0 and not self._healthy(stack):
            message = f"cluster {cluster}: waiting for its targets to turn healthy"
            self.waits.append(
                Wait(reason="TargetsNotHealthy", message=message, seconds=POLL_SECONDS, address=stack.service)
            )

    # --- removing ---------------------------------------------------------------------------------

    def _retire(self, stack: Stack, *, unweighted: bool) -> None:
        """A left-over stack: once the rule sends it nothing and that has settled, zero → gone → its target group."""
        if not unweighted:
            return
        name = f"retired {stack.target_group.name}"
        if stack.live_service is not None:
            self.settling.add(name)
            if name not in self.progress.settled:
                self.waits.append(
                    Wait(
                        reason="Settling",
                        message="waiting for the rule to be in force",
                        seconds=SETTLE_SECONDS,
                    )
                )
                return
        steps = removal_steps(stack, self.progress)
        self.desired += steps.desired
        self.removals += steps.removals
        self.waits += steps.waits
        self.unknown |= steps.unknown
        if (
            stack.live_service is None
            and stack.live_group is not None
            and not self._is_attached(stack.target_group)
        ):
            self.removals.append(stack.live_group)
        self._remove_empty_clusters()

    def _remove_empty_clusters(self) -> None:
        wanted = {slot.cluster.address for slot in self.tenancy.slots}
        services = {
            str(live.spec.cluster)
            for _, live in self.tenancy.mine(self.world, Service)
            if isinstance(live.spec, Service)
        }
        for address, live in self.tenancy.leftover_clusters(self.world, wanted):
            if live.id not in services and live not in self.removals:
                self.removals.append(live)
                definition = self.world.get(dataclasses.replace(address, type="TaskDefinition"))
                if definition is not None:
                    self.removals.append(definition)

    def _standby(self, wanted: list[Stack]) -> Resource:
        """Holds the target groups at the load balancer while the tenant's own rule still answers 503."""
        action = Forward(tuple((Ref(stack.target_group), 0) for stack in wanted))
        return _answering(self.tenancy.standby, action)

    def _remove_duplicates(self) -> None:
        """A second rule of ours with the same purpose, left by an answer that never came."""
        known = {self.tenancy.rule.address, self.tenancy.standby.address}
        if self.rule is not None:
            self.removals += [
                live for address, live in self.tenancy.mine(self.world, ListenerRule) if address not in known
            ]

    def _remove_standby(self) -> None:
        live = self.world.get(self.tenancy.standby.address)
        if live is None:
            return
        action = None if self.rule is None else _rule_spec(self.rule).action
        if self.tenancy.suspended or isinstance(action, Forward):
            self.removals.append(live)

    # --- the rule ---------------------------------------------------------------------------------

    def _rule_with(self, action: Forward | FixedResponse) -> Resource:
        return _answering(self.tenancy.rule, action)

    def _says_what_it_should(self, action: object) -> bool:
        if self.tenancy.suspended:
            return action == SUSPENDED_ANSWER
        return isinstance(action, Forward) and any(action.weights().values())

    def _weight(self, stack: Stack) -> int:
        """The weight that the live rule gives to the stack's target group; 0 where it is not in it."""
        return 0 if self.rule is None else self._weight_in(_rule_spec(self.rule).action, stack)

    def _weight_in(self, action: object, stack: Stack) -> int:
        if not isinstance(action, Forward):
            return 0
        weights = action.weights()
        return weights.get(_live_id(stack), 0) or weights.get(Ref(stack.target_group), 0)

    def _joined(self) -> set[Address]:
        return {stack.target_group for stack in self.stacks if self._weight(stack) > 0}

    def _is_attached(self, group: Address) -> bool:
        live = self.world.get(group)
        if live is None or self.rule is None:
            return False
        return live.id in _targets(Resource(address=self.rule.address, spec=self.rule.spec))

    def _share(self, stack: Stack) -> int:
        if stack.slot is not None:
            return max(1, _service(stack.slot).desired_count)
        spec = None if stack.live_service is None else stack.live_service.spec
        return max(1, spec.desired_count) if isinstance(spec, Service) else 1


def _answering(rule: Resource, action: Forward | FixedResponse) -> Resource:
    assert isinstance(rule.spec, ListenerRule)
    return dataclasses.replace(rule, spec=dataclasses.replace(rule.spec, action=action))


def _forward(weights: Mapping[Address, int], world: World) -> Forward:
    """The weights in lowest terms; one target group alone always has the weight 1."""
    lookup = lookup_in(world)
    divisor = math.gcd(*weights.values()) or 1
    if len(weights) == 1:
        divisor = max(weights.values()) or 1
    targets = [
        (resolve(Ref(address), lookup), min(999, weight // divisor)) for address, weight in weights.items()
    ]
    return Forward(tuple(targets))


def _targets(rule: Resource) -> Iterable[Id]:
    spec = rule.spec
    assert isinstance(spec, ListenerRule)
    return [target for target, _ in spec.action.targets] if isinstance(spec.action, Forward) else []


def _live_id(stack: Stack) -> str:
    return "" if stack.live_group is None else stack.live_group.id


def _rule_spec(live: Live) -> ListenerRule:
    assert isinstance(live.spec, ListenerRule)
    return live.spec


def _service(slot: Slot | None) -> Service:
    assert slot is not None
    assert isinstance(slot.service.spec, Service)
    return slot.service.spec
