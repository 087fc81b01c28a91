"""Leases on a real API server: who was first holds, and whoever comes in under another's name is noticed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import kubernetes
import pytest

from tenant_operator.engine.fence import Fence
from tenant_operator.engine.heartbeat import Heartbeat
from tenant_operator.engine.leases import IdentityTaken, Leases, Role
from tenant_operator.engine.shards import Unit, UnitKind
from tenant_operator.sandbox.cluster import ControlPlane

UNIT = Unit(UnitKind.ACCOUNT, "222222222222")

New = Callable[[str], Leases]


@pytest.fixture
def new(control_plane: ControlPlane) -> Iterator[New]:
    """Makes the leases of a process, in an installation of the test's own."""
    kubernetes.config.load_kube_config(config_file=str(control_plane.kubeconfig))
    installation, made = f"test-{uuid.uuid4().hex[:8]}", []

    def make(identity: str) -> Leases:
        made.append(Leases("default", installation, identity, 10))
        return made[-1]

    yield make
    for leases in made:
        leases.close()
    kubernetes.client.Configuration.set_default(None)


def test_one_of_two_takes_a_free_unit(new: New) -> None:
    alpha, beta = new("alpha"), new("beta")
    assert alpha.take(UNIT, None) is not None
    assert beta.take(UNIT, None) is None
    (lease,) = beta.of(Role.UNIT).values()
    assert lease.holder == "alpha"


def test_of_two_who_saw_the_same_lease_one_takes_it_over(new: New) -> None:
    alpha, beta, gamma = new("alpha"), new("beta"), new("gamma")
    seen = alpha.take(UNIT, None)
    assert gamma.take(UNIT, seen) is not None
    assert beta.take(UNIT, seen) is None


def test_what_is_given_back_is_free_unless_it_was_taken_meanwhile(new: New) -> None:
    alpha, beta = new("alpha"), new("beta")
    held = alpha.take(UNIT, None)
    assert held is not None
    alpha.give_back(held)
    (free,) = beta.of(Role.UNIT).values()
    assert not free.holder
    assert beta.take(UNIT, free) is not None
    alpha.give_back(held)
    assert alpha.of(Role.UNIT)[free.name].holder == "beta"


def test_renewals_show_that_a_process_is_alive(new: New) -> None:
    alpha = new("alpha")
    first = alpha.join()
    second = alpha.renew(first)
    assert second.version != first.version
    assert [lease.holder for lease in alpha.of(Role.MEMBER).values()] == ["alpha"]


def test_a_process_that_starts_again_follows_itself_and_the_one_before_it_notices(new: New) -> None:
    before, after = new("alpha"), new("alpha")
    mine = before.join()
    after.join()
    with pytest.raises(IdentityTaken, match="--identity"):
        before.renew(mine)


def test_a_process_whose_lease_was_deleted_joins_again(new: New, control_plane: ControlPlane) -> None:
    alpha = new("alpha")
    fence = Fence(6.0)
    heartbeat = Heartbeat(alpha, fence, every=0.05)
    heartbeat.start()
    try:
        _eventually(lambda: fence.is_open)
        (name,) = alpha.of(Role.MEMBER)
        done = control_plane.run_kubectl("delete", "lease", name, "-n", "default")
        assert done.returncode == 0, done.stderr
        _eventually(lambda: name in alpha.of(Role.MEMBER))
        assert fence.is_open
    finally:
        heartbeat.stop()
    assert not fence.is_open


def _eventually(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("not in 30 s")
