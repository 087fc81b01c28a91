"""The AWS side of a dry run: the engine's own, with views that imagine, and with a note of every action."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tenant_operator.aws.accounts import Accounts
from tenant_operator.aws.budgets import Budgets
from tenant_operator.aws.dry_run.transport import Call, DryRunTransport, gathering
from tenant_operator.desired.resources import Address, Live, Resource, VpcEndpoint, World
from tenant_operator.engine.clouds import Clouds, Site, Zone
from tenant_operator.engine.dry_run.clock import ImaginedClock
from tenant_operator.engine.dry_run.journal import Journal
from tenant_operator.engine.dry_run.view import ImaginedView
from tenant_operator.engine.executor import Executor, Outcome
from tenant_operator.engine.settings import Settings
from tenant_operator.plan.change import Action, Plan, Verb


@dataclass
class NotingExecutor(Executor):
    """Carries plans out as always, over a transport that sends no writes, and notes them."""

    journal: Journal = field(default_factory=Journal)
    clock: ImaginedClock | None = None
    _calls: defaultdict[Address, list[Call]] = field(default_factory=lambda: defaultdict(list))

    async def apply(self, plan: Plan) -> Outcome:
        """As always; what would have been done is noted."""
        self._calls.clear()
        outcome = await super().apply(plan)
        done = {action.address for action in outcome.done}
        self.journal.plan(
            [
                (action, self._calls.get(action.address, ()), self._made(action))
                for action in plan.actions
                if action.address in done
            ],
            self.clock.passed if self.clock else 0.0,
        )
        return outcome

    def _made(self, action: Action) -> Live | None:
        if action.verb is Verb.DELETE:
            return None
        return self.definitions.get(action.address) or self.view.lives.get(action.address)

    async def _run(
        self, action: Action, finished: Mapping[Address, asyncio.Future[bool]], outcome: Outcome
    ) -> None:
        with gathering(self._calls[action.address]):
            await super()._run(action, finished, outcome)

    async def _delete_endpoints(self, plan: Plan) -> None:
        """One call for all of them: it is noted with the first."""
        first = next(
            a for a in plan.actions if a.verb is Verb.DELETE and a.address.type == VpcEndpoint.__name__
        )
        with gathering(self._calls[first.address]):
            await super()._delete_endpoints(plan)


class DryRunClouds(Clouds):
    """Everything that would talk to AWS."""

    def __init__(self, settings: Settings, clock: ImaginedClock, journal: Journal) -> None:
        self.transport = DryRunTransport(Budgets(scale=settings.api_rate))
        super().__init__(
            installation=settings.installation, accounts=Accounts(transport=self.transport), clock=clock
        )
        self._imagined_clock = clock
        self._journal = journal

    def new_view(self) -> ImaginedView:
        """A view that asks AWS once."""
        return ImaginedView(
            installation=self.installation, clock=self.clock, made=self.transport.imagined.made
        )

    def executor(self, site: Site, definitions: dict[Address, Live] | None = None) -> NotingExecutor:
        """Who would carry plans out at a site."""
        return NotingExecutor(
            caller=site.caller,
            view=site.view,
            lanes=self.lanes,
            definitions={} if definitions is None else definitions,
            journal=self._journal,
            clock=self._imagined_clock,
        )

    async def apply_records(
        self,
        zone: Zone,
        desired: Iterable[Resource],
        removals: Iterable[Live],
        world: Mapping[Address, Live],
        spare: Callable[[Plan, World], Awaitable[Plan]] | None = None,
    ) -> Plan:
        """As always; what would have been done is noted. One request may carry several objects' records."""
        calls: list[Call] = []
        with gathering(calls):
            todo = await super().apply_records(zone, desired, removals, world, spare)
        self._journal.plan(
            [
                (action, () if index else calls, zone.view.lives.get(action.address))
                for index, action in enumerate(todo.actions)
            ],
            self._imagined_clock.passed,
        )
        return todo
