"""The main story: a shared tier over two accounts and a PerTenant tier, their growth, their idleness, their end."""

from __future__ import annotations

import json
import time
from functools import partial

import pytest

from tenant_operator.engine.settings import STATUS_QUIET_SECONDS
from tests.e2e import manifests as m
from tests.e2e.calm import writes_of_sweeps_since
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, Stage

TENANTS = [f"t{number:02}" for number in range(1, 13)]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def grown(stage: Stage) -> Stage:
    """A shared tier with 2 accounts, 2 groups and 12 tenants; a PerTenant tier beside it."""
    stage.apply(
        m.namespace(),
        m.tier("tier-1"),
        m.cell("cell-a"),
        m.cell("cell-b", account=ACCOUNT_B),
        m.group("group-1", "cell-a", "10.20.0.0/16", dnsWeight=100),
        m.group("group-2", "cell-b", "10.21.0.0/16", dnsWeight=50),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        m.group("group-9", "cell-c", "10.29.0.0/16"),
        *(m.tenant(name) for name in TENANTS),
        *(m.tenant(f"own-{number}", "tier-2") for number in range(2)),
    )
    for tier in ("tier-1", "tier-2"):
        stage.await_ready("tier", tier)
    stage.await_ready("cell", "cell-a", "cell-b", "cell-c")
    stage.await_ready("infragroup", "group-1", "group-2", "group-9")
    stage.await_ready("tenant", *TENANTS, "own-0", "own-1", namespace=m.NAMESPACE)
    return stage


def weight(stage: Stage, group: str) -> int:
    return int(stage.get("infragroup", group)["status"].get("weight") or 0)


def test_every_tenant_is_ready_and_every_weight_is_as_declared(grown: Stage) -> None:
    grown.wait("both groups have weight", lambda: weight(grown, "group-1") and weight(grown, "group-2"))
    found = {r["SetIdentifier"]: r["Weight"] for r in grown.records("tier-1.us-east-1.example.com")}
    assert found == {"sandbox/group-1": 100, "sandbox/group-2": 50}
    assert all(not r["AliasTarget"]["EvaluateTargetHealth"] for r in grown.records("example.com"))


def test_every_resource_is_in_the_right_account_and_vpc(grown: Stage) -> None:
    for account, group in ((ACCOUNT_A, "group-1"), (ACCOUNT_B, "group-2")):
        status = grown.get("infragroup", group)["status"]
        elb = grown.client("elbv2", account)
        balancer = elb.describe_load_balancers(LoadBalancerArns=[status["loadBalancer"]["arn"]])[
            "LoadBalancers"
        ][0]
        assert balancer["VpcId"] == status["network"]["vpcId"]
        groups = elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
        assert len(groups) == len(TENANTS)
        assert {g["VpcId"] for g in groups} == {status["network"]["vpcId"]}
    clusters = grown.client("ecs", ACCOUNT_B).list_clusters()["clusterArns"]
    assert len(clusters) == len(TENANTS)


def test_a_tenant_has_a_path_that_takes_nobody_elses(grown: Stage) -> None:
    rule = grown.rule_of("t01")
    values = [v for c in rule["Conditions"] for v in c["PathPatternConfig"]["Values"]]
    assert sorted(values) == ["/t01", "/t01/*"]


def test_a_tenant_of_a_per_tenant_tier_has_a_name_and_a_host_condition_of_its_own(grown: Stage) -> None:
    grown.wait("the record is there", lambda: grown.records("own-0.tier-2.us-east-1.example.com"))
    hosts = [
        v
        for rule in grown.rules(ACCOUNT_A)
        for c in rule["Conditions"]
        for v in c.get("HostHeaderConfig", {}).get("Values", ())
    ]
    assert sorted(hosts) == ["own-0.tier-2.us-east-1.example.com", "own-1.tier-2.us-east-1.example.com"]


def test_each_tenants_url_is_answered_by_that_tenant_in_both_modes(grown: Stage) -> None:
    grown.wait("both groups have weight", lambda: weight(grown, "group-1") and weight(grown, "group-2"))
    grown.wait("the record is there", lambda: grown.records("own-1.tier-2.us-east-1.example.com"))
    urls = {name: grown.get("tenant", name, m.NAMESPACE)["status"]["endpoint"] for name in TENANTS}
    urls |= {name: f"http://{name}.tier-2.us-east-1.example.com/" for name in ("own-0", "own-1")}
    for name, url in urls.items():
        grown.wait(f"{name} answers", partial(answers, grown, url, name))
    accounts = {grown.ask(urls["t01"]).json()["account"] for _ in range(30)}
    assert accounts == {ACCOUNT_A, ACCOUNT_B}


def answers(stage: Stage, url: str, tenant: str) -> bool:
    """Whether a tenant is reached already; another one that answers is an error."""
    answer = stage.ask(url)
    assert answer.tenant in ("", tenant)
    return (answer.status, answer.tenant) == (200, tenant)


