"""Task definitions and services between AWS's wording and ours: pure, so properties."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.aws import task_definitions
from tenant_operator.aws.task_failures import sentence
from tenant_operator.desired.resources import Address, TaskDefinition

NAMES = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z")
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
PAIRS = st.dictionaries(NAMES, WORDS, max_size=4).map(lambda found: tuple(found.items()))
DEFINITIONS = st.builds(
    TaskDefinition,
    image=st.just("app:1"),
    cpu=st.sampled_from([256, 1024]),
    memory=st.sampled_from([2048, 4096]),
    architecture=st.sampled_from(["X86_64", "ARM64"]),
    port=st.integers(1, 65535),
    command=st.lists(WORDS, max_size=3).map(tuple),
    entry_point=st.lists(WORDS, max_size=3).map(tuple),
    environment=PAIRS,
    secrets=PAIRS,
    stop_timeout_seconds=st.integers(2, 120),
    task_role=st.just("arn:aws:iam::1:role/task"),
    execution_role=st.just("arn:aws:iam::1:role/execution"),
    log_group=st.just("/g"),
    log_region=st.just("us-east-1"),
    log_stream_prefix=st.just("acme"),
    restart_nonce=WORDS,
)


def shown(spec: TaskDefinition) -> dict[str, Any]:
    """As AWS answers."""
    return {
        **task_definitions.to_api(spec),
        "family": "f",
        "taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/f:1",
    }


@given(DEFINITIONS)
def test_a_revision_that_was_registered_reads_back_equal(spec: TaskDefinition) -> None:
    assert task_definitions.from_api(shown(spec)) == spec


@given(DEFINITIONS, DEFINITIONS)
def test_two_revisions_share_their_hash_exactly_when_they_are_equal(
    one: TaskDefinition, two: TaskDefinition
) -> None:
    same = task_definitions.content_hash(one) == task_definitions.content_hash(two)
    assert same == (one == two)
    assert task_definitions.content_hash(one) == task_definitions.content_hash(dataclasses.replace(one))


@given(DEFINITIONS, DEFINITIONS, PAIRS, PAIRS)
def test_a_revision_is_recalled_exactly_for_the_same_content_and_tags(
    one: TaskDefinition, two: TaskDefinition, tags: tuple[Any, ...], others: tuple[Any, ...]
) -> None:
    same = task_definitions.digest(one, dict(tags)) == task_definitions.digest(two, dict(others))
    assert same == (one == two and dict(tags) == dict(others))
    arn = "arn:aws:ecs:r:1:task-definition/f:12"
    address = Address(account="1", region="r", type=TaskDefinition.__name__, name="f")
    live = task_definitions.recalled(arn, address, one, dict(tags))
    assert (live.id, live.spec, live.tags, live.attributes["revision"]) == (arn, one, dict(tags), 12)


@pytest.mark.parametrize(
    ("alien", "words"),
    [
        ({"volumes": [{"name": "data"}]}, "volumes"),
        ({"networkMode": "bridge"}, "network mode bridge"),
    ],
)
@given(spec=DEFINITIONS)
def test_a_revision_that_a_person_registered_is_drift(
    alien: dict[str, Any], words: str, spec: TaskDefinition
) -> None:
    assert words in task_definitions.from_api({**shown(spec), **alien}).unexpected


@given(DEFINITIONS)
def test_a_container_that_a_person_added_or_altered_is_drift(spec: TaskDefinition) -> None:
    definition = shown(spec)
    definition["containerDefinitions"] = [
        {**definition["containerDefinitions"][0], "user": "root"},
        {"name": "side"},
    ]
    assert set(task_definitions.from_api(definition).unexpected) == {
        "user of the container",
        "a container side",
    }


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            {"stoppedReason": "Task failed ELB health checks in (target-group arn:x)", "containers": []},
            "Task failed ELB health checks in (target-group arn:x)",
        ),
        (
            {
                "stoppedReason": "Essential container in task exited",
                "containers": [
                    {"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: Container killed"}
                ],
            },
            "Essential container in task exited; OutOfMemoryError: Container killed",
        ),
        (
            {
                "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "app", "exitCode": 127}],
            },
            "Essential container in task exited; exit code 127 (the command was not found)",
        ),
        ({"containers": [{"name": "app", "exitCode": 0}]}, ""),
    ],
)
def test_a_stopped_task_says_why_in_a_sentence(task: dict[str, Any], said: str) -> None:
    assert sentence(task) == said
