"""The crash matrix: each scenario is struck at each of its writes in turn, and must end as if nothing had happened.

`make crash-matrix` runs all of it; the suite runs a sample (test_crash_matrix.py). A strike is one of `When`: the operator
is killed before a write arrives, or after it took effect; or it took effect and the connection was reset. Writes are those
to AWS and those to Kubernetes. Besides, each scenario runs in each `WEATHER`. Writes come in an order that is not quite
the same in every run, so what is named is the number of the write, and what it was is told in the report.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import census
from tests.e2e import manifests as m
from tests.e2e.gate import Gate, When
from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, PATIENCE, Stage

SAMPLED = 2
"""Scenarios in a sample: each runs twice, and takes up to a minute each time."""
LOOKS_AT_THE_END = 30
NAME = "{name}"
"""What stands for the name of a run's own object where ends are compared."""


@dataclass(frozen=True)
class Scenario:
    """A change, told by `act` with a name of its own, and when it is done.

    `prepare` and `clean` bring about what it needs, and take away what it leaves; they are not struck.
    """

    title: str
    act: Callable[[Stage, str], object]
    done: Callable[[Stage, str], bool]
    prepare: Callable[[Stage, str], object] = lambda _stage, _name: None
    clean: Callable[[Stage, str], object] = lambda _stage, _name: None


WEATHER: Mapping[str, Callable[[Stage], None]] = {
    "in a storm of throttles": lambda stage: _fault(stage, "throttle", 0.3, 60),
    "in a storm of server errors": lambda stage: _fault(stage, "error", 0.1, 25),
    "with reads of a moment ago": lambda stage: _staleness(stage, 1.0),
}
"""What AWS does to a whole run; a run begins and ends in fair weather."""


def _fault(stage: Stage, kind: str, probability: float, count: int) -> None:
    stage.aws.add_fault(kind, probability=probability, count=count)


def _staleness(stage: Stage, seconds: float) -> None:
    stage.aws.settings(durations={"staleness": seconds})


def _fair(stage: Stage) -> None:
    stage.aws.clear_faults()
    _staleness(stage, 0.0)


@dataclass(frozen=True)
class Cell:
    """One place in the matrix."""

    scenario: Scenario
    at: int
    when: When | None
    """None: nothing is struck, and the weather is bad instead."""
    weather: str = ""

    def __str__(self) -> str:
        return f"{self.scenario.title}, {self.weather or f'{self.when} write {self.at}'}"


@dataclass
class Result:
    """What came of one cell."""

    cell: Cell
    struck: str
    """The write; empty when the scenario was done before it came."""
    differences: list[str] = field(default_factory=list)


def foundation(stage: Stage) -> None:
    """A Shared tier over two accounts and one with a name for each tenant, each with a tenant."""
    stage.apply(
        m.namespace(),
        m.tier("tier-1"),
        m.cell("cell-a"),
        m.cell("cell-b", account=ACCOUNT_B),
        m.group("group-1", "cell-a", "10.20.0.0/16"),
        m.group("group-2", "cell-b", "10.21.0.0/16"),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        m.group("group-9", "cell-c", "10.29.0.0/16"),
        m.tenant("shared"),
        m.tenant("own", "tier-2"),
    )
    stage.await_ready("infragroup", "group-1", "group-2", "group-9")
    stage.await_ready("tenant", "shared", "own", namespace=m.NAMESPACE)


def _ready(name: str) -> Callable[[Stage, str], bool]:
    return lambda stage, own: stage.ready("tenant", name.replace(NAME, own), m.NAMESPACE)


def _delete_tenant(stage: Stage, name: str) -> None:
    stage.delete("tenant", name, "-n", m.NAMESPACE)
    stage.await_gone("tenant", name, namespace=m.NAMESPACE)


def _create_tenant(stage: Stage, name: str) -> None:
    stage.apply(m.tenant(name, "tier-2"))
    stage.await_ready("tenant", name, namespace=m.NAMESPACE)


def _suspended(stage: Stage, name: str, *, value: bool) -> None:
    stage.apply(m.tenant("own", "tier-2", suspended=value))
    if name:
        stage.await_ready("tenant", "own", namespace=m.NAMESPACE)


def _image(name: str) -> str:
    return f"222222222222.dkr.ecr.us-east-1.amazonaws.com/app:{name}"


def _group(stage: Stage, name: str) -> None:
    stage.apply(m.group(name, "cell-a", "10.40.0.0/16"))


def _group_serves(stage: Stage, name: str) -> bool:
    weight = stage.get("infragroup", name).get("status", {}).get("weight")
    return stage.ready("infragroup", name) and bool(weight) and stage.ready("tenant", "shared", m.NAMESPACE)


