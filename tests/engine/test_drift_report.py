"""`drift: Report` on a model of AWS: what somebody else changed stays and is named; what the spec changes goes through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.desired.resources import (
    Address,
    FixedResponse,
    Forward,
    ListenerRule,
    Service,
    TargetGroup,
    TaskDefinition,
)
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.engine.drift_report import DriftReport, newly_found
from tenant_operator.plan.diff import plan
from tenant_operator.plan.fingerprint import names_in, of_state, of_wish
from tenant_operator.plan.serving import stage
from tenant_operator.plan.stage import Progress, Stage
from tests.plan import model
from tests.plan.test_serving import GROUP, WORKLOAD, Rehearsal, tenancy_of


class Reporting(Rehearsal):
    """A tenant in a tier with `drift: Report`; every step is a visit, and only fingerprints pass from one to the next."""

    def __init__(self) -> None:
        super().__init__(dict(GROUP))
        self.fingerprints: dict[str, str] = {}
        self.found: list[str] = []

    def step(self, wanted: Tenancy, progress: Progress) -> tuple[Stage, bool]:
        staged = stage(wanted, self.world, progress)
        todo = plan(staged.desired, self.world, installation="test", removals=staged.removals)
        report = DriftReport(dict(self.fingerprints))
        todo = report.without_drift(todo, wanted.goals(), self.world)
        report.forget(report.about_to_touch(todo))
        self.world = model.applied(self.world, todo)
        report.note(wanted.goals(), todo, todo.actions, self.world, settled=staged.ready and not todo)
        if not staged.unknown:
            report.prune()
        self.fingerprints = report.fingerprints
        self.found = [address.type for address in report.findings]
        return staged, bool(todo)


def onboarded(clusters: int = 1) -> Reporting:
    reporting = Reporting()
    assert reporting.settle(tenancy_of(clusters=clusters)).ready
    return reporting


def spoil(reporting: Reporting, kind: type, change: Callable[[Any], Any]) -> Address:
    """Change the spec of the first live resource of a type behind the operator's back."""
    address = min(a for a, live in reporting.world.items() if isinstance(live.spec, kind))
    live = reporting.world[address]
    reporting.world[address] = dataclasses.replace(live, spec=change(live.spec))
    return address


def answer_404(spec: ListenerRule) -> ListenerRule:
    return dataclasses.replace(spec, action=FixedResponse(status=404))


def check_elsewhere(spec: TargetGroup) -> TargetGroup:
    return dataclasses.replace(spec, health_check=dataclasses.replace(spec.health_check, path="/mine"))


def scale(spec: Service) -> Service:
    return dataclasses.replace(spec, desired_count=7)


SPOILS: dict[type, Callable[[Any], Any]] = {
    ListenerRule: answer_404,
    TargetGroup: check_elsewhere,
    Service: scale,
}

WORKLOADS = st.builds(
    lambda image, cpu, port, replicas, health: dataclasses.replace(
        WORKLOAD, image=image, cpu=cpu, port=port, replicas=replicas, health_path=health
    ),
    st.sampled_from(["app:1", "app:2"]),
    st.sampled_from([256, 512]),
    st.sampled_from([8080, 9090]),
    st.integers(1, 3),
    st.sampled_from(["/healthz", "/ready"]),
)
TENANCIES = st.builds(
    lambda clusters, suspended, workload: tenancy_of(
        clusters=clusters, suspended=suspended, workload=workload
    ),
    st.integers(1, 3),
    st.booleans(),
    WORKLOADS,
)


