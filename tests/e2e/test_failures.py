"""What fails says why in words, hurts only itself, and recovers by itself once its cause has gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.placement.ledger import RULE_RESERVE
from tests.e2e import manifests as m
from tests.e2e.calm import QUIET_SWEEPS, await_rest, sweeps_since, writes_of_sweeps_since
from tests.e2e.manifests import Manifest
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, DNS_ACCOUNT, Stage
from tests.kstatus import kstatus
from tests.sandbox.aws.foundations.conftest import eventually

pytestmark = pytest.mark.e2e

ECR = "222222222222.dkr.ecr.us-east-1.amazonaws.com"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_A}:secret:"
QUOTAS = {"groups": "L-B22855CB", "rules": "L-7EED9B64", "clusters": "L-21C621EB"}
PROVIDER = "444444444444"


def tier(**spec: Any) -> Manifest:
    """Tenants have names of their own, and each lives in the group that it asks for."""
    made = m.tier(mode="PerTenant", **spec)
    made["spec"]["allowedTenants"]["secretArnPrefixes"] = [SECRET]
    return made


def tenant(name: str, group: str = "group-1", **spec: Any) -> Manifest:
    return m.tenant(name, placement={"infraGroups": [group]}, **spec)


@pytest.fixture(scope="module")
def two_accounts(stage: Stage) -> Stage:
    """A tier over two accounts with a tenant in each."""
    stage.apply(
        m.namespace(),
        tier(),
        m.cell(),
        m.cell("cell-b", account=ACCOUNT_B),
        m.group(),
        m.group("group-2", "cell-b", "10.21.0.0/16"),
        tenant("fine"),
        tenant("afar", "group-2"),
    )
    stage.await_ready("infragroup", "group-1", "group-2")
    stage.await_ready("tenant", "fine", "afar", namespace=m.NAMESPACE)
    return stage


@pytest.fixture(scope="module")
def broken(two_accounts: Stage) -> Stage:
    """Two tenants whose first release cannot start, and a sibling that arrives after them."""
    stage = two_accounts
    stage.aws.fail_images("*:bad")
    stage.apply(
        tenant("bad-image", workload={"image": f"{ECR}/app:bad"}),
        tenant("no-secret", workload={"secrets": {"KEY": f"{SECRET}missing/key"}}),
        tenant("sibling"),
    )
    return stage


def said(stage: Stage, name: str, type_: str) -> dict[str, Any]:
    return stage.condition("tenant", name, type_, m.NAMESPACE)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad-image", "CannotPullContainerError"),
        ("no-secret", "Secrets Manager can't find the specified secret"),
    ],
)
def test_a_tenant_whose_tasks_do_not_start_says_why_in_words(broken: Stage, name: str, words: str) -> None:
    broken.wait(
        "the tenant says why its tasks do not start",
        lambda: words in said(broken, name, "Ready").get("message", ""),
    )
    for type_ in ("ComputeReady", "Ready"):
        condition = said(broken, name, type_)
        assert (condition["status"], condition["reason"]) == ("False", "DeploymentFailed")
        assert words in condition["message"]
        assert "it is tried again by itself" in condition["message"]
    assert said(broken, name, "RoutingReady")["status"] == "True"
    assert kstatus([broken.get("tenant", name, m.NAMESPACE)]) == ["InProgress"]


def test_siblings_in_the_same_group_onboard_meanwhile(broken: Stage) -> None:
    broken.await_ready("tenant", "sibling", "fine", namespace=m.NAMESPACE)


def test_a_tenant_whose_tasks_did_not_start_recovers_by_itself_once_the_cause_goes(broken: Stage) -> None:
    broken.aws.fail_images()
    broken.client("secretsmanager").create_secret(Name="missing/key", SecretString="of no use to anybody")
    broken.await_ready("tenant", "bad-image", "no-secret", namespace=m.NAMESPACE)
    assert kstatus([broken.get("tenant", "bad-image", m.NAMESPACE)]) == ["Current"]


# --- a release that fails ---------------------------------------------------------------------------


def service_of(stage: Stage, name: str) -> dict[str, Any]:
    """The tenant's one ECS service."""
    ecs = stage.client("ecs")
    placements = stage.get("tenant", name, m.NAMESPACE)["status"]["placements"]
    cluster = placements[0]["clusters"][0]
    [arn] = ecs.list_services(cluster=cluster)["serviceArns"]
    [found] = ecs.describe_services(cluster=cluster, services=[arn])["services"]
    return dict(found)


