"""Carrying a plan out: actions run as soon as what they need is done, each failure holds back only what needs it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field

from tenant_operator.aws import endpoints, writers
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.inventory import FAMILY_OF, Family
from tenant_operator.aws.snapshot import View
from tenant_operator.aws.task_definitions import register
from tenant_operator.desired.resources import (
    Address,
    Cluster,
    Listener,
    ListenerRule,
    Live,
    Ref,
    Resource,
    Service,
    TaskDefinition,
    VpcEndpoint,
    lookup_in,
    resolve,
)
from tenant_operator.engine.lanes import Lanes
from tenant_operator.plan.change import Action, FieldChange, Plan, Verb

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What came of a plan."""

    done: list[Action] = field(default_factory=list)
    failed: dict[Address, AwsError] = field(default_factory=dict)
    held_back: list[Action] = field(default_factory=list)

    @property
    def error(self) -> AwsError | None:
        """The failure to tell a person about: what they can mend comes before what mends itself."""
        order = (Category.ACCESS, Category.SPEC, Category.QUOTA, Category.EXISTS)
        ranked = sorted(
            self.failed.items(),
            key=lambda item: (
                order.index(item[1].category) if item[1].category in order else len(order),
                item[0],
            ),
        )
        return ranked[0][1] if ranked else None


