"""What a tenant's status says of its part in the tier's rollout."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tenant_operator.api import Tenant, parse
from tenant_operator.engine.turns import Successes
from tenant_operator.engine.waves import member_of
from tests.e2e import manifests as m

LONG_AGO = "2026-05-12T10:00:00Z"
SERVED: dict[str, Any] = {
    "revision": "old",
    "release": {"cause": "Created", "ownRevision": "own", "completedAt": LONG_AGO},
    "conditions": [{"type": "Accepted", "status": "True"}, {"type": "ComputeReady", "reason": "Running"}],
}
LET_GO = {**SERVED, "revision": "new", "release": {"cause": "Tier", "startedAt": LONG_AGO}}


def tenant(deleted: bool = False, **spec: Any) -> Tenant:
    manifest = m.tenant("acme", **spec)
    if deleted:
        manifest["metadata"]["deletionTimestamp"] = LONG_AGO
    found = parse(manifest)
    assert isinstance(found, Tenant)
    return found


def test_a_tenant_that_serves_takes_part() -> None:
    member = member_of(tenant(), SERVED, "new")
    assert member is not None
    assert (member.name, member.goal, member.granted, member.by_wave) == (
        "customers/acme",
        "new",
        "old",
        False,
    )
    assert member.completed_at == dt.datetime(2026, 5, 12, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        (tenant(), {}),
        (tenant(), {**SERVED, "release": {"cause": "Created"}}),
        (tenant(deleted=True), LET_GO),
        (tenant(paused=True), LET_GO),
        (tenant(suspended=True), LET_GO),
        (tenant(), {**LET_GO, "conditions": [{"type": "Accepted", "status": "False"}]}),
    ],
    ids=["new", "never ran", "going", "paused", "suspended", "refused"],
)
def test_a_tenant_that_nothing_can_be_rolled_out_to_holds_no_slot(
    who: Tenant, status: dict[str, Any]
) -> None:
    assert member_of(who, status, "new") is None


def test_a_release_that_ecs_rolled_back_is_a_failure_after_a_restart_too() -> None:
    member = member_of(tenant(), {**LET_GO, "failedRevision": "new"}, "new")
    assert member is not None
    assert member.failed
    assert member.by_wave


def test_tasks_that_do_not_start_are_a_failure() -> None:
    conditions = [{"type": "ComputeReady", "reason": "DeploymentFailed"}]
    member = member_of(tenant(), {**LET_GO, "conditions": conditions}, "new")
    assert member is not None
    assert member.failed


def test_a_success_is_watched_from_the_moment_when_one_more_cluster_runs_the_revision() -> None:
    known = Successes("new")
    assert known.watched_for(60, now=5) == 0
    known.note("group-1", 0, now=10)
    assert known.watched_for(60, now=10) == 0, "the first cluster waits for nothing"
    known.note("group-1", 1, now=20)
    known.note("group-2", 0, now=20)
    known.note("group-1", 1, now=70)
    assert known.watched_for(60, now=70) == 10
    assert known.watched_for(60, now=80) == 0
    known.note("group-2", 1, now=90)
    assert known.watched_for(60, now=100) == 50