def image_of(stage: Stage, name: str) -> str:
    """The image that the tenant's service runs."""
    arn = service_of(stage, name)["taskDefinition"]
    definition = stage.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"])


def runs(stage: Stage, name: str, image: str) -> bool:
    """Whether the tenant's service was given an image."""
    return image_of(stage, name) == image


def releases_since(stage: Stage, mark: int) -> list[str]:
    wanted = ("RegisterTaskDefinition", "UpdateService", "CreateService")
    return [call["action"] for call in stage.writes_since(mark) if call["action"] in wanted]


@pytest.fixture(scope="module")
def rolled_back(broken: Stage) -> Stage:
    """A tenant that serves got an image that cannot be pulled, and ECS has gone back to the old one."""
    broken.await_ready("tenant", "fine", "bad-image", "no-secret", namespace=m.NAMESPACE)
    broken.aws.fail_images("*:bad")
    broken.apply(tenant("fine", workload={"image": f"{ECR}/app:bad"}))
    broken.await_condition("tenant", "fine", "ComputeReady", "ReleaseFailed", m.NAMESPACE)
    return broken


def test_a_release_that_was_rolled_back_is_said_and_the_old_one_serves_on(rolled_back: Stage) -> None:
    status = rolled_back.get("tenant", "fine", m.NAMESPACE)["status"]
    assert status["failedRevision"] == status["revision"]
    condition = said(rolled_back, "fine", "Ready")
    assert (condition["status"], condition["reason"]) == ("False", "ReleaseFailed")
    assert "CannotPullContainerError" in condition["message"]
    assert "change workload.restartNonce to try again" in condition["message"]
    assert said(rolled_back, "fine", "Stalled")["status"] == "True"
    assert said(rolled_back, "fine", "RoutingReady")["status"] == "True"
    assert kstatus([rolled_back.get("tenant", "fine", m.NAMESPACE)]) == ["Failed"]
    rolled_back.wait(
        "the old revision runs",
        lambda: (
            service_of(rolled_back, "fine")["runningCount"] == 1
            and image_of(rolled_back, "fine") == f"{ECR}/app:1"
        ),
    )


def test_a_failed_release_is_not_tried_again_by_sweeps_nor_by_a_restarted_operator(
    rolled_back: Stage,
) -> None:
    mark = rolled_back.aws.last_call()
    rolled_back.wait("sweeps go by", lambda: sweeps_since(rolled_back, mark) > QUIET_SWEEPS)
    rolled_back.operator.stop()
    rolled_back.operator.start()
    restarted = rolled_back.aws.last_call()
    rolled_back.wait("sweeps go by", lambda: sweeps_since(rolled_back, restarted) > QUIET_SWEEPS)
    assert releases_since(rolled_back, mark) == []
    assert said(rolled_back, "fine", "ComputeReady")["reason"] == "ReleaseFailed"
    assert said(rolled_back, "fine", "Stalled")["status"] == "True"


def test_a_release_that_ecs_rolls_back_while_no_operator_runs_is_not_tried_again(rolled_back: Stage) -> None:
    stage, mark = rolled_back, rolled_back.aws.last_call()
    stage.apply(tenant("fine", workload={"image": f"{ECR}/app:bad", "restartNonce": "unseen"}))
    while not stage.aws.calls(since=mark, action="UpdateService"):
        stage.operator.check_running()
    stage.operator.kill()
    eventually(lambda: runs(stage, "fine", f"{ECR}/app:1") and settled(stage))
    restarted = stage.aws.last_call()
    stage.operator.start()
    stage.await_condition("tenant", "fine", "ComputeReady", "ReleaseFailed", m.NAMESPACE)
    assert releases_since(stage, restarted) == []


