"""One hosted zone's single writer: gathers what is submitted, sends it in batches, and says when it is in force.

Route 53 takes one change of a zone at a time and limits an account to few requests, so what comes within a moment
goes out as one request. A request is all or nothing: when one is refused, its halves are tried, until each submission
that is to blame stands alone. What stands alone is looked at anew, because the usual cause is that the zone is not as
it was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.aws import record_changes, records
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.record_changes import RecordChange
from tenant_operator.desired.resources import Live

REFUSED = frozenset({"InvalidChangeBatch", "InvalidInput"})
"""Codes that speak about what is in the batch, and not about the zone, the permissions or the rate."""

BUSY = "PriorRequestNotComplete"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The lane's times, in seconds."""

    idle: float = 0.1
    """After so long without another submission a batch is sent: a tenant's own records come together."""
    longest: float = 1.0
    """A batch is sent after so long in any case: nobody waits for a stream of others to end."""
    busy_first: float = 1.0
    busy_longest: float = 8.0
    """Pauses while Route 53 still works on the change before; they double from the first to the longest."""
    busy_total: float = 180.0
    """Then the batch is given up: another writer keeps the zone busy."""
    sync_first: float = 2.0
    sync_longest: float = 10.0
    """Pauses between looks whether a change is in force everywhere, which takes up to 60 s in general."""
    sync_total: float = 300.0
    """Then whoever waits is told to come again."""


PACE = Pace()


@dataclass(eq=False)
class _Submission:
    """Changes that belong together, and who waits for them."""

    changes: Sequence[RecordChange]
    done: asyncio.Future[tuple[Live, ...]]
    lives: tuple[Live, ...] = ()

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(self.lives)


