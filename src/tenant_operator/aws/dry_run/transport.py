"""The way out to AWS in a dry run: reads go out, each once; writes never do.

Everything that the program sends to AWS passes `Transport.send` (engine rule 6), so this one place is enough: a write
is answered by `ImaginedAws` and noted, and there is no code here that could send it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tenant_operator.aws.budgets import Budgets, rate_of
from tenant_operator.aws.caller import Target, Transport
from tenant_operator.aws.dry_run.answers import ImaginedAws
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.limits import GLOBAL_SERVICES
from tenant_operator.aws.sessions import Session
from tenant_operator.desired.resources import GLOBAL

LOOKED_FOR_IN_VAIN = frozenset({Category.NOT_FOUND, Category.SPEC})
"""What a reading may answer without being a gap in what is known: there is no such thing."""

ASSUME_ROLE = ("sts", "assume_role")
"""The one call that is no read by its name and is made all the same: it changes nothing."""

_ABOUT = (
    "taskDefinition",
    "service",
    "RuleArn",
    "TargetGroupArn",
    "ResourceArn",
    "resourceArn",
    "HostedZoneId",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One write that was not sent."""

    account: str
    region: str
    service: str
    operation: str
    """boto3's name, such as `create_rule`"""
    about: str = ""
    """What it changes, where the call says it."""

    @property
    def action(self) -> str:
        """AWS's name of it, such as `CreateRule`."""
        return "".join(part.capitalize() for part in self.operation.split("_"))

    @property
    def bucket(self) -> tuple[str, str, str]:
        """The token bucket that it takes from: account, Region, AWS's name for it."""
        region = GLOBAL if self.service in GLOBAL_SERVICES else self.region
        return self.account, region, rate_of(self.service, self.operation).name


_gathered: ContextVar[list[Call] | None] = ContextVar("calls", default=None)


@contextmanager
def gathering(calls: list[Call]) -> Iterator[None]:
    """Writes that are made in here (and in tasks that are begun in here) are noted in `calls`."""
    token = _gathered.set(calls)
    try:
        yield
    finally:
        _gathered.reset(token)


class DryRunTransport(Transport):
    """Sends reads, each once, and no writes."""

    def __init__(self, budgets: Budgets | None = None) -> None:
        super().__init__(budgets)
        self.imagined = ImaginedAws()
        self.calls: list[Call] = []
        """Every write, in the order in which they would have been sent."""
        self.unread: list[AwsError] = []
        """The readings that failed: what they would have shown is missing in what is planned."""
        self.reads = 0
        """How many reads were sent."""
        self._answers: dict[tuple[object, ...], dict[str, Any] | AwsError] = {}

    async def send(self, session: Session, target: Target, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make a read; note a write and answer it.

        Raises:
            AwsError: the read failed.
            NotImagined: nobody has said what AWS answers to this write.
        """
        if not (target.reads or (target.service, target.operation) == ASSUME_ROLE):
            return self._write(target, parameters)
        known = self.imagined.read(target, parameters)
        if known is not None:
            return known
        answer = await self._once(session, target, parameters)
        return self.imagined.note(target, parameters, answer)

    async def _once(self, session: Session, target: Target, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make a read, unless the same one was made before: time passes here only in imagination."""
        key = (target.place, target.operation, repr(sorted(parameters.items())))
        answer = self._answers.get(key)
        if answer is None:
            self.reads += 1
            try:
                answer = await super().send(session, target, parameters)
            except AwsError as error:
                if error.category not in LOOKED_FOR_IN_VAIN:
                    self.unread.append(error)
                answer = error
            self._answers[key] = answer
        if isinstance(answer, AwsError):
            raise answer
        return answer

    def _write(self, target: Target, parameters: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.imagined.write(target, parameters)
        call = Call(
            account=target.account,
            region=target.region,
            service=target.service,
            operation=target.operation,
            about=next((str(parameters[name]) for name in _ABOUT if name in parameters), ""),
        )
        self.calls.append(call)
        gathered = _gathered.get()
        if gathered is not None:
            gathered.append(call)
        return answer
