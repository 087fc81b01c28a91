"""ECS clusters of tenants: reading, making, changing, deleting.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tenant_operator.aws import tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired import names, tags
from tenant_operator.desired.resources import Address, Cluster, Live, Resource
from tenant_operator.plan.change import FieldChange

CLUSTERS_PER_CALL = 100
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeClusters.html"""

SPOT_PROVIDERS = ("FARGATE", "FARGATE_SPOT")


async def read_clusters(
    caller: Caller, installation: str, only: Sequence[str] | None = None
) -> dict[Address, Live]:
    """The clusters whose names begin like ours, whoever owns them. One that is INACTIVE does not exist any more.

    Live attributes: `status`, and `services`: how many active services it has.

    Args:
        caller: Bound to the account and Region.
        installation: The installation whose clusters are ours.
        only: The names to read, where they are known; all of them when not given.

    Raises:
        AwsError: AWS refused a reading.
    """
    if only is None:
        arns = await caller.pages("ecs", "list_clusters", "clusterArns")
        prefix = names.installation_prefix(installation)
        only = [arn for arn in arns if arn.rsplit("/", 1)[-1].startswith(prefix)]
    chunks = [only[start : start + CLUSTERS_PER_CALL] for start in range(0, len(only), CLUSTERS_PER_CALL)]
    found = await asyncio.gather(*(_describe(caller, chunk) for chunk in chunks))
    lives = (_live(caller, cluster) for part in found for cluster in part if cluster["status"] != "INACTIVE")
    return {live.address: live for live in lives}


async def create_cluster(caller: Caller, resource: Resource) -> Live:
    """Make a cluster. AWS answers with the existing one where there is one, so the tags of the answer are checked.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name.
    """
    spec = _spec(resource)
    optional = {"capacityProviders": list(SPOT_PROVIDERS)} if spec.spot else {}
    answer = await caller(
        "ecs",
        "create_cluster",
        clusterName=resource.address.name,
        tags=tagging.as_lower_list(resource.tags),
        **optional,
    )
    cluster = answer["cluster"]
    if not tags.is_ours(
        tagging.from_lower_list(cluster.get("tags")), resource.tags.get(tags.INSTALLATION, "")
    ):
        cluster = (await _describe(caller, [resource.address.name]) or [cluster])[0]
    return adopted(caller, resource, _live(caller, cluster), "ecs", "create_cluster")


async def update_cluster(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set capacity providers and tags right, each only where it differs.

    A provider cannot be taken away while a service still uses it. The service is changed after its cluster, so that is
    no error: the cluster stays as it is, and as the difference stays too, it is tried again once the service has moved.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the cluster has gone.
    """
    spec = _spec(resource)
    if any(change.field == "spot" for change in changes):
        try:
            await caller(
                "ecs",
                "put_cluster_capacity_providers",
                cluster=live.id,
                capacityProviders=list(SPOT_PROVIDERS) if spec.spot else [],
                defaultCapacityProviderStrategy=[],
            )
            live = replace(live, spec=spec)
        except AwsError as error:
            if spec.spot or error.category is not Category.IN_USE:
                raise
    return await with_tags(caller, resource, live)


async def delete_cluster(caller: Caller, live: Live) -> None:
    """Delete a cluster; one that has gone is done.

    Raises:
        AwsError: IN_USE while it has services or tasks.
    """
    try:
        await caller("ecs", "delete_cluster", cluster=live.id)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _describe(caller: Caller, clusters: Sequence[str]) -> list[dict[str, Any]]:
    answer = await caller("ecs", "describe_clusters", clusters=list(clusters), include=["TAGS"])
    return list(answer["clusters"])


def _live(caller: Caller, cluster: dict[str, Any]) -> Live:
    address = Address(
        account=caller.account, region=caller.region, type=Cluster.__name__, name=cluster["clusterName"]
    )
    return Live(
        address=address,
        id=cluster["clusterArn"],
        spec=Cluster(spot="FARGATE_SPOT" in (cluster.get("capacityProviders") or ())),
        tags=tagging.from_lower_list(cluster.get("tags")),
        attributes={"status": cluster["status"], "services": int(cluster.get("activeServicesCount", 0))},
    )


def _spec(resource: Resource) -> Cluster:
    if not isinstance(resource.spec, Cluster):
        raise TypeError(f"{resource.address} is not an ECS cluster")
    return resource.spec
