"""How every call to AWS is made: token bucket → circuit breaker → thread → classified error."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tenant_operator.aws import undertaking
from tenant_operator.aws.breaker import Breaker
from tenant_operator.aws.budgets import BudgetExhausted, Budgets, Priority
from tenant_operator.aws.errors import NOT_SIMULATED, REJECTED_CREDENTIALS, AwsError, Category, classify
from tenant_operator.aws.limits import (
    CALL_WAIT_SECONDS,
    LONG_POLLS,
    MAX_THREADS,
    READ_ATTEMPTS,
    RESYNC_THREADS_PER_ACCOUNT,
    RETRY_PAUSE_SECONDS,
    THREADS_PER_ACCOUNT,
)
from tenant_operator.aws.own_writes import OwnWrites
from tenant_operator.aws.sessions import Session

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """Where one call goes, what it is and who it is for."""

    account: str
    region: str
    service: str
    operation: str
    priority: Priority

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing, so that it may be repeated blindly."""
        return self.operation.startswith(("describe_", "list_", "get_"))

    @property
    def waits(self) -> bool:
        """Whether the call may take long because it waits for something to come."""
        return self.operation in LONG_POLLS

    @property
    def place(self) -> tuple[str, str, str]:
        """What breaks together."""
        return (self.account, self.region, self.service)

    def error(self, code: str, message: str, category: Category) -> AwsError:
        """An error of our own about this call."""
        return AwsError(
            service=self.service,
            operation=self.operation,
            code=code,
            message=message,
            category=category,
            account=self.account,
            region=self.region,
        )


@dataclass
class _Slots:
    """How many threads one account may hold."""

    every: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(THREADS_PER_ACCOUNT))
    sweeps: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RESYNC_THREADS_PER_ACCOUNT))

    async def take(self, priority: Priority) -> None:
        if priority is Priority.RESYNC:
            await self.sweeps.acquire()
        try:
            await self.every.acquire()
        except BaseException:
            if priority is Priority.RESYNC:
                self.sweeps.release()
            raise

    def release(self, priority: Priority) -> None:
        self.every.release()
        if priority is Priority.RESYNC:
            self.sweeps.release()


