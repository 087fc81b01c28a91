"""The drift feed on the simulated AWS: made, listened to, mended and taken down; whose write an event tells of."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tenant_operator.aws import drift_feed as feed
from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.drift_events import DriftEvent, parse
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired import drift_feed
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.drift_feed import Home
from tenant_operator.desired.resources import EventBus, EventRule, Live, Queue
from tenant_operator.engine.drift_hints import is_own
from tests.aws.conftest import INSTALLATION, REGION, Cell
from tests.aws.converging import converge, gone, left_to_do

_others = itertools.count(600_000_000_001)
TRUST = canonical(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
LOOKS = 20


@dataclass
class Feed:
    """The feed of an account that is the operator's own and has a cell in it, and of another with a cell."""

    cell: Cell
    accounts: Accounts
    other: Caller
    place: Home

    async def make(self) -> Live:
        """Make all of it; the queue."""
        here = await converge(self.cell.caller, drift_feed.home(self.place, {self.other.account}), {})
        for caller in (self.cell.caller, self.other):
            wanted = drift_feed.source(self.place, caller.account, regional=True, with_global=True)
            await converge(caller, wanted, {})
        return next(live for live in here.values() if live.id == self.place.queue_arn)

    async def event(self, queue: Live, wanted: Callable[[DriftEvent], bool]) -> DriftEvent:
        """The next event like that; what comes before it is deleted."""
        for _ in range(LOOKS):
            for message in await feed.receive(self.cell.caller, queue):
                await feed.delete(self.cell.caller, queue, [message])
                found = parse(message.body)
                if wanted(found):
                    return found
        raise AssertionError("it did not come")


