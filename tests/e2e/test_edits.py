"""Edits of tenants and of their tier converge in place, without a request lost, and then nothing more is written."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.e2e import inventory
from tests.e2e import manifests as m
from tests.e2e.calm import await_rest, writes_of_quiet_sweeps
from tests.e2e.manifests import Manifest
from tests.e2e.stage import Stage
from tests.kstatus import kstatus

pytestmark = pytest.mark.e2e

IMAGE = "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:2"

EDITS: dict[str, dict[str, Any]] = {
    "image": {"workload": {"image": IMAGE}},
    "size": {"workload": {"cpu": 512, "memory": 1024}},
    "replicas": {"workload": {"replicas": 2}},
    "environment": {"workload": {"environment": {"LEVEL": "debug"}}},
    "health": {"workload": {"healthCheck": {"path": "/ready", "unhealthyThreshold": 5}}},
    "port": {"workload": {"port": 9090}},
    "clusters": {"clusters": 3},
    "path": {"routing": {"pathPrefix": "/moved"}},
    "paused": {"paused": True, "workload": {"image": IMAGE}},
}


def tier(mode: str = "Shared", **spec: Any) -> Manifest:
    """A tier whose way of routing is written down, so that its mode can change."""
    return m.tier(mode=mode, routing={"by": "Path"}, **spec)


@pytest.fixture(scope="module")
def served(stage: Stage) -> Stage:
    """A tenant for each edit, all served."""
    stage.apply(m.namespace(), tier(), m.cell(), m.group(), *(m.tenant(name) for name in EDITS))
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", *EDITS, namespace=m.NAMESPACE)
    stage.wait("the rules serve", lambda: all(inventory.serves(stage, name) for name in EDITS))
    return stage


@pytest.fixture(scope="module")
def edited(served: Stage) -> tuple[Stage, dict[str, Any]]:
    """Every tenant is edited at once; beside the stage, what there was before."""
    before = {
        "rule": served.rule_of("path"),
        "health": inventory.target_groups(served, "health"),
        "port": inventory.target_groups(served, "port"),
    }
    served.apply(*(m.tenant(name, **edit) for name, edit in EDITS.items()))

    def done() -> bool:
        assert inventory.serves(served, "port"), "the new port's path is whole before the old one goes"
        assert inventory.serves(served, "clusters"), "new clusters get requests once they are healthy"
        return all(served.ready("tenant", name, m.NAMESPACE) for name in EDITS if name != "paused")

    served.wait("every edit has converged", done)
    served.wait(
        "the old port's target group has gone", lambda: len(inventory.target_groups(served, "port")) == 1
    )
    return served, before


def test_a_new_image_runs(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    assert inventory.container(stage, "image")["image"] == IMAGE
    assert stage.get("tenant", "image", m.NAMESPACE)["status"]["effective"]["image"] == IMAGE


def test_a_new_size_runs(edited: tuple[Stage, dict[str, Any]]) -> None:
    found = inventory.definition(edited[0], "size")
    assert (found["cpu"], found["memory"]) == ("512", "1024")


def test_more_replicas_run(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    [service] = inventory.services(stage, "replicas")
    assert (service["desiredCount"], service["runningCount"]) == (2, 2)
    stage.wait(
        "the status counts them",
        lambda: stage.get("tenant", "replicas", m.NAMESPACE)["status"]["summary"]["tasks"] == "2/2",
    )


def test_a_new_variable_is_set(edited: tuple[Stage, dict[str, Any]]) -> None:
    found = {v["name"]: v["value"] for v in inventory.container(edited[0], "environment")["environment"]}
    assert found["LEVEL"] == "debug"
    assert found["TENANT_ID"] == "environment"


def test_a_health_check_changes_in_place(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, before = edited
    [old], [new] = before["health"], inventory.target_groups(stage, "health")
    assert new["TargetGroupArn"] == old["TargetGroupArn"]
    assert (new["HealthCheckPath"], new["UnhealthyThresholdCount"]) == ("/ready", 5)


def test_a_new_port_has_a_target_group_of_its_own(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, before = edited
    [old], [new] = before["port"], inventory.target_groups(stage, "port")
    assert new["TargetGroupArn"] != old["TargetGroupArn"]
    assert new["Port"] == 9090
    assert inventory.serves(stage, "port")


def test_further_clusters_share_the_requests(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    [action] = stage.rule_of("clusters")["Actions"]
    assert [target["Weight"] for target in action["ForwardConfig"]["TargetGroups"]] == [1, 1, 1]
    assert len(inventory.placement(stage, "clusters")["clusters"]) == 3


def test_a_moved_path_keeps_its_rule_and_priority(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, before = edited
    rule = stage.rule_of("moved")
    assert rule["RuleArn"] == before["rule"]["RuleArn"]
    assert rule["Priority"] == before["rule"]["Priority"]
    assert not stage.rule_of("path")
    endpoint = stage.get("tenant", "path", m.NAMESPACE)["status"]["endpoint"]
    assert endpoint == "http://tier-1.us-east-1.example.com/moved"


def test_a_paused_tenant_takes_note_and_changes_nothing(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    found = stage.get("tenant", "paused", m.NAMESPACE)
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert stage.condition("tenant", "paused", "Paused", m.NAMESPACE)["status"] == "True"
    assert stage.condition("tenant", "paused", "Ready", m.NAMESPACE)["status"] == "True"
    assert inventory.container(stage, "paused")["image"] != IMAGE


def test_after_the_edits_nothing_more_is_written(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    await_rest(stage)
    assert inventory.container(stage, "paused")["image"] != IMAGE


def has_handled(stage: Stage, kind: str, name: str, namespace: str, asked: str) -> bool:
    """Whether an object has answered a request to reconcile."""
    return bool(stage.get(kind, name, namespace)["status"].get("lastHandledReconcileAt") == asked)


def test_a_request_to_reconcile_is_answered_without_a_write(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    mark, asked = stage.aws.last_call(), "2026-05-12T10:00:00Z"
    for kind, name, namespace in (
        ("tenant", "image", m.NAMESPACE),
        ("infragroup", "group-1", ""),
        ("cell", "cell-a", ""),
        ("tier", "tier-1", ""),
    ):
        where = ("-n", namespace) if namespace else ()
        annotation = f"tenant-operator.dev/reconcile-requested-at={asked}"
        stage.kubectl("annotate", kind, name, *where, annotation)
        stage.wait(f"{kind} {name} answers", partial(has_handled, stage, kind, name, namespace, asked))
    assert stage.writes_since(mark) == []


# --- suspending -------------------------------------------------------------------------------------


def actions_since(stage: Stage, mark: int) -> list[str]:
    return [call["action"] for call in stage.writes_since(mark)]


@pytest.fixture(scope="module")
def suspended(edited: tuple[Stage, dict[str, Any]]) -> tuple[Stage, list[str]]:
    """A suspended tenant, and what was written for it."""
    stage, _ = edited
    await_rest(stage)
    mark = stage.aws.last_call()
    stage.apply(m.tenant("image", **EDITS["image"], suspended=True))
    stage.await_condition("tenant", "image", "Ready", "Suspended", m.NAMESPACE)
    stage.wait("no task runs", lambda: inventory.services(stage, "image")[0]["runningCount"] == 0)
    return stage, actions_since(stage, mark)


def test_a_suspended_tenant_answers_503_before_its_tasks_stop(suspended: tuple[Stage, list[str]]) -> None:
    stage, actions = suspended
    assert actions == ["ModifyRule", "UpdateService"]
    [action] = stage.rule_of("image")["Actions"]
    assert action["FixedResponseConfig"]["StatusCode"] == "503"
    assert stage.condition("tenant", "image", "Ready", m.NAMESPACE)["status"] == "True"
    assert kstatus([stage.get("tenant", "image", m.NAMESPACE)]) == ["Current"]
    assert len(inventory.target_groups(stage, "image")) == 1, "nothing is deleted"


def test_a_resumed_tenant_gets_requests_only_once_it_is_healthy(suspended: tuple[Stage, list[str]]) -> None:
    stage, _ = suspended
    mark = stage.aws.last_call()
    stage.apply(m.tenant("image", **EDITS["image"]))

    def resumed() -> bool:
        forwards = stage.rule_of("image")["Actions"][0]["Type"] == "forward"
        assert not forwards or inventory.serves(stage, "image")
        return forwards and stage.ready("tenant", "image", m.NAMESPACE)

    stage.wait("the tenant is served again", resumed)
    assert stage.condition("tenant", "image", "Ready", m.NAMESPACE)["reason"] == "Ready"
    stage.wait("the standby rule has gone", lambda: len(actions_since(stage, mark)) == 4)
    assert actions_since(stage, mark) == ["CreateRule", "UpdateService", "ModifyRule", "DeleteRule"]


# --- the tier, and the way back ---------------------------------------------------------------------


def test_tags_of_the_tier_reach_everything_and_other_tools_tags_stay(
    edited: tuple[Stage, dict[str, Any]],
) -> None:
    stage, _ = edited
    await_rest(stage)
    theirs = inventory.target_groups(stage, "size")[0]["TargetGroupArn"]
    stage.client("elbv2").add_tags(ResourceArns=[theirs], Tags=[{"Key": "other-tool", "Value": "keep"}])

    def everywhere(**wanted: str | None) -> bool:
        found = [
            tags
            for tags in inventory.owned(stage).values()
            if tags.get("tenant-operator.dev/tenant") != "paused"
        ]
        return all(tags.get(key) == value for tags in found for key, value in wanted.items())

    stage.apply(tier(tags={"team": "red", "cost-center": "7"}))
    stage.wait("the tags are everywhere", lambda: everywhere(team="red", **{"cost-center": "7"}))
    stage.apply(tier(tags={"team": "blue"}))
    stage.wait("they have changed", lambda: everywhere(team="blue", **{"cost-center": None}))
    stage.apply(tier())
    stage.wait("they have gone", lambda: everywhere(team=None))
    assert inventory.owned(stage)[theirs]["other-tool"] == "keep"


def test_endpoints_and_log_retention_follow_the_tier(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    ec2, logs = stage.client("ec2"), stage.client("logs")

    def endpoints() -> set[str]:
        found = ec2.describe_vpc_endpoints()["VpcEndpoints"]
        return {
            e["ServiceName"].partition("us-east-1.")[2] for e in found if e["State"].lower() == "available"
        }

    def retention() -> set[int]:
        found = logs.describe_log_groups(logGroupNamePrefix="/tenant-operator/")["logGroups"]
        return {group["retentionInDays"] for group in found}

    stage.apply(
        tier(privateLink={"awsServices": ["ecr.api", "logs", "s3"]}, observability={"logRetentionDays": 14})
    )
    stage.wait("the endpoints are there", lambda: endpoints() == {"ecr.api", "logs", "s3"})
    stage.wait("logs are kept for 14 days", lambda: retention() == {14})
    stage.await_ready("infragroup", "group-1")
    stage.apply(tier(privateLink={"awsServices": ["ecr.api", "s3"]}))
    stage.wait("the endpoint has gone", lambda: endpoints() == {"ecr.api", "s3"})
    stage.wait("logs are kept for 30 days again", lambda: retention() == {30})


def test_the_way_back_converges_too(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, before = edited
    stage.apply(*(m.tenant(name) for name in EDITS))

    def back() -> bool:
        assert inventory.serves(stage, "clusters")
        assert inventory.serves(stage, "port")
        clusters, port = (inventory.placement(stage, name) for name in ("clusters", "port"))
        return (
            all(stage.ready("tenant", name, m.NAMESPACE) for name in EDITS)
            and len(clusters["clusters"]) == len(clusters["targetGroups"]) == 1
            and len(port["targetGroups"]) == 1
        )

    stage.wait("everything is as it was", back)
    assert inventory.target_groups(stage, "port")[0]["Port"] == before["port"][0]["Port"]
    assert stage.rule_of("path")["Priority"] == before["rule"]["Priority"]
    assert inventory.container(stage, "paused")["image"] != IMAGE
    assert not stage.condition("tenant", "paused", "Paused", m.NAMESPACE)
    await_rest(stage)


def test_a_shared_tier_becomes_one_with_a_name_for_each_tenant(edited: tuple[Stage, dict[str, Any]]) -> None:
    stage, _ = edited
    stage.apply(tier("PerTenant", privateLink={"awsServices": ["ecr.api", "s3"]}))
    names = {f"{name}.tier-1.us-east-1.example.com" for name in EDITS}
    stage.wait(
        "every tenant has its record",
        lambda: (
            {
                r["Name"].rstrip(".")
                for r in stage.records("example.com")
                if not r["Name"].startswith("tier-1")
            }
            == names
        ),
    )

    def converted() -> bool:
        assert all(inventory.serves(stage, name) for name in EDITS)
        hosts = {
            host
            for rule in stage.rules()
            for condition in rule["Conditions"]
            for host in condition.get("HostHeaderConfig", {}).get("Values", ())
        }
        return hosts == names and all(stage.ready("tenant", name, m.NAMESPACE) for name in EDITS)

    stage.wait("every rule asks for its tenant's host", converted)
    await_rest(stage)
    assert writes_of_quiet_sweeps(stage) == []
