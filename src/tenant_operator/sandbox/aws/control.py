"""The control API under `/_sandbox/`: what a person or a test does to the simulated AWS, as JSON.

GET  health                     the process is up
GET  calls?since=N&service=ecs  calls after a sequence number, filtered by any field of a record
GET  counters                   calls by account, Region, service, action, kind and code
POST reset-counters
GET  faults · POST faults {…} · DELETE faults?id=N
GET  settings · POST settings {"profile": …, "durations": {…}, "throttles": {"enabled": …, "scale": …},
     "reachability": true}      tasks then need routes or endpoints, and security groups that let them be reached
POST throttles {"enabled": true, "scale": 1.0}
POST seed {…}                   see seed.py
Services add routes of their own (`Simulation.controls`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from tenant_operator.sandbox.aws.durations import Durations
from tenant_operator.sandbox.aws.failures import AwsFailure, ControlNotFound
from tenant_operator.sandbox.aws.faults import Fault
from tenant_operator.sandbox.aws.front_door import FrontDoor
from tenant_operator.sandbox.aws.simulation import Control
from tenant_operator.sandbox.aws.wire import HttpAnswer, HttpRequest

PREFIX = "/_sandbox/"
_SETTINGS = frozenset({"profile", "durations", "throttles", "reachability", "imperfections"})


class ControlApi:
    """Answers `/_sandbox/` requests."""

    def __init__(self, door: FrontDoor, seed: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._door = door
        self._sim = door.sim
        self._routes: dict[tuple[str, str], Control] = {
            ("GET", "health"): lambda _: {"status": "ok", "profile": self._sim.profile},
            ("GET", "calls"): self._calls,
            ("GET", "counters"): lambda _: {"counters": door.log.counters()},
            ("POST", "reset-counters"): self._reset_counters,
            ("GET", "faults"): lambda _: {"faults": door.faults.listed()},
            ("POST", "faults"): lambda body: {"id": door.faults.add(Fault.parse(body))},
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "settings"): lambda _: self._settings(),
            ("POST", "settings"): self._change_settings,
            ("POST", "throttles"): self._set_throttles,
        }
        self._unlocked: dict[tuple[str, str], Control] = {("POST", "seed"): seed}  # it calls the API itself

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a control request: 200 with JSON, 400 for bad input, 404 for an unknown route."""
        route = (request.method, request.path.removeprefix(PREFIX).strip("/"))
        try:
            arguments = {**dict(parse_qsl(request.query)), **_object(request.body)}
            if (unlocked := self._unlocked.get(route)) is not None:
                return _json(200, unlocked(arguments))
            control = self._routes.get(route) or self._sim.control_routes.get(route)
            if control is None:
                known = sorted(f"{method} {path}" for method, path in self._known())
                return _json(
                    404,
                    {"error": f"no route {' '.join(route)}; known are {', '.join(known)}"},
                )
            with self._sim.lock:
                return _json(200, control(arguments))
        except ControlNotFound as error:
            return _json(404, {"error": str(error)})
        except (ValueError, TypeError, KeyError, AwsFailure) as error:
            return _json(400, {"error": str(error)})

    def _known(self) -> list[tuple[str, str]]:
        return [*self._routes, *self._unlocked, *self._sim.control_routes]

    def _calls(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = {name: str(value) for name, value in arguments.items() if name != "since"}
        try:
            records = self._door.log.since(int(arguments.get("since", 0)), wanted)
        except AttributeError as error:
            raise ValueError(f"unknown field: {error.name}") from error
        return {
            "last": self._door.log.last_sequence,
            "calls": [asdict(record) for record in records],
        }

    def _reset_counters(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self._door.log.reset_counters()
        return {"last": self._door.log.last_sequence}

    def _clear_faults(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = arguments.get("id")
        return {"removed": self._door.faults.clear(None if wanted is None else int(wanted))}

    def _settings(self) -> Mapping[str, Any]:
        throttles = self._door.throttles
        return {
            "profile": self._sim.profile,
            "reachability": self._sim.reachability,
            "durations": asdict(self._sim.durations),
            "imperfections": asdict(self._sim.imperfections),
            "throttles": {"enabled": throttles.enabled, "scale": throttles.scale},
        }

    def _change_settings(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if unknown := set(body) - _SETTINGS:
            raise ValueError(f"unknown setting {min(unknown)!r}; known are {', '.join(sorted(_SETTINGS))}")
        profile = body.get("profile", self._sim.profile)
        if profile not in ("aws", "fast"):
            raise ValueError(f"profile must be aws or fast, not {profile!r}")
        base = Durations.of(profile) if "profile" in body else self._sim.durations
        self._sim.durations = base.changed(body.get("durations", {}))
        self._sim.imperfections = self._sim.imperfections.changed(body.get("imperfections", {}))
        self._sim.profile = profile
        self._sim.reachability = bool(body.get("reachability", self._sim.reachability))
        if "throttles" in body:
            self._set_throttles(body["throttles"])
        return self._settings()

    def _set_throttles(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        throttles = self._door.throttles
        throttles.configure(
            enabled=bool(body.get("enabled", throttles.enabled)),
            scale=float(body.get("scale", throttles.scale)),
        )
        return {"enabled": throttles.enabled, "scale": throttles.scale}


def _object(body: bytes) -> dict[str, Any]:
    parsed = json.loads(body or b"{}")
    if not isinstance(parsed, dict):
        raise TypeError("the body must be a JSON object")
    return parsed


def _json(status: int, body: Mapping[str, Any]) -> HttpAnswer:
    return HttpAnswer(
        status,
        json.dumps(body, default=str).encode(),
        {"Content-Type": "application/json"},
    )