@pytest_asyncio.fixture
async def made(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feed]:
    """Two accounts; the first is the operator's own."""
    monkeypatch.setattr(feed, "WAIT_SECONDS", 2)
    cell.aws.sim.durations = dataclasses.replace(
        cell.aws.sim.durations, trail_delivery=0.01, event_delivery=0.01
    )
    account = str(next(_others))
    key = cell.aws.sim.credentials.issue_user_key(account, f"arn:aws:iam::{account}:user/somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    accounts = Accounts()
    other = await accounts.caller(AccountRef(), REGION)
    place = Home(installation=INSTALLATION, partition="aws", account=cell.caller.account, region=REGION)
    yield Feed(cell, accounts, other, place)
    accounts.close()


async def test_a_second_pass_finds_nothing_to_do(made: Feed) -> None:
    await made.make()
    here = drift_feed.home(made.place, {made.other.account})
    assert not left_to_do(here, await feed.read_feed(made.cell.caller, INSTALLATION, home=True))
    for caller in (made.cell.caller, made.other):
        wanted = drift_feed.source(made.place, caller.account, regional=True, with_global=True)
        assert not left_to_do(wanted, await feed.read_feed(caller, INSTALLATION, home=False))


async def test_a_change_in_either_account_comes_to_the_one_queue(made: Feed) -> None:
    queue = await made.make()
    for caller in (made.cell.caller, made.other):
        answer = await caller("ec2", "create_vpc", CidrBlock="10.9.0.0/16")
        vpc = answer["Vpc"]["VpcId"]
        await caller("ec2", "modify_vpc_attribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
        event = await made.event(queue, lambda e: e.name == "ModifyVpcAttribute")
        assert (event.account, event.region, event.source) == (caller.account, REGION, "aws.ec2")
        assert vpc in event.names


async def test_our_own_write_is_known_again_and_the_same_call_of_somebody_else_is_not(made: Feed) -> None:
    queue = await made.make()
    made.cell.client("ec2").modify_vpc_attribute(VpcId=made.cell.vpc, EnableDnsHostnames={"Value": True})
    theirs = await made.event(queue, lambda e: e.name == "ModifyVpcAttribute")
    await made.other("iam", "create_role", RoleName="mine", AssumeRolePolicyDocument=TRUST)
    await made.other("iam", "tag_role", RoleName="mine", Tags=[{"Key": "a", "Value": "b"}])
    ours = await made.event(queue, lambda e: e.name == "TagRole")
    assert ours.principal == f"arn:aws:iam::{made.other.account}:user/somebody"
    assert is_own(ours, made.accounts)
    assert not is_own(theirs, made.accounts)
    assert not is_own(dataclasses.replace(ours, request_id="another"), made.accounts)
    assert not is_own(dataclasses.replace(ours, principal=theirs.principal), made.accounts)
    assert "mine" in ours.names


async def test_calls_that_aws_refused_are_not_told_of(made: Feed) -> None:
    queue = await made.make()
    with pytest.raises(AwsError):
        await made.other("iam", "delete_role", RoleName="nobody")
    await made.other("iam", "create_role", RoleName="somebody", AssumeRolePolicyDocument=TRUST)
    await made.other("iam", "delete_role", RoleName="somebody")
    event = await made.event(queue, lambda e: e.name == "DeleteRole")
    assert "somebody" in event.names


async def test_what_somebody_changes_of_the_feed_is_set_right(made: Feed) -> None:
    queue = await made.make()
    sqs, events = made.cell.client("sqs"), made.cell.client("events")
    sqs.set_queue_attributes(
        QueueUrl=queue.attributes["url"], Attributes={"MessageRetentionPeriod": "60", "Policy": ""}
    )
    [rule] = events.list_rules(NamePrefix=f"{INSTALLATION}-drift-calls")["Rules"]
    events.remove_targets(Rule=rule["Name"], Ids=["operator"])
    events.put_targets(Rule=rule["Name"], Targets=[{"Id": "theirs", "Arn": made.place.undelivered_arn}])
    wanted = [
        *drift_feed.home(made.place, {made.other.account}),
        *drift_feed.source(made.place, made.cell.caller.account, regional=True, with_global=True),
    ]
    world = await feed.read_feed(made.cell.caller, INSTALLATION, home=True)
    await converge(made.cell.caller, wanted, world)
    assert not left_to_do(wanted, await feed.read_feed(made.cell.caller, INSTALLATION, home=True))


async def test_all_of_it_can_be_taken_down_again(made: Feed) -> None:
    await made.make()
    world = await feed.read_feed(made.cell.caller, INSTALLATION, home=True)
    order = (EventRule, EventBus, Queue)
    for live in sorted(world.values(), key=lambda live: order.index(type(live.spec))):
        await gone(made.cell.caller, live)
        await gone(made.cell.caller, live)
    assert await feed.read_feed(made.cell.caller, INSTALLATION, home=True) == {}


async def test_a_bus_of_somebody_else_with_our_name_is_left_alone(made: Feed) -> None:
    name = made.place.bus_arn.rpartition("/")[2]
    made.cell.client("events").create_event_bus(Name=name)
    with pytest.raises(AwsError) as refused:
        await converge(made.cell.caller, drift_feed.home(made.place, {made.other.account}), {})
    assert refused.value.code == "ForeignOwner"


async def test_a_receive_that_waits_takes_no_thread_of_its_accounts(made: Feed) -> None:
    queue = await made.make()
    while await feed.receive(made.cell.caller, queue):
        pass
    waiting = [asyncio.create_task(feed.receive(made.cell.caller, queue)) for _ in range(12)]
    await asyncio.sleep(0.2)
    assert not any(task.done() for task in waiting)
    assert (await made.cell.caller("sts", "get_caller_identity"))["Account"] == made.cell.caller.account
    assert not all(task.done() for task in waiting)
    await asyncio.gather(*waiting)


async def test_a_queue_that_is_gone_is_told_as_not_found(made: Feed) -> None:
    queue = await made.make()
    await gone(made.cell.caller, queue)
    with pytest.raises(AwsError) as missing:
        await feed.receive(made.cell.caller, queue)
    assert missing.value.category is Category.NOT_FOUND