def settled(stage: Stage) -> bool:
    """Whether the tenant's service has one deployment only, which is complete."""
    found = service_of(stage, "fine")["deployments"]
    return [deployment["rolloutState"] for deployment in found] == ["COMPLETED"]


def test_a_failed_release_is_tried_again_when_a_person_says_so(rolled_back: Stage) -> None:
    rolled_back.aws.fail_images()
    rolled_back.apply(tenant("fine", workload={"image": f"{ECR}/app:bad", "restartNonce": "again"}))
    rolled_back.await_ready("tenant", "fine", namespace=m.NAMESPACE)
    assert "failedRevision" not in rolled_back.get("tenant", "fine", m.NAMESPACE)["status"]
    assert image_of(rolled_back, "fine") == f"{ECR}/app:bad"


def test_a_corrected_image_takes_the_place_of_a_failed_release(rolled_back: Stage) -> None:
    rolled_back.aws.fail_images("*:worse")
    rolled_back.apply(tenant("fine", workload={"image": f"{ECR}/app:worse"}))
    rolled_back.await_condition("tenant", "fine", "ComputeReady", "ReleaseFailed", m.NAMESPACE)
    rolled_back.apply(tenant("fine", workload={"image": f"{ECR}/app:2"}))
    rolled_back.await_ready("tenant", "fine", namespace=m.NAMESPACE)
    assert image_of(rolled_back, "fine") == f"{ECR}/app:2"
    assert not said(rolled_back, "fine", "Stalled")


def test_a_release_that_a_person_takes_back_and_gives_again_runs(rolled_back: Stage) -> None:
    for image in ("3", "4", "3"):
        rolled_back.apply(tenant("fine", workload={"image": f"{ECR}/app:{image}"}))
        rolled_back.wait(f"image {image} is given", partial(runs, rolled_back, "fine", f"{ECR}/app:{image}"))
    rolled_back.await_ready("tenant", "fine", namespace=m.NAMESPACE)
    assert "failedRevision" not in rolled_back.get("tenant", "fine", m.NAMESPACE)["status"]


# --- quotas -----------------------------------------------------------------------------------------


def grant(stage: Stage, code: str, value: int) -> None:
    """AWS gives account B another quota."""
    stage.aws.request(
        "POST", "quotas", {"account": ACCOUNT_B, "region": "us-east-1", "code": code, "value": value}
    )


@pytest.mark.parametrize(
    ("quota", "condition", "used"),
    [
        (
            "clusters",
            "ComputeReady",
            lambda s: len(s.client("ecs", ACCOUNT_B).list_clusters()["clusterArns"]),
        ),
        (
            "groups",
            "RoutingReady",
            lambda s: len(s.client("elbv2", ACCOUNT_B).describe_target_groups()["TargetGroups"]),
        ),
        ("rules", "RoutingReady", lambda s: len(s.rules(ACCOUNT_B))),
    ],
)
def test_a_quota_that_is_used_up_is_named_and_the_tenant_goes_on_once_it_is_raised(
    two_accounts: Stage, quota: str, condition: str, used: Callable[[Stage], int]
) -> None:
    stage, name = two_accounts, f"one-more-{quota}"
    grant(stage, QUOTAS[quota], used(stage))
    stage.apply(tenant(name, "group-2"))
    message = stage.await_condition("tenant", name, condition, "QuotaExceeded", m.NAMESPACE)
    assert f"a quota of account {ACCOUNT_B} in us-east-1 is used up" in message
    stage.await_condition("tenant", name, "Ready", "QuotaExceeded", m.NAMESPACE)
    assert kstatus([stage.get("tenant", name, m.NAMESPACE)]) == ["Failed"]
    assert stage.ready("tenant", "afar", m.NAMESPACE)
    grant(stage, QUOTAS[quota], 100)
    stage.await_ready("tenant", name, namespace=m.NAMESPACE)


