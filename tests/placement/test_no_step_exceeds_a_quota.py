"""Many tenants come, change and go beside one another at one load balancer: no moment of it exceeds any quota.

The plans are the real ones, carried out action by action on a model of AWS that counts. ECS is taken at its worst: a
service may run `desired × maximumPercent` tasks at any time, and those of a former size until they are gone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tenant_operator.api.quota_codes import QuotaCode
from tenant_operator.desired.resources import Address, Cluster, ListenerRule, Live, Service, TargetGroup
from tenant_operator.desired.tenancy import Tenancy
from tenant_operator.engine.reserving import Kept, live_stacks_in, released
from tenant_operator.placement.admission import admit
from tenant_operator.placement.ledger import GroupLedger, newcomer, shortage
from tenant_operator.placement.quotas import Quota, Source, limits
from tenant_operator.placement.reservation import Reservation, from_status, steady, to_status
from tenant_operator.placement.size import Size
from tenant_operator.plan.diff import plan
from tenant_operator.plan.leaving import leave
from tenant_operator.plan.serving import stage
from tenant_operator.plan.stage import Progress
from tests.plan import model
from tests.plan.test_serving import ACCOUNT, GROUP, REGION, WORKLOAD, tenancy_of

NAMES = ("a", "b", "c", "d", "e")
SMALL = {
    QuotaCode.TARGET_GROUPS: 9,
    QuotaCode.RULES: 7,
    QuotaCode.TARGETS: 40,
    QuotaCode.INTERFACES: 36,
    QuotaCode.CLUSTERS: 8,
    QuotaCode.REGION_TARGET_GROUPS: 9,
    QuotaCode.VCPU: 16,
}
LIMITS = limits(Quota(code=c, name=c, limit=n, source=Source.OVERRIDE) for c, n in SMALL.items())
HEADROOM = 2
SIZES = st.builds(
    Size,
    clusters=st.integers(1, 3),
    replicas=st.integers(1, 3),
    maximum_percent=st.sampled_from([150, 200]),
    cpu=st.sampled_from([256, 512, 1024]),
    memory=st.just(2048),
    port=st.sampled_from([8080, 9090]),
    suspended=st.booleans(),
)


class Tenants(RuleBasedStateMachine):
    """One infra group with very small quotas, and five tenants that want things of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world: dict[Address, Live] = dict(GROUP)
        self.wanted: dict[str, Size] = {}
        self.leaving: set[str] = set()
        self.status: dict[str, dict[str, Any]] = {}
        self.settled: dict[str, frozenset[str]] = {}
        self.burst: Counter[Address] = Counter()
        """The most tasks that each service may be running."""
        self.waits: dict[str, str] = {}

    @initialize()
    def begin(self) -> None:
        self.world = dict(GROUP)

    # --- what people do -------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), size=SIZES)
    def want(self, name: str, size: Size) -> None:
        """A tenant is created or edited."""
        if name not in self.leaving:
            self.wanted[name] = size

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if name in self.wanted:
            self.leaving.add(name)

    # --- what AWS does --------------------------------------------------------------------------------

    @rule(data=st.data())
    def let_some_services_move(self, data: st.DataObject) -> None:
        services = sorted(a for a in self.world if a.type == "Service")
        chosen = data.draw(st.lists(st.sampled_from(services), unique=True)) if services else []
        self._move(chosen)

    # --- what the operator does -----------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES))
    def visit(self, name: str) -> None:
        if name in self.leaving:
            self._leave(name)
        elif name in self.wanted and (kept := self._reserve(name, self.wanted[name])) is not None:
            self._serve(name, kept)

    @invariant()
    def everything_that_is_there_is_reserved(self) -> None:
        kept: Counter[QuotaCode] = Counter()
        for name in self.status:
            kept.update(self._held(name).now)
        used = self._used()
        assert all(used[code] <= kept[code] for code in used), (used, kept)

    def teardown(self) -> None:
        """Left alone, everybody who fits gets there; who waits is told for what."""
        for _ in range(80):
            before = (dict(self.world), dict(self.settled))
            for name in NAMES:
                self.visit(name)
            self._move(sorted(a for a in self.world if a.type == "Service"))
            if before == (self.world, self.settled):
                break
        else:
            raise AssertionError("it does not come to rest")
        assert not self.leaving
        for name, size in self.wanted.items():
            done = name in self.status and self._held(name).size == size
            assert done != bool(self.waits.get(name)), (name, self.waits.get(name))
            assert not done or self._held(name) == steady(size), "what a former size took is free again"

    # --- as the engine has it -------------------------------------------------------------------------

    def _held(self, name: str) -> Reservation:
        found = from_status({"reserved": self.status[name]})
        assert found is not None
        return found

    def _ledger(self) -> GroupLedger:
        lasting: Counter[QuotaCode] = Counter()
        now: Counter[QuotaCode] = Counter()
        for name in self.status:
            lasting.update(self._held(name).lasting)
            now.update(self._held(name).now)
        return GroupLedger(
            name="group-1",
            account=ACCOUNT,
            region=REGION,
            tenants=len(self.status),
            headroom=HEADROOM,
            lasting=lasting,
            now=now,
            shared=now,
            limits=LIMITS,
        )

    def _reserve(self, name: str, size: Size) -> Kept | None:
        self.waits.pop(name, None)
        if name not in self.status:
            why = shortage(newcomer(self._ledger(), size.peak.use))
            if why:
                self.waits[name] = why
                return None
            kept = Kept(reservation=steady(size))
        else:
            live, standby = self._live(name)
            admission = admit(self._ledger(), self._held(name), size, live, standby=standby)
            kept = Kept(reservation=admission.reservation, shortage=admission.shortage)
            if kept.shortage:
                self.waits[name] = kept.shortage
        self.status[name] = to_status(kept.reservation)
        return kept

    def _live(self, name: str) -> tuple[list[tuple[int, int]], bool]:
        mine = [live for a, live in self.world.items() if live.tags.get("tenant-operator.dev/tenant") == name]
        return live_stacks_in(mine)

    def _tenancy(self, name: str, kept: Kept) -> Tenancy:
        size = kept.size
        workload = dataclasses.replace(
            WORKLOAD,
            replicas=size.replicas,
            maximum_percent=size.maximum_percent,
            cpu=size.cpu,
            memory=size.memory,
            port=size.port,
        )
        return tenancy_of(name, clusters=size.clusters, suspended=size.suspended, workload=workload)

    def _progress(self, name: str, *, may_release: bool = True) -> Progress:
        return Progress(
            healthy_targets=model.health(self.world),
            draining_targets=dict.fromkeys(model.health(self.world), 0),
            settled=self.settled.get(name, frozenset()),
            may_release=may_release,
        )

    def _serve(self, name: str, kept: Kept) -> None:
        wanted = self._tenancy(name, kept)
        found = stage(wanted, self.world, self._progress(name, may_release=not kept.shortage))
        self.settled[name] = found.settling
        todo = plan(found.desired, self.world, installation="test", removals=found.removals)
        self._apply(todo.actions)
        found = stage(wanted, self.world, self._progress(name))
        live, standby = self._live(name)
        moving = any(self.burst[a] for a in self._services(name) if not self._is_still(a))
        done = found.ready and not found.releasing and found.running <= found.wanted and not moving
        self.status[name] = to_status(released(kept, live, done=done, standby=standby))

    def _leave(self, name: str) -> None:
        kept = Kept(reservation=self._held(name)) if name in self.status else None
        if kept is not None:
            wanted = self._tenancy(name, kept)
            found = leave(wanted, self.world, self._progress(name))
            self.settled[name] = found.settling
            todo = plan(found.desired, self.world, installation="test", removals=found.removals)
            self._apply(todo.actions)
        if not any(live.tags.get("tenant-operator.dev/tenant") == name for live in self.world.values()):
            for known in (self.status, self.wanted, self.settled, self.waits):
                known.pop(name, None)
            self.leaving.discard(name)

    # --- what AWS counts ------------------------------------------------------------------------------

    def _services(self, name: str) -> list[Address]:
        return [
            a
            for a, live in self.world.items()
            if isinstance(live.spec, Service) and live.tags.get("tenant-operator.dev/tenant") == name
        ]

    def _is_still(self, address: Address) -> bool:
        live = self.world[address]
        assert isinstance(live.spec, Service)
        state = live.attributes["state"]
        return bool(state.rollout == "COMPLETED" and state.running == live.spec.desired_count)

    def _apply(self, actions: Any) -> None:
        for action in actions:
            self.world = model.after(self.world, action)
            for address in [a for a in self.burst if a not in self.world]:
                del self.burst[address]
            for address, live in self.world.items():
                if isinstance(live.spec, Service):
                    peak = max(
                        live.spec.desired_count, live.spec.desired_count * live.spec.maximum_percent // 100
                    )
                    self.burst[address] = max(self.burst[address], peak, live.attributes["state"].running)
            self._check(str(action))

    def _move(self, services: list[Address]) -> None:
        self.world = model.moved(self.world, services)
        for address in services:
            live = self.world.get(address)
            if live is None:
                del self.burst[address]
                continue
            assert isinstance(live.spec, Service)
            self.burst[address] = live.spec.desired_count * live.spec.maximum_percent // 100

    def _used(self) -> Counter[QuotaCode]:
        kinds = Counter(type(live.spec) for live in self.world.values())
        tasks = sum(self.burst.values())
        return Counter(
            {
                QuotaCode.TARGET_GROUPS: kinds[TargetGroup],
                QuotaCode.REGION_TARGET_GROUPS: kinds[TargetGroup],
                QuotaCode.RULES: kinds[ListenerRule],
                QuotaCode.CLUSTERS: kinds[Cluster],
                QuotaCode.TARGETS: tasks,
                QuotaCode.INTERFACES: tasks,
            }
        )

    def _check(self, when: str) -> None:
        used = self._used()
        over = {code.name: (used[code], SMALL[code]) for code in used if used[code] > SMALL[code]}
        assert not over, f"{over} after {when}"


TestTenants = Tenants.TestCase
TestTenants.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