@dataclass
class Executor:
    """Carries plans out in one account and Region, and keeps the view of it true."""

    caller: Caller
    view: View
    lanes: Lanes
    definitions: dict[Address, Live] = field(default_factory=dict)
    """Task definitions by family: they are the tenant's own and not part of the shared view."""
    _endpoints: asyncio.Future[None] | None = None

    async def apply(self, plan: Plan) -> Outcome:
        """Carry out every action that can be; AWS's refusals are gathered in the outcome, never raised."""
        outcome = Outcome()
        self._endpoints = (
            asyncio.ensure_future(self._delete_endpoints(plan)) if _deletes_endpoints(plan) else None
        )
        finished: dict[Address, asyncio.Future[bool]] = {}
        loop = asyncio.get_running_loop()
        for action in plan.actions:
            finished[action.address] = loop.create_future()
        await asyncio.gather(*(self._run(action, finished, outcome) for action in plan.actions))
        return outcome

    async def _delete_endpoints(self, plan: Plan) -> None:
        """All of a plan's endpoints in one call: AWS takes a list, and allows one call in three seconds."""
        gone = [
            a.live
            for a in plan.actions
            if a.verb is Verb.DELETE and a.live and isinstance(a.live.spec, VpcEndpoint)
        ]
        await endpoints.delete_endpoints(self.caller, gone)

    async def _run(
        self, action: Action, finished: Mapping[Address, asyncio.Future[bool]], outcome: Outcome
    ) -> None:
        mine = finished[action.address]
        try:
            before = [finished[address] for address in action.after if address in finished]
            if not all(await asyncio.gather(*before)):
                outcome.held_back.append(action)
                mine.set_result(False)
                return
            await self._do(action)
        except AwsError as error:
            outcome.failed[action.address] = error
            self._distrust(action, error)
            log.info("%s %s failed: %s", action.verb.value, action.address, error)
            mine.set_result(False)
        except _UnresolvedError:
            outcome.held_back.append(action)
            mine.set_result(False)
        else:
            outcome.done.append(action)
            mine.set_result(True)
        finally:
            if not mine.done():
                mine.set_result(False)

    async def _do(self, action: Action) -> None:
        if action.verb is Verb.DELETE:
            assert action.live is not None
            await self._delete(action.live)
            return
        assert action.desired is not None
        resource = self._resolved(action.desired)
        if action.verb is Verb.CREATE:
            live = await self._create(resource)
        else:
            assert action.live is not None
            live = await self._update(action, resource)
        self._put(live)
        log.info("%sd %s%s", action.verb.value, action.address, _fields(action))

    async def _create(self, resource: Resource) -> Live:
        if isinstance(resource.spec, ListenerRule):
            return await self.lanes.create_rule(self.caller, self.view, resource, self._front_of(resource))
        if isinstance(resource.spec, TaskDefinition):
            cluster = dataclasses.replace(resource.address, type=Cluster.__name__)
            return await register(self.caller, resource, maybe_registered=not self.view.made_here(cluster))
        return await writers.create(self.caller, resource)

    def _front_of(self, resource: Resource) -> int | None:
        """The priority of the tenant's own rule, behind which its standby rule stands."""
        front = dataclasses.replace(resource.address, name=resource.address.name.removesuffix("-standby"))
        live = self.view.lives.get(front)
        return None if live is None else int(live.attributes["priority"])

    async def _update(self, action: Action, resource: Resource) -> Live:
        assert action.live is not None
        current = self._current(action.live)
        if isinstance(resource.spec, TaskDefinition) and any(
            change.field != "tags" for change in action.changes
        ):
            return await register(self.caller, resource, maybe_registered=True)
        lane = (
            self.lanes.listener(resource.spec.listener) if isinstance(resource.spec, ListenerRule) else None
        )
        if lane is None:
            return await writers.update(
                self.caller, resource, current, self._resolved_changes(action, resource)
            )
        async with lane:
            return await writers.update(
                self.caller, resource, current, self._resolved_changes(action, resource)
            )

    async def _delete(self, live: Live) -> None:
        if isinstance(live.spec, ListenerRule):
            async with self.lanes.listener(live.spec.listener):
                await writers.delete(self.caller, live)
        elif isinstance(live.spec, VpcEndpoint) and self._endpoints is not None:
            await asyncio.shield(self._endpoints)
        else:
            await writers.delete(self.caller, live)
        if live.address.type == TaskDefinition.__name__:
            self.definitions.pop(live.address, None)
        elif live.address.type == Service.__name__:
            state = dataclasses.replace(live.attributes["state"], status="DRAINING")
            self.view.annotate(live.address, state=state)
        else:
            self.view.remove(live.address)
        log.info("deleted %s", live.address)

    def _put(self, live: Live) -> None:
        if live.address.type == TaskDefinition.__name__:
            self.definitions[live.address] = live
        else:
            self.view.put(live)

    def _current(self, live: Live) -> Live:
        return self.view.lives.get(live.address, live)

    def _resolved(self, resource: Resource) -> Resource:
        spec = resolve(resource.spec, lookup_in(ChainMap(self.definitions, self.view.lives)))
        missing = next(spec.refs(), None)
        if missing is not None:
            raise _UnresolvedError(missing)
        return dataclasses.replace(resource, spec=spec)

    @staticmethod
    def _resolved_changes(action: Action, resource: Resource) -> tuple[FieldChange, ...]:
        """The changes with the ids that are known now; one that has become none is left out."""
        found = []
        for change in action.changes:
            if change.field == "tags":
                found.append(change)
                continue
            new = getattr(resource.spec, change.field)
            if new != change.old:
                found.append(dataclasses.replace(change, new=new))
        return tuple(found)

    def _distrust(self, action: Action, error: AwsError) -> None:
        """What AWS says shows that our picture is old: the next visit reads again."""
        if error.category not in (Category.NOT_FOUND, Category.EXISTS, Category.CONFLICT, Category.IN_USE):
            return
        for address in (action.address, *action.after):
            family = FAMILY_OF.get(address.type)
            if family in (Family.RULES, Family.SERVICES):
                live = self.view.lives.get(address)
                if live is not None:
                    self.view.forget_reading_of(live)
            elif family is not None:
                self.view.forget(family.value)
        if action.address.type in (ListenerRule.__name__, Listener.__name__):
            self.view.forget_rules()


def _deletes_endpoints(plan: Plan) -> bool:
    return any(a.verb is Verb.DELETE and a.address.type == VpcEndpoint.__name__ for a in plan.actions)


class _UnresolvedError(Exception):
    """What an action refers to is not there, though nothing that would make it has failed."""

    def __init__(self, ref: Ref) -> None:
        super().__init__(str(ref))


def _fields(action: Action) -> str:
    """The names of the changed fields: values may be secrets."""
    return f" ({', '.join(change.field for change in action.changes)})" if action.changes else ""
