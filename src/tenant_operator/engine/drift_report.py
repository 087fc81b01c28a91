"""`drift: Report`: leaving alone what somebody else has changed, and telling it from what the spec has changed.

The status holds two fingerprints for each AWS resource: of what was wanted of it, and of what the operator left there.

| it is as it was left | the wish is the same | then                                                            |
|----------------------|----------------------|-----------------------------------------------------------------|
| yes                  | yes or no            | the operator's own way: it is brought on                         |
| no, or it is gone    | yes                  | drift: it is said, and left so                                   |
| no                   | no                   | the spec has changed it: it is brought to the spec               |
| gone                 | no                   | drift: what was taken away stays away (but for task definitions) |

While something has drifted and no wish has changed, nothing else is done there either: the way to the goal leads past
what drifted. Before a resource is touched its fingerprints are taken out of the status, so that after a crash in the
middle the operator does not mistake its own half of the work for drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tenant_operator.desired.resources import (
    Address,
    Live,
    Resource,
    TaskDefinition,
    World,
    lookup_in,
    resolve,
)
from tenant_operator.plan.change import Action, Plan, Verb
from tenant_operator.plan.fingerprint import Names, names_in, of_state, of_wish

MAX_EVENTS = 10
"""Events about new findings in one visit; the condition names the rest."""


@dataclass
class DriftReport:
    """What one visit finds, and the fingerprints as they are after it."""

    fingerprints: dict[str, str]
    """By resource: its type and name."""
    worked: bool = False
    """Whether anything was done for the spec's sake."""
    _findings: dict[str, dict[Address, Action]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    @property
    def findings(self) -> dict[Address, Action]:
        """What would be done about drift, and is not, by address."""
        return {address: action for found in self._findings.values() for address, action in found.items()}

    def without_drift(self, todo: Plan, goals: Iterable[Resource], world: World, scope: str = "") -> Plan:
        """The plan without what is left alone because of drift.

        Args:
            todo: What is to be done.
            goals: What each resource should be in the end.
            world: What there is.
            scope: Tells apart the parts of one visit that are planned by themselves; a later plan of a part replaces what
                an earlier one has found there.
        """
        wanted = {resource.address: resource for resource in goals}
        names = names_in(world)
        self._seen.update(_name(address) for address in (*wanted, *world))
        found = self._findings[scope] = {
            action.address: action for action in todo.actions if self._is_drift(action, wanted, world, names)
        }
        if found and not self._edited(wanted, names):
            return replace(todo, actions=())
        kept = tuple(action for action in todo.actions if action.address not in found)
        self.worked = self.worked or bool(kept)
        return replace(todo, actions=kept)

    def missing(self, kinds: frozenset[str] = frozenset()) -> list[str]:
        """What was taken away and is left so, in words; of some types only, where any are given."""
        found = (a for a, action in sorted(self.findings.items()) if action.live is None)
        return [_name(address) for address in found if not kinds or address.type in kinds]

    def about_to_touch(self, todo: Plan) -> set[str]:
        """The resources whose fingerprints must be out of the status before a plan is carried out."""
        return {name for action in todo.actions if (name := _name(action.address)) in self.fingerprints}

    def forget(self, names: Iterable[str]) -> None:
        """Take fingerprints out."""
        for name in names:
            self.fingerprints.pop(name, None)

    def note(
        self,
        goals: Iterable[Resource],
        todo: Plan,
        done: Iterable[Action],
        world: World,
        *,
        settled: bool,
    ) -> None:
        """Take down how things are left.

        Args:
            goals: What each resource should be in the end.
            todo: What was to be done, drift left out.
            done: What was done of it.
            world: What there is now.
            settled: Whether the goals are reached, but for what drifted.
        """
        wanted = {resource.address: resource for resource in goals}
        names = names_in(world)
        touched = {action.address for action in todo.actions} | {r.address for r in todo.refusals}
        for action in done:
            self.fingerprints.pop(_name(action.address), None)
            if action.desired is not None:
                spec = resolve(action.desired.spec, lookup_in(world))
                wish = wanted.get(action.address, action.desired)
                self.fingerprints[_name(action.address)] = (
                    f"{of_wish(wish, wanted, names)}.{of_state(spec, names)}"
                )
        if not settled:
            return
        for address in wanted.keys() & world.keys() - touched - self.findings.keys():
            self.fingerprints[_name(address)] = (
                f"{of_wish(wanted[address], wanted, names)}.{of_state(world[address].spec, names)}"
            )

    def prune(self) -> None:
        """Forget what is neither wanted nor there any more; only after a visit that looked at everything."""
        self.fingerprints = {name: value for name, value in self.fingerprints.items() if name in self._seen}

    def _is_drift(
        self, action: Action, wanted: Mapping[Address, Resource], world: World, names: Names
    ) -> bool:
        left = self.fingerprints.get(_name(action.address))
        if left is None or action.desired is None:
            return False
        wish, _, state = left.partition(".")
        same_wish = wish == of_wish(wanted.get(action.address, action.desired), wanted, names)
        live = world.get(action.address)
        if live is None:
            return same_wish or not isinstance(action.desired.spec, TaskDefinition)
        if state == of_state(live.spec, names):
            return same_wish and _only_tags(action, live)
        return same_wish

    def _edited(self, wanted: Mapping[Address, Resource], names: Names) -> bool:
        """Whether the spec wants something that it did not want when things were last noted."""
        return any(
            self.fingerprints.get(_name(address), "").partition(".")[0] != of_wish(resource, wanted, names)
            for address, resource in wanted.items()
        )


def _only_tags(action: Action, live: Live) -> bool:
    return (
        action.verb is Verb.UPDATE
        and [change.field for change in action.changes] == ["tags"]
        and bool(live.tags)
    )


def newly_found(known: frozenset[str] | None, findings: Iterable[str], before: str) -> list[str]:
    """The findings that nobody was told of yet.

    Args:
        known: Those of the last visit; None in a new process, where the status's message `before` must do.
        findings: Those of this visit.
        before: The message of the condition as it was.
    """
    return [said for said in findings if (said not in before if known is None else said not in known)]


def _name(address: Address) -> str:
    return f"{address.type} {address.name}"
