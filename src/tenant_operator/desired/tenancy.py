"""One tenant in one infra group: its target groups, rule, clusters, task definitions and services."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tenant_operator.desired import names, tags
from tenant_operator.desired.placed import GroupSite
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    FixedResponse,
    Forward,
    HealthCheck,
    ListenerRule,
    Live,
    Ref,
    Resource,
    Service,
    Spec,
    TargetGroup,
    TaskDefinition,
    World,
)
from tenant_operator.desired.workload import Workload

SUSPENDED_ANSWER = FixedResponse(status=503, body="suspended\n")
"""What a suspended tenant's route answers."""

RULE = "rule"
STANDBY = "rule-standby"
_SLOTTED = re.compile(r"-(\d+)$")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One of the tenant's dedicated clusters in a group, with what belongs to it; `index` counts from 1."""

    index: int
    target_group: Resource
    cluster: Resource
    task_definition: Resource
    service: Resource


@dataclass(frozen=True, kw_only=True)
class Route:
    """How requests are told to be the tenant's: the conditions of its listener rule, all of which must hold."""

    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    header: tuple[str, str] | None = None
    strip_prefix: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tenancy:
    """Everything that a tenant should have in one infra group.

    The rule's and the standby rule's actions are placeholders: which target groups get which weights depends on what
    is observed, and is decided by `plan.weights`.
    """

    site: GroupSite
    tenant: str
    """The tenant's id."""
    owner: tags.Owner
    revision: str
    rule: Resource
    standby: Resource
    slots: tuple[Slot, ...]
    suspended: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)

    def goals(self) -> Iterator[Resource]:
        """What each resource should be in the end, whatever the way there; the weights of the rule apart."""
        rule = self.rule.spec
        assert isinstance(rule, ListenerRule)
        if not self.suspended:
            rule = replace(
                rule, action=Forward(tuple((Ref(slot.target_group.address), 1) for slot in self.slots))
            )
        yield replace(self.rule, spec=rule)
        for slot in self.slots:
            yield from (slot.target_group, slot.cluster, slot.task_definition)
            service = slot.service.spec
            assert isinstance(service, Service)
            count = 0 if self.suspended else service.desired_count
            yield replace(slot.service, spec=replace(service, desired_count=count))

    def mine(self, world: World, kind: type[Spec]) -> Iterator[tuple[Address, Live]]:
        """The live resources of one type that carry this tenant's tags in this group."""
        return self.mine_by_type(world, kind.__name__)

    def mine_by_type(self, world: World, kind: str) -> Iterator[tuple[Address, Live]]:
        """The same by the type's name."""
        for address, live in world.items():
            if address.type == kind and self._is_mine(live):
                yield address, live

    def leftover_clusters(self, world: World, wanted: set[Address]) -> list[tuple[Address, Live]]:
        """Clusters of the tenant in this group that no slot wants."""
        return [(address, live) for address, live in self.mine(world, Cluster) if address not in wanted]

    def cluster_arn(self, world: World, definition: Live) -> str:
        """The ARN of the cluster that a task definition is for (they share a name); empty where there is none."""
        live = world.get(dataclasses.replace(definition.address, type=Cluster.__name__))
        return "" if live is None else live.id

    @staticmethod
    def index_of(live: Live) -> int:
        """The slot that a live target group, cluster or service was made for; 0 where its tags do not say."""
        found = _SLOTTED.search(live.tags.get(tags.COMPONENT, ""))
        return int(found[1]) if found else 0

    def _is_mine(self, live: Live) -> bool:
        owner = tags.owner_of(live.tags)
        return (
            owner is not None
            and owner.key == self.owner.key
            and not tags.is_released(live.tags)
            and tags.is_ours(live.tags, self.site.installation)
            and live.tags.get(tags.TIER) == self.site.tier
            and live.tags.get(tags.INFRA_GROUP) == self.site.infra_group
        )


