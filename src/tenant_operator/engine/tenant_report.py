"""What a tenant's status says after a visit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenant_operator.api import Tenant, Tier
from tenant_operator.aws.errors import AwsError
from tenant_operator.desired import names
from tenant_operator.desired.resources import Cluster, TargetGroup
from tenant_operator.desired.workload import Workload
from tenant_operator.engine import revisions
from tenant_operator.engine.engine import Engine
from tenant_operator.engine.records import placement_in
from tenant_operator.engine.serving import Serving
from tenant_operator.engine.sparing import holds_up, stall
from tenant_operator.engine.visit import MENDED_BY_A_PERSON, Notice, Visit, reason_of
from tenant_operator.placement.reservation import to_status
from tenant_operator.plan.change import Refusal

ROUTING = frozenset({"ListenerRule", "TargetGroup"})
COMPUTE = frozenset({"Cluster", "TaskDefinition", "Service"})
ORDER = ("Accepted", "Placed", "RoutingReady", "ComputeReady", "EndpointReady")


def report(
    engine: Engine,
    visit: Visit,
    tier: Tier,
    tenant: Tenant,
    workload: Workload,
    results: Sequence[Serving],
    required: Sequence[Serving],
    unserved: Sequence[str],
    leaving: Sequence[str],
) -> None:
    """Conditions, placements, counts and Ready.

    `required` decides about Ready, and so does that nothing is `unserved`; `leaving` are groups being left.
    """
    visit.fields["placements"] = [*(_placement(visit, result) for result in results), *_left(visit, leaving)]
    visit.fields["revision"] = workload.revision
    served = sum(result.ready for result in results)
    visit.fields["summary"] = {"tasks": _tasks(results), "infraGroups": f"{served}/{len(results)}"}
    first = next((result for result in results if result.tenancy is not None), None)
    if first is not None and first.tenancy is not None:
        site = first.tenancy.site
        visit.fields["aws"] = {"partition": site.partition, "account": site.account, "region": site.region}
        cell = engine.cache.cell(site.cell)
        if cell is not None and cell.spec.role_arn:
            visit.fields["aws"]["roleArn"] = cell.spec.role_arn
    _routing(visit, tenant, required, unserved)
    _compute(visit, required, workload)
    visit.conditions.true(
        "ObservabilityReady",
        "Logging",
        f"logs are in {names.log_group(engine.settings.installation, tier.metadata.name)}, streams {tenant.tenant_id}/…",
    )
    _optional_failures(visit, results)
    _ready(visit, tenant)


def _placement(visit: Visit, result: Serving) -> dict[str, Any]:
    found: dict[str, Any] = {
        "infraGroup": result.group.metadata.name,
        "cell": result.group.spec.cell_ref.name,
        "ready": result.ready,
        "serves": result.ready or (_served(visit, result) and _still_answers(result)),
        "reserved": to_status(result.reservation()),
    }
    if result.tenancy is None or result.site is None:
        return found
    found["account"] = result.site.caller.account
    world = result.world()
    rule = world.get(result.tenancy.rule.address)
    if rule is not None:
        found["rulePriority"] = rule.attributes["priority"]
    found["targetGroups"] = _named(world.values(), TargetGroup)
    found["clusters"] = _named(world.values(), Cluster)
    found["taskDefinitions"] = _definitions(visit, result)
    return found


def _definitions(visit: Visit, result: Serving) -> list[dict[str, str]]:
    """What the services run, so that the next process need not read it; as it was, where AWS could not be asked."""
    if result.error is not None:
        return list(placement_in(visit.previous, result.group.metadata.name).get("taskDefinitions") or ())
    return revisions.to_status(result.definitions, result.world())


def _served(visit: Visit, result: Serving) -> bool:
    """Whether the tenant was served in a group before this visit, as far as its status says."""
    return bool(placement_in(visit.previous, result.group.metadata.name).get("serves"))


def _still_answers(result: Serving) -> bool:
    """Whether the rule still is as it should be; where AWS could not be asked, nothing has changed."""
    return result.stage.programmed or result.error is not None


def _named(lives: Any, kind: type) -> list[str]:
    return sorted(live.address.name for live in lives if isinstance(live.spec, kind))


def _left(visit: Visit, leaving: Sequence[str]) -> list[dict[str, Any]]:
    """Groups that the tenant still has something in: a restart must not forget them."""
    return [
        {**placement, "ready": False, "serves": False}
        for placement in visit.previous.get("placements") or ()
        if placement["infraGroup"] in leaving
    ]


def _tasks(results: Sequence[Serving]) -> str:
    return (
        f"{sum(result.stage.running for result in results)}/{sum(result.stage.wanted for result in results)}"
    )


def _trouble(results: Sequence[Serving], kinds: frozenset[str]) -> tuple[Serving, AwsError | Refusal] | None:
    for result in results:
        if result.error is not None:
            return result, result.error
        for address, error in sorted(result.outcome.failed.items(), key=lambda item: item[0]):
            if address.type in kinds:
                return result, error
        for refusal in result.refusals:
            if refusal.address.type in kinds:
                return result, refusal
    return None


def _say(visit: Visit, type_: str, trouble: tuple[Serving, AwsError | Refusal]) -> None:
    result, what = trouble
    where = f"in {result.group.metadata.name}: "
    if isinstance(what, AwsError):
        visit.conditions.false(type_, reason_of(what), where + what.advice)
        if what.category in MENDED_BY_A_PERSON:
            visit.stall(reason_of(what), where + what.advice)
    else:
        visit.conditions.false(type_, what.reason, where + what.message)
        visit.stall(what.reason, where + what.message)
    visit.failed = True


def _routing(visit: Visit, tenant: Tenant, required: Sequence[Serving], unserved: Sequence[str]) -> None:
    if unserved:
        visit.conditions.false(
            "RoutingReady", "Pending", f"{', '.join(unserved)} has weight and serves it not yet"
        )
        visit.look_again(0.5)
        return
    trouble = _trouble(required, ROUTING)
    if trouble is not None:
        _say(visit, "RoutingReady", trouble)
        return
    for result in required:
        if result.not_ready:
            visit.conditions.false("RoutingReady", "InfraGroupNotReady", result.not_ready)
            return
        if not result.stage.programmed:
            visit.conditions.false(
                "RoutingReady", "Pending", f"the rule in {result.group.metadata.name} is not there yet"
            )
            return
    if tenant.spec.suspended:
        visit.conditions.true("RoutingReady", "Suspended", "the route answers 503")
    else:
        visit.conditions.true("RoutingReady", "Programmed", "the rule is there in every infra group")


def _compute(visit: Visit, required: Sequence[Serving], workload: Workload) -> None:
    previous = str(visit.previous.get("failedRevision", ""))
    visit.fields["failedRevision"] = previous if previous == workload.revision else None
    trouble = _trouble(required, COMPUTE)
    if trouble is not None:
        _say(visit, "ComputeReady", trouble)
        return
    for result in required:
        where = result.group.metadata.name
        if result.kept.shortage:
            message = f"there is no room for the change in {where}, so the former size stays: {result.kept.shortage}"
            if visit.previous_condition("ComputeReady").get("reason") != "NoCapacity":
                visit.notices.append(Notice("NoCapacity", message, warning=True))
            visit.conditions.false("ComputeReady", "NoCapacity", message)
            return
        if result.rolled_back:
            visit.fields["failedRevision"] = workload.revision
            why = f": {result.failure}" if result.failure else ""
            message = (
                f"revision {workload.revision} failed in {where} and ECS rolled it back{why}; the old revision still serves. "
                "Correct the spec, or change workload.restartNonce to try again"
            )
            if previous != workload.revision:
                visit.notices.append(Notice("ReleaseFailed", message, warning=True))
            visit.conditions.false("ComputeReady", "ReleaseFailed", message)
            visit.stall("ReleaseFailed", message)
            return
        if result.stage.failures:
            why = result.failure or "the tasks do not start"
            visit.conditions.false(
                "ComputeReady", "DeploymentFailed", f"in {where}: {why}; it is tried again by itself"
            )
            return
        if result.not_ready:
            visit.conditions.false("ComputeReady", "InfraGroupNotReady", result.not_ready)
            return
        if not result.ready:
            wait = next(iter(result.stage.waits), None)
            reason = "Pending" if wait is None else wait.reason
            visit.conditions.false(
                "ComputeReady", reason, f"in {where}: {'being made' if wait is None else wait.message}"
            )
            return
    visit.conditions.true("ComputeReady", "Running", "every cluster runs what the spec says")


def _optional_failures(visit: Visit, results: Sequence[Serving]) -> None:
    """Groups without weight do not decide about Ready, but what fails there is tried again all the same."""
    if any(result.error is not None or result.outcome.failed for result in results):
        visit.failed = True


def _ready(visit: Visit, tenant: Tenant) -> None:
    was = visit.previous_condition("Ready")
    missing = next((type_ for type_ in ORDER if not visit.conditions.is_true(type_)), None)
    if missing is None:
        reason = "Suspended" if tenant.spec.suspended else "Ready"
        message = (
            "suspended: the route answers 503, nothing is deleted" if tenant.spec.suspended else "served"
        )
        visit.ready(reason, message)
        if was.get("status") != "True" or was.get("reason") != reason:
            visit.notices.append(Notice(reason, message))
        return
    if holds_up(visit, str(visit.conditions.get(missing)["reason"])):
        stall(visit)
    # What only a person can mend comes before what merely waits for it.
    said = visit.conditions.get("Stalled" if visit.conditions.is_true("Stalled") else missing)
    visit.conditions.false("Ready", said["reason"], said["message"])
    visit.reconciling(said["reason"], said["message"])
    if visit.failed and (was.get("reason"), was.get("status")) != (said["reason"], "False"):
        visit.notices.append(Notice(said["reason"], said["message"], warning=True))
