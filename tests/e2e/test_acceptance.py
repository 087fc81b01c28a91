"""What is refused says why in a sentence, writes nothing to AWS, disturbs nobody, and comes back once it may."""

from __future__ import annotations

import pytest

from tests.e2e import manifests as m
from tests.e2e.calm import await_rest, described, writes_of_sweeps_since
from tests.e2e.manifests import Manifest
from tests.e2e.stage import ACCOUNT_A, DNS_ACCOUNT, Stage
from tests.kstatus import kstatus

pytestmark = pytest.mark.e2e

ECR = "222222222222.dkr.ecr.us-east-1.amazonaws.com"
SECRET = "arn:aws:secretsmanager:us-east-1:222222222222:secret:"
STRANGERS = "strangers"
NOBODY = f"arn:aws:iam::{ACCOUNT_A}:role/nobody"

RULES = {
    "namespaceSelector": {"matchLabels": {"tenants": "allowed"}},
    "tenantIdPrefixes": [],
    "overrides": ["cpu", "memory", "image", "environment", "secrets", "routing"],
    "imagePrefixes": [f"{ECR}/app"],
    "secretArnPrefixes": [f"{SECRET}{{tenantId}}/"],
    "max": {"clusters": 2, "replicas": 2, "cpu": 1024, "memory": 8192},
}

REFUSED: dict[str, tuple[Manifest, str, str]] = {
    "twin": (
        m.tenant("twin", tenantId="acme"),
        "Conflict",
        "tenant customers/acme holds this tenantId",
    ),
    "inner": (
        m.tenant("inner", routing={"pathPrefix": "/a/b"}),
        "Conflict",
        "tenant customers/outer holds this route",
    ),
    "stranger": (
        m.tenant("stranger", namespace=STRANGERS),
        "NamespaceNotAllowed",
        "label the namespace (tenants=allowed)",
    ),
    "greedy": (
        m.tenant("greedy", workload={"replicas": 2}),
        "OverrideNotAllowed",
        "does not let tenants set replicas",
    ),
    "image": (
        m.tenant("image", workload={"image": f"{ECR}/application:1"}),
        "ImageNotAllowed",
        f"the image must come from {ECR}/app",
    ),
    "spy": (
        m.tenant("spy", workload={"secrets": {"KEY": f"{SECRET}acme/key-AbCdEf"}}),
        "SecretNotAllowed",
        f"may come from {SECRET}spy/",
    ),
    "many": (m.tenant("many", clusters=3), "AboveMaximum", "set it to 2 or less"),
    "reserved": (
        m.tenant("reserved", routing={"pathPrefix": "/internal/x"}),
        "ReservedPath",
        "set routing.pathPrefix to another",
    ),
    "both": (
        m.tenant("both", workload={"secrets": {"MODE": f"{SECRET}both/mode-AbCdEf"}}),
        "InvalidWorkload",
        "name it in environmentUnset or secretsUnset",
    ),
    "size": (
        m.tenant("size", workload={"memory": 8192}),
        "InvalidWorkload",
        "memory 8192 does not go with cpu 256 on Fargate; the nearest that does is 2048",
    ),
    "lost": (m.tenant("lost", tier="tier-9"), "TierNotFound", "there is no Tier 'tier-9'; create it"),
}


def strict(**rules: object) -> Manifest:
    """The tier whose rules are tested."""
    return m.tier(
        allowedTenants={**RULES, **rules},
        routing={"by": "Path", "reservedPaths": ["/internal"]},
        workload={"environment": {"MODE": "production"}},
    )


def elsewhere(tier: str, **zone: str) -> Manifest:
    """A tier whose hosted zone is not what it should be."""
    found = m.tier(tier)
    found["spec"]["endpoint"] = {"name": f"{tier}.example.org", "hostedZone": zone, "mode": "Shared"}
    return found


def namespace_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["namespace"])


