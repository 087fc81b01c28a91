"""A change of the tier's workload goes through its tenants a few at a time, stops where it fails, and survives a crash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e import inventory
from tests.e2e import manifests as m
from tests.e2e.calm import QUIET_SWEEPS, sweeps_since
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.kstatus import kstatus

pytestmark = pytest.mark.e2e

ECR = "222222222222.dkr.ecr.us-east-1.amazonaws.com"
NAMES = tuple(f"t{number}" for number in range(8))
BUDGET = 2
OWN_IMAGE = f"{ECR}/app:of-its-own"


def tier(version: str, **rollout: Any) -> Manifest:
    return m.tier(
        workload={"image": f"{ECR}/app:{version}"},
        rollout={"maxConcurrentTenants": BUDGET, **rollout},
    )


def own(**workload: Any) -> Manifest:
    return m.tenant("own", workload={"image": OWN_IMAGE, **workload})


def image(stage: Stage, tenant: str) -> str:
    return str(inventory.container(stage, tenant)["image"]).rpartition(":")[2]


def images(stage: Stage, tenants: Iterable[str] = NAMES) -> dict[str, str]:
    return {tenant: image(stage, tenant) for tenant in tenants}


def said(stage: Stage, tenant: str, type_: str) -> dict[str, Any]:
    return stage.condition("tenant", tenant, type_, m.NAMESPACE)


def status(stage: Stage, tenant: str) -> dict[str, Any]:
    return dict(stage.get("tenant", tenant, m.NAMESPACE)["status"])


@dataclass
class Watch:
    """Looks at every tenant's service in AWS while something goes on."""

    stage: Stage
    most: int = 0
    """The most services that were seen to be between two revisions at once."""
    seen: set[str] = field(default_factory=set)
    unserved: set[str] = field(default_factory=set)

    def look(self) -> None:
        moving = 0
        for tenant in NAMES:
            [service] = inventory.services(self.stage, tenant)
            if len(service["deployments"]) > 1:
                moving += 1
                self.seen.add(tenant)
            if service["runningCount"] < service["desiredCount"]:
                self.unserved.add(tenant)
        self.most = max(self.most, moving)

    def rolled_out(self, version: str) -> bool:
        self.look()
        return set(images(self.stage).values()) == {version}


@pytest.fixture(scope="module")
def served(stage: Stage) -> Stage:
    """Eight tenants of the tier's image, and one with its own."""
    stage.apply(m.namespace(), tier("1"), m.cell(), m.group(), *(m.tenant(name) for name in NAMES), own())
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", *NAMES, "own", namespace=m.NAMESPACE)
    stage.await_condition("tier", "tier-1", "RolloutComplete", "Complete")
    return stage


@pytest.fixture(scope="module")
def rolled_out(served: Stage) -> tuple[Stage, Watch, dict[str, Any]]:
    """A new image goes through the tenants; half-way the operator is killed, and a tenant arrives."""
    stage, watch = served, Watch(served)
    before = {"own": inventory.services(stage, "own")[0]["taskDefinition"]}
    stage.apply(tier("2"))

    def some_are_done() -> bool:
        watch.look()
        return sum(version == "2" for version in images(stage).values()) > BUDGET

    stage.wait("some tenants run the new image", some_are_done)
    seen = {name: stage.get("tenant", name, m.NAMESPACE) for name in NAMES}
    before["waiting"] = {name: found for name, found in seen.items() if waits(found)}
    before["rolling"] = stage.condition("tier", "tier-1", "RolloutComplete")
    stage.operator.kill()
    watch.look()
    stage.operator.start()
    stage.apply(m.tenant("newcomer"))
    stage.await_ready("tenant", "newcomer", namespace=m.NAMESPACE)
    stage.wait("every tenant runs the new image", lambda: watch.rolled_out("2"))
    stage.await_condition("tier", "tier-1", "RolloutComplete", "Complete")
    return stage, watch, before


def waits(tenant: dict[str, Any]) -> bool:
    """Whether its status, as it was read at one moment, says that it waits for its turn."""
    conditions = {c["type"]: c["reason"] for c in tenant["status"]["conditions"]}
    return bool(conditions["ComputeReady"] == "WaitingForRollout")


Rolled = tuple[Stage, Watch, dict[str, Any]]


def test_a_new_image_reaches_every_tenant_with_no_more_at_once_than_the_budget(rolled_out: Rolled) -> None:
    stage, watch, _ = rolled_out
    assert 0 < watch.most <= BUDGET
    assert watch.unserved == set()
    assert all(stage.ready("tenant", name, m.NAMESPACE) for name in NAMES)
    assert stage.get("tier", "tier-1")["status"]["summary"]["rollout"] == "10/10"