def tenancy(
    site: GroupSite,
    *,
    tenant: str,
    owner: tags.Owner,
    workload: Workload,
    route: Route,
    clusters: int,
    suspended: bool,
    user_tags: Mapping[str, str],
) -> Tenancy:
    """What a tenant should have in the group that `site` describes.

    `workload` is the merged one (the tier's defaults and the tenant's own), `clusters` counts dedicated ECS clusters.
    """
    ownership = tags.Ownership(
        installation=site.installation,
        owner=owner,
        tier=site.tier,
        cell=site.cell,
        infra_group=site.infra_group,
        tenant=tenant,
    )

    def rule(component: str) -> Resource:
        return Resource(
            address=site.address(ListenerRule, tags.component_name(site.infra_group, tenant, component)),
            spec=ListenerRule(
                listener=Ref(site.listener),
                paths=route.paths,
                hosts=route.hosts,
                header=route.header,
                action=SUSPENDED_ANSWER,
                strip_prefix=route.strip_prefix,
            ),
            tags=ownership.tags(component, user_tags),
        )

    return Tenancy(
        site=site,
        tenant=tenant,
        owner=owner,
        revision=workload.revision,
        rule=rule(RULE),
        standby=rule(STANDBY),
        slots=tuple(
            _slot(site, tenant, index, workload, ownership, user_tags) for index in range(1, clusters + 1)
        ),
        suspended=suspended,
    )


def _slot(
    site: GroupSite,
    tenant: str,
    index: int,
    workload: Workload,
    ownership: tags.Ownership,
    user_tags: Mapping[str, str],
) -> Slot:
    group_name = names.target_group(
        site.installation, site.tier, tenant, site.infra_group, index, workload.port
    )
    cluster_name = names.cluster(site.installation, site.tier, tenant, site.infra_group, index)
    group = Resource(
        address=site.address(TargetGroup, group_name),
        spec=TargetGroup(
            vpc=site.vpc,
            port=workload.port,
            health_check=HealthCheck(
                path=workload.health_path,
                interval_seconds=workload.health_interval_seconds,
                timeout_seconds=workload.health_timeout_seconds,
                healthy_threshold=workload.healthy_threshold,
                unhealthy_threshold=workload.unhealthy_threshold,
            ),
            deregistration_delay_seconds=workload.deregistration_delay_seconds,
        ),
        tags=ownership.tags(f"target-group-{index}", user_tags),
    )
    cluster = Resource(
        address=site.address(Cluster, cluster_name),
        spec=Cluster(spot=workload.spot),
        tags=ownership.tags(f"cluster-{index}", user_tags),
    )
    definition = Resource(
        address=site.address(TaskDefinition, cluster_name),
        spec=TaskDefinition(
            image=workload.image,
            cpu=workload.cpu,
            memory=workload.memory,
            architecture=workload.architecture,
            port=workload.port,
            command=workload.command,
            entry_point=workload.entry_point,
            environment=(
                *workload.environment,
                ("TENANT_ID", tenant),
                ("TIER_ID", site.tier),
                ("REGION", site.region),
            ),
            secrets=workload.secrets,
            stop_timeout_seconds=workload.stop_timeout_seconds,
            task_role=site.role_arn("task"),
            execution_role=site.role_arn("execution"),
            log_group=names.log_group(site.installation, site.tier),
            log_region=site.region,
            log_stream_prefix=tenant,
            restart_nonce=workload.restart_nonce,
        ),
        tags=ownership.tags(f"task-definition-{index}", user_tags),
        after=(cluster.address,),
    )
    service = Resource(
        address=site.address(Service, f"{cluster_name}/{group_name}"),
        spec=Service(
            cluster=Ref(cluster.address),
            target_group=Ref(group.address),
            container_port=workload.port,
            task_definition=Ref(definition.address),
            desired_count=workload.replicas,
            subnets=site.workload_subnets,
            security_groups=site.workload_security_groups,
            spot=workload.spot,
            grace_seconds=workload.startup_grace_seconds,
            minimum_healthy_percent=workload.minimum_healthy_percent,
            maximum_percent=workload.maximum_percent,
        ),
        tags=ownership.tags(f"service-{index}", user_tags),
    )
    return Slot(index=index, target_group=group, cluster=cluster, task_definition=definition, service=service)