def limit(stage: Stage, **limits: int) -> None:
    """The cell's spec says what counts in account B, by names of quotas; without any, AWS does again."""
    overrides = {QuotaCode[name].value: number for name, number in limits.items()}
    stage.apply(m.cell("cell-b", account=ACCOUNT_B, quotaOverrides=overrides))
    stage.wait(
        "the cell's status says so",
        lambda: (
            {
                q["code"]: q["limit"]
                for q in stage.get("cell", "cell-b")["status"].get("quotas", ())
                if q["source"] == "Override"
            }
            == overrides
        ),
    )


def explained(stage: Stage, *what: str) -> dict[str, Any]:
    """What `tenant-operator explain` says; it writes nothing."""
    arguments = [sys.executable, "-m", "tenant_operator", "explain", *what, "-o", "json"]
    environment = {**os.environ, **stage.sandbox.operator_environment()}
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(answer.stdout))


def used(stage: Stage, code: QuotaCode) -> int:
    """How much of a quota of account B its cell says is used."""
    return int(
        next(q["used"] for q in stage.get("cell", "cell-b")["status"]["quotas"] if q["code"] == code.value)
    )


def test_a_tenant_for_whom_no_rule_is_left_waits_before_anything_is_made_and_explain_says_for_what(
    two_accounts: Stage,
) -> None:
    stage = two_accounts
    await_rest(stage)
    limit(stage, RULES=used(stage, QuotaCode.RULES) + RULE_RESERVE)
    mark = stage.aws.last_call()
    stage.apply(tenant("ruleless", "group-2"))
    message = stage.await_condition("tenant", "ruleless", "Placed", "NoCapacity", m.NAMESPACE)
    assert "group-2 has" in message
    assert "(L-7EED9B64, Override); 2 are kept free, 1 needed" in message
    stage.await_condition("infragroup", "group-2", "CapacityAvailable", "Full")
    found = explained(stage, "tenant", "ruleless", "-n", m.NAMESPACE)
    [full] = [g for g in found["infraGroups"] if g["infraGroup"] == "group-2"]
    assert full["verdict"] == "NoRoom"
    assert [(q["code"], q["needed"], q["source"]) for q in full["limits"] if not q["fits"]] == [
        ("L-7EED9B64", 1, "Override")
    ]
    assert not stage.writes_since(mark)
    limit(stage)
    stage.await_ready("tenant", "ruleless", namespace=m.NAMESPACE)


def test_further_clusters_that_there_is_no_room_for_wait_and_the_tenant_serves_on(
    two_accounts: Stage,
) -> None:
    stage = two_accounts
    await_rest(stage)
    limit(stage, TARGETS=used(stage, QuotaCode.TARGETS))
    mark = stage.aws.last_call()
    stage.apply(tenant("afar", "group-2", clusters=2))
    message = stage.await_condition("tenant", "afar", "ComputeReady", "NoCapacity", m.NAMESPACE)
    assert "so the former size stays: group-2 has" in message
    assert "(L-7E6692B2, Override)" in message
    found = explained(stage, "tenant", "afar", "-n", m.NAMESPACE)
    assert [g["verdict"] for g in found["infraGroups"] if g["infraGroup"] == "group-2"] == ["Waiting"]
    assert not stage.writes_since(mark)
    limit(stage)
    stage.await_ready("tenant", "afar", namespace=m.NAMESPACE)
    [placement] = stage.get("tenant", "afar", m.NAMESPACE)["status"]["placements"]
    assert len(placement["targetGroups"]) == placement["reserved"]["clusters"] == 2
    stage.wait(
        "what the change was given besides is free again",
        lambda: (
            "changing" not in stage.get("tenant", "afar", m.NAMESPACE)["status"]["placements"][0]["reserved"]
        ),
    )


def test_an_infra_group_for_which_no_vpc_is_left_waits_before_anything_is_made(two_accounts: Stage) -> None:
    stage = two_accounts
    await_rest(stage)
    limit(stage, VPCS=1)
    stage.await_condition("cell", "cell-b", "CapacityAvailable", "QuotaReached")
    mark = stage.aws.last_call()
    stage.apply(m.group("group-3", "cell-b", "10.22.0.0/16"))
    message = stage.await_condition("infragroup", "group-3", "Ready", "QuotaExceeded")
    assert f"account {ACCOUNT_B} in us-east-1 has 1 of 1 VPCs per Region (L-F678F1CE, Override)" in message
    assert not stage.writes_since(mark)
    stage.delete("infragroup", "group-3")
    stage.await_gone("infragroup", "group-3")
    limit(stage)


