"""Killed at any moment, the operator starts again and ends where it would have ended: nothing twice, nothing left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.e2e import census
from tests.e2e import manifests as m
from tests.e2e.manifests import Manifest
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, PATIENCE, NotYet, Stage

pytestmark = pytest.mark.e2e

TENANTS = ("ant", "bee", "cat")
OWN = ("own-1",)
SECRET = "correct-horse-battery-staple"
IMAGE = "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:2"
SEED = 20261121
LOOK_SECONDS = 0.02
GRACE_SECONDS = 30.0
"""https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination"""
LOOKS_PER_GOAL = 50


def crash_on_the_way(stage: Stage, what: str, goal: Callable[[], bool], gaps: list[int]) -> int:
    """Kill the operator each time it has made so many writes in AWS, start it again, and wait for the goal.

    Returns:
        How often it was killed.
    """
    killed = 0
    for gap in gaps:
        if not _writes_come(stage, gap, goal):
            break
        stage.operator.kill()
        killed += 1
        stage.operator.start()
    stage.wait(what, goal, 2 * PATIENCE)
    return killed


def _writes_come(stage: Stage, count: int, goal: Callable[[], bool]) -> bool:
    mark = stage.aws.last_call()
    deadline = time.monotonic() + PATIENCE
    for look in range(1, int(PATIENCE / LOOK_SECONDS)):
        if len(stage.writes_since(mark)) >= count:
            return True
        if time.monotonic() > deadline:
            break
        if not look % LOOKS_PER_GOAL and goal():
            return False
        stage.operator.check_running()
        time.sleep(LOOK_SECONDS)
    raise NotYet(f"{count} writes did not come\n{stage.picture()}\n{stage.log_tail()}")


def tenants(**workload: object) -> list[Manifest]:
    spec: dict[str, Any] = {"workload": {"environment": {"PASSWORD": SECRET}, **workload}}
    return [
        *(m.tenant(name, **spec) for name in TENANTS),
        *(m.tenant(name, "tier-2", **spec) for name in OWN),
    ]


def all_ready(stage: Stage) -> bool:
    return all(
        stage.ready(kind, found["metadata"]["name"], found["metadata"].get("namespace", ""))
        for kind in census.KINDS
        for found in stage.list(kind)
    )


@pytest.fixture(scope="module")
def onboarded(stage: Stage) -> Stage:
    """Two tiers, three groups in two accounts and four tenants, made by an operator that is killed all the time."""
    stage.apply(
        m.namespace(),
        m.tier("tier-1"),
        m.cell("cell-a"),
        m.cell("cell-b", account=ACCOUNT_B),
        m.group("group-1", "cell-a", "10.20.0.0/16"),
        m.group("group-2", "cell-b", "10.21.0.0/16"),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        m.group("group-9", "cell-c", "10.29.0.0/16"),
        *tenants(),
    )
    chance = Random(SEED)
    gaps = [chance.randint(1, 16) for _ in range(5)]
    killed = crash_on_the_way(stage, "everything is Ready", lambda: all_ready(stage), gaps)
    assert killed > 1
    return stage


def assert_whole(stage: Stage) -> None:
    """Exactly one of each thing, everywhere, and a finalizer on whatever has something in AWS."""
    assert census.duplicates(stage) == []
    assert census.without_finalizer(stage) == []
    for account, count in ((ACCOUNT_A, len(TENANTS) + len(OWN)), (ACCOUNT_B, len(TENANTS))):
        found = census.of_tenants(stage, account)
        assert set(found.values()) == {count}, found
        assert len(stage.rules(account)) == count
        assert len(stage.client("elbv2", account).describe_target_groups()["TargetGroups"]) == count
        assert len(stage.client("ecs", account).list_clusters()["clusterArns"]) == count
    weighted = {r["SetIdentifier"] for r in stage.records("tier-1.us-east-1.example.com")}
    assert weighted == {"sandbox/group-1", "sandbox/group-2"}
    assert len(stage.records("own-1.tier-2.us-east-1.example.com")) == 1


def test_onboarding_that_crashed_again_and_again_ends_with_one_of_everything(onboarded: Stage) -> None:
    assert_whole(onboarded)


def test_edits_that_crashed_again_and_again_run_everywhere(onboarded: Stage) -> None:
    stage = onboarded
    stage.apply(*tenants(image=IMAGE))
    chance = Random(SEED + 1)
    crash_on_the_way(
        stage, "all run the new image", lambda: all_ready(stage), [chance.randint(1, 6) for _ in range(2)]
    )
    for account in (ACCOUNT_A, ACCOUNT_B):
        ecs = stage.client("ecs", account)
        for cluster in ecs.list_clusters()["clusterArns"]:
            [service] = ecs.describe_services(
                cluster=cluster, services=ecs.list_services(cluster=cluster)["serviceArns"]
            )["services"]
            definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
            [container] = definition["taskDefinition"]["containerDefinitions"]
            assert container["image"] == IMAGE
            assert service["taskDefinition"].endswith(":2"), "each edit registers one revision"
    assert len(stage.rules(ACCOUNT_A)) == len(TENANTS) + len(OWN)


def exit_code(stage: Stage) -> int | None:
    """How the operator ends by itself, within the time that Kubernetes leaves it; None when it does not."""
    deadline = time.monotonic() + GRACE_SECONDS
    while stage.operator.exit_code is None and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return stage.operator.exit_code


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_the_operator_ends_gracefully_when_told_to(onboarded: Stage, sign: signal.Signals) -> None:
    stage = onboarded
    stage.apply(m.tenant("late-" + sign.name.lower(), "tier-2"))
    mark = stage.aws.last_call()
    stage.wait("the operator is at work", lambda: stage.writes_since(mark))
    os.kill(stage.operator.pid, sign)
    assert exit_code(stage) == 0
    assert stage.log_tail(1).endswith("stopped")
    stage.operator.start()
    stage.await_ready("tenant", "late-" + sign.name.lower(), namespace=m.NAMESPACE)


def test_deletion_that_crashed_again_and_again_leaves_nothing(onboarded: Stage) -> None:
    stage = onboarded
    stage.delete("tiers,cells,infragroups", "--all")
    stage.delete("tenants", "--all", "-n", m.NAMESPACE)
    chance = Random(SEED + 2)
    gaps = [chance.randint(1, 12) for _ in range(4)]
    killed = crash_on_the_way(stage, "everything is gone", lambda: census.is_empty(stage), gaps)
    assert killed > 1
    assert stage.leftovers() == []


def test_the_log_of_all_this_has_neither_tracebacks_nor_secrets(onboarded: Stage) -> None:
    assert census.indiscretions(onboarded, SECRET) == []
