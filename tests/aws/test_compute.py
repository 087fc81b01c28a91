"""Clusters, task definitions and services in the simulated AWS."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from tenant_operator.aws import compute, load_balancing, rules, services, task_definitions
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Resource,
    Service,
    ServiceState,
    TargetGroup,
    TaskDefinition,
)
from tenant_operator.plan.diff import field_changes
from tests.aws.conftest import INSTALLATION, Cell, converged

CLUSTER = "prod-tier-1-acme-1-0123456789"
SERVICE = "prod-acme-0123456789"


async def create(cell: Cell, resource: Resource) -> Live:
    return await compute.CREATE[type(resource.spec)](cell.caller, resource)


async def update(cell: Cell, resource: Resource, live: Live) -> Live:
    changes = field_changes(resource, live, {})
    return await compute.UPDATE[type(resource.spec)](cell.caller, resource, live, changes)


async def delete(cell: Cell, live: Live) -> None:
    await compute.DELETE[type(live.spec)](cell.caller, live)


async def clusters(cell: Cell) -> dict[Address, Live]:
    return await compute.read_clusters(cell.caller, INSTALLATION)


def cluster(cell: Cell, *, spot: bool = False) -> Resource:
    return cell.resource(CLUSTER, Cluster(spot=spot), "cluster-1")


def role(cell: Cell, name: str) -> str:
    return f"arn:aws:iam::{cell.caller.account}:role/{name}"


def definition(cell: Cell, **changes: Any) -> Resource:
    spec = TaskDefinition(
        image="222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1.4.2",
        cpu=256,
        memory=512,
        architecture="ARM64",
        port=8080,
        command=("serve", "--all"),
        environment=(("TENANT_ID", "acme"), ("REGION", "us-east-1"), ("EMPTY", "")),
        secrets=(("TOKEN", f"arn:aws:secretsmanager:us-east-1:{cell.caller.account}:secret:acme-AbCdEf"),),
        stop_timeout_seconds=60,
        task_role=role(cell, "task"),
        execution_role=role(cell, "execution"),
        log_group="/tenant-operator/prod/tier-1",
        log_region="us-east-1",
        log_stream_prefix="acme",
    )
    return cell.resource(CLUSTER, dataclasses.replace(spec, **changes), "task-definition-1")


# --- clusters --------------------------------------------------------------------------------------------------------


async def test_a_new_cluster_is_one_write_and_reads_back_as_it_was_asked_for(cell: Cell) -> None:
    wanted = cluster(cell)
    live = await create(cell, wanted)
    assert cell.new_calls() == ["CreateCluster"]
    seen = (await clusters(cell))[wanted.address]
    assert converged(wanted, live)
    assert converged(wanted, seen)
    assert seen.attributes["status"] == "ACTIVE"


async def test_a_cluster_gets_spot_and_loses_it_in_place(cell: Cell) -> None:
    live = await create(cell, cluster(cell))
    for spot in (True, False):
        wanted = cluster(cell, spot=spot)
        live = await update(cell, wanted, live)
        assert converged(wanted, live)
        assert converged(wanted, (await clusters(cell))[wanted.address])


async def test_making_a_cluster_twice_takes_up_the_first(cell: Cell) -> None:
    wanted = cluster(cell)
    cell.lose_answer("CreateCluster")
    with pytest.raises(AwsError):
        await create(cell, wanted)
    assert converged(wanted, await create(cell, wanted))


async def test_somebody_elses_cluster_of_the_same_name_is_refused(cell: Cell) -> None:
    cell.client("ecs").create_cluster(clusterName=CLUSTER)
    with pytest.raises(AwsError) as refusal:
        await create(cell, cluster(cell))
    assert refusal.value.code == "ForeignOwner"


async def test_a_deleted_cluster_is_gone_and_twice_is_no_harm(cell: Cell) -> None:
    live = await create(cell, cluster(cell))
    await delete(cell, live)
    assert await clusters(cell) == {}
    await delete(cell, live)


async def test_clusters_are_described_a_hundred_at_a_time(cell: Cell) -> None:
    ecs = cell.client("ecs")
    for number in range(120):
        ecs.create_cluster(clusterName=f"prod-{number}")
    ecs.create_cluster(clusterName="other")
    cell.new_calls("*")
    assert len(await clusters(cell)) == 120
    assert cell.new_calls("*").count("DescribeClusters") == 2


# --- task definitions ------------------------------------------------------------------------------------------------


async def test_a_registered_revision_reads_back_as_it_was_asked_for(cell: Cell) -> None:
    wanted = definition(cell)
    live = await create(cell, wanted)
    assert cell.new_calls() == ["RegisterTaskDefinition"]
    seen = await compute.read_task_definition(cell.caller, live.id)
    assert converged(wanted, live)
    assert converged(wanted, seen)
    assert isinstance(wanted.spec, TaskDefinition)
    assert seen.attributes["content"] == task_definitions.content_hash(wanted.spec)


async def test_a_registration_whose_answer_was_lost_is_not_repeated(cell: Cell) -> None:
    wanted = definition(cell)
    cell.lose_answer("RegisterTaskDefinition")
    with pytest.raises(AwsError):
        await create(cell, wanted)
    assert converged(wanted, await create(cell, wanted))
    assert len(await compute.newest_task_definitions(cell.caller, CLUSTER)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "app:2"},
        {"cpu": 512, "memory": 1024},
        {"environment": ()},
        {"secrets": ()},
        {"restart_nonce": "2"},
        {"command": (), "entry_point": ("/bin/sh",)},
    ],
)
async def test_every_change_of_what_runs_is_a_new_revision(cell: Cell, changes: dict[str, Any]) -> None:
    live = await create(cell, definition(cell))
    wanted = definition(cell, **changes)
    newer = await update(cell, wanted, live)
    assert newer.attributes["revision"] == live.attributes["revision"] + 1
    assert converged(wanted, await compute.read_task_definition(cell.caller, newer.id))


async def test_a_revision_is_read_once(cell: Cell) -> None:
    live = await create(cell, definition(cell))
    known: dict[str, Live] = {}
    first = await compute.read_task_definition(cell.caller, live.id, known)
    cell.new_calls("*")
    assert await compute.read_task_definition(cell.caller, live.id, known) is first
    assert cell.new_calls("*") == []


async def test_old_revisions_go_but_for_the_newest_and_those_in_use(cell: Cell) -> None:
    arns = []
    for number in range(8):
        live = await task_definitions.register(cell.caller, definition(cell, restart_nonce=str(number)))
        arns.append(live.id)
    gone = await compute.prune(cell.caller, CLUSTER, keep=5, in_use=[arns[0]])
    assert set(gone) == {arns[1], arns[2]}
    assert await compute.newest_task_definitions(cell.caller, CLUSTER) == [*reversed(arns[3:]), arns[0]]


async def test_a_family_that_is_deleted_leaves_no_revision(cell: Cell) -> None:
    for number in range(3):
        live = await task_definitions.register(cell.caller, definition(cell, restart_nonce=str(number)))
    await delete(cell, live)
    assert await compute.newest_task_definitions(cell.caller, CLUSTER) == []


async def test_changed_tags_are_put_on_the_revision_that_is_there(cell: Cell) -> None:
    wanted = definition(cell)
    live = await create(cell, wanted)
    retagged = dataclasses.replace(wanted, tags={**wanted.tags, "team": "y"})
    again = await update(cell, retagged, live)
    assert again.id == live.id
    assert converged(retagged, await compute.read_task_definition(cell.caller, live.id))


# --- services --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Ground:
    """Everything that a service stands on: a routed target group, roles, a cluster, a task definition."""

    cell: Cell
    cluster: Live
    definition: Live
    target_group: str
    writes: list[str]
    """What it took to make the tenant's part of it."""

    def service(self, **changes: Any) -> Resource:
        spec = Service(
            cluster=self.cluster.id,
            target_group=self.target_group,
            container_port=8080,
            task_definition=self.definition.id,
            desired_count=2,
            subnets=tuple(self.cell.subnets[:2]),
            security_groups=(self.cell.security_groups[0],),
            grace_seconds=300,
        )
        spec = dataclasses.replace(spec, **changes)
        return self.cell.resource(f"{CLUSTER}/{SERVICE}", spec, "service-1")

    async def read(self, *names: str) -> dict[Address, Live]:
        found = await clusters(self.cell)
        return await compute.read_services(self.cell.caller, found[self.cluster.address], names)


