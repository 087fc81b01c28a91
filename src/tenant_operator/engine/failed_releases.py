"""Releases that failed in one infra group: what became of them, why, and when they are tried again."""

from __future__ import annotations

from collections.abc import Sequence

from tenant_operator.aws import compute, services
from tenant_operator.aws.service_deployments import rolled_back_since
from tenant_operator.desired.resources import Live
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.engine.clouds import Site
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.rollouts import began_before, may_restart, runs
from tenant_operator.engine.visit import Visit
from tenant_operator.plan.stage import Stage


async def went_back_unseen(engine: Engine, visit: Visit, site: Site, wanted: Tenancy, group: str) -> bool:
    """Whether ECS rolled the release back while no operator looked: it is under way by the status, and runs nowhere.

    ECS is asked once in a process, and only about a release that began before the process did.
    """
    memory = engine.remember(visit.key)
    began = began_before(visit, memory, wanted.revision)
    if began is None or memory.get(("asked", group)) == wanted.revision:
        return False
    memory[("asked", group)] = wanted.revision
    for slot in wanted.slots:
        service = site.view.lives.get(slot.service.address)
        if service is None:
            continue
        for arn in await rolled_back_since(site.caller, service, began):
            definition = await compute.read_task_definition(site.caller, arn, engine.definitions)
            if runs(slot.task_definition, definition):
                return True
    return False


async def look_at_failures(
    engine: Engine, visit: Visit, tried: Stage, site: Site, wanted: Tenancy, services_here: Sequence[Live]
) -> str:
    """Why tasks fail, in ECS's words; empty when none does.

    A first release that failed serves nobody: it is tried again at growing intervals.
    """
    memory, failure = engine.remember(visit.key), ""
    for address in tried.failures:
        live = site.view.lives.get(address)
        if live is None:
            continue
        failure = await compute.failure_detail(site.caller, live)
        due = may_restart(memory, str(address), wanted.revision, engine.clock())
        if due > 0:
            visit.look_again(due)
            continue
        site.view.put(await services.restart_service(site.caller, live))
        visit.look_again(3.0)
    if tried.rolled_back and not failure and services_here:
        failure = await compute.failure_detail(site.caller, services_here[0])
    return failure