def test_curl_shows_who_answers_and_says_what_is_wrong(grown: Stage) -> None:
    url = grown.get("tenant", "t01", m.NAMESPACE)["status"]["endpoint"]
    assert "x-sandbox-tenant: t01" in grown.sandbox_command("curl", "-i", url).stdout
    answer = json.loads(
        grown.sandbox_command("curl", "-o", "json", "-H", "X-Colour: red", f"{url}/x?y=1").stdout
    )
    assert (answer["status"], answer["tenant"], answer["body"]["headers"]["x-colour"]) == (200, "t01", "red")
    nowhere = grown.sandbox_command("curl", "http://nobody.tier-2.us-east-1.example.com/")
    assert (nowhere.returncode, "does not resolve" in nowhere.stderr) == (1, True)
    wrong = grown.sandbox_command("curl", "-H", "no colon", url)
    assert (wrong.returncode, "is no header" in wrong.stderr) == (2, True)


def test_only_the_tenant_whose_task_runs_out_of_memory_notices(grown: Stage) -> None:
    urls = {name: grown.get("tenant", name, m.NAMESPACE)["status"]["endpoint"] for name in ("t02", "t03")}
    killed = grown.sandbox_command("oom", "--tenant", f"{m.NAMESPACE}/t02")
    assert killed.returncode == 0, killed.stderr
    assert {grown.ask(urls["t02"]).status for _ in range(20)} & {502, 503}
    assert {grown.ask(urls["t03"]).status for _ in range(20)} == {200}
    grown.wait("t02 is back", lambda: {grown.ask(urls["t02"]).status for _ in range(20)} == {200})


def test_conditions_are_complete_and_of_the_present_generation(grown: Stage) -> None:
    for kind, count in (("tier", 6), ("cell", 4), ("infragroup", 6), ("tenant", 7)):
        for obj in grown.list(kind):
            conditions = obj["status"]["conditions"]
            assert (
                len(
                    [
                        c
                        for c in conditions
                        if c["type"] not in ("Reconciling", "Stalled", "Drifted", "Paused")
                    ]
                )
                == count
            )
            for condition in conditions:
                assert condition["observedGeneration"] == obj["metadata"]["generation"]
                assert condition["reason"]
                assert condition["lastTransitionTime"]


def test_a_third_group_gets_its_weight_only_after_every_ready_tenant_is_served_there(grown: Stage) -> None:
    grown.apply(m.group("group-3", "cell-a", "10.22.0.0/16", dnsWeight=70))

    def look() -> bool:
        has_weight = any(
            r["SetIdentifier"] == "sandbox/group-3" for r in grown.records("tier-1.us-east-1.example.com")
        )
        if not has_weight:
            return False
        arn = grown.get("infragroup", "group-3")["status"]["loadBalancer"]["arn"]
        elb = grown.client("elbv2")
        groups = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
        healthy = [
            g
            for g in groups
            for t in elb.describe_target_health(TargetGroupArn=g["TargetGroupArn"])[
                "TargetHealthDescriptions"
            ]
            if t["TargetHealth"]["State"] == "healthy"
        ]
        assert len(groups) == len(TENANTS)
        assert len(healthy) >= len(TENANTS)
        return True

    grown.wait("group-3 has weight", look)
    grown.await_ready("infragroup", "group-3")


def test_when_nothing_changes_nothing_is_written(grown: Stage) -> None:
    """Several sweeps over everything: no write to AWS, none to Kubernetes."""
    versions: dict[str, str] = {}

    def calm() -> bool:
        found = {
            f"{kind}/{o['metadata']['name']}": o["metadata"]["resourceVersion"]
            for kind in ("tier", "cell", "infragroup", "tenant")
            for o in grown.list(kind)
        }
        same = found == versions
        versions.update(found)
        return same and bool(found)

    def rest() -> bool:
        """Longer than the operator keeps details of a status back (STATUS_QUIET_SECONDS) and than a sweep."""
        if not calm():
            return False
        time.sleep(STATUS_QUIET_SECONDS + 4)
        return calm()

    grown.wait("everything has come to rest", rest)
    mark = grown.aws.last_call()
    before = dict(versions)
    time.sleep(15)
    assert grown.writes_since(mark) == []
    assert grown.aws.calls(since=mark), "the sweeps read"
    calm()
    assert versions == before


def test_a_new_process_compares_everything_without_a_write_and_reads_no_revision_again(grown: Stage) -> None:
    grown.operator.stop()
    mark = grown.aws.last_call()
    grown.operator.start()
    assert writes_of_sweeps_since(grown, mark) == []
    calls = {call["action"] for call in grown.aws.calls(since=mark)}
    assert "DescribeServices" in calls
    assert "DescribeTaskDefinition" not in calls


def test_everything_is_deleted_parents_first_and_nothing_is_left_in_aws(grown: Stage) -> None:
    grown.delete("tiers,cells,infragroups", "--all")
    grown.await_condition("tier", "tier-1", "Ready", "HasChildren")
    grown.delete("tenants", "--all", "-n", m.NAMESPACE)
    grown.wait(
        "everything is gone",
        lambda: not any(grown.list(k) for k in ("tier", "cell", "infragroup", "tenant")),
        240,
    )
    assert grown.leftovers() == []