def _grow(stage: Stage, name: str) -> None:
    _group(stage, name)
    stage.wait(f"{name} serves", lambda: _group_serves(stage, name))


def _delete_group(stage: Stage, name: str) -> None:
    stage.delete("infragroup", name)
    stage.await_gone("infragroup", name)
    stage.await_ready("tenant", "shared", namespace=m.NAMESPACE)


SCENARIOS = (
    Scenario(
        "onboard a tenant",
        act=lambda stage, name: stage.apply(m.tenant(name, "tier-2")),
        done=_ready(NAME),
        clean=_delete_tenant,
    ),
    Scenario(
        "change an image",
        act=lambda stage, name: stage.apply(m.tenant("own", "tier-2", workload={"image": _image(name)})),
        done=_ready("own"),
        clean=lambda stage, name: _suspended(stage, name, value=False),
    ),
    Scenario(
        "suspend a tenant",
        act=lambda stage, _: _suspended(stage, "", value=True),
        done=_ready("own"),
        clean=lambda stage, name: _suspended(stage, name, value=False),
    ),
    Scenario(
        "resume a tenant",
        prepare=lambda stage, name: _suspended(stage, name, value=True),
        act=lambda stage, _: _suspended(stage, "", value=False),
        done=_ready("own"),
    ),
    Scenario(
        "delete a tenant",
        prepare=_create_tenant,
        act=lambda stage, name: stage.delete("tenant", name, "-n", m.NAMESPACE),
        done=lambda stage, name: not stage.get("tenant", name, m.NAMESPACE),
    ),
    Scenario("grow by an infra group", act=_group, done=_group_serves, clean=_delete_group),
    Scenario(
        "delete an infra group",
        prepare=_grow,
        act=lambda stage, name: stage.delete("infragroup", name),
        done=lambda stage, name: not stage.get("infragroup", name) and _ready("shared")(stage, name),
    ),
)


def chosen(titles: str) -> Sequence[Scenario]:
    """The scenarios with these titles, separated by commas; `all` stands for all.

    Raises:
        ValueError: there is no such scenario.
    """
    known = {scenario.title: scenario for scenario in SCENARIOS}
    if titles == "all":
        return SCENARIOS
    wanted = [title.strip() for title in titles.split(",")]
    if unknown := set(wanted) - set(known):
        raise ValueError(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[title] for title in wanted]


