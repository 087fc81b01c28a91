"""A plan is what apply does then: the same writes, call by call; and the plan itself writes nothing, anywhere."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import census
from tests.e2e import manifests as m
from tests.e2e.stage import ACCOUNT_A, NotYet, Stage

pytestmark = pytest.mark.e2e

SECRET = "correct-horse-battery-staple"  # what must not be seen
NO_CHANGES, FAILED, CHANGES = 0, 1, 2
TENANTS: dict[str, dict[str, Any]] = {
    "acme": {"workload": {"environment": {"PASSWORD": SECRET}}},
    "beta": {},
    "gamma": {},
    "delta": {},
}


class Planner:
    """`tenant-operator plan` on a stage, and what it said."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.file = stage.folder / "plan.json"
        self.text = ""
        self.exit_code = NO_CHANGES

    def plan(
        self, *objects: m.Manifest, delete: Iterable[str] = (), arguments: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Plan some objects as if they were applied (and others as if they were deleted)."""
        self.file.unlink(missing_ok=True)
        words = [word for key in delete for word in ("--delete", key)]
        words += ["-f", "-"] if objects else []
        rehearsal = ("--drain-seconds", "1", "--settle-seconds", "1")
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "tenant_operator",
                "plan",
                "--out",
                str(self.file),
                *rehearsal,
                *words,
                *arguments,
            ],
            env=self.stage.sandbox.operator_environment(),
            input=yaml.safe_dump_all(objects),
            capture_output=True,
            text=True,
            check=False,
        )
        self.exit_code, self.text = result.returncode, result.stdout + result.stderr
        return dict(json.loads(self.file.read_text())) if self.file.exists() else {}


Writes = Counter[tuple[str, str, str]]

BATCHED = ("route53", "ChangeResourceRecordSets")
"""How many objects' records one request carries is a matter of a tenth of a second: any number of them counts once."""


def planned_writes(plan: dict[str, Any]) -> Writes:
    """Account, service and action of every write that a plan shows."""
    return _counted(
        (step["account"], *call.split(" ", 1)) for step in plan["steps"] for call in step["calls"]
    )


def real_writes(stage: Stage, mark: int) -> Writes:
    """The same of what was written since a mark; what AWS refused had no effect and does not count."""
    return _counted(
        (call["account"], call["service"], call["action"])
        for call in stage.writes_since(mark)
        if call["status"] == 200 and call["service"] != "sts"
    )


def _counted(writes: Iterable[tuple[str, ...]]) -> Writes:
    found = Counter((account, service, action) for account, service, action in writes)
    return Counter({key: 1 if key[1:] == BATCHED else count for key, count in found.items()})


def apply_and_compare(
    stage: Stage, plan: dict[str, Any], *objects: m.Manifest, delete: Iterable[str] = ()
) -> None:
    """Do what was planned; fails when other writes come of it than the plan showed."""
    mark = stage.aws.last_call()
    if objects:
        stage.apply(*objects)
    for key in delete:
        kind, *rest = key.split("/")
        stage.delete(kind, rest[-1], *(("-n", rest[0]) if len(rest) > 1 else ()))
    await_writes(stage, planned_writes(plan), mark)


def await_writes(stage: Stage, expected: Writes, mark: int) -> None:
    """Wait until exactly these writes were made since a mark."""
    with contextlib.suppress(NotYet):
        stage.wait("everything planned is written", lambda: expected <= real_writes(stage, mark), 60.0)
    real = real_writes(stage, mark)
    assert (expected - real, real - expected) == (Counter(), Counter()), (
        "planned but not written, and the reverse"
    )


def resource_versions(stage: Stage) -> dict[str, str]:
    """The version of every object that the operator could write."""
    own = [obj for kind in census.KINDS for obj in stage.list(kind)]
    others = json.loads(stage.kubectl("get", "namespaces,leases,events", "-A", "-o", "json"))["items"]
    return {
        f"{obj['kind']} {obj['metadata'].get('namespace')} {obj['metadata']['name']}": obj["metadata"][
            "resourceVersion"
        ]
        for obj in (*own, *others)
        if obj["metadata"].get("namespace") != "kube-system"
    }


def effects(plan: dict[str, Any], type_: str) -> list[str]:
    """What becomes of resources of a type."""
    return [step["effect"] for step in plan["steps"] if step["type"] == type_]


@pytest.fixture(scope="module")
def planner(stage: Stage) -> Planner:
    """A tier from nothing, as planned."""
    planner = Planner(stage)
    base = (
        m.namespace(),
        m.tier(),
        m.cell(),
        m.group(dnsWeight=100),
        *(m.tenant(name, **spec) for name, spec in TENANTS.items()),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        m.group("group-9", "cell-c", "10.29.0.0/16"),
        m.tenant("own", "tier-2"),
    )
    stage.operator.stop()
    mark, versions = stage.aws.last_call(), resource_versions(stage)
    plan = planner.plan(*base)
    assert planner.exit_code == CHANGES, planner.text
    assert [call for call in stage.writes_since(mark) if call["service"] != "sts"] == []
    assert resource_versions(stage) == versions
    assert plan["blocked"] == []
    stage.operator.start()
    apply_and_compare(stage, plan, *base)
    stage.await_ready("infragroup", "group-1", "group-9")
    stage.await_ready("tenant", *TENANTS, "own", namespace=m.NAMESPACE)
    return planner


def test_no_value_of_the_environment_is_shown(planner: Planner) -> None:
    planner.plan(m.tenant("acme", workload={"environment": {"PASSWORD": SECRET + "-2", "OTHER": SECRET}}))
    shown = planner.text + planner.file.read_text()
    assert "PASSWORD (changed)" in shown
    assert SECRET not in shown


def test_nothing_to_do_is_said_and_costs_no_write(planner: Planner) -> None:
    planner.stage.operator.stop()
    versions, mark = resource_versions(planner.stage), planner.stage.aws.last_call()
    plan = planner.plan()
    writes, afterwards = planner.stage.writes_since(mark), resource_versions(planner.stage)
    planner.stage.operator.start()
    assert ([w for w in writes if w["service"] != "sts"], afterwards) == ([], versions)
    assert (planner.exit_code, plan["steps"], plan["blocked"]) == (NO_CHANGES, [], [])
    assert "No changes" in planner.text


def test_edits_are_planned_as_they_are_made(planner: Planner) -> None:
    edits = (
        m.tenant("acme", workload={"image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:2"}),
        m.tenant("beta", suspended=True),
        m.tenant("gamma", clusters=2),
        m.tenant("delta", workload={"port": 9090}),
        m.tenant("echo"),
    )
    plan = planner.plan(*edits)
    assert planner.exit_code == CHANGES, planner.text
    assert plan["blocked"] == []
    risks = {step["risk"] for step in plan["steps"] if step["object"] == "Tenant customers/acme"}
    assert risks == {"none", "restart"}
    apply_and_compare(planner.stage, plan, *edits)
    planner.stage.await_ready("tenant", *TENANTS, "echo", namespace=m.NAMESPACE)


def test_a_resumed_tenant_and_a_further_group_are_planned_as_they_are_made(planner: Planner) -> None:
    changes = (m.group("group-2", cidr="10.21.0.0/16", dnsWeight=50), m.tenant("beta"))
    plan = planner.plan(*changes)
    assert planner.exit_code == CHANGES, planner.text
    assert plan["blocked"] == []
    apply_and_compare(planner.stage, plan, *changes)
    planner.stage.await_ready("infragroup", "group-2")


def test_drift_is_planned_as_it_is_mended(planner: Planner) -> None:
    stage = planner.stage
    stage.operator.stop()
    elb, ecs = stage.client("elbv2"), stage.client("ecs")
    elb.delete_rule(RuleArn=stage.rule_of("acme")["RuleArn"])
    [cluster] = [arn for arn in ecs.list_clusters()["clusterArns"] if "-echo-" in arn][:1]
    [service] = ecs.list_services(cluster=cluster)["serviceArns"]
    ecs.update_service(cluster=cluster, service=service, desiredCount=3)
    plan = planner.plan()
    assert effects(plan, "ListenerRule") == ["create"]
    assert effects(plan, "Service") == ["update"]
    mark = stage.aws.last_call()
    stage.operator.start()
    await_writes(stage, planned_writes(plan), mark)


def test_what_is_deleted_is_planned_as_it_goes(planner: Planner) -> None:
    gone = ("tenant/customers/delta", "tenant/customers/own", "infragroup/group-2")
    plan = planner.plan(delete=gone)
    assert planner.exit_code == CHANGES, planner.text
    assert plan["summary"]["risk"] == "destructive"
    assert plan["blocked"] == []
    apply_and_compare(planner.stage, plan, delete=gone)
    planner.stage.await_gone("tenant", "delta", "own", namespace=m.NAMESPACE)
    planner.stage.await_gone("infragroup", "group-2")


def test_what_cannot_be_done_is_said_with_its_reason(planner: Planner) -> None:
    plan = planner.plan(m.tenant("rival", tenantId="acme"))
    [blocked] = plan["blocked"]
    assert (planner.exit_code, blocked["object"], blocked["reason"]) == (
        NO_CHANGES, "Tenant customers/rival", "Conflict",
    )  # fmt: skip


def test_a_manifest_that_kubernetes_refuses_fails_the_plan(planner: Planner) -> None:
    planner.plan(m.tenant("acme", tenantId="other"))
    assert planner.exit_code == FAILED
    assert "Kubernetes would refuse Tenant customers/acme" in planner.text


def test_an_account_that_cannot_be_read_fails_the_plan(planner: Planner) -> None:
    fault = planner.stage.aws.add_fault("deny", account=ACCOUNT_A, service="ecs", action="ListClusters")
    try:
        plan = planner.plan()
    finally:
        planner.stage.aws.clear_faults(fault)
    assert planner.exit_code == FAILED
    assert plan["summary"]["complete"] is False
    assert "ListClusters" in planner.text or "list_clusters" in planner.text


def test_wrong_use_does_not_end_like_changes(planner: Planner) -> None:
    planner.plan(arguments=["--delete", "nonsense"])
    assert planner.exit_code == FAILED
    planner.plan(arguments=["--no-such-option"])
    assert planner.exit_code == FAILED


def test_client_side_apply_is_planned_as_kubectl_would(planner: Planner, tmp_path: Path) -> None:
    """A field that `kubectl apply` would take off, because it was applied before and is not any more, goes in the plan, too."""
    stage = planner.stage
    file = tmp_path / "tenant.yaml"
    file.write_text(yaml.safe_dump(m.tenant("foxtrot", suspended=True)))
    stage.kubectl("apply", "-f", str(file))
    stage.await_ready("tenant", "foxtrot", namespace=m.NAMESPACE)
    plan = planner.plan(m.tenant("foxtrot"))
    assert "create" in effects(plan, "Service"), "it is resumed"
