"""Who may take a change of the tier's workload now: a wave through its tenants, as a pure function of their states.

It is worked out anew from what the tenants' statuses say, so a restart in the middle of a wave changes nothing.

| what a tenant's status says                         | it is     | slot | what it may do                             |
|-----------------------------------------------------|-----------|------|--------------------------------------------|
| on its revision, and has been for the soak          | on it     | no   |                                            |
| on its revision, not yet for the soak               | soaking   | yes  |                                            |
| was let go, and is not there yet                    | under way | yes  | go on, to a newer revision too             |
| was let go, and its release failed                  | failed    | no   | nothing, until its revision is another one |
| is to run another revision than it was last let     | waiting   | no   | go, when there is a slot and it is first   |
| its release is not the wave's (a person's own edit) | its own   | no   |                                            |

With `pause_on_failures` tenants failed nobody is let go any more; those under way finish. Order: those whose last release
failed, since a correction proves itself where the failure was; then by a hash of revision and name, so that no customer
is always the first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A tenant whose tasks the tier's workload decides about: accepted, served before, not paused, suspended or going."""

    name: str
    """`namespace/name`"""
    goal: str
    """The revision that its spec and the tier's come to."""
    granted: str
    """The revision that it runs or was last let go to."""
    by_wave: bool
    """Whether it was the wave that let it go there."""
    completed_at: dt.datetime | None
    """When all its clusters were first seen to run the granted revision; None: not yet."""
    failed: bool = False
    """Whether the release of the granted revision failed."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many tenants at once, how many failures stop the wave, and how long a success is watched."""

    concurrent: int
    failures: int
    soak: dt.timedelta


@dataclass(frozen=True, kw_only=True)
class Wave:
    """How far a change of the tier's workload is, by names of tenants."""

    go: frozenset[str] = frozenset()
    """Who may be brought to its goal now."""
    on: tuple[str, ...] = ()
    under_way: tuple[str, ...] = ()
    soaking: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """In the order of their turns."""
    failed: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    paused: bool = False
    """Whether failures keep those that wait from going."""
    next_at: dt.datetime | None = None
    """When the first soak ends."""

    @property
    def complete(self) -> bool:
        """Whether every tenant has what it should have."""
        return not (self.under_way or self.soaking or self.waiting or self.failed)

    @property
    def size(self) -> int:
        """How many tenants it is about."""
        return sum(
            map(len, (self.on, self.under_way, self.soaking, self.waiting, self.failed, self.own)),
        )


def wave(members: Iterable[Member], budget: Budget, now: dt.datetime) -> Wave:
    """Sort the tenants by the table above, and let the first of those that wait go as far as there are slots."""
    found: dict[str, list[Member]] = {
        state: [] for state in ("on", "under_way", "soaking", "waiting", "failed", "own")
    }
    for member in members:
        found[_state(member, budget, now)].append(member)
    waiting = sorted(found["waiting"], key=_turn)
    under_way, soaking = found["under_way"], found["soaking"]
    paused = len(found["failed"]) >= budget.failures
    slots = max(0, budget.concurrent - len(under_way) - len(soaking))
    go = [] if paused else [*(m for m in under_way if m.granted != m.goal), *waiting[:slots]]
    return Wave(
        go=frozenset(member.name for member in go),
        waiting=_names(waiting),
        under_way=_names(under_way),
        soaking=_names(soaking),
        on=_names(found["on"]),
        failed=_names(found["failed"]),
        own=_names(found["own"]),
        paused=paused,
        next_at=min(
            (m.completed_at + budget.soak for m in soaking if m.completed_at is not None), default=None
        ),
    )


def _state(member: Member, budget: Budget, now: dt.datetime) -> str:
    there = member.granted == member.goal
    if member.completed_at is None and not member.failed:
        return "under_way" if member.by_wave else ("own" if there else "waiting")
    if not there:
        return "waiting"
    if member.failed:
        return "failed" if member.by_wave else "own"
    watched = member.completed_at is None or now - member.completed_at >= budget.soak
    return "soaking" if member.by_wave and not watched else "on"


def _turn(member: Member) -> tuple[bool, str, str]:
    digest = hashlib.sha256(f"{member.goal} {member.name}".encode()).hexdigest()
    return not member.failed, digest, member.name


def _names(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(member.name for member in members)
