"""Taking a tenant out of an infra group: the rule, then tasks, service, target group, task definitions, cluster.

What comes before (its records, and the time for which clients remember them) is not decided here.
"""

from __future__ import annotations

import dataclasses

from tenant_operator.desired.resources import Cluster, ListenerRule, Service, TaskDefinition, World
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.plan.change import Wait
from tenant_operator.plan.stacks import removal_steps, stacks_of
from tenant_operator.plan.stage import Progress, Stage


def leave(tenancy: Tenancy, world: World, progress: Progress) -> Stage:
    """The next step of taking a tenant out of a group. Its records must be gone, and drained, before this is asked."""
    rules = [live for _, live in tenancy.mine(world, ListenerRule)]
    if rules:
        return Stage(
            removals=tuple(rules), waits=(Wait(reason="Draining", message="removing the rule", seconds=0.5),)
        )
    stacks = stacks_of(dataclasses.replace(tenancy, slots=()), world)
    steps = [removal_steps(stack, progress) for stack in stacks]
    removals = [live for step in steps for live in step.removals]
    served = {
        str(s.live_service.spec.cluster)
        for s in stacks
        if s.live_service and isinstance(s.live_service.spec, Service)
    }
    removals += [s.live_group for s in stacks if s.live_service is None and s.live_group is not None]
    definitions = [live for _, live in tenancy.mine(world, TaskDefinition)]
    removals += [live for live in definitions if tenancy.cluster_arn(world, live) not in served]
    families = {live.address.name for live in definitions}
    removals += [
        live
        for address, live in tenancy.mine(world, Cluster)
        if live.id not in served and address.name not in families
    ]
    return Stage(
        desired=tuple(resource for step in steps for resource in step.desired),
        removals=tuple(removals),
        waits=tuple(wait for step in steps for wait in step.waits),
        unknown=frozenset().union(*(step.unknown for step in steps)),
        running=sum(stack.running for stack in stacks),
    )