@pytest_asyncio.fixture
async def ground(cell: Cell) -> Ground:
    iam = cell.client("iam")
    principal = {"Service": "ecs-tasks.amazonaws.com"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for name in ("task", "execution"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    cell.client("logs").create_log_group(logGroupName="/tenant-operator/prod/tier-1")
    writes = load_balancing.CREATE
    alb = LoadBalancer(
        scheme="internal", subnets=tuple(cell.subnets[:2]), security_groups=(cell.security_groups[0],)
    )
    balancer = await writes[LoadBalancer](cell.caller, cell.resource("prod-ig-1-0123456789", alb, tenant=""))
    spec = Listener(
        load_balancer=balancer.id, port=80, protocol="HTTP", default_action=FixedResponse(status=404)
    )
    listener = await writes[Listener](cell.caller, cell.resource("prod-ig-1-0123456789:80", spec, tenant=""))
    cell.new_calls()
    check = HealthCheck(
        path="/healthz", interval_seconds=15, timeout_seconds=5, healthy_threshold=2, unhealthy_threshold=3
    )
    group = await writes[TargetGroup](
        cell.caller, cell.resource(SERVICE, TargetGroup(vpc=cell.vpc, port=8080, health_check=check))
    )
    rule = ListenerRule(listener=listener.id, paths=("/acme",), action=Forward(((group.id, 1),)))
    await rules.create_rule(cell.caller, cell.resource("ig-1/acme/rule", rule, "rule"), 100)
    made = await create(cell, cluster(cell))
    revision = await create(cell, definition(cell, secrets=()))
    return Ground(cell, made, revision, group.id, cell.new_calls())


async def test_a_new_service_is_one_write_and_reads_back_as_it_was_asked_for(ground: Ground) -> None:
    wanted = ground.service()
    live = await create(ground.cell, wanted)
    assert ground.cell.new_calls() == ["CreateService"]
    seen = (await ground.read(SERVICE))[wanted.address]
    assert converged(wanted, live)
    assert converged(wanted, seen)
    state = seen.attributes["state"]
    assert isinstance(state, ServiceState)
    assert (state.status, state.primary_task_definition) == ("ACTIVE", ground.definition.id)


async def test_a_fresh_tenant_costs_five_writes(ground: Ground) -> None:
    await create(ground.cell, ground.service())
    assert [*ground.writes, *ground.cell.new_calls()] == [
        "CreateTargetGroup",
        "CreateRule",
        "CreateCluster",
        "RegisterTaskDefinition",
        "CreateService",
    ]


async def test_a_service_on_spot_reads_back_as_it_was_asked_for(ground: Ground) -> None:
    await update(ground.cell, cluster(ground.cell, spot=True), ground.cluster)
    wanted = ground.service(spot=True)
    assert converged(wanted, await create(ground.cell, wanted))
    assert converged(wanted, (await ground.read(SERVICE))[wanted.address])


async def test_a_service_moves_to_spot_and_back(ground: Ground) -> None:
    live = await create(ground.cell, ground.service())
    on_spot = ground.service(spot=True)
    both = await update(ground.cell, cluster(ground.cell, spot=True), ground.cluster)
    live = await update(ground.cell, on_spot, live)
    assert converged(on_spot, live)
    assert converged(on_spot, (await ground.read(SERVICE))[on_spot.address])
    await update(ground.cell, cluster(ground.cell), both)
    back = ground.service()
    assert converged(back, await update(ground.cell, back, live))
    assert converged(back, (await ground.read(SERVICE))[back.address])


async def test_each_edit_of_a_service_is_one_call_that_says_only_what_changed(ground: Ground) -> None:
    live = await create(ground.cell, ground.service())
    newer = await task_definitions.register(
        ground.cell.caller, definition(ground.cell, secrets=(), restart_nonce="2")
    )
    ground.cell.new_calls()
    wanted = ground.service()
    for changes in (
        {"desired_count": 3},
        {"grace_seconds": 60},
        {"minimum_healthy_percent": 50, "maximum_percent": 150},
        {"task_definition": newer.id},
        {"subnets": tuple(ground.cell.subnets)},
    ):
        assert isinstance(wanted.spec, Service)
        wanted = dataclasses.replace(wanted, spec=dataclasses.replace(wanted.spec, **changes))
        live = await update(ground.cell, wanted, live)
        assert ground.cell.new_calls() == ["UpdateService"]
        assert converged(wanted, live)
        assert converged(wanted, (await ground.read(SERVICE))[wanted.address])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"desired_count"}, {"desiredCount"}),
        ({"task_definition"}, {"taskDefinition"}),
        ({"maximum_percent"}, {"deploymentConfiguration"}),
        ({"security_groups"}, {"networkConfiguration"}),
        ({"spot"}, {"capacityProviderStrategy", "forceNewDeployment"}),
        ({"tags"}, set()),
        ({"unexpected"}, {"networkConfiguration", "deploymentConfiguration", "availabilityZoneRebalancing"}),
    ],
)
def test_a_changed_number_of_tasks_restarts_none(fields: set[str], expected: set[str]) -> None:
    spec = Service(
        cluster="c",
        target_group="t",
        container_port=1,
        task_definition="d",
        desired_count=1,
        subnets=(),
        security_groups=(),
    )
    assert set(services.changed_parameters(spec, fields)) == expected


