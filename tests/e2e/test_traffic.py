"""With traffic on every tenant: whatever is done to the fleet, nobody else's request is lost or answered by another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e import manifests as m
from tests.e2e.stage import ACCOUNT_B, Stage
from tests.e2e.traffic import DRAIN_SECONDS, DURATIONS, LOAD_BALANCER, SETTLE_SECONDS, Traffic

SHARED = ("ant", "bee", "cat", "dog", "elk")
OWN = ("own-1", "own-2")
SUSPENDED, DELETED = "bee", ("dog", "elk", "own-2")
KEPT = tuple(name for name in (*SHARED, *OWN) if name not in DELETED)
NEW = tuple(f"new-{number:02}" for number in range(1, 19))
NEW_OWN = ("new-own-1", "new-own-2")
IMAGE = "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:2"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def stage(new_stage: Callable[..., Stage]) -> Stage:
    """A Shared tier over two accounts and a PerTenant tier; load balancers let go of connections after seconds."""
    stage = new_stage(drain_seconds=DRAIN_SECONDS, settle_seconds=SETTLE_SECONDS)
    stage.aws.settings(durations=DURATIONS)
    stage.apply(
        m.namespace(),
        m.tier("tier-1"),
        m.cell("cell-a"),
        group("group-1", "cell-a", "10.20.0.0/16"),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        group("group-9", "cell-c", "10.29.0.0/16"),
        *(m.tenant(name) for name in SHARED),
        *(m.tenant(name, "tier-2") for name in OWN),
    )
    stage.await_ready("tenant", *SHARED, *OWN, namespace=m.NAMESPACE)
    stage.wait("group-1 has weight", partial(has_weight, stage, "group-1"))
    return stage


def group(name: str, cell: str, cidr: str, **spec: Any) -> m.Manifest:
    return m.group(name, cell, cidr, loadBalancer=LOAD_BALANCER, **spec)


def has_weight(stage: Stage, group: str) -> bool:
    return bool(stage.get("infragroup", group).get("status", {}).get("weight"))


def test_requests_are_answered_by_the_right_tenants_through_both_endpoint_modes(stage: Stage) -> None:
    for kind in ("--keep-alive", "--new-connections"):
        with Traffic(stage, kind) as traffic:
            traffic.go_on()
        traffic.told.check()
        assert set(traffic.told.tenants) == {*SHARED, *OWN}
        for counts in traffic.told.tenants.values():
            assert counts["answered"] == counts["requests"] > 0
            assert 0 < counts["latencyMs"]["p50"] <= counts["latencyMs"]["p99"]


def test_growing_by_a_cell_while_images_change_loses_no_request(stage: Stage) -> None:
    edited = (*SHARED, "own-1")
    with Traffic(stage) as traffic:
        stage.apply(
            *(m.tenant(name, workload={"image": IMAGE}) for name in SHARED),
            m.tenant("own-1", "tier-2", workload={"image": IMAGE, "port": 9090}),
            m.cell("cell-b", account=ACCOUNT_B),
            group("group-2", "cell-b", "10.21.0.0/16"),
        )
        stage.wait("group-2 has weight", partial(has_weight, stage, "group-2"))
        stage.await_ready("tenant", *edited, namespace=m.NAMESPACE)
        traffic.go_on()
    traffic.told.check()
    served = [stage.get("tenant", name, m.NAMESPACE)["status"]["placements"] for name in SHARED]
    assert all([p["infraGroup"] for p in placements] == ["group-1", "group-2"] for placements in served)


def test_growing_by_a_group_and_shrinking_again_loses_no_request(stage: Stage) -> None:
    with Traffic(stage) as traffic:
        stage.apply(group("group-3", "cell-a", "10.22.0.0/16"))
        stage.wait("group-3 has weight", partial(has_weight, stage, "group-3"))
        traffic.go_on()
        stage.delete("infragroup", "group-3")
        stage.await_gone("infragroup", "group-3")
        traffic.go_on()
    traffic.told.check()


def test_suspending_one_and_deleting_three_loses_no_request_of_others(stage: Stage) -> None:
    image = {"image": IMAGE}
    with Traffic(stage) as traffic:
        stage.apply(m.tenant(SUSPENDED, suspended=True, workload=image))
        stage.delete("tenant", *DELETED, "-n", m.NAMESPACE)
        stage.await_condition("tenant", SUSPENDED, "Ready", "Suspended", namespace=m.NAMESPACE)
        stage.await_gone("tenant", *DELETED, namespace=m.NAMESPACE)
        traffic.go_on()
        stage.apply(m.tenant(SUSPENDED, workload=image))
        stage.await_ready("tenant", SUSPENDED, namespace=m.NAMESPACE)
        traffic.go_on()
    traffic.told.check()
    assert traffic.told.tenants[SUSPENDED]["asWished"] > 0, "the suspended tenant's requests met its 503"
    others = set(traffic.told.tenants) - {SUSPENDED, *DELETED}
    assert all(traffic.told.tenants[name]["asWished"] == 0 for name in others)


def test_onboarding_twenty_tenants_loses_no_request_of_old_or_new_ones(stage: Stage) -> None:
    with Traffic(stage) as traffic:
        stage.apply(*map(m.tenant, NEW), *(m.tenant(name, "tier-2") for name in NEW_OWN))
        stage.await_ready("tenant", *NEW, *NEW_OWN, namespace=m.NAMESPACE)
        traffic.go_on()
    traffic.told.check()
    assert set(traffic.told.tenants) >= {*KEPT, *NEW, *NEW_OWN}


def test_a_rule_that_a_person_deletes_shows_as_lost_requests_of_that_tenant_alone(stage: Stage) -> None:
    stage.operator.kill()
    with Traffic(stage) as traffic:
        stage.client("elbv2").delete_rule(RuleArn=stage.rule_of("ant")["RuleArn"])
        traffic.go_on(240)
        stage.operator.start()
        stage.wait("the rule is back", lambda: stage.rule_of("ant"))
        traffic.go_on()
    assert traffic.told.tenants["ant"]["lost"] > 0
    traffic.told.check(besides=["ant"])
    [fault, *_] = [f for f in traffic.told.document["faults"] if f["tenant"].endswith("/ant")]
    assert (fault["status"], fault["answeredBy"]) == (404, None)
    balancer = stage.get("infragroup", "group-1")["status"]["loadBalancer"]["dnsName"]
    assert fault["loadBalancer"] == balancer
    assert fault["at"]


def test_an_operator_that_does_not_wait_for_clients_shows_as_lost_requests(stage: Stage) -> None:
    """What the tests above hold can be missed: here the time for which clients keep connections is not waited for."""
    stage.operator.stop()
    stage.operator = OperatorProcess(
        stage.sandbox.operator_environment(), stage.folder / "hasty.log", drain_seconds=0, settle_seconds=0
    )
    stage.operator.start()
    stage.aws.settings(durations={"connection_factor": 1.0})
    stage.apply(
        group("group-1", "cell-a", "10.20.0.0/16", dnsWeight=1),
        group("group-2", "cell-b", "10.21.0.0/16", dnsWeight=255),
    )
    stage.wait(
        "group-2 has nearly all", lambda: stage.get("infragroup", "group-2")["status"]["weight"] == 255
    )
    balancer = stage.get("infragroup", "group-2")["status"]["loadBalancer"]["dnsName"]
    with Traffic(stage) as traffic:
        traffic.go_on()
        stage.delete("infragroup", "group-2")
        stage.await_gone("infragroup", "group-2")
        traffic.go_on()
    assert traffic.told.faults() != []
    assert {fault["loadBalancer"] for fault in traffic.told.document["faults"]} == {balancer}
