"""The simulation's shared state: settings, the clock, timers, and the registry of behaviours.

Everything that changes state, a call as well as a timer, holds `Simulation.lock`, so handlers and timers may treat the
state as if there were one thread.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tenant_operator.sandbox.aws.calls import Call, Outcome, Recorder
from tenant_operator.sandbox.aws.credentials import Credentials
from tenant_operator.sandbox.aws.durations import Durations, Profile
from tenant_operator.sandbox.aws.imperfections import Imperfections
from tenant_operator.sandbox.aws.interfaces import Interfaces

log = logging.getLogger(__name__)

Handler = Callable[
    [Call], Mapping[str, Any] | None
]  # answers the call instead of moto; None is an empty answer
Validator = Callable[[Call], None]  # raises AwsFailure before the call takes effect
Observer = Callable[[Call], None]  # told after a call has succeeded
Control = Callable[
    [Mapping[str, Any]], Mapping[str, Any]
]  # a control route: JSON body in, JSON body out; ValueError is a 400

StateT = TypeVar("StateT")
HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])

StateKey = tuple[type[Any], str, str]  # kind, account, Region
PartT = TypeVar("PartT")

OPERATOR_ACCOUNT = "111111111111"


@dataclass(frozen=True, slots=True)
class Seen:
    """States as a reader sees them, who is shown something else than what is so."""

    states: dict[StateKey, Any]
    covers: Callable[[StateKey], bool]  # whether a state that is not among them was not there


class Behaviours:
    """What a module makes of one service: functions of `(sim, call)`, collected by decorators and installed at once."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._installers: list[Callable[[Simulation], None]] = []

    def answers(self, *actions: str) -> Callable[[HandlerT], HandlerT]:
        """This function answers these actions instead of moto."""

        def register(function: HandlerT) -> HandlerT:
            self._installers.append(lambda sim: _bind(sim, sim.handles(self._service, *actions), function))
            return function

        return register

    def observes(self, service: str, *actions: str) -> Callable[[HandlerT], HandlerT]:
        """This function is told after these actions, also of another service, have succeeded."""

        def register(function: HandlerT) -> HandlerT:
            self._installers.append(lambda sim: _bind(sim, sim.observes(service, *actions), function))
            return function

        return register

    def controls(self, method: str, path: str) -> Callable[[HandlerT], HandlerT]:
        """This function of `(sim, body)` answers a control route."""

        def register(function: HandlerT) -> HandlerT:
            self._installers.append(lambda sim: _bind(sim, sim.controls(method, path), function))
            return function

        return register

    def install(self, sim: Simulation) -> None:
        """Add everything to a simulation."""
        for add_to in self._installers:
            add_to(sim)


def _bind(sim: Simulation, register: Callable[[Any], Any], function: Callable[..., Any]) -> None:
    register(functools.partial(function, sim))


