"""A small model of AWS for tests of the thinking: what an action makes of a world, and how a world moves by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tenant_operator.desired.resources import (
    Address,
    Forward,
    ListenerRule,
    Live,
    Service,
    ServiceState,
    TargetGroup,
    World,
    lookup_in,
    resolve,
)
from tenant_operator.plan.change import Action, Plan, Verb

RUNNING = ServiceState(
    status="ACTIVE",
    running=0,
    pending=0,
    rollout="IN_PROGRESS",
    rollout_reason="",
    primary_task_definition="",
    deployments=1,
    failed_tasks=0,
    event="",
)


def arn(address: Address, generation: int = 0) -> str:
    """An id that nothing else has."""
    return f"arn:{address.account}:{address.region}:{address.type}:{address.name}:{generation}"


def applied(world: World, plan: Plan) -> dict[Address, Live]:
    """The world after a plan, all of whose actions worked."""
    result = dict(world)
    for action in plan.actions:
        result = after(result, action)
    return result


def after(world: World, action: Action) -> dict[Address, Live]:
    """The world after one action."""
    result = dict(world)
    if action.verb is Verb.DELETE:
        live = result[action.address]
        if isinstance(live.spec, Service):
            state = dataclasses.replace(live.attributes["state"], status="DRAINING")
            result[action.address] = dataclasses.replace(live, attributes={"state": state})
        else:
            del result[action.address]
        return result
    assert action.desired is not None
    spec = resolve(action.desired.spec, lookup_in(result))
    missing = next(spec.refs(), None)
    assert missing is None, f"{action.address} refers to {missing}, which is not there"
    old = result.get(action.address)
    assert (old is None) == (action.verb is Verb.CREATE)
    tags = {**(old.tags if old else {}), **action.desired.tags}
    attributes = dict(old.attributes) if old else {}
    identity = old.id if old else arn(action.address)
    if action.address.type == "TaskDefinition" and old and any(c.field != "tags" for c in action.changes):
        identity = arn(action.address, int(old.id.rsplit(":", 1)[1]) + 1)
    if isinstance(spec, Service):
        attributes["state"] = _service_state(spec, old)
    if isinstance(spec, ListenerRule) and old is None:
        attributes["priority"] = 1 + len([a for a in result if a.type == "ListenerRule"])
    result[action.address] = Live(
        address=action.address, id=identity, spec=spec, tags=tags, attributes=attributes
    )
    return result


def _service_state(spec: Service, old: Live | None) -> ServiceState:
    if old is None:
        return dataclasses.replace(RUNNING, primary_task_definition=str(spec.task_definition))
    state: ServiceState = old.attributes["state"]
    assert isinstance(old.spec, Service)
    redeployed = spec.task_definition != old.spec.task_definition or spec.spot != old.spec.spot
    if redeployed:
        return dataclasses.replace(
            state, rollout="IN_PROGRESS", primary_task_definition=str(spec.task_definition), deployments=2
        )
    return state


def moved(world: World, who: Iterable[Address]) -> dict[Address, Live]:
    """The world after some services had time: tasks start or stop, rollouts complete, drained services go."""
    result = dict(world)
    for address in who:
        live = result.get(address)
        if live is None or not isinstance(live.spec, Service):
            continue
        state: ServiceState = live.attributes["state"]
        if state.status == "DRAINING":
            del result[address]
            continue
        new = dataclasses.replace(state, running=live.spec.desired_count, rollout="COMPLETED", deployments=1)
        result[address] = dataclasses.replace(live, attributes={**live.attributes, "state": new})
    return result


def health(world: World) -> dict[Address, int]:
    """Healthy targets by target group: the running tasks of the service that registers there."""
    by_group = {
        str(live.spec.target_group): live.attributes["state"].running
        for live in world.values()
        if isinstance(live.spec, Service)
    }
    return {a: by_group.get(live.id, 0) for a, live in world.items() if isinstance(live.spec, TargetGroup)}


def answered(world: World, rule: Address) -> bool:
    """Whether every request that the rule takes reaches a running task: no weighted target group is empty."""
    live = world.get(rule)
    if live is None or not isinstance(live.spec, ListenerRule) or not isinstance(live.spec.action, Forward):
        return False
    healthy = {world[a].id: count for a, count in health(world).items()}
    weighted = [target for target, weight in live.spec.action.targets if weight > 0]
    return bool(weighted) and all(healthy.get(str(target), 0) > 0 for target in weighted)
