"""Telling repairs from progress: an action mends something when what it found was not as this operator had left it."""

from __future__ import annotations

from collections.abc import Iterable

from tenant_operator.desired.resources import Address, Resource, World
from tenant_operator.plan.change import Action, Plan, Verb
from tenant_operator.plan.diff import field_changes

Left = dict[Address, Resource]
"""How things were left: what was wanted of each resource when it was last known to be so."""


def repairs(
    left: Left, desired: Iterable[Resource], todo: Plan, done: Iterable[Action], world: World
) -> tuple[Action, ...]:
    """Those of the actions done that undid what somebody else had changed or taken away.

    Args:
        left: How things were left before; brought up to date.
        desired: What was wanted.
        todo: The plan that came of it.
        done: The plan's actions that succeeded.
        world: What there was when the plan was made.
    """
    done = tuple(done)
    mended = tuple(action for action in done if _was_spoilt(left.get(action.address), action, world))
    touched = {action.address for action in todo.actions} | {refusal.address for refusal in todo.refusals}
    left.update({resource.address: resource for resource in desired if resource.address not in touched})
    for action in done:
        if action.desired is None:
            left.pop(action.address, None)
        else:
            left[action.address] = action.desired
    return mended


def _was_spoilt(resource: Resource | None, action: Action, world: World) -> bool:
    if resource is None or action.verb is Verb.DELETE:
        return False
    return action.live is None or bool(field_changes(resource, action.live, world))