async def test_a_service_whose_answer_was_lost_is_taken_up_again(ground: Ground) -> None:
    wanted = ground.service()
    ground.cell.lose_answer("CreateService")
    with pytest.raises(AwsError):
        await create(ground.cell, wanted)
    live = await create(ground.cell, wanted)
    assert converged(wanted, live)
    assert list((await ground.read()).values()) == [(await ground.read(SERVICE))[wanted.address]]


async def test_a_service_that_nobody_expects_is_seen_too(ground: Ground) -> None:
    wanted = ground.service()
    await create(ground.cell, wanted)
    assert wanted.address in await ground.read()
    assert wanted.address in await ground.read("prod-other-0123456789")


async def test_a_circuit_breaker_switched_off_by_hand_is_switched_on_again(ground: Ground) -> None:
    wanted = ground.service()
    live = await create(ground.cell, wanted)
    ground.cell.client("ecs").update_service(
        cluster=CLUSTER,
        service=SERVICE,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": False, "rollback": False}},
    )
    seen = (await ground.read(SERVICE))[wanted.address]
    assert seen.spec.unexpected == ("the deployment circuit breaker is off",)
    live = await update(ground.cell, wanted, seen)
    assert converged(wanted, live)


async def test_a_service_is_deleted_after_its_tasks_were_told_to_stop(ground: Ground) -> None:
    live = await create(ground.cell, ground.service(desired_count=0))
    ground.cell.new_calls()
    await delete(ground.cell, live)
    assert ground.cell.new_calls() == ["DeleteService"]
    found = list((await ground.read(SERVICE)).values())
    assert all(seen.attributes["state"].status == "DRAINING" for seen in found)
    await delete(ground.cell, live)