class Simulation:
    """One simulated AWS.

    Services add their behaviour in `install(sim)`:

    - `@sim.handles("elbv2", "CreateRule")`: this function answers the call; moto never sees it;
    - `@sim.validates("ec2", "DeleteSubnet")`: this function may refuse the call before moto carries it out;
    - `@sim.observes("ec2", "CreateVpcEndpoint")`: this function is told after the call has succeeded;
    - `@sim.controls("POST", "provider/accept")`: this function answers `/_sandbox/provider/accept`, under the lock;
    - `sim.state(MyState, account, region)`: the service's own state of one account and Region.
    """

    def __init__(self, profile: Profile = "fast", seed: int | None = None) -> None:
        self.profile: Profile = profile
        self.durations = Durations.of(profile)
        self.reachability = (
            False  # whether routes, endpoints and security groups are looked at (reachability.py)
        )
        self.rng = random.Random(seed)
        self.lock = threading.RLock()
        self.credentials = Credentials(self.rng)
        self.interfaces = Interfaces(self.rng)
        self.imperfections = Imperfections()
        self.endpoint = "http://127.0.0.1"  # where it is served, once it is
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.validators: defaultdict[tuple[str, str], list[Validator]] = defaultdict(list)
        self.observers: defaultdict[tuple[str, str], list[Observer]] = defaultdict(list)
        self.recorders: list[Recorder] = []
        self.own_services: set[str] = set()  # answered by handlers alone; moto holds no state of theirs
        self.applied_quotas: dict[
            tuple[str, str, str], float
        ] = {}  # (account, Region, quota code): what was granted
        self.control_routes: dict[tuple[str, str], Control] = {}
        self._parts: dict[Callable[[Simulation], Any], Any] = {}
        self._states: dict[StateKey, Any] = {}
        self._seen: Seen | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._at_stop: list[Callable[[], None]] = []
        self._wake = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run_timers, name="sandbox-aws-timers", daemon=True)
        self._thread.start()

    # -- behaviours

    def handles(self, service: str, *actions: str) -> Callable[[HandlerT], HandlerT]:
        """Register a function that answers these actions instead of moto."""

        def register(function: HandlerT) -> HandlerT:
            for action in actions:
                self.handlers[(service, action)] = function
            return function

        return register

    def validates(self, service: str, *actions: str) -> Callable[[HandlerT], HandlerT]:
        """Register a function that may refuse these actions (by raising AwsFailure) before they take effect."""

        def register(function: HandlerT) -> HandlerT:
            for action in actions:
                self.validators[(service, action)].append(function)
            return function

        return register

    def observes(self, service: str, *actions: str) -> Callable[[HandlerT], HandlerT]:
        """Register a function that is told after these actions have succeeded."""

        def register(function: HandlerT) -> HandlerT:
            for action in actions:
                self.observers[(service, action)].append(function)
            return function

        return register

    def controls(self, method: str, path: str) -> Callable[[HandlerT], HandlerT]:
        """Register a function that answers a control route (`path` without the `/_sandbox/` before it)."""

        def register(function: HandlerT) -> HandlerT:
            self.control_routes[(method, path)] = function
            return function

        return register

    def record(self, outcome: Callable[[], Outcome], call: Call) -> None:
        """Tell the recorders that want it what became of a call; the outcome is worked out for them alone."""
        wanting = [recorder for recorder in self.recorders if recorder.wants(call)]
        if wanting:
            found = outcome()
            for recorder in wanting:
                recorder.record(found)

    # -- state

    def state(self, kind: type[StateT], account: str, region: str) -> StateT:
        """The one `kind()` of an account and Region, made at first use."""
        key = (kind, account, region)
        states = self._seen.states if self._seen is not None and self._seen.covers(key) else self._states
        found = states.get(key)
        if found is None:
            found = states[key] = kind()
        return found

    def part(self, kind: Callable[[Simulation], PartT]) -> PartT:
        """The one `kind(self)` of the simulation, made at first use: an engine that several modules share."""
        found = self._parts.get(kind)
        if found is None:
            found = self._parts[kind] = kind(self)
        return found

    def states(self, kind: type[StateT]) -> Iterator[tuple[str, str, StateT]]:
        """All states of a kind: (account, Region, state)."""
        for (found_kind, account, region), found in list(self._states.items()):
            if found_kind is kind:
                yield account, region, found

    def all_states(self) -> list[tuple[StateKey, Any]]:
        """All states of all kinds, by kind, account and Region."""
        return list(self._states.items())

    @contextmanager
    def seeing(self, seen: Seen) -> Iterator[None]:
        """Within this, `state` gives what is seen instead of what is so."""
        self._seen = seen
        try:
            yield
        finally:
            self._seen = None

    def quota(self, account: str, region: str, code: str, default: float) -> float:
        """The applied value of a quota: what the account was granted, else AWS's default."""
        return self.applied_quotas.get((account, region, code), default)

    def hex_id(self, length: int) -> str:
        """A random lower-case hexadecimal id from the seeded generator."""
        return f"{self.rng.getrandbits(4 * length):0{length}x}"

    # -- time

    @staticmethod
    def now() -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()

    @staticmethod
    def timestamp() -> datetime:
        """The wall clock, for fields such as `createdAt`."""
        return datetime.now(UTC)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` under the lock, `seconds` from now, on the timer thread."""
        with self._wake:
            heapq.heappush(self._timers, (self.now() + seconds, next(self._order), action))
            if self._timers[0][2] is action:
                self._wake.notify()

    def when_stopped(self, action: Callable[[], None]) -> None:
        """Run `action` when the simulation ends, to close what it has open."""
        self._at_stop.append(action)

    def stop(self) -> None:
        """End the timer thread (timers that are not due yet never run) and close what is open."""
        for action in self._at_stop:
            action()
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join(timeout=5)

    def _run_timers(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and (not self._timers or self._timers[0][0] > self.now()):
                    self._wake.wait(self._timers[0][0] - self.now() if self._timers else None)
                if self._stopped:
                    return
                action = heapq.heappop(self._timers)[2]
            with self.lock:
                try:
                    action()
                except Exception:  # one broken timer must not stop the others; the log shows it
                    log.exception("a timer of the simulated AWS failed")
