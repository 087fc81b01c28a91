"""Flux's, Helm's and `kubectl`-like tools' view of every state, by the real kstatus."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

import pytest

from tests.deploy.test_argocd_health import CASES, Case
from tests.kstatus import kstatus

EXPECTED = {
    "progressing_staleGeneration": "InProgress",
    "progressing_firstVisit": "InProgress",
    "suspended_paused": "Current",
    "suspended_suspended": "Current",
}
"""Where the name's first word does not say it: kstatus has no word for "suspended", and what is paused or suspended is
as its manifest wants it."""
BY_HEALTH = {"Healthy": "Current", "Degraded": "Failed", "Progressing": "InProgress"}


def expected(case: Case) -> str:
    return EXPECTED.get(case.name) or BY_HEALTH[case.health[0]]


SEEN = [case for case in CASES if "status" in case.object]


@pytest.fixture(scope="module")
def found() -> Mapping[str, str]:
    """All at once: a process for each would take longer than all the questions."""
    return dict(zip(map(str, SEEN), kstatus([case.object for case in SEEN]), strict=True))


@pytest.mark.parametrize("case", SEEN, ids=str)
def test_kstatus_reads_each_state_as_what_it_is(case: Case, found: Mapping[str, str]) -> None:
    assert found[str(case)] == expected(case)


def test_the_order_of_conditions_means_nothing_to_kstatus() -> None:
    chance = random.Random(5)
    shuffled = [copy.deepcopy(case.object) for case in SEEN for _ in range(5)]
    for obj in shuffled:
        chance.shuffle(obj["status"]["conditions"])
    assert kstatus(shuffled) == [expected(case) for case in SEEN for _ in range(5)]


def test_what_is_being_deleted_is_terminating_whatever_it_says() -> None:
    going: list[dict[str, Any]] = [copy.deepcopy(case.object) for case in CASES]
    for obj in going:
        obj["metadata"]["deletionTimestamp"] = "2026-05-12T11:00:00Z"
    assert set(kstatus(going)) == {"Terminating"}


def test_an_edit_that_the_operator_has_not_seen_is_in_progress() -> None:
    edited = [copy.deepcopy(case.object) for case in SEEN]
    for obj in edited:
        obj["metadata"]["generation"] += 1
    assert set(kstatus(edited)) == {"InProgress"}


def test_an_object_that_kstatus_cannot_read_is_named() -> None:
    with pytest.raises(RuntimeError, match="object 1"):
        kstatus([SEEN[0].object, {"apiVersion": "v1", "kind": "Tier", "metadata": {"generation": "one"}}])
