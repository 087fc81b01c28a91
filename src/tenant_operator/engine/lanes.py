"""One writer per shared thing: a listener's rules have one lane each, and so have a hosted zone's records."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from tenant_operator.aws import rules
from tenant_operator.aws.budgets import Priority
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.dns import RecordLane
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import Id, ListenerRule, Live, Resource

PRIORITY_ATTEMPTS = 5
"""How often a priority that somebody else took meanwhile is replaced by another free one in one go."""


@dataclass
class Lanes:
    """The lanes of this process."""

    _listeners: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _zones: dict[tuple[str, str], RecordLane] = field(default_factory=dict)

    def listener(self, arn: Id) -> asyncio.Lock:
        """The lane of one listener's rules."""
        return self._listeners[str(arn)]

    def zone(self, caller: Caller, zone: str) -> RecordLane:
        """The lane of one hosted zone's records."""
        lane = self._zones.get((caller.account, zone))
        if lane is None:
            lane = self._zones[(caller.account, zone)] = RecordLane(caller.at(Priority.EDIT), zone)
        return lane

    async def create_rule(
        self, caller: Caller, view: View, resource: Resource, behind: int | None = None
    ) -> Live:
        """Make a rule at a free priority, which it keeps for life; with `behind` at one after that priority.

        Raises:
            AwsError: AWS refused, or every priority that we tried was taken by somebody else meanwhile.
        """
        spec = resource.spec
        assert isinstance(spec, ListenerRule)
        async with self.listener(spec.listener):
            for attempt in range(PRIORITY_ATTEMPTS):
                known = view.lives.get(resource.address)
                if known is not None:
                    return known
                taken = {live.attributes["priority"] for live in view.rules_of(str(spec.listener))}
                priority = rules.free_priority(taken, behind)
                try:
                    live = await rules.create_rule(caller, resource, priority)
                except AwsError as error:
                    if error.category is not Category.CONFLICT or attempt == PRIORITY_ATTEMPTS - 1:
                        raise
                    view.forget_rules()
                    await view.load_rules(caller, view.listeners_with(str(spec.listener)), max_age=0)
                else:
                    view.put(live)
                    return live
        raise AssertionError("the loop returns or raises")