@pytest.fixture(scope="module")
def settled(stage: Stage) -> Stage:
    """A strict tier with two tenants that hold what others will want."""
    stage.apply(
        m.namespace(),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STRANGERS}},
        strict(),
        m.cell(),
        m.group(),
        m.tenant("acme"),
        m.tenant("outer", routing={"pathPrefix": "/a"}),
    )
    stage.await_ready("infragroup", "group-1")
    stage.await_ready("tenant", "acme", "outer", namespace=m.NAMESPACE)
    await_rest(stage)
    return stage


@pytest.fixture(scope="module")
def refused(settled: Stage) -> tuple[Stage, int]:
    """Everything that is to be refused has been applied; the mark is from before."""
    mark = settled.aws.last_call()
    settled.apply(
        *(manifest for manifest, _, _ in REFUSED.values()),
        m.group("group-2", cidr="10.20.16.0/20"),
        m.cell("cell-n", roleArn=NOBODY),
        m.group("group-n", "cell-n", "10.99.0.0/16"),
        elsewhere("tier-z", name="example.org"),
        elsewhere("tier-o", id=settled.zone()),
    )
    return settled, mark


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why_and_what_to_write_instead(refused: tuple[Stage, int], name: str) -> None:
    stage, _ = refused
    manifest, reason, sentence = REFUSED[name]
    message = stage.await_condition("tenant", name, "Ready", reason, namespace_of(manifest))
    assert sentence in message
    status = stage.get("tenant", name, namespace_of(manifest))["status"]
    said = {condition["type"]: condition for condition in status["conditions"]}
    assert said["Accepted"]["status"] == "False"
    assert said["Accepted"]["reason"] == reason
    assert said["Stalled"]["status"] == "True"
    assert "Reconciling" not in said
    assert "placements" not in status
    assert kstatus([stage.get("tenant", name, namespace_of(manifest))]) == ["Failed"]


def test_an_infra_group_whose_addresses_overlap_another_of_its_cell_is_refused(
    refused: tuple[Stage, int],
) -> None:
    stage, _ = refused
    message = stage.await_condition("infragroup", "group-2", "Ready", "CidrOverlaps")
    assert "10.20.16.0/20 overlaps 10.20.0.0/16 of infra group group-1" in message
    assert kstatus([stage.get("infragroup", "group-2")]) == ["Failed"]


def test_a_role_in_another_account_is_refused_at_once(stage: Stage) -> None:
    said = stage.try_apply(m.cell("cell-x", roleArn="arn:aws:iam::333333333333:role/tenant-operator"))
    assert said.returncode != 0
    assert "roleArn must be a role in account 222222222222" in said.stderr