async def state_of(ground: Ground, reached: Callable[[ServiceState], bool]) -> Live:
    """The service, once its state is as it should be."""
    async with asyncio.timeout(30):
        while True:
            (live,) = (await ground.read(SERVICE)).values()
            if reached(live.attributes["state"]):
                return live
            await asyncio.sleep(0.1)


async def test_a_rollout_is_followed_to_its_end_and_its_targets_turn_healthy(ground: Ground) -> None:
    await create(ground.cell, ground.service())
    live = await state_of(ground, lambda state: state.rollout == "COMPLETED" and state.running == 2)
    state = live.attributes["state"]
    assert (state.deployments, state.failed_tasks, state.failed_task_definition) == (1, 0, "")
    assert await compute.read_target_health(ground.cell.caller, ground.target_group) == {"healthy": 2}
    assert await compute.failure_detail(ground.cell.caller, live) in ("", state.event)


async def test_a_tenant_whose_secret_is_missing_is_told_so_without_the_secrets_arn(ground: Ground) -> None:
    arn = f"arn:aws:secretsmanager:us-east-1:{ground.cell.caller.account}:secret:top-secret-AbCdEf"
    broken = await task_definitions.register(
        ground.cell.caller, definition(ground.cell, secrets=(("TOKEN", arn),))
    )
    await create(ground.cell, ground.service(task_definition=broken.id))
    live = await state_of(ground, lambda state: state.rollout == "FAILED")
    assert live.attributes["state"].failed_task_definition == broken.id
    detail = await compute.failure_detail(ground.cell.caller, live)
    assert "ResourceInitializationError: unable to pull secrets" in detail
    assert "top-secret" not in detail


async def test_a_release_that_was_rolled_back_is_seen_to_be(ground: Ground) -> None:
    live = await create(ground.cell, ground.service())
    await state_of(ground, lambda state: state.rollout == "COMPLETED" and state.running == 2)
    broken = await task_definitions.register(
        ground.cell.caller, definition(ground.cell, secrets=(), log_group="/gone")
    )
    await update(ground.cell, ground.service(task_definition=broken.id), live)
    seen = await state_of(
        ground,
        lambda state: state.primary_task_definition == ground.definition.id and state.rollout == "COMPLETED",
    )
    assert seen.spec == ground.service().spec
    assert "log group does not exist" in await compute.failure_detail(ground.cell.caller, seen)


async def test_services_of_a_cluster_that_has_gone_are_gone(ground: Ground) -> None:
    await delete(ground.cell, ground.cluster)
    assert await compute.read_services(ground.cell.caller, ground.cluster, [SERVICE]) == {}


async def test_a_service_of_a_cluster_that_does_not_exist_is_refused(ground: Ground) -> None:
    wanted = ground.service(cluster=ground.cluster.id + "-gone")
    with pytest.raises(AwsError) as refusal:
        await create(ground.cell, wanted)
    assert refusal.value.category is Category.NOT_FOUND
