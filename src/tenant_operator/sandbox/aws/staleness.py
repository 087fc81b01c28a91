"""Reads that show the state of a moment ago, as AWS's eventually consistent reads may.

Before a write, its service's state of that account and Region is copied; for so long as `durations.staleness` says, every
second read or so is answered from the copy: what was made is not there yet, what was changed or deleted is as it was.
Answers flip back and forth, as those of several servers behind one name do.
https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html (DescribeServices after it).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.simulation import Seen, Simulation, StateKey

SERVICES = frozenset({"ec2", "ecs", "elbv2", "iam", "route53"})
_GLOBAL = frozenset({"iam", "route53"})
_SHARE = 0.5  # of the reads that are answered from a copy, while there is one

_Place = tuple[str, str, str]  # service, account, Region


@dataclass(frozen=True, slots=True)
class Moment:
    """What a service knew before a write."""

    taken_at: float
    seen: Seen
    backend: Any  # moto's, of a service that is kept there


class Staleness:
    """Keeps the copies. Called with the simulation's lock held."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._moments: dict[_Place, list[Moment]] = {}

    def before_write(self, call: Call) -> None:
        """Remember the state, unless it was remembered less than half the time ago: at most two copies are kept."""
        seconds = self._sim.durations.staleness
        if not seconds or call.service not in SERVICES:
            return
        moments = self._in_force(_place(call))
        if moments and self._sim.now() - moments[-1].taken_at < seconds / 2:
            return
        moments.append(self._now(call))

    @contextmanager
    def read(self, call: Call) -> Iterator[None]:
        """Answer a read from a copy, or from what is so."""
        moments = self._in_force(_place(call)) if call.kind == "read" and self._moments else []
        if not moments or self._sim.rng.random() >= _SHARE:
            yield
            return
        moment = self._sim.rng.choice(moments)
        with self._sim.seeing(moment.seen), _moto_seeing(call, moment.backend):
            yield

    def _in_force(self, place: _Place) -> list[Moment]:
        oldest = self._sim.now() - self._sim.durations.staleness
        kept = [moment for moment in self._moments.get(place, []) if moment.taken_at > oldest]
        if kept or place in self._moments:
            self._moments[place] = kept
        return self._moments.setdefault(place, [])

    def _now(self, call: Call) -> Moment:
        own = f".services.{call.service}."

        def covers(key: StateKey) -> bool:
            kind, account, region = key
            here = call.service in _GLOBAL or region == call.region
            return own in kind.__module__ and account == call.account and here

        found = {key: state for key, state in self._sim.all_states() if covers(key)}
        states, backend = copy.deepcopy((found, _backend(call)))
        return Moment(self._sim.now(), Seen(states, covers), backend)


def _place(call: Call) -> _Place:
    return call.service, call.account, "" if call.service in _GLOBAL else call.region


def _regions(call: Call) -> tuple[Any, str] | None:
    """Moto's backends of the account by Region, and which of them the call is for."""
    match call.service:
        case "ec2":
            return ec2_backends[call.account], call.region
        case "iam":
            return iam_backends[call.account], call.partition
        case _:
            return None


def _backend(call: Call) -> Any:
    found = _regions(call)
    return None if found is None else found[0][found[1]]


@contextmanager
def _moto_seeing(call: Call, backend: Any) -> Iterator[None]:
    found = _regions(call)
    if found is None or backend is None:
        yield
        return
    regions, region = found
    present = regions[region]
    regions[region] = backend
    try:
        yield
    finally:
        regions[region] = present
