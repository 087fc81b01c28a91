"""Which releases of a service ECS has rolled back, after the service itself shows no trace of them.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

from __future__ import annotations

import datetime as dt
import logging

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.resources import Live, Service

log = logging.getLogger(__name__)

ROLLED_BACK = ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
NEWEST = 20
"""How many are looked at; as many service revisions are described in one call."""


async def rolled_back_since(caller: Caller, service: Live, moment: dt.datetime) -> list[str]:
    """The ARNs of the task definitions that a service was to run since a moment, and that ECS went back from.

    None where the role may not look them up, as one made for an earlier version: then the release is tried once more.

    Raises:
        AwsError: AWS refused a reading.
    """
    if not isinstance(service.spec, Service):
        raise TypeError(f"{service.address} is not an ECS service")
    try:
        return await _looked_up(caller, service.id, str(service.spec.cluster), moment)
    except AwsError as error:
        if error.category is Category.ACCESS:
            log.warning("cannot look up what ECS rolled back: %s", error.advice)
            return []
        raise


async def _looked_up(caller: Caller, service: str, cluster: str, moment: dt.datetime) -> list[str]:
    answer = await caller(
        "ecs",
        "list_service_deployments",
        cluster=cluster,
        service=service,
        status=list(ROLLED_BACK),
        createdAt={"after": moment},
        maxResults=NEWEST,
    )
    revisions = [
        found["targetServiceRevisionArn"]
        for found in answer["serviceDeployments"]
        if found.get("targetServiceRevisionArn")
    ]
    if not revisions:
        return []
    answer = await caller("ecs", "describe_service_revisions", serviceRevisionArns=revisions[:NEWEST])
    return [found["taskDefinition"] for found in answer["serviceRevisions"] if found.get("taskDefinition")]
