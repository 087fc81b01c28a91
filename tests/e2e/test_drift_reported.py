"""A tier with `drift: Report`: what people change in AWS is said and left alone, while edits of the spec go through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e import census, inventory
from tests.e2e import manifests as m
from tests.e2e.calm import await_rest, sweeps_since
from tests.e2e.stage import DNS_ACCOUNT, Stage
from tests.kstatus import kstatus

pytestmark = pytest.mark.e2e

TIER = "watched"
TENANTS = ("route", "health", "calm")
NAME = f"{TIER}.us-east-1.example.com"


def tier(drift: str) -> m.Manifest:
    return m.tier(TIER, drift=drift)


def rule_answer(stage: Stage, tenant: str) -> list[str]:
    return [action["Type"] for action in stage.rule_of(tenant).get("Actions", ())]


def health_path(stage: Stage, tenant: str) -> str:
    [found] = inventory.target_groups(stage, tenant)
    return str(found["HealthCheckPath"])


def drifted(stage: Stage, kind: str, name: str, namespace: str = "") -> str:
    """What `Drifted` says; empty where it is not there."""
    found = stage.condition(kind, name, "Drifted", namespace)
    return str(found.get("message", ""))


def events(stage: Stage, reason: str, name: str) -> list[str]:
    found = json.loads(stage.kubectl("get", "events", "-A", "-o", "json"))["items"]
    return [e["message"] for e in found if e["reason"] == reason and e["involvedObject"]["name"] == name]


def await_drifted(stage: Stage, kind: str, name: str, *said: str) -> str:
    namespace = m.NAMESPACE if kind == "tenant" else ""
    return str(
        stage.wait(
            f"{kind} {name} is Drifted",
            lambda: (
                (message := drifted(stage, kind, name, namespace))
                and all(word in message for word in said)
                and message
            ),
        )
    )


def two_sweeps(stage: Stage) -> None:
    mark = stage.aws.last_call()
    stage.wait("two sweeps go by", lambda: sweeps_since(stage, mark) > 2)


@pytest.fixture(scope="module")
def spoilt(stage: Stage) -> Stage:
    """A rule answers 503, a health check, a security group and the tier's record are altered, all by hand."""
    stage.apply(
        m.namespace(),
        tier("Report"),
        m.cell("cell-a", TIER),
        m.group("group-1", "cell-a"),
        *(m.tenant(name, TIER) for name in TENANTS),
    )
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    stage.await_condition("infragroup", "group-1", "EndpointReady", "InForce")
    await_rest(stage)
    assert not any(drifted(stage, "tenant", name, m.NAMESPACE) for name in TENANTS)
    elb, dns = stage.client("elbv2"), stage.client("route53", DNS_ACCOUNT)
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]
    elb.modify_rule(RuleArn=stage.rule_of("route")["RuleArn"], Actions=answer)
    [group] = inventory.target_groups(stage, "health")
    elb.modify_target_group(TargetGroupArn=group["TargetGroupArn"], HealthCheckPath="/mine")
    [record] = stage.records(NAME)
    dns.change_resource_record_sets(
        HostedZoneId=stage.zone(),
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {**record, "Weight": 7}}]},
    )
    return stage


def weight(stage: Stage) -> int:
    [record] = stage.records(NAME)
    return int(record["Weight"])


def test_what_people_changed_is_named_with_its_fields_and_nothing_is_touched(spoilt: Stage) -> None:
    mark = spoilt.aws.last_call()
    await_drifted(spoilt, "tenant", "route", "ListenerRule", "action")
    await_drifted(spoilt, "tenant", "health", "TargetGroup", "health_check")
    await_drifted(spoilt, "infragroup", "group-1", "Record", "weight")
    two_sweeps(spoilt)
    assert rule_answer(spoilt, "route") == ["fixed-response"]
    assert health_path(spoilt, "health") == "/mine"
    assert weight(spoilt) == 7
    assert [call["action"] for call in spoilt.writes_since(mark)] == []
    assert not drifted(spoilt, "tenant", "calm", m.NAMESPACE)


def test_one_event_tells_of_each_finding_however_often_it_is_looked_at(spoilt: Stage) -> None:
    two_sweeps(spoilt)
    for name in ("route", "health", "group-1"):
        assert len(events(spoilt, "DriftFound", name)) == 1, name
    assert events(spoilt, "DriftFound", "calm") == []


def test_flux_and_kubectl_wait_see_a_tenant_that_still_serves_as_current(spoilt: Stage) -> None:
    assert kstatus([spoilt.get("tenant", "health", m.NAMESPACE)]) == ["Current"]


def test_a_tenant_that_serves_no_more_because_of_drift_is_stalled_until_somebody_acts(spoilt: Stage) -> None:
    message = spoilt.await_condition("tenant", "route", "Ready", "Drifted", m.NAMESPACE)
    assert "ListenerRule" in message
    assert kstatus([spoilt.get("tenant", "route", m.NAMESPACE)]) == ["Failed"]


def test_an_edit_of_a_drifted_tenant_goes_through_and_leaves_the_drift(spoilt: Stage) -> None:
    spoilt.apply(m.tenant("health", TIER, workload={"cpu": 512, "memory": 1024}))
    spoilt.wait("it runs the new size", lambda: inventory.definition(spoilt, "health")["cpu"] == "512")
    spoilt.await_ready("tenant", "health", namespace=m.NAMESPACE)
    assert health_path(spoilt, "health") == "/mine"
    await_drifted(spoilt, "tenant", "health", "health_check")


def test_after_a_restart_drift_is_still_drift_and_is_not_announced_again(spoilt: Stage) -> None:
    spoilt.operator.kill()
    spoilt.operator.start()
    two_sweeps(spoilt)
    assert rule_answer(spoilt, "route") == ["fixed-response"]
    assert health_path(spoilt, "health") == "/mine"
    await_drifted(spoilt, "tenant", "route", "ListenerRule")
    assert len(events(spoilt, "DriftFound", "route")) == 1


def test_drift_that_somebody_undoes_is_gone(spoilt: Stage) -> None:
    [group] = inventory.target_groups(spoilt, "health")
    spoilt.client("elbv2").modify_target_group(
        TargetGroupArn=group["TargetGroupArn"], HealthCheckPath="/healthz"
    )
    spoilt.wait("it is not Drifted", lambda: not drifted(spoilt, "tenant", "health", m.NAMESPACE))
    assert len(events(spoilt, "DriftGone", "health")) == 1


def test_with_repair_everything_is_mended_and_the_condition_goes(spoilt: Stage) -> None:
    spoilt.apply(tier("Repair"))
    spoilt.wait("the rule forwards", lambda: rule_answer(spoilt, "route") == ["forward"])
    spoilt.wait("the record has its weight", lambda: weight(spoilt) == 100)
    spoilt.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    spoilt.wait(
        "nothing is Drifted",
        lambda: (
            not drifted(spoilt, "infragroup", "group-1")
            and not drifted(spoilt, "tenant", "route", m.NAMESPACE)
        ),
    )
    status: dict[str, Any] = spoilt.get("tenant", "route", m.NAMESPACE)["status"]
    assert "fingerprints" not in status


def test_the_log_of_all_this_has_no_tracebacks(spoilt: Stage) -> None:
    assert census.indiscretions(spoilt) == []