def test_a_role_that_cannot_be_assumed_is_said_in_words(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    message = stage.await_condition("cell", "cell-n", "AccountReachable", "AccessDenied")
    assert NOBODY in message
    stage.await_condition("infragroup", "group-n", "Ready", "AccessDenied")
    assert kstatus([stage.get("cell", "cell-n"), stage.get("infragroup", "group-n")]) == ["Failed", "Failed"]


def test_a_name_outside_its_zone_is_refused(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    message = stage.await_condition("tier", "tier-o", "Ready", "NameOutsideZone")
    assert "tier-o.example.org is not inside" in message
    assert kstatus([stage.get("tier", "tier-o")]) == ["Failed"]


def test_a_hosted_zone_that_is_not_there_is_said(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    message = stage.await_condition("tier", "tier-z", "EndpointReady", "Rejected")
    assert "no public hosted zone named example.org; create it, or correct the name" in message
    assert kstatus([stage.get("tier", "tier-z")]) == ["Failed"]


def test_the_holders_and_everybody_else_are_untouched(refused: tuple[Stage, int]) -> None:
    stage, mark = refused
    assert writes_of_sweeps_since(stage, mark) == []
    for holder in ("acme", "outer"):
        assert stage.ready("tenant", holder, m.NAMESPACE)
    assert kstatus([stage.get("tenant", "acme", m.NAMESPACE)]) == ["Current"]


def test_a_person_sees_the_refusal_in_kubectl_describe(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    stage.wait(
        "an Event tells of the conflict",
        lambda: "Conflict" in stage.kubectl("describe", "tenant", "twin", "-n", m.NAMESPACE),
    )


def test_a_refused_tenant_can_be_deleted_without_a_write(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    mark = stage.aws.last_call()
    stage.delete("tenant", "many", "lost", "-n", m.NAMESPACE)
    stage.await_gone("tenant", "many", "lost", namespace=m.NAMESPACE)
    assert stage.writes_since(mark) == []


def test_a_correction_is_enough(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    stage.apply(
        m.tenant("both", workload={"environmentUnset": ["MODE"]}), m.tenant("size", workload={"memory": 2048})
    )
    stage.await_ready("tenant", "both", "size", namespace=m.NAMESPACE)
    assert not stage.condition("tenant", "size", "Stalled", m.NAMESPACE)


def test_those_who_lost_are_placed_by_themselves_once_the_holder_goes(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    stage.delete("tenant", "acme", "outer", "-n", m.NAMESPACE)
    stage.await_gone("tenant", "acme", "outer", namespace=m.NAMESPACE)
    stage.await_ready("tenant", "twin", "inner", namespace=m.NAMESPACE)
    assert stage.rule_of("acme")
    assert stage.rule_of("a/b")
    assert not stage.rule_of("a")


def test_a_tenant_is_taken_once_its_namespace_gets_the_label(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    stage.kubectl("label", "namespace", STRANGERS, "tenants=allowed")
    stage.await_ready("tenant", "stranger", namespace=STRANGERS)


def test_tenants_that_are_no_longer_accepted_keep_what_they_have_and_get_no_change(
    refused: tuple[Stage, int],
) -> None:
    stage, _ = refused
    await_rest(stage)
    mark, rule = stage.aws.last_call(), stage.rule_of("stranger")
    stage.kubectl("label", "namespace", STRANGERS, "tenants-")
    stage.await_condition("tenant", "stranger", "Accepted", "NamespaceNotAllowed", STRANGERS)
    stage.apply(
        m.tenant("stranger", namespace=STRANGERS, workload={"image": f"{ECR}/app:2"}),
        strict(overrides=["cpu", "image"]),
    )
    message = stage.await_condition("tenant", "size", "Accepted", "OverrideNotAllowed", m.NAMESPACE)
    assert "memory" in message
    stage.wait(
        "the stranger's change has been seen",
        lambda: stage.get("tenant", "stranger", STRANGERS)["status"]["observedGeneration"] == 2,
    )
    assert writes_of_sweeps_since(stage, mark) == []
    assert stage.rule_of("stranger") == rule
    assert stage.rule_of("size")
    placements = stage.get("tenant", "stranger", STRANGERS)["status"]["placements"]
    assert [p["infraGroup"] for p in placements if p["ready"]] == ["group-1"]


def test_tenants_that_are_accepted_again_are_ready_without_a_write(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    mark = stage.aws.last_call()
    stage.apply(strict())
    stage.await_ready("tenant", "size", namespace=m.NAMESPACE)
    assert stage.writes_since(mark) == []


def test_a_hosted_zone_is_found_once_it_is_there(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    stage.client("route53", DNS_ACCOUNT).create_hosted_zone(Name="example.org", CallerReference="by-hand")
    stage.await_ready("tier", "tier-z")


def test_what_was_never_built_is_deleted_without_a_write(refused: tuple[Stage, int]) -> None:
    stage, _ = refused
    mark = stage.aws.last_call()
    stage.delete("infragroup/group-2", "infragroup/group-n", "cell/cell-n", "tier/tier-o", "tier/tier-z")
    stage.await_gone("infragroup", "group-2", "group-n")
    stage.await_gone("cell", "cell-n")
    stage.await_gone("tier", "tier-o", "tier-z")
    assert [described(call) for call in stage.writes_since(mark)] == []
