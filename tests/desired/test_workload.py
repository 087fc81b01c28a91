"""What a tenant runs: which changes replace its tasks, whose they are, and how a waiting tenant is kept as it is."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.api.workload import TenantWorkload, TierWorkload
from tenant_operator.aws.task_definitions import from_api, to_api
from tenant_operator.desired.resources import TaskDefinition
from tenant_operator.desired.workload import Workload, as_released, merged, own_revision
from tests.plan.test_serving import tenancy_of

SECRET = "arn:aws:secretsmanager:us-east-1:222222222222:secret:app/key-AbCdEf"
words = st.lists(st.sampled_from(["serve", "--fast", "x y"]), max_size=2).map(tuple)
variables = st.dictionaries(st.sampled_from(["A", "LEVEL", "ZONE"]), st.text(max_size=5), max_size=3)
secrets = st.dictionaries(st.sampled_from(["KEY", "TOKEN"]), st.just(SECRET), max_size=2)

defaults = st.builds(
    TierWorkload,
    image=st.sampled_from(["app:1", "app:2"]),
    command=words,
    entry_point=words,
    port=st.sampled_from([8080, 9090]),
    replicas=st.integers(1, 4),
    stop_timeout_seconds=st.integers(2, 120),
    restart_nonce=st.sampled_from(["", "again"]),
    environment=variables,
    secrets=secrets,
)
overrides = st.builds(
    TenantWorkload,
    image=st.none() | st.just("own:1"),
    replicas=st.none() | st.integers(1, 4),
    environment=st.none() | variables,
    secrets=st.none() | secrets,
)


def registered(workload: Workload) -> TaskDefinition:
    """The task definition that a tenant with this workload gets, as AWS shows it."""
    [slot] = tenancy_of(workload=workload).slots
    assert isinstance(slot.task_definition.spec, TaskDefinition)
    shown = from_api(to_api(slot.task_definition.spec))
    return dataclasses.replace(shown, environment=tuple(reversed(shown.environment)))


@given(defaults, defaults, overrides)
def test_a_waiting_tenant_is_kept_exactly_at_the_revision_that_it_runs(
    old: TierWorkload, new: TierWorkload, own: TenantWorkload
) -> None:
    before, after = merged(old, own), merged(new, own)
    held = as_released(after, registered(before), spot=before.spot)
    assert held.revision == before.revision
    assert registered(held) == registered(before)
    assert held.replicas == after.replicas, "what replaces no task does not wait"
    assert held.health_path == after.health_path


@pytest.mark.parametrize(
    "edit",
    [
        {"image": "own:2"},
        {"cpu": 512, "memory": 1024},
        {"port": 9090},
        {"environment": {"LEVEL": "debug"}},
        {"environmentUnset": ["LEVEL"]},
        {"secrets": {"KEY": SECRET}},
        {"command": ["serve"]},
        {"compute": {"provider": "FargateSpot"}},
        {"restartNonce": "again"},
    ],
)
def test_an_edit_that_replaces_tasks_is_told_apart_from_the_tiers(edit: dict[str, object]) -> None:
    assert own_revision(TenantWorkload.model_validate(edit)) != own_revision(TenantWorkload())


@pytest.mark.parametrize(
    "edit",
    [
        {"replicas": 3},
        {"healthCheck": {"path": "/ready"}},
        {"startupGraceSeconds": 10},
        {"deregistrationDelaySeconds": 10},
        {"deployment": {"maximumPercent": 150}},
    ],
)
def test_an_edit_that_replaces_no_task_is_no_release(edit: dict[str, object]) -> None:
    own = TenantWorkload.model_validate(edit)
    tier = TierWorkload(image="app:1")
    assert own_revision(own) == own_revision(TenantWorkload())
    assert merged(tier, own).revision == merged(tier, TenantWorkload()).revision
