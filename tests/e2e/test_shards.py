"""More than one process: they share the cells out, take a lost one's over, and never two write for one cell."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tenant_operator.sandbox import Sandbox
from tenant_operator.sandbox.operator_process import OperatorProcess
from tests.e2e import manifests as m
from tests.e2e.replicas import Replicas
from tests.e2e.stage import Stage

pytestmark = pytest.mark.e2e

ACCOUNTS = {"red": "222222222222", "green": "333333333333", "blue": "444444444444"}
"""A tier each, with one cell and one infra group in an account of its own."""


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two processes, one after the other, and three tiers in three accounts."""
    folder = tmp_path_factory.mktemp("shards")
    with Sandbox(folder / "sandbox") as sandbox:
        first = OperatorProcess(sandbox.operator_environment(), folder / "none.log")
        stage = Stage(sandbox=sandbox, operator=first, folder=folder)
        stage.aws.seed(cell_accounts=list(ACCOUNTS.values()))
        replicas = Replicas(stage)
        stage.apply(m.namespace())
        for number, (tier, account) in enumerate(ACCOUNTS.items()):
            stage.apply(
                m.tier(tier),
                m.cell(f"cell-{tier}", tier, account),
                m.group(f"group-{tier}", f"cell-{tier}", f"10.{20 + number}.0.0/16"),
                m.tenant(f"one-{tier}", tier),
            )
        replicas.start("alpha")
        replicas.start("beta")
        yield replicas
        replicas.end()


def await_shares(replicas: Replicas, *shares: int) -> Counter[str]:
    """Wait until the accounts are held in such shares (`2, 1`); who holds how many."""

    def held() -> Counter[str]:
        found = Counter(filter(None, (replicas.holder(account) for account in ACCOUNTS.values())))
        return found if sorted(found.values(), reverse=True) == sorted(shares, reverse=True) else Counter()

    found: Counter[str] = replicas.stage.wait(f"accounts are shared out as {shares}", held)
    return found


def edit_all(replicas: Replicas, replicas_wanted: int) -> None:
    replicas.stage.apply(
        *(m.tenant(f"one-{tier}", tier, workload={"replicas": replicas_wanted}) for tier in ACCOUNTS)
    )


STRAY_TURNS = 2
"""What a process was sending in the moment in which it was stopped arrives when it wakes (docs/adr/0009-shards.md): its turn
comes between two of its successor's."""


def one_writer_at_a_time(replicas: Replicas, since: int = 0, stray: int = 0) -> None:
    for account in ACCOUNTS.values():
        turns = replicas.writers(account, since)
        assert len(turns) <= replicas.hands(account) + stray, (account, turns)


def by_holder(replicas: Replicas) -> Callable[[str], list[str]]:
    held = {tier: replicas.holder(account) for tier, account in ACCOUNTS.items()}
    return lambda name: [tier for tier, holder in held.items() if holder == name]


def test_two_processes_share_three_cells_and_each_cell_has_one_writer(replicas: Replicas) -> None:
    stage = replicas.stage
    stage.await_ready("tenant", *(f"one-{tier}" for tier in ACCOUNTS), namespace=m.NAMESPACE)
    shares = await_shares(replicas, 2, 1)
    assert set(shares) == {"alpha", "beta"}
    mark = stage.aws.last_call()
    edit_all(replicas, 2)
    stage.await_ready("tenant", *(f"one-{tier}" for tier in ACCOUNTS), namespace=m.NAMESPACE)
    for account in ACCOUNTS.values():
        assert replicas.writers(account, mark) == [replicas.holder(account)]
    one_writer_at_a_time(replicas)


def test_a_third_process_takes_one_cell_and_a_killed_ones_cells_are_taken_over(replicas: Replicas) -> None:
    stage = replicas.stage
    await_shares(replicas, 2, 1)
    replicas.start("gamma")
    await_shares(replicas, 1, 1, 1)
    (lost,) = by_holder(replicas)("alpha")
    replicas.processes["alpha"].kill()
    edit_all(replicas, 1)
    stage.await_ready("tenant", *(f"one-{tier}" for tier in ACCOUNTS), namespace=m.NAMESPACE)
    assert replicas.holder(ACCOUNTS[lost]) in ("beta", "gamma")
    await_shares(replicas, 2, 1)
    one_writer_at_a_time(replicas)


def test_a_process_that_is_told_twice_to_end_does_so_quietly_and_gives_its_cells_back(
    replicas: Replicas,
) -> None:
    await_shares(replicas, 2, 1)
    for _ in range(2):  # an impatient person's
        replicas.signal("gamma", signal.SIGINT)
    replicas.stage.wait("it has ended", lambda: replicas.processes["gamma"].exit_code is not None)
    assert replicas.processes["gamma"].exit_code == 0
    assert "Traceback" not in replicas.log("gamma")
    for name, spec in replicas.leases().items():
        assert "gamma" not in (spec.get("holderIdentity"), name.rpartition(".")[2]), name
    assert set(await_shares(replicas, 3)) == {"beta"}


def test_a_stopped_process_that_wakes_up_writes_nothing_for_what_it_has_lost(replicas: Replicas) -> None:
    stage = replicas.stage
    await_shares(replicas, 3)
    replicas.start("delta")
    await_shares(replicas, 2, 1)
    lost = by_holder(replicas)("beta")
    mark = stage.aws.last_call()
    stage.apply(*(m.tenant(f"two-{number}-{tier}", tier) for tier in ACCOUNTS for number in range(4)))
    stage.wait(
        "the process is in the midst of writing",
        lambda: any("beta" in replicas.writers(ACCOUNTS[tier], mark) for tier in lost),
    )
    replicas.signal("beta", signal.SIGSTOP)
    assert set(await_shares(replicas, 3)) == {"delta"}
    woken = stage.aws.last_call()
    replicas.signal("beta", signal.SIGCONT)
    names = [f"two-{number}-{tier}" for tier in ACCOUNTS for number in range(4)]
    stage.await_ready("tenant", *names, namespace=m.NAMESPACE)
    assert "was not renewed in time" in replicas.log("beta")
    await_shares(replicas, 2, 1)
    one_writer_at_a_time(replicas, stray=STRAY_TURNS)
    for account in ACCOUNTS.values():
        turns = replicas.writers(account, woken)
        assert len(turns) <= len({"beta", "delta"}) + STRAY_TURNS, (
            f"beta goes on with what it has lost: {turns}"
        )
