"""From an account as a spec names it to a `Caller` whose account has been checked.

Nothing is called in an account before GetCallerIdentity has said that the credentials are of that account: a typing
error in a role's ARN must never build a cell in somebody else's account.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller, Target, Transport
from tenant_operator.aws.errors import AwsError, Category, WrongAccount
from tenant_operator.aws.limits import SESSION_NAME, SESSION_SECONDS
from tenant_operator.aws.sessions import Session, Sessions

OWN = "operator"
"""What stands for the operator's own account in budgets and errors until AWS has said its number."""

_ROLE_ARN = re.compile(r"^arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/\S+$")


def account_of_role(arn: str) -> str | None:
    """The account that a role's ARN names, 12 digits; None where it is no role's ARN."""
    match = _ROLE_ARN.match(arn)
    return None if match is None else match["account"]


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account and the way into it, as a Cell or a Tier's endpoint names them."""

    account_id: str | None = None
    """12 digits; None: the account of the role, or the operator's own."""
    role_arn: str | None = None
    """None: the operator's own credentials."""
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in an account, as GetCallerIdentity says."""

    account: str
    partition: str
    arn: str
    """Of the principal: CloudTrail's `userIdentity.arn` for what we do there."""
    user_id: str
    """CloudTrail's `principalId`; for an assumed role `<role id>:<session name>`."""