def test_a_tenant_that_waits_for_its_turn_says_so_and_stays_ready(rolled_out: Rolled) -> None:
    _, _, before = rolled_out
    assert before["waiting"]
    for found in before["waiting"].values():
        conditions = {c["type"]: c for c in found["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "True"
        assert "waits for its turn in the tier's rollout" in conditions["ComputeReady"]["message"]
        assert found["status"]["effective"]["image"].endswith(":1")
        assert kstatus([found]) == ["Current"]


def test_the_tier_says_how_far_its_rollout_is(rolled_out: Rolled) -> None:
    said_then = rolled_out[2]["rolling"]
    assert (said_then["status"], said_then["reason"]) == ("False", "RollingOut")
    assert "of 9 tenants run the tier's workload as it is now" in said_then["message"]


def test_a_tenant_with_an_image_of_its_own_is_left_alone(rolled_out: Rolled) -> None:
    stage, _, before = rolled_out
    assert inventory.services(stage, "own")[0]["taskDefinition"] == before["own"]


def test_a_new_tenant_has_never_run_anything_but_the_new_image(rolled_out: Rolled) -> None:
    stage = rolled_out[0]
    [cluster] = inventory.placement(stage, "newcomer")["clusters"]
    ever = stage.client("ecs").list_task_definitions(familyPrefix=cluster)["taskDefinitionArns"]
    assert len(ever) == 1
    assert image(stage, "newcomer") == "2"
    assert status(stage, "newcomer")["release"]["cause"] == "Created"


# --- an image that does not work --------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(rolled_out: Rolled) -> Stage:
    """An image that cannot be pulled has stopped the rollout."""
    stage = rolled_out[0]
    stage.aws.fail_images("*:bad")
    stage.apply(tier("bad"))
    stage.await_condition("tier", "tier-1", "RolloutComplete", "Paused")
    stage.wait(
        "nobody is under way any more",
        lambda: all(len(inventory.services(stage, name)[0]["deployments"]) == 1 for name in NAMES),
    )
    return stage


def failed(stage: Stage) -> list[str]:
    return [name for name in (*NAMES, "newcomer") if "failedRevision" in status(stage, name)]


def test_a_failure_stops_the_rollout_and_is_said_by_name(stopped: Stage) -> None:
    found = failed(stopped)
    assert 1 <= len(found) <= BUDGET
    message = stopped.condition("tier", "tier-1", "RolloutComplete")["message"]
    assert f"{m.NAMESPACE}/{found[0]}" in message
    assert "CannotPullContainerError" in message
    assert "Correct the tier's workload, or change its restartNonce" in message
    assert stopped.ready("tier", "tier-1")


def test_the_other_tenants_keep_their_image_and_stay_ready(stopped: Stage) -> None:
    found = failed(stopped)
    assert set(images(stopped).values()) == {"2"}
    for name in set(NAMES) - set(found):
        assert stopped.ready("tenant", name, m.NAMESPACE)
        assert said(stopped, name, "ComputeReady")["reason"] == "WaitingForRollout"


def test_a_stopped_rollout_stays_stopped_when_the_operator_restarts(stopped: Stage) -> None:
    stopped.operator.kill()
    stopped.operator.start()
    mark = stopped.aws.last_call()
    stopped.wait("sweeps go by", lambda: sweeps_since(stopped, mark) > QUIET_SWEEPS)
    assert [call["action"] for call in stopped.writes_since(mark)] == []
    assert stopped.condition("tier", "tier-1", "RolloutComplete")["reason"] == "Paused"


def test_a_tenants_own_edit_passes_a_stopped_rollout(stopped: Stage) -> None:
    stopped.apply(own(environment={"LEVEL": "debug"}))
    stopped.wait(
        "its own edit runs",
        lambda: "LEVEL" in {v["name"] for v in inventory.container(stopped, "own")["environment"]},
    )
    stopped.await_ready("tenant", "own", namespace=m.NAMESPACE)
    assert status(stopped, "own")["release"]["cause"] == "Edited"


def test_more_replicas_of_a_waiting_tenant_do_not_bring_it_the_image_that_fails(stopped: Stage) -> None:
    name = next(name for name in NAMES if name not in failed(stopped))
    stopped.apply(m.tenant(name, workload={"replicas": 2}))
    stopped.wait("two tasks run", lambda: inventory.services(stopped, name)[0]["runningCount"] == 2)
    assert image(stopped, name) == "2"
    assert said(stopped, name, "ComputeReady")["reason"] == "WaitingForRollout"


def test_a_corrected_image_goes_on_to_everybody(stopped: Stage) -> None:
    watch = Watch(stopped)
    stopped.apply(tier("3", maxConcurrentTenants=4))
    stopped.wait("every tenant runs the corrected image", lambda: watch.rolled_out("3"))
    stopped.await_condition("tier", "tier-1", "RolloutComplete", "Complete")
    assert watch.most <= 4
    assert failed(stopped) == []
    assert not any(said(stopped, name, "Stalled") for name in NAMES)
