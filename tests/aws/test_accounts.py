"""The way into accounts: assumed, checked, remembered."""

from __future__ import annotations

import asyncio

import pytest

from tenant_operator.aws.accounts import AccountRef, Accounts
from tenant_operator.aws.errors import AwsError, Category, WrongAccount
from tenant_operator.sandbox.aws.faults import Fault, FaultKind
from tenant_operator.sandbox.aws.seed import OPERATOR_ROLE
from tenant_operator.sandbox.aws.server import OPERATOR_USER_ARN
from tenant_operator.sandbox.aws.simulation import OPERATOR_ACCOUNT
from tests.aws.conftest import REGION, Cell

CELL_ACCOUNT, OTHER_ACCOUNT = "222222222222", "333333333333"


@pytest.fixture
def operator(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """The same simulated AWS, with the operator's own credentials in the environment."""
    key = cell.aws.sim.credentials.issue_user_key(OPERATOR_ACCOUNT, OPERATOR_USER_ARN)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    return cell


def role(account: str = CELL_ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{OPERATOR_ROLE}"


def calls(cell: Cell, action: str) -> int:
    return sum(record.action == action for record in cell.aws.door.log.since(cell.seen, {}))


@pytest.mark.usefixtures("operator")
async def test_the_operators_own_account_needs_no_role() -> None:
    accounts = Accounts()
    caller = await accounts.caller(AccountRef(), REGION)
    assert (caller.account, caller.partition, caller.region) == (OPERATOR_ACCOUNT, "aws", REGION)
    assert (await accounts.identity(AccountRef(), REGION)).arn == OPERATOR_USER_ARN
    accounts.close()


async def test_a_role_is_assumed_and_its_account_checked_once_however_many_ask(operator: Cell) -> None:
    accounts = Accounts()
    ref = AccountRef(account_id=CELL_ACCOUNT, role_arn=role(), external_id="handshake")
    operator.new_calls("*")
    before = {action: calls(operator, action) for action in ("AssumeRole", "GetCallerIdentity")}
    callers = await asyncio.gather(*(accounts.caller(ref, REGION) for _ in range(20)))
    assert {caller.account for caller in callers} == {CELL_ACCOUNT}
    await callers[0]("ecs", "create_cluster", clusterName="made-by-role")
    for action, count in before.items():
        assert calls(operator, action) == count + 1
    identity = await accounts.identity(ref, REGION)
    assert identity.arn == f"arn:aws:sts::{CELL_ACCOUNT}:assumed-role/{OPERATOR_ROLE}/tenant-operator"
    assert identity.arn in accounts.principals()
    accounts.close()


async def test_a_role_in_another_account_than_the_spec_says_is_refused_before_any_call(
    operator: Cell,
) -> None:
    accounts = Accounts()
    count = calls(operator, "AssumeRole")
    with pytest.raises(WrongAccount) as wrong:
        await accounts.caller(AccountRef(account_id=OTHER_ACCOUNT, role_arn=role()), REGION)
    assert f"is in account {CELL_ACCOUNT}, but accountId is {OTHER_ACCOUNT}" in wrong.value.advice
    assert f"name a role of account {OTHER_ACCOUNT}" in wrong.value.advice
    assert calls(operator, "AssumeRole") == count
    accounts.close()


@pytest.mark.usefixtures("operator")
async def test_own_credentials_of_another_account_are_refused() -> None:
    accounts = Accounts()
    with pytest.raises(WrongAccount, match="set roleArn to a role in account 333333333333"):
        await accounts.caller(AccountRef(account_id=OTHER_ACCOUNT), REGION)
    accounts.close()


async def test_a_role_that_may_not_be_assumed_says_what_its_trust_needs_and_recovers(operator: Cell) -> None:
    accounts = Accounts()
    operator.aws.door.faults.add(
        Fault(kind=FaultKind.DENY, account=OPERATOR_ACCOUNT, action="AssumeRole", count=1)
    )
    ref = AccountRef(account_id=CELL_ACCOUNT, role_arn=role(), external_id="secret-handshake")
    with pytest.raises(AwsError) as denied:
        await accounts.caller(ref, REGION)
    assert denied.value.category is Category.ACCESS
    assert f"{role()} cannot be assumed with the external id of the spec" in denied.value.advice
    assert "trust policy" in denied.value.advice
    assert "secret-handshake" not in str(denied.value)
    assert (await accounts.caller(ref, REGION)).account == CELL_ACCOUNT
    accounts.close()


@pytest.mark.parametrize("arn", ["role/x", "arn:aws:iam::22:role/x", "arn:aws:iam::222222222222:user/x"])
@pytest.mark.usefixtures("operator")
async def test_what_is_no_roles_arn_is_refused_with_its_form(arn: str) -> None:
    accounts = Accounts()
    with pytest.raises(AwsError, match="write arn:aws:iam::<12 digits>:role/<name>") as refused:
        await accounts.caller(AccountRef(role_arn=arn), REGION)
    assert refused.value.category is Category.SPEC
    accounts.close()


@pytest.mark.usefixtures("operator")
async def test_the_account_of_a_role_is_known_without_the_spec_naming_it() -> None:
    accounts = Accounts()
    assert (await accounts.caller(AccountRef(role_arn=role()), REGION)).account == CELL_ACCOUNT
    accounts.close()


@pytest.mark.usefixtures("operator")
async def test_without_credentials_the_operator_says_where_to_put_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    accounts = Accounts()
    with pytest.raises(AwsError) as refused:
        await accounts.caller(AccountRef(), REGION)
    assert (refused.value.code, refused.value.category) == ("NoCredentials", Category.ACCESS)
    assert "give its Pod a role" in refused.value.advice
    accounts.close()


async def test_credentials_are_renewed_before_they_expire(
    operator: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tenant_operator.aws.accounts.SESSION_SECONDS", 900
    )  # within botocore's time for renewal
    accounts = Accounts()
    caller = await accounts.caller(AccountRef(role_arn=role()), REGION)
    before = calls(operator, "AssumeRole")
    await caller("ecs", "list_clusters")
    assert calls(operator, "AssumeRole") == before + 1
    accounts.close()


async def test_credentials_that_aws_no_longer_takes_are_renewed_at_once(operator: Cell) -> None:
    accounts = Accounts()
    caller = await accounts.caller(AccountRef(role_arn=role()), REGION)
    before = calls(operator, "AssumeRole")
    operator.aws.door.faults.add(
        Fault(
            kind=FaultKind.ERROR, account=CELL_ACCOUNT, action="ListClusters", count=1,
            status=403, code="UnrecognizedClientException", message="The security token is invalid.",
        )
    )  # fmt: skip
    await caller("ecs", "list_clusters")
    assert calls(operator, "AssumeRole") == before + 1
    accounts.close()