@dataclass
class Matrix:
    """Runs cells on one stage, one after the other."""

    stage: Stage
    gate: Gate
    say: Callable[[str], None] = lambda _: None
    _runs: int = 0
    _ends: dict[str, tuple[Counter[str], int]] = field(default_factory=dict)

    def writes_of(self, scenario: Scenario) -> int:
        """How many writes a scenario takes when nothing happens; how it ends then is what other ends are compared with."""
        if scenario.title not in self._ends:
            name = self._next_name()
            scenario.prepare(self.stage, name)
            self._rest()
            self.gate.count()
            scenario.act(self.stage, name)
            self.stage.wait(scenario.title, lambda: scenario.done(self.stage, name))
            self._rest()
            count = len(self.gate.writes)
            self._ends[scenario.title] = (fingerprint(self.stage, name), count)
            scenario.clean(self.stage, name)
            self.say(f"{scenario.title}: {count} writes: {', '.join(self.gate.writes[:count])}")
        return self._ends[scenario.title][1]

    def run(self, cell: Cell) -> Result:
        """Strike once, and compare the end."""
        if self.stage.operator.exit_code is not None:  # a cell before this one has failed
            self.stage.operator.start()
        self.writes_of(cell.scenario)
        name = self._next_name()
        cell.scenario.prepare(self.stage, name)
        self._rest()
        struck = self._strike(cell, name, cell.when) if cell.when is not None else self._weather(cell, name)
        self.stage.wait(str(cell), lambda: cell.scenario.done(self.stage, name), 2 * PATIENCE)
        _fair(self.stage)
        self._rest()
        expected, _ = self._ends[cell.scenario.title]
        result = Result(cell, struck, self._differences(expected, name))
        cell.scenario.clean(self.stage, name)
        self.say(f"{cell} ({struck or 'did not come'}): {'; '.join(result.differences) or 'as it should be'}")
        return result

    def _differences(self, expected: Counter[str], name: str) -> list[str]:
        """How the end differs from what it should be, once it had time: a restart begins its waits anew."""
        found: list[str] = []
        for _ in range(LOOKS_AT_THE_END):
            found = differences(expected, fingerprint(self.stage, name))
            if not found:
                break
            time.sleep(1.0)
        return found

    def _strike(self, cell: Cell, name: str, when: When) -> str:
        strike = self.gate.arm(cell.at, when)
        cell.scenario.act(self.stage, name)

        def over() -> bool:
            return strike.done.is_set() or cell.scenario.done(self.stage, name)

        self._wait_even_if_killed(over)
        self.gate.count()
        if strike.struck:  # the scenario may be done in the very moment in which its last write is struck
            assert strike.done.wait(PATIENCE), f"{strike.struck} was struck, and nothing came of it"
            if when is not When.RESET:
                self.stage.operator.start()
        return strike.struck

    def _weather(self, cell: Cell, name: str) -> str:
        self.gate.count()
        WEATHER[cell.weather](self.stage)
        cell.scenario.act(self.stage, name)
        return cell.weather

    def cells(self, scenario: Scenario, when: When | None, every: int = 1) -> Iterator[Cell]:
        """Each write of a scenario (or every second, third …), struck in one way; None: the scenario in each weather."""
        if when is None:
            yield from (Cell(scenario, 0, None, weather) for weather in WEATHER)
            return
        first = 1 + list(When).index(when) % every  # each way strikes at others
        yield from (Cell(scenario, at, when) for at in range(first, self.writes_of(scenario) + 1, every))

    def sample(self, seed: int) -> Iterator[Cell]:
        """One cell of each of some scenarios, in the first half of its writes: the last ones do not come every time."""
        chance = random.Random(seed)
        for number, scenario in enumerate(chance.sample(SCENARIOS, SAMPLED)):
            when = list(When)[(seed + number) % len(When)]
            yield Cell(scenario, chance.randint(1, max(1, self.writes_of(scenario) // 2)), when)

    def _next_name(self) -> str:
        self._runs += 1
        return f"run-{self._runs}"

    def _wait_even_if_killed(self, probe: Callable[[], bool]) -> None:
        """As `Stage.wait`, which fails when the operator does not run."""
        for _ in range(int(PATIENCE / 0.2)):
            if probe():
                return
            time.sleep(0.2)
        raise AssertionError(f"neither struck nor done\n{self.stage.picture()}\n{self.stage.log_tail()}")

    def _rest(self) -> None:
        """Wait until a moment has gone by in which nothing was written."""
        seen = -1
        while seen != len(self.gate.writes):
            seen = len(self.gate.writes)
            time.sleep(1.5)


def fingerprint(stage: Stage, name: str) -> Counter[str]:
    """What there is, in AWS and in statuses, with the run's own name put out of sight."""
    found: Counter[str] = Counter()
    for account in (ACCOUNT_A, ACCOUNT_B):
        for identity, count in census.identities(stage, account).items():
            found[f"{account} {' '.join(identity)}"] += count
        for rule in stage.rules(account):
            kinds = [action["Type"] for action in rule["Actions"]]
            found[f"{account} rule {json.dumps(rule['Conditions'], sort_keys=True)} {kinds}"] += 1
        for described in _services(stage, account):
            found[f"{account} service {described}"] += 1
    for record in stage.records("example.com"):
        found[f"record {record['Name']} {record['SetIdentifier']} {record.get('Weight')}"] += 1
    for kind in census.KINDS:
        for body in stage.list(kind):
            said = {c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]}
            found[f"{kind} {body['metadata']['name']} {sorted(said.items())}"] += 1
    return Counter({line.replace(name, NAME): count for line, count in found.items()})


def _services(stage: Stage, account: str) -> Iterator[str]:
    ecs = stage.client("ecs", account)
    for cluster in ecs.list_clusters()["clusterArns"]:
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]:
            [service] = ecs.describe_services(cluster=cluster, services=[arn])["services"]
            definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])[
                "taskDefinition"
            ]
            [container] = definition["containerDefinitions"]
            active = ecs.list_task_definitions(familyPrefix=definition["family"], status="ACTIVE")[
                "taskDefinitionArns"
            ]
            running = f"{service['runningCount']}/{service['desiredCount']}"
            tenant = next(e["value"] for e in container["environment"] if e["name"] == "TENANT_ID")
            newest = active[-1].rpartition(":")[2] == str(definition["revision"])
            yield f"{tenant} {running} {container['image']} newest={newest}"


def differences(expected: Counter[str], found: Counter[str]) -> list[str]:
    """What is missing, and what is too much."""
    return [f"missing: {line}" for line in (expected - found)] + [
        f"extra: {line}" for line in (found - expected)
    ]


def failures(results: Sequence[Result]) -> list[str]:
    """The cells that did not end as they should."""
    return [f"{r.cell} ({r.struck}): {'; '.join(r.differences)}" for r in results if r.differences]


def table(results: Sequence[Result]) -> dict[str, Any]:
    """How many cells of each scenario were struck, and how many ended rightly."""
    struck = Counter(r.cell.scenario.title for r in results if r.struck)
    right = Counter(r.cell.scenario.title for r in results if r.struck and not r.differences)
    return {title: {"struck": struck[title], "right": right[title]} for title in struck}