@given(st.lists(TENANCIES, min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_where_nobody_interferes_every_edit_goes_through_and_nothing_is_called_drift(
    edits: list[Tenancy], data: st.DataObject
) -> None:
    reporting = onboarded()
    for wanted in edits:
        found = reporting.settle(wanted, draw=data.draw)
        assert reporting.found == []
        assert found.ready
        left = stage(wanted, reporting.world, Progress(healthy_targets=model.health(reporting.world)))
        assert not plan(left.desired, reporting.world, installation="test", removals=left.removals)


@pytest.mark.parametrize("kind", SPOILS, ids=lambda kind: kind.__name__)
def test_what_somebody_changed_is_named_and_left_alone(kind: type) -> None:
    reporting = onboarded()
    address = spoil(reporting, kind, SPOILS[kind])
    spoilt = reporting.world[address].spec
    reporting.settle(tenancy_of())
    assert reporting.found == [kind.__name__]
    assert reporting.world[address].spec == spoilt


@pytest.mark.parametrize("kind", [ListenerRule, TargetGroup, Service], ids=lambda kind: kind.__name__)
def test_what_somebody_deleted_is_named_and_not_made_anew(kind: type) -> None:
    reporting = onboarded()
    address = min(a for a, live in reporting.world.items() if isinstance(live.spec, kind))
    del reporting.world[address]
    reporting.settle(tenancy_of())
    assert kind.__name__ in reporting.found
    assert address not in reporting.world


def test_another_image_goes_through_while_a_target_group_has_drifted() -> None:
    reporting = onboarded()
    address = spoil(reporting, TargetGroup, check_elsewhere)
    spoilt = reporting.world[address].spec
    wanted = tenancy_of(workload=dataclasses.replace(WORKLOAD, image="app:2"))
    reporting.settle(wanted)
    definitions = [live.spec for live in reporting.world.values() if isinstance(live.spec, TaskDefinition)]
    assert [definition.image for definition in definitions] == ["app:2"]
    assert reporting.world[address].spec == spoilt
    assert reporting.found == ["TargetGroup"]


def test_a_rule_that_answers_503_by_hand_is_left_so_though_its_tasks_seem_unhealthy() -> None:
    """As when the tenant resumes: the way to forwarding again leads past a second rule and other answers."""
    reporting = onboarded()
    spoil(reporting, ListenerRule, lambda spec: dataclasses.replace(spec, action=FixedResponse(status=503)))
    before = reporting.world
    sick = dict.fromkeys((a for a in before if a.type == "TargetGroup"), 0)
    for health in (None, sick, model.health(before)):
        reporting.step(tenancy_of(), Progress(healthy_targets=health or {}))
        assert reporting.world == before
    assert reporting.found == ["ListenerRule"]


def test_an_edit_of_what_drifted_sets_it_right_and_it_has_drifted_no_more() -> None:
    reporting = onboarded()
    spoil(reporting, TargetGroup, check_elsewhere)
    reporting.settle(tenancy_of())
    wanted = tenancy_of(workload=dataclasses.replace(WORKLOAD, health_path="/ready"))
    assert reporting.settle(wanted).ready
    assert reporting.found == []


def test_drift_that_is_undone_is_found_no_more() -> None:
    reporting = onboarded()
    address = min(a for a, live in reporting.world.items() if isinstance(live.spec, ListenerRule))
    right = reporting.world[address]
    spoil(reporting, ListenerRule, answer_404)
    reporting.settle(tenancy_of())
    assert reporting.found == ["ListenerRule"]
    reporting.world[address] = right
    reporting.settle(tenancy_of())
    assert reporting.found == []


def test_a_crash_after_a_write_and_before_the_status_is_not_taken_for_drift() -> None:
    reporting = onboarded()
    suspended = tenancy_of(suspended=True)
    staged = stage(suspended, reporting.world, Progress())
    todo = plan(staged.desired, reporting.world, installation="test", removals=staged.removals)
    report = DriftReport(dict(reporting.fingerprints))
    todo = report.without_drift(todo, suspended.goals(), reporting.world)
    report.forget(report.about_to_touch(todo))
    reporting.fingerprints = report.fingerprints  # what the status holds when the process is killed
    reporting.world = model.applied(reporting.world, todo)
    reporting.settle(tenancy_of())  # and the person has changed their mind meanwhile
    assert reporting.found == []
    assert model.answered(reporting.world, tenancy_of().rule.address)


def test_without_fingerprints_everything_counts_as_the_specs_doing() -> None:
    reporting = onboarded()
    reporting.fingerprints = {}
    spoil(reporting, TargetGroup, check_elsewhere)
    assert reporting.settle(tenancy_of()).ready
    assert reporting.found == []


def test_a_tier_that_turns_to_repair_has_everything_mended() -> None:
    reporting = onboarded()
    spoil(reporting, ListenerRule, answer_404)
    reporting.settle(tenancy_of())
    mending = Rehearsal(reporting.world)
    assert mending.settle(tenancy_of()).ready


def test_ids_and_their_order_do_not_count_in_a_fingerprint() -> None:
    """A rule that forwards to two target groups is the same whatever AWS calls them."""
    reporting = onboarded(clusters=2)
    rule = reporting.world[tenancy_of().rule.address].spec
    assert isinstance(rule, ListenerRule)
    assert isinstance(rule.action, Forward)
    found = set()
    for order in permutations(("arn:1", "arn:2")):
        targets = [target for target, _ in rule.action.targets]
        renamed = dict(zip(map(str, targets), order, strict=True))
        world = {
            a: dataclasses.replace(live, id=renamed.get(live.id, live.id))
            for a, live in reporting.world.items()
        }
        action = Forward(tuple((renamed[str(target)], weight) for target, weight in rule.action.targets))
        found.add(of_state(dataclasses.replace(rule, action=action), names_in(world)))
    assert len(found) == 1


def test_another_task_definition_is_another_wish_for_the_service() -> None:
    one, two = (tenancy_of(workload=dataclasses.replace(WORKLOAD, image=f"app:{n}")) for n in (1, 2))

    def of_service(tenancy: Tenancy) -> str:
        wanted = {resource.address: resource for resource in tenancy.goals()}
        [service] = [r for r in wanted.values() if isinstance(r.spec, Service)]
        return of_wish(service, wanted, names_in(GROUP))

    assert of_service(one) != of_service(two)
    assert of_service(one) == of_service(tenancy_of())


def test_each_finding_is_told_once_in_a_process_and_after_a_restart() -> None:
    said = ["TargetGroup a (health_check)", "Record b (was missing)"]
    assert newly_found(frozenset(), said, "") == said
    assert newly_found(frozenset(said[:1]), said, "") == said[1:]
    assert newly_found(None, said, f"{said[0]}; undo it") == said[1:]
