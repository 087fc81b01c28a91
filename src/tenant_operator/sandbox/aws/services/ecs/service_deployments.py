"""What became of a service's deployments, those included that DescribeServices no longer shows.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceRevisions.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ecs.paging import page
from tenant_operator.sandbox.aws.services.ecs.state import Deployment, EcsState, Service, invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_REVISIONS = 20
_DEFAULT_LIST = 20

behaviours = Behaviours("ecs")


@behaviours.answers("ListServiceDeployments")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """Newest first; `createdAt` and `status` narrow them down."""
    state = sim.state(EcsState, call.account, call.region)
    name = call.parameters["service"]
    cluster = state.cluster(call.parameters.get("cluster") or name.split("/")[-2:][0])
    service = cluster.service(name)
    if service is None or service.status == "INACTIVE":
        raise AwsFailure("ServiceNotFoundException", "Service not found.")
    wanted = call.parameters.get("status") or ()
    created = call.parameters.get("createdAt") or {}
    found = [
        deployment
        for deployment in reversed(service.history)
        if (not wanted or status_of(service, deployment) in wanted)
        and not ("after" in created and deployment.created_at < _aware(created["after"]))
        and not ("before" in created and deployment.created_at > _aware(created["before"]))
    ]
    shown, token = page(found, call.parameters, default=_DEFAULT_LIST)
    return {"serviceDeployments": [_brief(service, one) for one in shown], "nextToken": token}


@behaviours.answers("DescribeServiceRevisions")
def _describe_revisions(sim: Simulation, call: Call) -> Mapping[str, Any]:
    """What a deployment was to bring about. Every deployment of the sandbox has a revision of its own."""
    state = sim.state(EcsState, call.account, call.region)
    wanted = call.parameters["serviceRevisionArns"]
    if not 1 <= len(wanted) <= MAX_REVISIONS:
        raise invalid(f"serviceRevisionArns must have 1 to {MAX_REVISIONS} elements.")
    known = {
        _arn(service, one, "service-revision"): (service, one)
        for cluster in state.clusters.values()
        for service in cluster.services.values()
        for one in service.history
    }
    return {
        "serviceRevisions": [
            {
                "serviceRevisionArn": arn,
                "serviceArn": known[arn][0].arn,
                "clusterArn": known[arn][0].cluster.arn,
                "taskDefinition": known[arn][1].definition.arn,
                "createdAt": known[arn][1].created_at,
            }
            for arn in wanted
            if arn in known
        ],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn not in known],
    }


def _aware(moment: datetime) -> datetime:
    """Moments of a request come without their zone, which is UTC."""
    return moment.replace(tzinfo=UTC)


def status_of(service: Service, deployment: Deployment) -> str:
    """The status of the service deployment: it outlives the rollout."""
    if deployment.rolls_back_to is not None:
        done = deployment.rolls_back_to.rollout_state == "COMPLETED"
        return "ROLLBACK_SUCCESSFUL" if done else "ROLLBACK_IN_PROGRESS"
    if deployment.completed_once:
        return "SUCCESSFUL"
    if deployment.rollout_state == "FAILED" or deployment is not service.primary:
        return "STOPPED"
    return "IN_PROGRESS"


def _brief(service: Service, deployment: Deployment) -> dict[str, Any]:
    status = status_of(service, deployment)
    return {
        "serviceDeploymentArn": _arn(service, deployment, "service-deployment"),
        "serviceArn": service.arn,
        "clusterArn": service.cluster.arn,
        "createdAt": deployment.created_at,
        "startedAt": deployment.created_at,
        **({} if status.endswith("IN_PROGRESS") else {"finishedAt": deployment.updated_at}),
        "targetServiceRevisionArn": _arn(service, deployment, "service-revision"),
        "status": status,
        "statusReason": deployment.rollout_reason,
    }


def _arn(service: Service, deployment: Deployment, kind: str) -> str:
    number = deployment.id.rpartition("/")[2]
    head = f"arn:aws:ecs:{service.region}:{service.account}:{kind}"
    return f"{head}/{service.cluster.name}/{service.name}/{number}"
