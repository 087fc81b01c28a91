"""The stages of a tenant in a group: whatever is asked, in whatever order, no request is lost on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.desired import names
from tenant_operator.desired.load_balancer import NOT_FOUND
from tenant_operator.desired.placed import GroupSite
from tenant_operator.desired.resources import (
    Address,
    Forward,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Service,
    TargetGroup,
)
from tenant_operator.desired.tags import Owner
from tenant_operator.desired.tenancy import SUSPENDED_ANSWER, Route, Tenancy, tenancy
from tenant_operator.desired.workload import Workload
from tenant_operator.plan.change import Action
from tenant_operator.plan.diff import plan
from tenant_operator.plan.leaving import leave
from tenant_operator.plan.serving import stage
from tenant_operator.plan.stage import Progress, Stage
from tests.plan import model

ACCOUNT, REGION = "222222222222", "us-east-1"

SITE = GroupSite(
    installation="test",
    tier="tier-1",
    cell="cell-a",
    infra_group="group-1",
    partition="aws",
    account=ACCOUNT,
    region=REGION,
    vpc="vpc-1",
    workload_subnets=("subnet-1", "subnet-2"),
    workload_security_groups=("sg-1",),
    listener=Address(ACCOUNT, REGION, "Listener", "lb:80"),
    load_balancer=Address(ACCOUNT, REGION, "LoadBalancer", "lb"),
)
WORKLOAD = Workload(
    image="app:1",
    command=(),
    entry_point=(),
    spot=False,
    architecture="X86_64",
    cpu=256,
    memory=512,
    port=8080,
    replicas=2,
    health_path="/healthz",
    health_interval_seconds=15,
    health_timeout_seconds=5,
    healthy_threshold=2,
    unhealthy_threshold=3,
    startup_grace_seconds=300,
    stop_timeout_seconds=60,
    deregistration_delay_seconds=300,
    minimum_healthy_percent=100,
    maximum_percent=200,
    restart_nonce="",
    environment=(),
    secrets=(),
)
GROUP = {
    SITE.listener: Live(
        address=SITE.listener,
        id="arn:listener",
        spec=Listener(load_balancer="arn:lb", port=80, protocol="HTTP", default_action=NOT_FOUND),
    ),
    SITE.load_balancer: Live(
        address=SITE.load_balancer,
        id="arn:lb",
        spec=LoadBalancer(scheme="internal", subnets=(), security_groups=()),
    ),
}


def tenancy_of(
    tenant: str = "acme", *, clusters: int = 1, suspended: bool = False, workload: Workload = WORKLOAD
) -> Tenancy:
    return tenancy(
        SITE,
        tenant=tenant,
        owner=Owner(kind="Tenant", namespace="customers", name=tenant, uid=f"uid-{tenant}"),
        workload=workload,
        route=Route(paths=(f"/{tenant}", f"/{tenant}/*")),
        clusters=clusters,
        suspended=suspended,
        user_tags={},
    )


@dataclasses.dataclass
class Rehearsal:
    """Stages, plans and lets the world move, until nothing is left to do; looks at every step on the way."""

    world: dict[Address, Live]
    verify: bool = False

    def step(self, wanted: Tenancy, progress: Progress) -> tuple[Stage, bool]:
        found = stage(wanted, self.world, progress)
        todo = plan(found.desired, self.world, installation="test", removals=found.removals)
        assert not todo.refusals
        self.look_at_rules(wanted, todo.actions)
        self.world = model.applied(self.world, todo)
        return found, bool(todo)

    def settle(
        self,
        wanted: Tenancy,
        *,
        draw: Callable[[st.SearchStrategy[bool]], bool] | None = None,
        keep_serving: bool = False,
    ) -> Stage:
        found = Stage()
        settled: frozenset[str] = frozenset()
        serving = model.answered(self.world, wanted.rule.address)
        for round_ in range(60):
            progress = Progress(
                healthy_targets=model.health(self.world),
                draining_targets=dict.fromkeys(model.health(self.world), 0),
                settled=settled,
                verify=self.verify,
            )
            found, acted = self.step(wanted, progress)
            if keep_serving and serving:
                assert model.answered(self.world, wanted.rule.address), "a weighted target group is empty"
            serving = serving or model.answered(self.world, wanted.rule.address)
            services = sorted(a for a in self.world if a.type == "Service")
            slow = draw if round_ < 8 else None
            chosen = services if slow is None else [s for s in services if slow(st.booleans())]
            before = dict(self.world)
            self.world = model.moved(self.world, chosen)
            if not acted and before == self.world and settled == found.settling and chosen == services:
                return found
            settled = found.settling
        raise AssertionError(f"it does not come to rest: {found}")

    @staticmethod
    def look_at_rules(wanted: Tenancy, actions: Iterable[Action]) -> None:
        for action in actions:
            if action.desired is None or not isinstance(action.desired.spec, ListenerRule):
                continue
            answer = action.desired.spec.action
            if isinstance(answer, Forward):
                assert len(answer.targets) <= 5
                own = {
                    names.target_group("test", "tier-1", wanted.tenant, "group-1", i, p)
                    for i in range(1, 6)
                    for p in (8080, 9090)
                }
                for target, weight in answer.targets:
                    name = target.address.name if not isinstance(target, str) else target.split(":")[4]
                    assert name in own, "a rule may forward to its own tenant's target groups only"
                    assert 0 <= weight <= 999


def onboarded(clusters: int = 1) -> Rehearsal:
    rehearsal = Rehearsal(dict(GROUP))
    assert rehearsal.settle(tenancy_of(clusters=clusters)).ready
    return rehearsal


def weights(rehearsal: Rehearsal, wanted: Tenancy) -> list[int]:
    action = answer_of(rehearsal, wanted)
    assert isinstance(action, Forward)
    return [weight for _, weight in action.targets]


def answer_of(rehearsal: Rehearsal, wanted: Tenancy) -> object:
    spec = rehearsal.world[wanted.rule.address].spec
    assert isinstance(spec, ListenerRule)
    return spec.action


def desired_counts(rehearsal: Rehearsal) -> list[int]:
    return [live.spec.desired_count for live in rehearsal.world.values() if isinstance(live.spec, Service)]


def test_onboarding_makes_target_group_rule_cluster_task_definition_and_service_in_five_writes() -> None:
    wanted = tenancy_of()
    found = stage(wanted, GROUP, Progress())
    todo = plan(found.desired, GROUP, installation="test")
    assert [action.address.type for action in todo.actions if action.verb == "create"] == [
        action.address.type for action in todo.actions
    ]
    assert sorted(action.address.type for action in todo.actions) == [
        "Cluster", "ListenerRule", "Service", "TargetGroup", "TaskDefinition",
    ]  # fmt: skip
    order = [action.address.type for action in todo.actions]
    assert order.index("TargetGroup") < order.index("ListenerRule") < order.index("Service")


def test_a_second_pass_changes_nothing() -> None:
    rehearsal = onboarded()
    found = stage(tenancy_of(), rehearsal.world, Progress())
    assert not plan(found.desired, rehearsal.world, installation="test", removals=found.removals)
    assert found.ready
    assert found.programmed
    assert not found.waits


def test_a_tenant_is_not_ready_before_its_targets_are_healthy() -> None:
    rehearsal = onboarded()
    asked = stage(tenancy_of(), rehearsal.world, Progress(verify=True))
    assert not asked.ready
    assert asked.unknown
    sick = stage(
        tenancy_of(), rehearsal.world, Progress(verify=True, healthy_targets=dict.fromkeys(asked.unknown, 0))
    )
    assert not sick.ready


def test_a_further_cluster_joins_with_weight_0_and_is_weighted_once_healthy() -> None:
    rehearsal = onboarded()
    wanted = tenancy_of(clusters=2)
    rehearsal.step(wanted, Progress())
    assert sorted(weights(rehearsal, wanted)) == [0, 1]
    assert rehearsal.settle(wanted, keep_serving=True).ready
    assert weights(rehearsal, wanted) == [1, 1]


def test_fewer_clusters_are_unweighted_first_and_removed_once_the_rule_settled() -> None:
    rehearsal = onboarded(clusters=3)
    wanted = tenancy_of(clusters=1)
    _found, _ = rehearsal.step(wanted, Progress())
    assert sorted(weights(rehearsal, wanted)) == [0, 0, 1]
    assert set(desired_counts(rehearsal)) == {2}
    assert rehearsal.settle(wanted, keep_serving=True).ready
    assert len([a for a in rehearsal.world if a.type == "Cluster"]) == 1
    assert len([a for a in rehearsal.world if a.type == "TargetGroup"]) == 1


def test_another_port_is_served_by_a_new_target_group_before_the_old_one_goes() -> None:
    rehearsal = onboarded()
    wanted = tenancy_of(workload=dataclasses.replace(WORKLOAD, port=9090))
    assert rehearsal.settle(wanted, keep_serving=True).ready
    ports = [live.spec.port for live in rehearsal.world.values() if isinstance(live.spec, TargetGroup)]
    assert ports == [9090]
    assert len([a for a in rehearsal.world if a.type == "Service"]) == 1


def test_five_clusters_leave_no_room_for_another_port_and_say_so() -> None:
    rehearsal = onboarded(clusters=5)
    found, _ = rehearsal.step(
        tenancy_of(clusters=5, workload=dataclasses.replace(WORKLOAD, port=9090)), Progress()
    )
    assert any(wait.reason == "TargetGroupsPerAction" for wait in found.waits)
    assert model.answered(rehearsal.world, tenancy_of().rule.address)


def test_suspending_answers_503_before_the_tasks_stop_and_deletes_nothing() -> None:
    rehearsal = onboarded()
    wanted = tenancy_of(suspended=True)
    rehearsal.step(wanted, Progress())
    assert answer_of(rehearsal, wanted) == SUSPENDED_ANSWER
    assert desired_counts(rehearsal) == [2]
    assert rehearsal.settle(wanted).ready
    assert desired_counts(rehearsal) == [0]
    assert len(rehearsal.world) == len(onboarded().world)


def test_resuming_answers_503_until_the_tasks_are_healthy() -> None:
    rehearsal = onboarded()
    rehearsal.settle(tenancy_of(suspended=True))
    wanted = tenancy_of()
    rehearsal.step(wanted, Progress())
    assert answer_of(rehearsal, wanted) == SUSPENDED_ANSWER
    assert wanted.standby.address in rehearsal.world, (
        "the target group must belong to the load balancer meanwhile"
    )
    assert rehearsal.settle(wanted).ready
    assert model.answered(rehearsal.world, wanted.rule.address)
    assert wanted.standby.address not in rehearsal.world


def test_a_new_image_reaches_one_cluster_at_a_time() -> None:
    rehearsal = onboarded(clusters=3)
    wanted = tenancy_of(clusters=3, workload=dataclasses.replace(WORKLOAD, image="app:2"))
    seen = []
    for _ in range(3):
        rehearsal.step(wanted, Progress())
        rolling = [
            a
            for a, live in rehearsal.world.items()
            if a.type == "Service" and live.attributes["state"].deployments == 2
        ]
        seen.append(len(rolling))
        rehearsal.world = model.moved(rehearsal.world, rolling)
    assert seen == [1, 1, 1]
    assert rehearsal.settle(wanted, keep_serving=True).ready


def test_the_next_cluster_takes_a_new_image_only_once_the_last_success_was_watched() -> None:
    rehearsal = onboarded(clusters=2)
    wanted = tenancy_of(clusters=2, workload=dataclasses.replace(WORKLOAD, image="app:2"))
    rehearsal.step(wanted, Progress(soak_seconds=60.0))
    rehearsal.world = model.moved(rehearsal.world, services(rehearsal))
    watched, acted = rehearsal.step(wanted, Progress(soak_seconds=60.0))
    assert not acted
    assert [(wait.reason, wait.seconds) for wait in watched.waits] == [("Soaking", 60.0)]
    assert (watched.released, watched.whole, watched.releasing) == (1, False, True)
    still, acted = rehearsal.step(wanted, Progress(soak_seconds=60.0, soaking=True, clusters_before=1))
    assert not acted
    assert [wait.reason for wait in still.waits] == ["Soaking"]
    _, acted = rehearsal.step(wanted, Progress(soak_seconds=60.0, clusters_before=1))
    assert acted
    rehearsal.world = model.moved(rehearsal.world, services(rehearsal))
    done = stage(wanted, rehearsal.world, Progress(soak_seconds=60.0, clusters_before=1))
    assert (done.released, done.whole, done.ready) == (2, True, True)


def test_clusters_of_one_size_share_the_requests_equally_whatever_the_size() -> None:
    rehearsal = onboarded(clusters=3)
    for clusters, replicas in ((3, 4), (2, 1), (4, 3)):
        wanted = tenancy_of(clusters=clusters, workload=dataclasses.replace(WORKLOAD, replicas=replicas))
        assert rehearsal.settle(wanted, keep_serving=True).ready
        assert weights(rehearsal, wanted) == [1] * clusters


def without_tasks(rehearsal: Rehearsal, who: Iterable[Address]) -> None:
    """Every task of some services has stopped."""
    for address in who:
        live = rehearsal.world[address]
        state = dataclasses.replace(live.attributes["state"], running=0)
        rehearsal.world[address] = dataclasses.replace(live, attributes={**live.attributes, "state": state})


def test_a_cluster_without_a_healthy_target_gets_no_requests_while_another_has_some() -> None:
    rehearsal = onboarded(clusters=3)
    wanted = tenancy_of(clusters=3)
    sick = services(rehearsal)[:1]
    without_tasks(rehearsal, sick)
    rehearsal.step(wanted, Progress())
    assert sorted(weights(rehearsal, wanted)) == [0, 1, 1]
    rehearsal.world = model.moved(rehearsal.world, sick)
    assert rehearsal.settle(wanted, keep_serving=True).ready
    assert weights(rehearsal, wanted) == [1, 1, 1]


def test_when_no_cluster_has_a_healthy_target_all_keep_their_weights() -> None:
    """Weight 0 everywhere would turn a service that comes back in a second into an outage that lasts."""
    rehearsal = onboarded(clusters=3)
    wanted = tenancy_of(clusters=3)
    without_tasks(rehearsal, services(rehearsal))
    rehearsal.step(wanted, Progress())
    assert weights(rehearsal, wanted) == [1, 1, 1]


def services(rehearsal: Rehearsal) -> list[Address]:
    return sorted(address for address in rehearsal.world if address.type == Service.__name__)


def test_a_revision_that_was_rolled_back_is_not_tried_again() -> None:
    rehearsal = onboarded()
    wanted = tenancy_of(workload=dataclasses.replace(WORKLOAD, image="broken:1"))
    found = stage(wanted, rehearsal.world, Progress(failed_revision=wanted.revision))
    assert found.rolled_back
    assert not found.ready
    assert not plan(found.desired, rehearsal.world, installation="test", removals=found.removals)


def test_leaving_removes_the_rule_first_and_ends_with_nothing() -> None:
    rehearsal = onboarded(clusters=2)
    wanted = tenancy_of(clusters=2)
    order: list[str] = []
    for _ in range(20):
        found = leave(
            wanted,
            rehearsal.world,
            Progress(draining_targets=dict.fromkeys(model.health(rehearsal.world), 0)),
        )
        todo = plan(found.desired, rehearsal.world, installation="test", removals=found.removals)
        order += [action.address.type for action in todo.actions if action.verb == "delete"]
        rehearsal.world = model.moved(
            model.applied(rehearsal.world, todo), [a for a in rehearsal.world if a.type == "Service"]
        )
    assert rehearsal.world == GROUP
    assert order[0] == "ListenerRule"
    assert order.index("Service") < order.index("TargetGroup")
    assert order.index("TaskDefinition") < order.index("Cluster")


@st.composite
def specs(draw: st.DrawFn) -> Tenancy:
    """Anything that a person may ask of a tenant."""
    workload = dataclasses.replace(
        WORKLOAD,
        image=draw(st.sampled_from(["app:1", "app:2", "app:3"])),
        port=draw(st.sampled_from([8080, 9090])),
        replicas=draw(st.integers(1, 4)),
        restart_nonce=draw(st.sampled_from(["", "again"])),
    )
    return tenancy_of(
        clusters=draw(st.integers(1, 4)), suspended=draw(st.integers(0, 4)) == 0, workload=workload
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_asked_in_whatever_order_no_request_is_lost_on_the_way(data: st.DataObject) -> None:
    """Edits follow each other, services take their time; while a tenant is served it stays served, unless suspended."""
    rehearsal = Rehearsal(dict(GROUP))
    for _ in range(data.draw(st.integers(1, 4))):
        wanted = data.draw(specs())
        was_suspended = not model.answered(rehearsal.world, wanted.rule.address)
        found = rehearsal.settle(
            wanted, draw=data.draw, keep_serving=not wanted.suspended and not was_suspended
        )
        assert found.ready or any(wait.reason == "TargetGroupsPerAction" for wait in found.waits)
        again = stage(
            wanted,
            rehearsal.world,
            Progress(
                healthy_targets=model.health(rehearsal.world),
                draining_targets=dict.fromkeys(model.health(rehearsal.world), 0),
            ),
        )
        assert not plan(again.desired, rehearsal.world, installation="test", removals=again.removals)
        groups = [a for a in rehearsal.world if a.type == TargetGroup.__name__]
        assert len(groups) <= 8
