"""Argo CD's view of every state, by the Lua that is shipped, in the little Lua that Argo CD offers."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lupa.lua51 import LuaRuntime

ARGOCD = Path(__file__).parents[2] / "deploy" / "argocd"
CUSTOMIZATIONS = ARGOCD / "resource_customizations" / "tenant-operator.dev"
KINDS = ("Tier", "Cell", "InfraGroup", "Tenant")

Health = tuple[str, str]
"""Argo CD's health status and the message beside it."""


@dataclass(frozen=True)
class Case:
    """One entry of a `health_test.yaml`, in the format of Argo CD's own tests."""

    kind: str
    name: str
    object: dict[str, Any]
    health: Health

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


def cases() -> Iterator[Case]:
    for kind in KINDS:
        folder = CUSTOMIZATIONS / kind
        for test in yaml.safe_load((folder / "health_test.yaml").read_text())["tests"]:
            path = folder / test["inputPath"]
            health = (test["healthStatus"]["status"], test["healthStatus"]["message"])
            yield Case(kind, path.stem, yaml.safe_load(path.read_text()), health)


CASES = tuple(cases())


def health_of(obj: dict[str, Any], script: str | None = None) -> Health:
    """Run the shipped script as Argo CD does: Lua 5.1 with its base and table libraries, and the object in `obj`.

    https://github.com/argoproj/argo-cd/blob/master/util/lua/lua.go
    """
    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    for library in ("string", "math", "io", "os", "debug", "package", "require", "python"):
        lua.globals()[library] = None
    lua.globals()["obj"] = lua.table_from(obj, recursive=True)
    result = lua.execute(script or (ARGOCD / "health.lua").read_text())
    assert set(result) == {"status", "message"}
    return result["status"], result["message"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_argo_cd_shows_each_state_as_what_it_is(case: Case) -> None:
    assert health_of(case.object) == case.health


@pytest.mark.parametrize("case", CASES, ids=str)
@given(data=st.data())
def test_the_order_of_conditions_means_nothing_to_argo_cd(case: Case, data: st.DataObject) -> None:
    shuffled = copy.deepcopy(case.object)
    conditions = shuffled.get("status", {}).get("conditions", [])
    conditions[:] = data.draw(st.permutations(conditions))
    assert health_of(shuffled) == case.health


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_test_for_every_state_it_can_be_in(kind: str) -> None:
    tested = {case.health[0] for case in CASES if case.kind == kind}
    assert tested == {"Healthy", "Progressing", "Degraded", "Suspended"}
    listed = {case.name for case in CASES if case.kind == kind}
    assert listed == {path.stem for path in (CUSTOMIZATIONS / kind / "testdata").glob("*.yaml")}


def test_an_edited_object_is_never_healthy_before_the_operator_has_seen_the_edit() -> None:
    for case in CASES:
        edited = copy.deepcopy(case.object)
        edited["metadata"]["generation"] += 1
        assert health_of(edited)[0] == "Progressing", case


@given(
    statuses=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("Ready", "Stalled", "Reconciling", "Paused", "Placed"),
            st.sampled_from(("True", "False", "Unknown")),
        ),
    ),
    blank=st.booleans(),
)
def test_no_mix_of_conditions_breaks_the_script(statuses: dict[str, str], blank: bool) -> None:
    conditions = [
        {
            "type": kind,
            "status": status,
            "reason": "Because",
            **({} if blank else {"message": "since it is so"}),
        }
        for kind, status in statuses.items()
    ]
    obj = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}}
    health, message = health_of(obj)
    assert message
    assert (health == "Degraded") == (statuses.get("Stalled") == "True")
    assert health != "Healthy" or statuses.get("Ready") == "True"


def test_the_config_map_patch_is_what_health_lua_says() -> None:
    check = [sys.executable, str(ARGOCD / "generate.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "run `python deploy/argocd/generate.py`"


def test_argo_cd_gets_the_same_script_from_the_config_map_for_every_kind() -> None:
    data = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())["data"]
    lua = (ARGOCD / "health.lua").read_text()
    for kind in KINDS:
        assert data[f"resource.customizations.health.tenant-operator.dev_{kind}"] == lua
        assert (CUSTOMIZATIONS / kind / "health.lua").read_text() == lua
        ignored = yaml.safe_load(
            data[f"resource.customizations.ignoreResourceUpdates.tenant-operator.dev_{kind}"]
        )
        assert ignored == {"jsonPointers": ["/status"]}


def test_parents_come_in_earlier_waves_than_their_children() -> None:
    def wave(name: str) -> int:
        document = yaml.safe_load((ARGOCD / name).read_text())
        return int(document["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])

    waves = [wave(f"sample-resources/{kind.lower()}.yaml") for kind in KINDS]
    assert waves == [-1, 0, 1, 2]
    assert wave("operator-application.yaml") == -2
    assert all(early < late for early, late in itertools.pairwise(waves))


def test_nothing_is_pruned_by_argo_cd_without_a_person() -> None:
    for path in [*(ARGOCD / "sample-resources").glob("*.yaml"), *ARGOCD.glob("*-application.yaml")]:
        annotations = yaml.safe_load(path.read_text())["metadata"]["annotations"]
        assert "Prune=confirm" in annotations["argocd.argoproj.io/sync-options"], path
