"""One sequence on a sandbox of its own, with traffic on every tenant; and many of them, shrinking what fails."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenant_operator.sandbox import Sandbox
from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e import manifests as m
from tests.e2e.conftest import API_RATE
from tests.e2e.stage import NotYet, Stage
from tests.e2e.traffic import DRAIN_SECONDS, DURATIONS, SETTLE_SECONDS, Traffic
from tests.proof.fleet import Change, DeleteGroup, DeleteTenant, Fleet, Meddle, first_fleet
from tests.proof.meddling import meddle
from tests.proof.sequences import Step, fleet_after, hurt_by, random_sequence, shrunk

RPS = 60.0
REST_SECONDS = 180.0
"""How long a fleet may take to come to rest; a loaded machine is no failure."""
CRASH_SECONDS = 5.0
"""How long the writes are waited for after which the operator is killed; where fewer come, it is killed then."""
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Verdict:
    """What a sequence came to; no faults: it holds."""

    faults: tuple[str, ...]
    requests: int


def run(steps: Sequence[Step], folder: Path) -> Verdict:
    """Build the first fleet, put traffic on it, take the steps, let everything come to rest, and judge."""
    with _stage(folder) as stage:
        stage.apply(*first_fleet().manifests())
        _await_rest(stage, first_fleet())
        traffic = Traffic(stage, rps=RPS)
        troubles: list[str] = []
        with traffic:
            try:
                _take(stage, steps)
                traffic.go_on()
            except NotYet as error:
                troubles.append(f"the fleet does not come to rest: {error}")
        faults = [*traffic.told.faults(besides=hurt_by(steps)), *traffic.told.wrong(), *troubles]
        faults += traffic.told.failures if faults else ()
        return Verdict(faults=tuple(faults), requests=traffic.told.document["requests"])


def prove(seed: int, count: int, length: int, say: Callable[[str], None]) -> list[tuple[Step, ...]]:
    """Run so many random sequences; returns the shrunk ones that fail."""
    failing = []
    for number in range(count):
        name = f"{seed}/{number}"
        steps = random_sequence(name, length)
        began = time.monotonic()
        verdict = _in_a_folder(steps)
        seconds = time.monotonic() - began
        if not verdict.faults:
            say(f"sequence {name}: {length} steps, {verdict.requests} requests, none lost ({seconds:.0f} s)")
            continue
        say(f"sequence {name} FAILS ({seconds:.0f} s):\n{described(steps)}\n" + "\n".join(verdict.faults))
        short = shrunk(steps, lambda tried: bool(_in_a_folder(tried).faults))
        say(f"the shortest part of it that fails:\n{described(short)}")
        failing.append(short)
    return failing


def described(steps: Sequence[Step]) -> str:
    """A sequence as a person reads it, and as Python does."""
    return "\n".join(f"  {step}," for step in steps)


def _in_a_folder(steps: Sequence[Step]) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="traffic-proof-") as folder:
        return run(steps, Path(folder))


def _take(stage: Stage, steps: Sequence[Step]) -> None:
    fleet = first_fleet()
    for step in steps:
        before, fleet = fleet, step.change.on(fleet)
        mark = stage.aws.last_call()
        _do(stage, step.change, before, fleet)
        if step.crash_after is not None:
            _crash_after(stage, mark, step.crash_after)
        if step.is_awaited:
            _await_rest(stage, fleet)
    _await_rest(stage, fleet_after(steps))


def _do(stage: Stage, change: Change, before: Fleet, after: Fleet) -> None:
    """What a person does: delete, meddle, or apply the objects that are another now."""
    if isinstance(change, Meddle):
        meddle(stage, change)
    elif isinstance(change, DeleteTenant):
        stage.kubectl("delete", "tenant", change.name, "-n", m.NAMESPACE, "--wait=false")
    elif isinstance(change, DeleteGroup):
        stage.kubectl("delete", "infragroup", change.name, "--wait=false")
    else:
        known = before.manifests()
        changed = [manifest for manifest in after.manifests() if manifest not in known]
        if changed:  # setting what is set already is nothing to apply
            stage.apply(*changed)


def _crash_after(stage: Stage, mark: int, writes: int) -> None:
    deadline = time.monotonic() + CRASH_SECONDS
    while len(stage.writes_since(mark)) < writes and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    stage.operator.kill()
    stage.operator.start()


def _await_rest(stage: Stage, fleet: Fleet) -> None:
    """Everything that is declared is Ready with its present spec, weighted as declared, and nothing else is there."""
    stage.wait("the fleet comes to rest", lambda: _is_at_rest(stage, fleet), REST_SECONDS)


def _is_at_rest(stage: Stage, fleet: Fleet) -> bool:
    tenants = {found["metadata"]["name"]: found for found in stage.list("tenants")}
    groups = {found["metadata"]["name"]: found for found in stage.list("infragroups")}
    if set(tenants) != set(fleet.tenants) or set(groups) != set(fleet.groups):
        return False
    if not all(_is_ready(found) for found in (*tenants.values(), *groups.values())):
        return False
    return all(
        groups[name]["status"].get("weight", 0) == group.weight for name, group in fleet.groups.items()
    )


def _is_ready(found: dict[str, object]) -> bool:
    status, metadata = found.get("status"), found["metadata"]
    assert isinstance(metadata, dict)
    if not isinstance(status, dict) or status.get("observedGeneration") != metadata["generation"]:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    with Sandbox(folder / "sandbox") as sandbox:
        operator = OperatorProcess(
            sandbox.operator_environment(),
            folder / "operator.log",
            sweep_seconds=6.0,
            drain_seconds=DRAIN_SECONDS,
            settle_seconds=SETTLE_SECONDS,
            api_rate=API_RATE,
        )
        stage = Stage(sandbox=sandbox, operator=operator, folder=folder)
        stage.aws.settings(durations=DURATIONS)
        try:
            operator.start()
            yield stage
        finally:
            operator.stop()