class Transport:
    """The one way out to AWS, for all accounts: budgets, breakers and threads. Belongs to one event loop.

    Arguments:
        permit: gives for a call what its thread asks right before it sends; that raises AwsError where it must not.
    """

    def __init__(
        self,
        budgets: Budgets | None = None,
        clock: Callable[[], float] = time.monotonic,
        permit: Callable[[Target], Callable[[], None]] | None = None,
    ) -> None:
        self.budgets = budgets or Budgets(clock)
        self._clock = clock
        self._permit = permit
        self._breakers: defaultdict[tuple[str, str, str], Breaker] = defaultdict(Breaker)
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="aws")
        self._slots: defaultdict[str, _Slots] = defaultdict(_Slots)
        self.own_writes = OwnWrites()

    def close(self) -> None:
        """Take no more calls; those under way come to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def broken(self) -> list[tuple[str, str, str]]:
        """The (account, Region, service) whose circuit breaker is open."""
        return sorted(place for place, breaker in self._breakers.items() if breaker.open)

    async def send(self, session: Session, target: Target, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Make one call; see `Caller.__call__`."""
        if not target.reads:
            undertaking.commit()
        permit = None if self._permit is None else self._permit(target)
        work = partial(session.call, target.service, target.region, target.operation, parameters, permit)
        give_up_at = self._clock() + CALL_WAIT_SECONDS
        failures: Counter[str] = Counter()
        while True:
            self._refuse_if_broken(target)
            await self._token(target, give_up_at - self._clock())
            try:
                return await self._attempt(target, work)
            except AwsError as error:
                failures[error.category] += 1
                if error.category is Category.THROTTLED:
                    self.budgets.throttled(*target.place, target.operation)
                elif error.code in REJECTED_CREDENTIALS and failures[error.category] == 1 and session.renew():
                    logger.info("the credentials for account %s are renewed: %s", target.account, error.code)
                elif target.reads and _passing(error) and failures[error.category] < READ_ATTEMPTS:
                    await asyncio.sleep(RETRY_PAUSE_SECONDS)
                else:
                    raise

    async def in_thread(self, account: str, priority: Priority, work: Callable[[], T]) -> T:
        """Run something that blocks in one of the account's threads.

        The thread counts as taken until the work has ended, even if whoever waited for it was cancelled.
        """
        slots = self._slots[account]
        await slots.take(priority)
        loop = asyncio.get_running_loop()
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: _soon(loop, partial(slots.release, priority)))
        return await asyncio.wrap_future(future)

    async def _token(self, target: Target, patience: float) -> None:
        try:
            await self.budgets.acquire(
                *target.place, target.operation, target.priority, patience=max(0.0, patience)
            )
        except BudgetExhausted as exhausted:
            raise target.error("BudgetExhausted", str(exhausted), Category.THROTTLED) from None

    def _refuse_if_broken(self, target: Target) -> None:
        pause = self._breakers[target.place].remaining(self._clock())
        if pause > 0:
            message = f"nothing has answered for a while; the next try is in {pause:.0f} s"
            raise target.error("CircuitOpen", message, Category.OUTAGE)

    async def _attempt(self, target: Target, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._refuse_if_broken(target)
        breaker = self._breakers[target.place]
        breaker.begin(self._clock())
        outcome = "cancelled"
        begun = self._clock()
        try:
            if target.waits:
                answer = await _apart(work)
            else:
                answer = await self.in_thread(target.account, target.priority, work)
        except (ClientError, BotoCoreError, ResponseParserError, AwsError) as exc:
            error = classify(exc, target.service, target.operation, target.account, target.region)
            outcome = error.category.value
            if _passing(error):
                breaker.failed(self._clock())
            else:
                breaker.answered()
            raise error from exc
        except BaseException:
            breaker.abandoned()
            raise
        else:
            outcome = "ok"
            breaker.answered()
            if not target.reads and not target.waits:
                self.own_writes.note(answer)
            return answer
        finally:
            self.budgets.record(*target.place, target.operation, outcome)
            logger.debug(
                "%s %s in %s %s: %s, %.0f ms",
                target.service, target.operation, target.account, target.region, outcome,
                (self._clock() - begun) * 1000,
            )  # fmt: skip


def _passing(error: AwsError) -> bool:
    """Whether it is an outage that may pass; a call that the simulated AWS lacks does not come by waiting."""
    return error.category is Category.OUTAGE and error.code != NOT_SIMULATED


async def _apart(work: Callable[[], T]) -> T:
    """Run something that blocks for long in a thread of its own, which nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no error

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            _soon(loop, partial(settle, None, error))
        else:
            _soon(loop, partial(settle, result, None))

    threading.Thread(target=run, name="aws-waiting", daemon=True).start()
    return await future


def _soon(loop: asyncio.AbstractEventLoop, release: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(release)
    except RuntimeError:
        logger.debug("a call ended after the event loop did")


@dataclass(frozen=True, eq=False)
class Caller:
    """Makes calls to one account and Region, for one priority."""

    account: str
    """12 digits"""
    region: str
    partition: str
    """aws, aws-cn or aws-us-gov"""
    priority: Priority
    session: Session
    transport: Transport

    async def __call__(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call AWS once there is a token for it.

        A throttle answer empties the bucket, and the call waits for its next token. Reads that met an outage are
        repeated once; writes are not, because their answer may have been lost after they took effect. Where AWS no
        longer takes a role's credentials (the role was made anew), they are renewed once.

        Args:
            service: boto3's name, such as `elbv2`.
            operation: boto3's name of the method, such as `create_rule`.
            parameters: as boto3 takes them.

        Raises:
            AwsError: classified; THROTTLED only after `CALL_WAIT_SECONDS`.
        """
        return await self.transport.send(self.session, self._target(service, operation), parameters)

    async def pages(self, service: str, operation: str, result_key: str, /, **parameters: Any) -> list[Any]:
        """All elements of a paged answer; each page takes a token.

        Args:
            service: as above.
            operation: as above.
            result_key: the field of the answer that holds the list.
            parameters: as boto3 takes them, the page size among them.

        Raises:
            AwsError: as above; what earlier pages held is lost.
        """
        pagination = await self.transport.in_thread(
            self.account,
            self.priority,
            partial(self.session.pagination, service, self.region, operation),
        )
        found: list[Any] = []
        more: dict[str, Any] | None = {}
        while more is not None:
            answer = await self(service, operation, **{**parameters, **more})
            found.extend(answer.get(result_key) or ())
            more = pagination.next(answer)
        return found

    def at(self, priority: Priority) -> Caller:
        """The same with another priority."""
        return replace(self, priority=priority)

    def in_region(self, region: str) -> Caller:
        """The same for another Region."""
        return replace(self, region=region)

    def error(self, service: str, operation: str, code: str, message: str, category: Category) -> AwsError:
        """An error of our own about a call, such as `ForeignOwner`."""
        return self._target(service, operation).error(code, message, category)

    def _target(self, service: str, operation: str) -> Target:
        return Target(self.account, self.region, service, operation, self.priority)
