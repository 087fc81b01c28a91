"""Reading the drift feed: one long poll for each Region in which the operator's account has a queue.

A message is deleted only after the objects that it concerns are in the queue of visits; what is killed in between comes
again. Messages that cannot be read are left to SQS, which puts them aside after a few times. A queue that is gone is
made anew by the tiers that need it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tenant_operator.api import Cell
from tenant_operator.aws import drift_feed
from tenant_operator.aws.accounts import AccountRef
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.drift_events import DriftEvent, Unreadable, parse
from tenant_operator.aws.drift_feed import Message
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.inventory import FEED
from tenant_operator.desired import names
from tenant_operator.desired.resources import Address, Live, Queue
from tenant_operator.engine.cache import Key, Kind
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.drift_hints import DriftHints, Verdict
from tenant_operator.engine.settings import (
    FEED_FIRST_PAUSE_SECONDS,
    FEED_LAST_PAUSE_SECONDS,
    FEED_LOOK_SECONDS,
)

log = logging.getLogger(__name__)

GIVEN_BACK_SECONDS = 1
"""A message that is another process's is seen again so soon: rarely by the same one twice."""
CLOCK_SKEW_SECONDS = 60.0
"""How far SQS's clock may be from ours."""


class End(Enum):
    """What becomes of a message."""

    DONE = "deleted"
    LEFT = "comes again after its visibility time-out, and is put aside after a few times"
    ANOTHERS = "given back at once, for the process that it concerns"


@dataclass
class Feed:
    """Takes messages in and wakes whom they concern. Belongs to the event loop."""

    installation: str
    clouds: Clouds
    hints: DriftHints
    wake: Callable[[Iterable[Key], Priority], None]
    sweep: Callable[[], None]
    """Looks at everything: what happened while there was no queue was told to nobody."""
    holds: Callable[[Key], bool] = lambda _: True
    """Whether this process works on an object; where there are several, each on its own."""
    wall_clock: Callable[[], float] = time.time
    counts: Counter[str] = field(default_factory=Counter)
    """Messages by what became of them."""
    _turns: defaultdict[tuple[str, str], asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )
    _look: asyncio.Event = field(default_factory=asyncio.Event)
    _lost: set[Address] = field(default_factory=set)

    def turn(self, account: str, region: str) -> asyncio.Lock:
        """Whoever makes or takes down the feed's resources somewhere holds this."""
        return self._turns[(account, region)]

    def look_for_queues(self) -> None:
        """There may be queues to read that were not there before."""
        self._look.set()

    async def run(self) -> None:
        """Read every queue until cancelled."""
        started = self.wall_clock()
        readers: dict[Address, asyncio.Task[None]] = {}
        try:
            while True:
                for address in self._queues():
                    if address not in readers or readers[address].done():
                        readers[address] = asyncio.create_task(self._read(address, started))
                self._look.clear()
                try:
                    await asyncio.wait_for(self._look.wait(), FEED_LOOK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            for reader in readers.values():
                reader.cancel()

    def _queues(self) -> list[Address]:
        name = names.drift_feed(self.installation)
        return [
            address
            for (account, region), view in self.clouds.views().items()
            if (address := Address(account, region, Queue.__name__, name)) in view.lives
        ]

    # --- one queue --------------------------------------------------------------------------------

    async def _read(self, address: Address, started: float) -> None:
        """Read one queue until it is gone."""
        view, pause, well = self.clouds.view(address.account, address.region), 0.0, True
        log.info("listening for changes in %s", address.region)
        if address in self._lost:
            self._lost.discard(address)
            self.sweep()
        while (queue := view.lives.get(address)) is not None:
            try:
                caller = await self.clouds.accounts.caller(AccountRef(), address.region)
                await self._batch(caller, queue, started)
            except AwsError as error:
                if error.category is Category.NOT_FOUND:
                    self._gone(address)
                    return
                pause = min(FEED_LAST_PAUSE_SECONDS, max(FEED_FIRST_PAUSE_SECONDS, 2 * pause))
                (log.warning if well else log.debug)(
                    "changes in %s are noticed at the next sweep only, until the queue can be read: %s",
                    address.region,
                    error,
                )
                well = False
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            else:
                if not well:
                    log.info("listening for changes in %s again", address.region)
                pause, well = 0.0, True

    async def _batch(self, caller: Caller, queue: Live, started: float) -> None:
        messages = await drift_feed.receive(caller, queue)
        ends = [(message, self.take(message, started)) for message in messages]
        others = [message for message, end in ends if end is End.ANOTHERS]
        if others:
            await drift_feed.give_back(caller, queue, others, GIVEN_BACK_SECONDS)
        done = [message for message, end in ends if end is End.DONE]
        if done and (kept := await drift_feed.delete(caller, queue, done)):
            self.counts["kept by SQS"] += kept

    def _gone(self, address: Address) -> None:
        log.warning("queue %s is gone; it is made anew, and everything is looked at then", address.name)
        self._lost.add(address)
        view = self.clouds.view(address.account, address.region)
        view.distrust(view.lives[address])
        view.forget(FEED)
        self.wake([key for key in self.hints.cache if key.kind is Kind.TIER], Priority.EDIT)

    # --- one message ------------------------------------------------------------------------------

    def take(self, message: Message, started: float) -> End:
        """Deal with a message."""
        try:
            event = parse(message.body)
        except Unreadable as reason:
            self.counts["unreadable"] += 1
            log.warning(
                "message %s of the drift feed cannot be read and is left to SQS: %s", message.id, reason
            )
            return End.LEFT
        try:
            if self._is_anothers(event):
                self.counts["another's"] += 1
                return End.ANOTHERS
            if message.sent < started - CLOCK_SKEW_SECONDS:
                self.counts["older than the start"] += 1  # a start looks at everything that it holds
                return End.DONE
            verdict, keys = self.hints.take(event)
            if keys and not any(self.holds(key) for key in keys):
                self.hints.forget(event)
                self.counts["another's"] += 1
                return End.ANOTHERS
        except Exception:
            self.counts["failed"] += 1
            log.exception(
                "an event (%s %s) could not be dealt with; it comes again", event.source, event.name
            )
            return End.LEFT
        self.counts[verdict] += 1
        _tell(event, verdict, sorted(keys))
        self.wake(keys, Priority.EDIT)
        return End.DONE

    def _is_anothers(self, event: DriftEvent) -> bool:
        """Whether it happened where only another process of this installation knows what is there."""
        cells = [
            key
            for key in self.hints.cache.parents()
            if isinstance(cell := self.hints.cache.get(key), Cell) and cell.spec.account_id == event.account
        ]
        return bool(cells) and not any(self.holds(key) for key in cells)


def _tell(event: DriftEvent, verdict: Verdict, keys: Sequence[Key]) -> None:
    """Who did what, in names only: what was asked may be secret."""
    if verdict is not Verdict.WOKE:
        log.debug("%s %s in %s: %s", event.source, event.name or event.kind, event.account, verdict.value)
        return
    level = logging.INFO if event.is_call else logging.DEBUG
    who = f" by {event.principal or 'somebody'}" if event.is_call else ""
    some = ", ".join(map(str, keys[:5])) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
    log.log(
        level, "%s %s in %s%s concerns %s", event.source, event.name or event.kind, event.account, who, some
    )
