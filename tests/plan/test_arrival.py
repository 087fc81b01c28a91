"""What a dry run assumes of things that are on their way."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.desired.resources import (
    Address,
    Live,
    LoadBalancer,
    NatGateway,
    Service,
    ServiceState,
    Spec,
    VpcEndpoint,
)
from tenant_operator.plan.arrival import arrived

ENDPOINT = VpcEndpoint(vpc="v", service="s", endpoint_type="Interface")
BALANCER = LoadBalancer(scheme="internal", subnets=(), security_groups=())
NAT = NatGateway(subnet="s", allocation="a")


def live(spec: Spec, **attributes: object) -> Live:
    address = Address(account="1", region="r", type=type(spec).__name__, name="n")
    return Live(address=address, id="i", spec=spec, attributes=attributes)


def service(desired: int, state: ServiceState) -> Live:
    spec = Service(
        cluster="c", target_group="t", container_port=80, task_definition="d:2", desired_count=desired, subnets=(),
        security_groups=(),
    )  # fmt: skip
    return live(spec, state=state)


STATES = st.builds(
    ServiceState,
    status=st.sampled_from(["ACTIVE", "DRAINING"]),
    running=st.integers(0, 5),
    pending=st.integers(0, 5),
    rollout=st.sampled_from(["COMPLETED", "IN_PROGRESS", "FAILED"]),
    rollout_reason=st.just(""),
    primary_task_definition=st.sampled_from(["d:1", "d:2"]),
    deployments=st.integers(1, 3),
    failed_tasks=st.integers(0, 3),
    event=st.just(""),
)


@pytest.mark.parametrize(
    ("spec", "before", "after"),
    [
        (BALANCER, "provisioning", "active"),
        (BALANCER, "failed", "failed"),
        (ENDPOINT, "pending", "available"),
        (ENDPOINT, "pendingacceptance", "available"),
        (ENDPOINT, "rejected", "rejected"),
        (ENDPOINT, "deleting", None),
        (NAT, "pending", "available"),
        (NAT, "deleting", None),
    ],
)
def test_what_is_pending_becomes_usable_and_what_goes_is_gone(
    spec: Spec, before: str, after: str | None
) -> None:
    found = arrived(live(spec, state=before, kept="yes"))
    if after is None:
        assert found is None
    else:
        assert found is not None
        assert found.attributes == {"state": after, "kept": "yes"}


@given(STATES, st.integers(0, 5))
def test_a_service_arrives_whole_or_gone_or_stays_failed(state: ServiceState, desired: int) -> None:
    found = arrived(service(desired, state))
    if state.status == "DRAINING":
        assert found is None
        return
    assert found is not None
    now: ServiceState = found.attributes["state"]
    if state.rollout == "FAILED" and not state.running:
        assert now == state
    else:
        assert (now.running, now.pending, now.rollout, now.primary_task_definition) == (
            desired,
            0,
            "COMPLETED",
            "d:2",
        )


@given(STATES, st.integers(0, 5))
def test_what_has_arrived_stays_so(state: ServiceState, desired: int) -> None:
    once = arrived(service(desired, state))
    assert once is None or arrived(once) == once


def test_what_waits_for_nothing_is_the_same() -> None:
    settled = live(BALANCER, state="active")
    assert arrived(settled) is settled
    assert dataclasses.replace(settled) == settled
