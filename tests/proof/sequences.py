"""Random sequences of what is done to a fleet, and shrinking one that fails to its shortest part that still does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.proof.fleet import (
    CELLS,
    OWN,
    SHARED,
    AddGroup,
    Change,
    DeleteGroup,
    DeleteTenant,
    Edit,
    EditAll,
    Fleet,
    Meddle,
    Onboard,
    Weigh,
    first_fleet,
)

NEW_NAMES = tuple(f"new-{number}" for number in range(1, 10))
PORTS = (8080, 9090)
HARMLESS = (
    "foreign-rule",
    "record-weight",
    "target-group-tags",
    "health-check",
    "idle-timeout",
    "more-tasks",
)
HURTING = ("delete-rule", "out-of-memory")


@dataclass(frozen=True)
class Step:
    """One change, and how it is gone on after it."""

    change: Change
    is_awaited: bool = True
    """Whether the fleet comes to rest before the next step; else the next one comes right away."""
    crash_after: int | None = None
    """The operator is killed after so many writes in AWS since the change, and started again; None: it is not."""


def random_sequence(seed: str, length: int) -> tuple[Step, ...]:
    """A sequence that begins with `first_fleet`; the same for the same seed."""
    chance = Random(seed)
    fleet, steps = first_fleet(), list[Step]()
    while len(steps) < length:
        change = _random_change(chance, fleet)
        if not change.fits(fleet):
            continue
        fleet = change.on(fleet)
        crash_after = chance.randint(1, 9) if chance.random() < 0.25 else None
        steps.append(Step(change, is_awaited=chance.random() < 0.4, crash_after=crash_after))
    return tuple(steps)


def that_fit(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that can be done one after the other, without those that some others are missing for."""
    fleet, kept = first_fleet(), []
    for step in steps:
        if step.change.fits(fleet):
            fleet = step.change.on(fleet)
            kept.append(step)
    return tuple(kept)


def fleet_after(steps: Sequence[Step]) -> Fleet:
    """What is declared at the end."""
    fleet = first_fleet()
    for step in steps:
        fleet = step.change.on(fleet)
    return fleet


def hurt_by(steps: Sequence[Step]) -> frozenset[str]:
    """The tenants that the steps strike on purpose."""
    return frozenset().union(*(step.change.hurts() for step in steps))


def shrunk(steps: Sequence[Step], fails: Callable[[tuple[Step, ...]], bool]) -> tuple[Step, ...]:
    """The shortest part of a failing sequence that still fails, as far as leaving out finds it.

    Large parts are left out first, then single steps, then crashes. Asks `fails` for no sequence twice.
    """
    known: dict[tuple[Step, ...], bool] = {}

    def still_fails(candidate: Sequence[Step]) -> bool:
        tried = that_fit(candidate)
        if tried not in known:
            known[tried] = bool(tried) and fails(tried)
        return known[tried]

    best, size = tuple(steps), max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(best):
            candidate = that_fit((*best[:start], *best[start + size :]))
            if len(candidate) < len(best) and still_fails(candidate):
                best = candidate
            else:
                start += size
        size //= 2
    for index, step in enumerate(best):
        if step.crash_after is not None:
            calm = (*best[:index], Step(step.change, step.is_awaited), *best[index + 1 :])
            best = calm if still_fails(calm) else best
    return best


def _random_change(chance: Random, fleet: Fleet) -> Change:
    """Any change; whether it fits is asked by the caller."""
    names = sorted(fleet.tenants)
    groups = sorted(fleet.groups)
    some = chance.choice(names)
    makers: dict[Callable[[], Change], int] = {
        lambda: _onboard(chance, fleet): 2,
        lambda: Edit(some, "image", chance.randint(1, 9)): 1,
        lambda: Edit(some, "replicas", chance.randint(1, 3)): 1,
        lambda: Edit(some, "clusters", chance.randint(1, 3)): 2,
        lambda: Edit(some, "port", chance.choice(PORTS)): 2,
        lambda: Edit(some, "prefix", chance.choice(["", f"/{some}-{chance.randint(1, 3)}"])): 1,
        lambda: Edit(some, "suspended", not fleet.tenants[some].suspended): 2,
        lambda: EditAll("image", chance.randint(1, 9)): 2,
        lambda: DeleteTenant(some): 1,
        lambda: _add_group(chance): 3,
        lambda: DeleteGroup(chance.choice(groups)): 3,
        lambda: Weigh(chance.choice(groups), chance.choice([0, 1, 100, 255])): 2,
        lambda: Meddle(chance.choice(HARMLESS)): 2,
        lambda: Meddle(chance.choice(HURTING), some): 1,
    }
    [maker] = chance.choices(list(makers), list(makers.values()))
    return maker()


def _onboard(chance: Random, fleet: Fleet) -> Change:
    free = [name for name in NEW_NAMES if name not in fleet.tenants]
    return Onboard(tuple(free[: chance.randint(1, 3)]), chance.choice([SHARED, OWN]))


def _add_group(chance: Random) -> Change:
    cell = chance.choice(sorted(CELLS))
    number = 30 + 2 * sorted(CELLS).index(cell) + chance.randint(0, 1)
    return AddGroup(f"group-{number}", cell, number)