@dataclass
class RecordLane:
    """The one writer of a hosted zone. It belongs to the event loop, and works only while something is submitted."""

    caller: Caller
    zone: str
    pace: Pace = PACE
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    _waiting: list[_Submission] = field(default_factory=list, init=False)
    _worker: asyncio.Task[None] | None = field(default=None, init=False)
    _watchers: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def submit(self, changes: Sequence[RecordChange]) -> tuple[Live, ...]:
        """Make the changes, all or none, and wait until every name server of Route 53 answers accordingly.

        Returns:
            The records that were asked for, as they are now; deleted ones are left out.

        Raises:
            AwsError: CONFLICT when another kind of record has a name; RETRY when it takes AWS unusually long: the
                changes may be in force or not, so read again; otherwise as AWS refused.
            ValueError: the changes are too many for one request.
        """
        if not changes:
            return ()
        if not record_changes.fits(changes):
            raise ValueError(
                f"{len(changes)} record changes do not fit one request to Route 53; submit at most "
                f"{record_changes.MAX_ELEMENTS // 2} at a time"
            )
        if len({change.key for change in changes}) < len(changes):
            raise ValueError(
                "two changes of one record cannot be made at once; submit only the one that is meant"
            )
        done: asyncio.Future[tuple[Live, ...]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(changes=tuple(changes), done=done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())
        return await done

    async def close(self) -> None:
        """Stop at once: whoever still waits is cancelled. What was sent stays sent."""
        tasks = [task for task in (self._worker, *self._watchers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for submission in self._waiting:
            submission.done.cancel()

    # --- sending ----------------------------------------------------------------------------------

    async def _work(self) -> None:
        while self._waiting:
            await self._gather()
            taken, self._waiting = self._waiting, []
            wanted = [submission for submission in taken if not submission.done.done()]
            for batch in record_changes.batches(wanted):
                await self._guarded(batch, self._send(batch))

    async def _gather(self) -> None:
        """Wait until nothing has come for a moment, or for as long as anyone should wait."""
        waited = 0.0
        while waited < self.pace.longest:
            before = len(self._waiting)
            await self.sleep(self.pace.idle)
            waited += self.pace.idle
            if len(self._waiting) == before:
                return

    async def _send(self, batch: list[_Submission]) -> None:
        """Send a batch; when it is refused for what is in it, send its halves; a refused single is looked at anew."""
        try:
            await self._change(batch, [submission.changes for submission in batch])
        except AwsError as error:
            if error.code not in REFUSED:
                _fail(batch, error)
            elif len(batch) > 1:
                for half in record_changes.halves(batch):
                    await self._send(half)
            else:
                await self._reconsider(batch[0], error)

    async def _reconsider(self, submission: _Submission, error: AwsError) -> None:
        """Read the names again, work out what is left to do, and try once more."""
        try:
            left = await self._as_it_is_now(submission.changes)
        except AwsError as found:
            submission.fail(found)
            return
        unchanged = [change.to_api() for change in left] == [change.to_api() for change in submission.changes]
        if unchanged:
            submission.fail(error)
            return
        try:
            await self._change([submission], [left])
        except AwsError as again:
            submission.fail(again)

    async def _as_it_is_now(self, changes: Sequence[RecordChange]) -> list[RecordChange]:
        """The changes that are left, given what the zone holds now.

        Raises:
            AwsError: CONFLICT when a record that cannot stand beside a weighted one has a name.
        """
        left: list[RecordChange] = []
        shown: dict[str, list[dict[str, Any]]] = {}
        for change in changes:
            name, identifier = change.key
            if name not in shown:
                shown[name] = await records.read_name(self.caller, self.zone, name)
            found = [
                record_set for record_set in shown[name] if record_set.get("SetIdentifier") == identifier
            ]
            live = records.live_record(self.caller.account, self.zone, found[0]) if found else None
            if change.desired is not None:
                self._refuse_occupied(name, shown[name])
            if change.desired != (None if live is None else live.spec):
                left.append(RecordChange(desired=change.desired, live=live))
        return left

    def _refuse_occupied(self, name: str, record_sets: Sequence[dict[str, Any]]) -> None:
        other = next((found for found in record_sets if found["Type"] != "A" or "Weight" not in found), None)
        if other is None:
            return
        kind = "simple" if "SetIdentifier" not in other else "differently routed"
        message = (
            f"hosted zone {self.zone} has a {kind} {other['Type']} record for {name}, which no weighted record can "
            "stand beside; remove that record, or choose another name"
        )
        raise self.caller.error(
            "route53", "change_resource_record_sets", "InvalidChangeBatch", message, Category.CONFLICT
        )

    async def _change(self, batch: list[_Submission], changes: Sequence[Sequence[RecordChange]]) -> None:
        """One request for a batch; its submitters are woken when it is in force."""
        wanted = [change for part in changes for change in part]
        for submission in batch:
            submission.lives = tuple(
                self._after(change) for change in submission.changes if change.desired is not None
            )
        if not wanted:
            for submission in batch:
                submission.finish()
            return
        answer = await self._when_free({"Changes": [change.to_api() for change in wanted]})
        self._watch(batch, answer["ChangeInfo"])

    async def _when_free(self, change_batch: dict[str, Any]) -> dict[str, Any]:
        """Send a request, again and again while Route 53 still works on the one before."""
        pause, waited = self.pace.busy_first, 0.0
        while True:
            try:
                return await self.caller(
                    "route53", "change_resource_record_sets", HostedZoneId=self.zone, ChangeBatch=change_batch
                )
            except AwsError as error:
                if error.code != BUSY or waited >= self.pace.busy_total:
                    raise
            await self.sleep(pause)
            waited += pause
            pause = min(2 * pause, self.pace.busy_longest)

    def _after(self, change: RecordChange) -> Live:
        """The record as it is once the change is made."""
        record_set = records.to_api(change.record)
        return records.live_record(self.caller.account, self.zone, record_set)

    # --- coming into force ------------------------------------------------------------------------

    def _watch(self, batch: list[_Submission], info: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._guarded(batch, self._until_in_force(batch, info)))
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _until_in_force(self, batch: list[_Submission], info: dict[str, Any]) -> None:
        pause, waited = self.pace.sync_first, 0.0
        while info["Status"] != "INSYNC":
            if waited >= self.pace.sync_total:
                _fail(batch, self._overdue(waited))
                return
            await self.sleep(pause)
            waited += pause
            pause = min(2 * pause, self.pace.sync_longest)
            info = await self._status(info)
        for submission in batch:
            submission.finish()

    async def _status(self, info: dict[str, Any]) -> dict[str, Any]:
        """The change's state. A look that fails says nothing about the change: the state before it stays."""
        try:
            answer = await self.caller("route53", "get_change", Id=info["Id"].rsplit("/", 1)[-1])
        except AwsError as error:
            if error.category in (Category.ACCESS, Category.SPEC):
                raise
            return {**info, "Status": "INSYNC"} if error.category is Category.NOT_FOUND else info
        return dict(answer["ChangeInfo"])

    def _overdue(self, waited: float) -> AwsError:
        message = f"a change in hosted zone {self.zone} is not in force everywhere after {waited:.0f} seconds"
        return self.caller.error("route53", "get_change", "ChangePending", message, Category.RETRY)

    async def _guarded(self, batch: list[_Submission], work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong, nobody is left waiting."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # handed on to everybody who waits for it
            _fail(batch, error)
        except asyncio.CancelledError:
            for submission in batch:
                submission.done.cancel()
            raise


def _fail(batch: Sequence[_Submission], error: BaseException) -> None:
    for submission in batch:
        submission.fail(error)
