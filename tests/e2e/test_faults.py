"""AWS throttles, fails, drops connections and denies: everything ends right all the same, with nothing twice or left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import census
from tests.e2e import manifests as m
from tests.e2e.calm import QUIET_SWEEPS, sweeps_since
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, PATIENCE, Stage

pytestmark = pytest.mark.e2e

TENANTS = ("ant", "bee", "cat", "dog")
SECRET = "correct-horse-battery-staple"
STALE_SECONDS = 2.0  # how long after a write every second read may show what was before it
CALLS_PER_SWEEP_OF_A_DENIED_ACCOUNT = 80

STORMS: dict[str, list[dict[str, Any]]] = {
    "throttles-and-server-errors": [
        {"kind": "throttle", "probability": 0.3, "count": 60},
        {"kind": "error", "probability": 0.1, "count": 25, "status": 500},
    ],
    "dropped-connections": [
        {"kind": "reset-before", "probability": 0.04},
        {"kind": "reset-after", "probability": 0.08, "access": "write"},
        {"kind": "timeout", "probability": 0.02, "count": 6, "seconds": 3.0},
    ],
    "creations-that-took-effect-but-were-never-answered": [
        {"kind": "reset-after", "action": action, "count": 2}
        for action in (
            "CreateVpc", "CreateSubnet", "CreateSecurityGroup", "CreateVpcEndpoint", "CreateLoadBalancer", "CreateListener",
            "CreateTargetGroup", "CreateRule", "CreateCluster", "RegisterTaskDefinition", "CreateService", "CreateRole",
            "CreateLogGroup", "ChangeResourceRecordSets", "DeleteRule", "DeleteService", "DeleteLoadBalancer",
        )
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(new_stage: Callable[..., Stage]) -> Stage:
    """A stage whose sweeps leave AWS's buckets time to fill again after they have been emptied by throttles."""
    return new_stage(sweep_seconds=12.0, api_rate=1.0)


def onboard(stage: Stage) -> None:
    """A tier over two accounts with a group in each, and four tenants in both groups."""
    stage.apply(
        m.namespace(),
        m.tier(),
        m.cell("cell-a"),
        m.cell("cell-b", account=ACCOUNT_B),
        m.group("group-1", "cell-a", "10.20.0.0/16"),
        m.group("group-2", "cell-b", "10.21.0.0/16"),
        *(m.tenant(name, workload={"environment": {"PASSWORD": SECRET}}) for name in TENANTS),
    )


def await_onboarded(stage: Stage) -> None:
    stage.await_ready("tier", "tier-1")
    stage.await_ready("infragroup", "group-1", "group-2")
    stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    for group in ("group-1", "group-2"):
        stage.await_condition("infragroup", group, "EndpointReady", "InForce")


def assert_one_of_each(stage: Stage, *, spare_revisions: bool = False) -> None:
    duplicates = census.duplicates(stage)
    if spare_revisions:
        duplicates = [found for found in duplicates if not found.endswith("revisions")]
    assert duplicates == []
    for account in (ACCOUNT_A, ACCOUNT_B):
        assert set(census.of_tenants(stage, account).values()) == {len(TENANTS)}
        assert len(stage.rules(account)) == len(TENANTS)
        assert len(stage.client("elbv2", account).describe_target_groups()["TargetGroups"]) == len(TENANTS)


def delete(stage: Stage) -> None:
    stage.delete("tiers,cells,infragroups", "--all")
    stage.delete("tenants", "--all", "-n", m.NAMESPACE)
    stage.wait("everything is gone", lambda: census.is_empty(stage), 2 * PATIENCE)


@pytest.mark.parametrize("storm", STORMS)
def test_onboarding_and_deletion_end_right_in_a_storm(stage: Stage, storm: str) -> None:
    for fault in STORMS[storm]:
        stage.aws.add_fault(**fault)
    onboard(stage)
    await_onboarded(stage)
    hits = {f"{fault['kind']} {fault['action']}": fault["hits"] for fault in stage.aws.faults()}
    stage.aws.clear_faults()
    assert any(hits.values()), hits
    assert_one_of_each(stage)
    for fault in STORMS[storm]:
        stage.aws.add_fault(**fault)
    delete(stage)
    stage.aws.clear_faults()
    assert stage.leftovers() == []


def test_onboarding_and_deletion_end_right_while_reads_are_stale(stage: Stage) -> None:
    stage.aws.settings(durations={"staleness": STALE_SECONDS})
    onboard(stage)
    await_onboarded(stage)
    stage.aws.settings(durations={"staleness": 0})
    assert_one_of_each(
        stage, spare_revisions=True
    )  # RegisterTaskDefinition has no token by which AWS knew it again
    stage.aws.settings(durations={"staleness": STALE_SECONDS})
    delete(stage)
    stage.aws.settings(durations={"staleness": 0})
    assert stage.leftovers() == []


def test_aws_is_never_asked_faster_than_it_allows(stage: Stage) -> None:
    stage.aws.throttles(enabled=True, scale=1.0)
    mark = stage.aws.last_call()
    onboard(stage)
    await_onboarded(stage)
    delete(stage)
    stage.aws.throttles(enabled=False)
    throttled = [
        c for c in stage.aws.calls(since=mark) if "thrott" in c["code"].lower() or "Rate" in c["code"]
    ]
    assert [(c["service"], c["action"], c["code"]) for c in throttled] == []
    assert stage.leftovers() == []


def test_an_account_that_denies_everything_delays_nobody_elses_tenants(stage: Stage) -> None:
    fault = stage.aws.add_fault("deny", account=ACCOUNT_B)
    stage.apply(
        m.namespace(),
        m.tier("tier-1"),
        m.cell("cell-a"),
        m.group("group-1", "cell-a", "10.20.0.0/16"),
        m.tier("tier-2"),
        m.cell("cell-b", "tier-2", account=ACCOUNT_B),
        m.group("group-2", "cell-b", "10.21.0.0/16"),
        *(m.tenant(name) for name in TENANTS[:2]),
        *(m.tenant(name, "tier-2") for name in TENANTS[2:]),
    )
    stage.await_ready("tenant", *TENANTS[:2], namespace=m.NAMESPACE)
    stage.await_condition("infragroup", "group-2", "Ready", "AccessDenied")
    assert not any(stage.ready("tenant", name, m.NAMESPACE) for name in TENANTS[2:])
    mark = stage.aws.last_call()
    stage.wait("sweeps go by", lambda: sweeps_since(stage, mark) > QUIET_SWEEPS)
    asked = stage.aws.calls(since=mark, account=ACCOUNT_B)
    assert len(asked) <= (QUIET_SWEEPS + 1) * CALLS_PER_SWEEP_OF_A_DENIED_ACCOUNT, "it is no hot loop"
    stage.aws.clear_faults(fault)
    stage.await_ready("tenant", *TENANTS[2:], namespace=m.NAMESPACE)
    assert census.duplicates(stage) == []
    delete(stage)
    assert stage.leftovers() == []


def test_the_log_of_all_this_has_neither_tracebacks_nor_secrets(stage: Stage) -> None:
    assert census.indiscretions(stage, SECRET) == []