# --- roles and accounts -----------------------------------------------------------------------------


def test_an_execution_role_that_was_deleted_and_may_not_be_made_is_said_and_comes_back(
    two_accounts: Stage,
) -> None:
    stage, iam = two_accounts, two_accounts.client("iam")
    [role] = [r["RoleName"] for r in iam.list_roles()["Roles"] if "execution" in r["RoleName"]]
    fault = stage.aws.add_fault("deny", account=ACCOUNT_A, service="iam", action="CreateRole")

    def is_deleted() -> bool:
        """Somebody is quicker than the operator, which puts the policies back at every sweep."""
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])
        for inline in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=inline)
        try:
            iam.delete_role(RoleName=role)
        except iam.exceptions.DeleteConflictException:
            return False
        return True

    stage.wait("the role is deleted", is_deleted)
    try:
        message = stage.await_condition("cell", "cell-a", "Ready", "AccessDenied")
        assert "iam:CreateRole" in message
        assert "grant the operator's role this permission" in message
        stage.apply(tenant("roleless"))
        stage.wait(
            "the tenant says what its cell lacks",
            lambda: "iam:CreateRole" in said(stage, "roleless", "Ready").get("message", ""),
        )
        assert stage.ready("tenant", "fine", m.NAMESPACE)
    finally:
        stage.aws.clear_faults(fault)
    stage.await_ready("tenant", "roleless", namespace=m.NAMESPACE)
    stage.await_ready("cell", "cell-a")


def trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_an_account_that_lets_nobody_in_disturbs_no_tenant_of_another(two_accounts: Stage) -> None:
    stage = two_accounts
    await_rest(stage)
    iam = stage.client("iam", ACCOUNT_B)
    iam.update_assume_role_policy(
        RoleName="tenant-operator", PolicyDocument=trust(f"arn:aws:iam::{PROVIDER}:root")
    )
    stage.operator.stop()
    stage.operator.start()
    message = stage.await_condition("cell", "cell-b", "AccountReachable", "AccessDenied")
    assert f"arn:aws:iam::{ACCOUNT_B}:role/tenant-operator" in message
    stage.apply(tenant("newcomer"), tenant("sibling", workload={"environment": {"LEVEL": "debug"}}))
    stage.await_ready("tenant", "newcomer", "sibling", namespace=m.NAMESPACE)
    assert stage.records("afar.tier-1.us-east-1.example.com"), "what is there keeps its name"
    iam.update_assume_role_policy(
        RoleName="tenant-operator", PolicyDocument=trust(f"arn:aws:iam::{DNS_ACCOUNT}:root")
    )
    stage.await_ready("cell", "cell-b")
    stage.await_ready("tenant", "afar", namespace=m.NAMESPACE)


# --- PrivateLink ------------------------------------------------------------------------------------


def test_an_endpoint_that_waits_for_its_provider_is_said_and_goes_on_once_accepted(
    two_accounts: Stage,
) -> None:
    stage = two_accounts
    service = stage.aws.request("POST", "provider/service", {"account": PROVIDER})["name"]
    endpoint = {"name": "features", "serviceName": service, "privateDns": False}
    stage.apply(tier(privateLink={"awsServices": ["ecr.api"], "endpoints": [endpoint]}))
    for group in ("group-1", "group-2"):
        message = stage.await_condition("infragroup", group, "PrivateLinkReady", "AwaitingAcceptance")
        assert f"waits for {service}'s provider: ask them to accept the connection" in message
        assert stage.condition("infragroup", group, "Ready")["reason"] == "AwaitingAcceptance"
        assert kstatus([stage.get("infragroup", group)]) == ["InProgress"]
    assert stage.ready("tenant", "fine", m.NAMESPACE), "whoever is served already stays served"
    stage.aws.accept_endpoint(service=service)
    stage.await_ready("infragroup", "group-1", "group-2")
    assert writes_of_sweeps_since(stage, stage.aws.last_call()) == []