class Accounts:
    """The sessions of all accounts, each made and checked once. Belongs to one event loop."""

    def __init__(self, transport: Transport | None = None, session_name: str = SESSION_NAME) -> None:
        self.transport = transport or Transport()
        self._session_name = session_name
        self._sessions = Sessions()
        self._own = self._sessions.default()
        self._known: dict[AccountRef, tuple[Session, Identity]] = {}
        self._locks: defaultdict[AccountRef, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def caller(self, ref: AccountRef, region: str, priority: Priority = Priority.EDIT) -> Caller:
        """A caller for an account and Region.

        Raises:
            WrongAccount: the credentials are of another account.
            AwsError: the role cannot be assumed, there are no credentials, or STS does not answer.
        """
        return self._caller(*await self._checked(ref, region, priority), region, priority)

    def known_caller(self, ref: AccountRef, region: str, priority: Priority = Priority.EDIT) -> Caller | None:
        """The same without waiting: None while the account has not been checked."""
        known = self._known.get(ref)
        return None if known is None else self._caller(*known, region, priority)

    def _caller(self, session: Session, identity: Identity, region: str, priority: Priority) -> Caller:
        return Caller(
            account=identity.account,
            region=region,
            partition=identity.partition,
            priority=priority,
            session=session,
            transport=self.transport,
        )

    async def identity(self, ref: AccountRef, region: str) -> Identity:
        """Who we are there. Raises as `caller` does."""
        return (await self._checked(ref, region, Priority.EDIT))[1]

    def principals(self) -> frozenset[str]:
        """The ARNs of all principals that we act as, for telling our own events from others'."""
        return frozenset(identity.arn for _, identity in self._known.values())

    def forget(self, ref: AccountRef) -> None:
        """Make and check the session anew when it is needed next: the role or its trust has changed."""
        self._known.pop(ref, None)

    def close(self) -> None:
        """Close all connections and let go of the threads."""
        self._sessions.close()
        self.transport.close()

    async def _checked(self, ref: AccountRef, region: str, priority: Priority) -> tuple[Session, Identity]:
        known = self._known.get(ref)
        if known is not None:
            return known
        async with self._locks[ref]:
            known = self._known.get(ref)
            if known is None:
                known = await self._introduce(ref, region, priority)
                self._known[ref] = known
            return known

    async def _introduce(self, ref: AccountRef, region: str, priority: Priority) -> tuple[Session, Identity]:
        expected = _expected_account(ref, region)
        session = self._own
        if ref.role_arn is not None:
            # The first fetch goes through budget and breaker; those that refresh it are made where they are needed.
            request = _assume_role_request(ref, self._session_name)
            target = Target(OWN, region, "sts", "assume_role", priority)
            first = await self._explained(ref, target, request)
            session = self._sessions.refreshed(_Fetch(self._own, region, request, first))
        target = Target(expected or OWN, region, "sts", "get_caller_identity", priority)
        answer = await self.transport.send(session, target, {})
        identity = Identity(
            account=answer["Account"],
            partition=answer["Arn"].split(":")[1],
            arn=answer["Arn"],
            user_id=answer["UserId"],
        )
        if expected is not None and identity.account != expected:
            raise _wrong_account(ref, identity.account, expected, region)
        return session, identity

    async def _explained(self, ref: AccountRef, target: Target, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of AssumeRole, or an error that says what the role's trust policy needs."""
        try:
            return await self.transport.send(self._own, target, request)
        except AwsError as error:
            if error.category is not Category.ACCESS or error.code == "NoCredentials":
                raise
            external = " with the external id of the spec" if ref.external_id else ""
            raise AwsError(
                service=error.service,
                operation=error.operation,
                code="RoleNotAssumable",
                message=f"{ref.role_arn} cannot be assumed{external}; "
                "let its trust policy name the operator's own role, "
                f"and let that role call sts:AssumeRole on it ({error.message})",
                category=Category.ACCESS,
                account=_expected_account(ref, target.region) or "",
                region=target.region,
                request_id=error.request_id,
            ) from error


def session_name(identity: str) -> str:
    """The name of a process's sessions, as CloudTrail shows it: `tenant-operator@` and who the process is.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, RoleSessionName
    """
    return re.sub(r"[^\w+=,.@-]+", "-", f"{SESSION_NAME}@{identity}", flags=re.ASCII)[:64]


class _Fetch:
    """Gives the credentials of a role: first those that are there already, later new ones."""

    def __init__(
        self, own: Session, region: str, request: Mapping[str, Any], first: Mapping[str, Any]
    ) -> None:
        self._assume = partial(own.call, "sts", region, "assume_role", request)
        self._first: Mapping[str, Any] | None = first

    def __call__(self) -> Mapping[str, Any]:
        answer, self._first = self._first or self._assume(), None
        credentials: Mapping[str, Any] = answer["Credentials"]
        return credentials


def _assume_role_request(ref: AccountRef, session_name: str) -> dict[str, Any]:
    request: dict[str, Any] = {
        "RoleArn": ref.role_arn,
        "RoleSessionName": session_name,
        "DurationSeconds": SESSION_SECONDS,
    }
    if ref.external_id:
        request["ExternalId"] = ref.external_id
    return request


def _expected_account(ref: AccountRef, region: str) -> str | None:
    """The account that the credentials must be of; None: whichever the operator's own are of."""
    if ref.role_arn is None:
        return ref.account_id
    match = _ROLE_ARN.match(ref.role_arn)
    if match is None:
        raise AwsError(
            service="sts",
            operation="assume_role",
            code="InvalidRoleArn",
            message=f"{ref.role_arn!r} is not a role's ARN; write arn:aws:iam::<12 digits>:role/<name>",
            category=Category.SPEC,
            account=ref.account_id or "",
            region=region,
        )
    if ref.account_id not in (None, match["account"]):
        raise _wrong_account(ref, match["account"], str(ref.account_id), region)
    return match["account"]


def _wrong_account(ref: AccountRef, actual: str, expected: str, region: str) -> WrongAccount:
    if ref.role_arn is not None:
        message = (
            f"the role {ref.role_arn} is in account {actual}, but accountId is {expected}; "
            f"name a role of account {expected}, or recreate the Cell with accountId {actual}"
        )
    else:
        message = (
            f"the operator's own credentials are of account {actual}, but accountId is {expected}; "
            f"set roleArn to a role in account {expected} that the operator may assume"
        )
    return WrongAccount(
        service="sts",
        operation="get_caller_identity",
        code="WrongAccount",
        message=message,
        category=Category.ACCESS,
        account=expected,
        region=region,
    )
