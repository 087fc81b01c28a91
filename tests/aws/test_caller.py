"""How calls are made: over HTTP, against an AWS that throttles, resets, hangs and lacks things."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller, Transport
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.limits import (
    BREAKER_FAILURES,
    BREAKER_FIRST_PAUSE_SECONDS,
    RESYNC_THREADS_PER_ACCOUNT,
    THREADS_PER_ACCOUNT,
)
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tests.aws.conftest import REGION, Cell


def break_(cell: Cell, kind: FaultKind, action: str, **values: Any) -> None:
    cell.aws.door.faults.add(Fault(kind=kind, account=cell.caller.account, action=action, **values))


def outcomes(cell: Cell, operation: str) -> dict[str, int]:
    calls = cell.caller.transport.budgets.calls
    return {key[4]: count for key, count in calls.items() if key[3] == operation}


async def test_a_throttled_call_waits_for_its_next_token_and_goes_through(cell: Cell) -> None:
    break_(cell, FaultKind.THROTTLE, "DescribeSubnets", count=2)
    await cell.caller("ec2", "describe_subnets")
    assert outcomes(cell, "describe_subnets") == {"Throttled": 2, "ok": 1}


async def test_a_throttled_write_is_repeated_for_it_took_no_effect(cell: Cell) -> None:
    break_(cell, FaultKind.THROTTLE, "CreateCluster", count=1)
    await cell.caller("ecs", "create_cluster", clusterName="one")
    assert outcomes(cell, "create_cluster") == {"Throttled": 1, "ok": 1}


async def test_a_read_that_was_cut_off_is_tried_once_more(cell: Cell) -> None:
    break_(cell, FaultKind.RESET_BEFORE, "DescribeSubnets", count=1)
    await cell.caller("ec2", "describe_subnets")
    break_(cell, FaultKind.RESET_BEFORE, "DescribeSubnets", count=2)
    with pytest.raises(AwsError) as down:
        await cell.caller("ec2", "describe_subnets")
    assert down.value.category is Category.OUTAGE


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.ERROR])
async def test_a_write_whose_answer_is_missing_is_not_repeated_blindly(cell: Cell, kind: FaultKind) -> None:
    break_(cell, kind, "CreateVpc", count=1)
    with pytest.raises(AwsError) as lost:
        await cell.caller("ec2", "create_vpc", CidrBlock="10.9.0.0/16")
    assert lost.value.category is Category.OUTAGE
    assert outcomes(cell, "create_vpc") == {"Outage": 1}


async def test_a_denied_call_is_not_repeated(cell: Cell) -> None:
    break_(cell, FaultKind.DENY, "DescribeSubnets", count=1)
    with pytest.raises(AwsError) as denied:
        await cell.caller("ec2", "describe_subnets")
    assert denied.value.category is Category.ACCESS
    assert outcomes(cell, "describe_subnets") == {"Access": 1}


async def test_each_page_takes_a_token(cell: Cell) -> None:
    names = {f"group-{number}" for number in range(5)}
    for name in names:
        cell.client("logs").create_log_group(logGroupName=name)
    found = await cell.caller.pages("logs", "describe_log_groups", "logGroups", limit=2)
    assert {group["logGroupName"] for group in found} == names
    assert outcomes(cell, "describe_log_groups") == {"ok": 3}


async def test_asking_for_pages_of_what_has_none_says_so(cell: Cell) -> None:
    with pytest.raises(ValueError, match="sts get_caller_identity has no pages"):
        await cell.caller.pages("sts", "get_caller_identity", "Account")


async def test_parameters_that_aws_does_not_take_are_refused_without_their_values(cell: Cell) -> None:
    with pytest.raises(AwsError) as refused:
        await cell.caller("ecs", "create_cluster", clusterName={"password": "hunter2"})
    assert refused.value.category is Category.SPEC
    assert "hunter2" not in refused.value.advice


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def timed(cell: Cell, clock: Callable[[], float]) -> Caller:
    """The account's caller, with a time of the test's."""
    return dataclasses.replace(cell.caller, transport=Transport(clock=clock))


async def test_where_nothing_answers_calls_fail_at_once_until_a_probe_gets_through(cell: Cell) -> None:
    clock = Clock()
    caller = await timed(cell, clock)
    break_(cell, FaultKind.RESET_BEFORE, "ListClusters")
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(AwsError):
            await caller("ecs", "list_clusters")
    cell.new_calls("*")
    with pytest.raises(AwsError) as refused:
        await caller("ecs", "list_clusters")
    assert (refused.value.code, refused.value.category) == ("CircuitOpen", Category.OUTAGE)
    assert cell.new_calls("*") == []
    assert caller.transport.broken() == [(caller.account, REGION, "ecs")]
    await caller("ec2", "describe_subnets")
    cell.aws.door.faults.clear()
    clock.now += BREAKER_FIRST_PAUSE_SECONDS
    await caller("ecs", "list_clusters")
    assert caller.transport.broken() == []
    caller.transport.close()


async def test_an_account_that_answers_nothing_slows_no_other(cell: Cell) -> None:
    other = "699999999999"
    key = cell.aws.sim.credentials.issue_user_key(other, f"arn:aws:iam::{other}:user/x")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
        environment.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
        accounts = Accounts(cell.caller.transport)
        healthy = await accounts.caller(AccountRef(account_id=other), REGION)
    await healthy("ecs", "list_clusters")
    break_(cell, FaultKind.DELAY, "ListClusters", seconds=5)
    hanging = [
        asyncio.create_task(cell.caller("ecs", "list_clusters")) for _ in range(THREADS_PER_ACCOUNT * 2)
    ]
    await asyncio.sleep(0.1)
    for _ in range(3):
        await healthy("ecs", "list_clusters")
    assert not any(task.done() for task in hanging)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_slow_sweep_leaves_threads_to_people(cell: Cell) -> None:
    sweep = cell.caller.at(Priority.RESYNC)
    await cell.caller("ecs", "list_clusters")
    break_(cell, FaultKind.DELAY, "DescribeSubnets", seconds=5)
    slow = [
        asyncio.create_task(sweep("ec2", "describe_subnets")) for _ in range(RESYNC_THREADS_PER_ACCOUNT + 2)
    ]
    await asyncio.sleep(0.1)
    await cell.caller("ecs", "list_clusters")
    assert not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_thread_counts_as_taken_until_its_call_has_ended(cell: Cell) -> None:
    transport, account = Transport(), cell.caller.account
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block() -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    blocked = [
        asyncio.create_task(transport.in_thread(account, Priority.EDIT, block))
        for _ in range(THREADS_PER_ACCOUNT)
    ]
    await asyncio.sleep(0.05)
    for task in blocked:
        task.cancel()
    await asyncio.gather(*blocked, return_exceptions=True)
    waiting = asyncio.create_task(transport.in_thread(account, Priority.EDIT, lambda: "done"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    release.set()
    assert await waiting == "done"
    transport.close()
