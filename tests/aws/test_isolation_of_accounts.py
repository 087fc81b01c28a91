"""Twenty accounts, of which one answers nothing and one throttles everything: the other eighteen do not notice.

https://docs.aws.amazon.com/wellarchitected/latest/reducing-scope-of-impact-with-cell-based-architecture/
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.budgets import FLOW, Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError
from tenant_operator.engine.queue import KeyedQueue
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tenant_operator.sandbox.aws.seed import Seed, Seeder
from tenant_operator.sandbox.aws.server import SimulatedAws
from tenant_operator.sandbox.aws.simulation import OPERATOR_ACCOUNT
from tests.aws.conftest import REGION

ACCOUNTS = [f"{610_000_000_000 + number}" for number in range(20)]
DEAD, THROTTLED = ACCOUNTS[0], ACCOUNTS[1]
WELL = ACCOUNTS[2:]
VISITS = 12
"""To each account that is well, at once; each makes one call."""
VISITS_IN_TROUBLE = 300
"""To each of the other two: more than there are threads in all."""


@pytest.fixture
def world(simulated_aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    """Twenty accounts with a role that the operator may assume."""
    credentials = simulated_aws.sim.credentials
    Seeder(simulated_aws.endpoint, credentials).plant(Seed(cell_accounts=tuple(ACCOUNTS), regions=()))
    key = credentials.issue_user_key(
        OPERATOR_ACCOUNT, f"arn:aws:iam::{OPERATOR_ACCOUNT}:user/tenant-operator"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    yield simulated_aws
    simulated_aws.door.faults.clear()


async def callers(accounts: Accounts) -> dict[str, Caller]:
    refs = {a: AccountRef(account_id=a, role_arn=f"arn:aws:iam::{a}:role/tenant-operator") for a in ACCOUNTS}
    return {account: await accounts.caller(ref, REGION) for account, ref in refs.items()}


async def test_eighteen_accounts_are_done_before_the_two_have_failed(world: SimulatedAws) -> None:
    accounts = Accounts()
    by_account = await callers(accounts)
    world.door.faults.add(Fault(kind=FaultKind.TIMEOUT, account=DEAD, seconds=20.0))
    world.door.faults.add(Fault(kind=FaultKind.THROTTLE, account=THROTTLED))
    queue: KeyedQueue[tuple[str, int]] = KeyedQueue(
        clock=asyncio.get_running_loop().time, flow=lambda key: key[0]
    )
    for account in ACCOUNTS:
        for number in range(VISITS if account in WELL else VISITS_IN_TROUBLE):
            queue.add((account, number), Priority.RESYNC if number % 2 else Priority.EDIT)
    done: list[str] = []
    enough = asyncio.Event()

    async def visit(key: tuple[str, int]) -> None:
        FLOW.set(key)
        try:
            await by_account[key[0]]("ecs", "list_clusters")
        except AwsError:
            done.append(f"{key[0]} failed")
        else:
            done.append(key[0])
        queue.done(key)
        if len(done) == VISITS * len(WELL):
            enough.set()

    async def dispatch() -> None:
        async with asyncio.TaskGroup() as visits:
            while True:
                visits.create_task(visit(await queue.get()))

    dispatcher = asyncio.ensure_future(dispatch())
    await enough.wait()
    first = list(done)
    dispatcher.cancel()
    await asyncio.gather(dispatcher, return_exceptions=True)
    accounts.close()
    assert sorted(first) == sorted(WELL * VISITS), "nothing of the two came before the eighteen were done"
    assert [place[0] for place in accounts.transport.broken()] in ([], [DEAD])
