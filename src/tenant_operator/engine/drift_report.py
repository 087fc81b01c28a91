"""`drift: Report`: leaving alone what somebody else has changed, and telling it from what the spec has changed.

The status holds, for each AWS resource, the fingerprint of what it was last brought to. While that of what is wanted now
is the same, whatever differs in AWS is somebody else's doing: drift. Where it is another, the spec has changed, and the
resource is brought to it. Before a resource is touched its fingerprint is taken out of the status: after a crash in the
middle the operator does not mistake its own half of the work for drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tenant_operator.desired.resources import Address, Resource, TaskDefinition, World
from tenant_operator.plan.change import Action, Plan, Verb
from tenant_operator.plan.fingerprint import fingerprint

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

    def without_drift(self, todo: Plan, desired: Iterable[Resource], world: World, scope: str = "") -> Plan:
        """The plan without the actions that would only undo what somebody else did; those are the findings.

        `scope` tells apart the parts of one visit that are planned by themselves; a later plan of a part replaces what
        an earlier one has found there.
        """
        wanted = {resource.address: resource for resource in desired}
        self._seen.update(_name(address) for address in (*wanted, *world))
        kept = []
        found = self._findings[scope] = {}
        for action in todo.actions:
            if self._only_undoes(action, wanted, world):
                found[action.address] = action
            else:
                kept.append(action)
        self.worked = self.worked or bool(kept)
        return replace(todo, actions=tuple(kept))

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
        desired: Iterable[Resource],
        todo: Plan,
        done: Iterable[Action],
        world: World,
        *,
        settled: bool,
    ) -> None:
        """Take down how things are left.

        Args:
            desired: What was wanted.
            todo: What was to be done about it, drift left out.
            done: What was done of it.
            world: What there was before.
            settled: Whether `desired` is the end and not a step on the way to it: what agrees with a step may be
                somebody else's doing.
        """
        wanted = {resource.address: resource for resource in desired}
        touched = {action.address for action in todo.actions} | {r.address for r in todo.refusals}
        for action in done:
            name = _name(action.address)
            self.fingerprints.pop(name, None)
            if action.desired is not None:
                self.fingerprints[name] = fingerprint(action.desired, wanted, world)
        if not settled:
            return
        touched |= self.findings.keys()
        for address, resource in wanted.items():
            if address not in touched:
                self.fingerprints[_name(address)] = fingerprint(resource, wanted, world)

    def prune(self) -> None:
        """Forget what is neither wanted nor there any more; only after a visit that looked at everything."""
        self.fingerprints = {name: value for name, value in self.fingerprints.items() if name in self._seen}

    def _only_undoes(self, action: Action, wanted: Mapping[Address, Resource], world: World) -> bool:
        left = self.fingerprints.get(_name(action.address))
        if left is None or action.desired is None:
            return False
        if action.verb is Verb.CREATE and not isinstance(action.desired.spec, TaskDefinition):
            return True  # it was there, and this operator has not deleted it
        return left == fingerprint(action.desired, wanted, world)


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
