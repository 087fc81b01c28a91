"""What a plan says of the actions that a dry run has noted."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_operator.aws.dry_run.transport import Call
from tenant_operator.cli.plan_text import summary_of, text_of
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Address, Live, Resource, Subnet
from tenant_operator.engine.cache import Cache, Key, Kind
from tenant_operator.engine.dry_run.journal import Entry
from tenant_operator.engine.dry_run.preview import (
    Effect,
    Preview,
    as_json,
    blocked_in,
    buckets_of,
    counts_of,
    steps_of,
)
from tenant_operator.plan.change import Action, FieldChange, Risk, Verb

ACME = Key(Kind.TENANT, "customers", "acme")


def call(service: str = "elbv2", operation: str = "create_rule", account: str = "1", about: str = "") -> Call:
    return Call(account=account, region="r", service=service, operation=operation, about=about)


def entry(verb: Verb, name: str, component: str = "", *, calls: int = 1, risk: Risk = Risk.NONE) -> Entry:
    """A resource's entry; its component says which part of the tenant it is."""
    address = Address(account="1", region="r", type="Subnet", name=name)
    known = {tags.COMPONENT: component or name, tags.TENANT: "acme"}
    spec = Subnet(vpc="v", cidr="10.0.0.0/24", zone="a")
    action = Action(
        verb=verb,
        address=address,
        desired=None if verb is Verb.DELETE else Resource(address=address, spec=spec, tags=known),
        live=None if verb is Verb.CREATE else Live(address=address, id=f"id-{name}", spec=spec, tags=known),
        changes=(FieldChange(field="zone", old="a", new="b"),) if verb is Verb.UPDATE else (),
        reason="because",
        risk=risk,
    )
    return Entry(key=ACME, action=action, calls=(call(),) * calls, order=(1, 1, 0), passed=0.0)


def preview(*entries: Entry, **changes: Any) -> Preview:
    calls = [each for one in entries for each in one.calls]
    found = {
        "steps": steps_of(entries, {}), "blocked": (), "buckets": buckets_of(calls), "quotas": (), "unread": (),
        "reads": 0, "counts": counts_of(entries), **changes,
    }  # fmt: skip
    return Preview(**found)


def test_the_same_part_made_and_deleted_is_one_replacement() -> None:
    entries = [
        entry(Verb.CREATE, "new", "slot-1"),
        entry(Verb.DELETE, "old", "slot-1"),
        entry(Verb.DELETE, "other"),
    ]
    made, gone, other = steps_of(entries, {})
    assert (made.effect, made.replaces) == (Effect.REPLACE, "old")
    assert (gone.effect, gone.reason) == (Effect.DELETE, "another has been made in its place")
    assert (other.effect, other.reason) == (Effect.DELETE, "because")
    assert counts_of(entries) == {Effect.CREATE: 0, Effect.UPDATE: 0, Effect.REPLACE: 1, Effect.DELETE: 1}


def test_a_resource_that_is_changed_twice_counts_once() -> None:
    entries = [
        entry(Verb.CREATE, "a"),
        entry(Verb.UPDATE, "a"),
        entry(Verb.UPDATE, "b"),
        entry(Verb.UPDATE, "b"),
    ]
    assert counts_of(entries) == {Effect.CREATE: 1, Effect.UPDATE: 1, Effect.REPLACE: 0, Effect.DELETE: 0}


def test_the_slowest_bucket_decides_how_long_it_takes() -> None:
    calls = [call(operation="create_load_balancer")] * 12 + [call()] * 12 + [call(account="2")]
    slowest, *others = buckets_of(calls)
    assert (slowest.name, slowest.calls) == ("elbv2 resource-intensive", 12)
    assert slowest.seconds == pytest.approx((12 - 9.5) / (0.2 * 0.95))
    assert [bucket.seconds for bucket in others] == [0.0, 0.0]
    assert buckets_of(calls, api_rate=10.0)[0].seconds == 0.0


def test_the_summary_says_it_in_one_line() -> None:
    found = preview(entry(Verb.CREATE, "a", calls=2), entry(Verb.UPDATE, "b"))
    assert summary_of(found) == (
        "1 to create, 1 to update, 0 to replace, 0 to delete; about 1 s under AWS's limits; 3 calls"
    )
    assert summary_of(preview()).startswith("No changes")


def test_the_text_names_field_old_and_new_value_reason_risk_and_calls() -> None:
    text = text_of(preview(entry(Verb.UPDATE, "b", risk=Risk.TRAFFIC)))
    for said in (
        "Tenant customers/acme",
        "update",
        "Subnet b",
        "zone: a → b",
        "because",
        "[traffic]",
        "CreateRule",
    ):
        assert said in text.replace("\x1b[0m", "")


def test_upkeep_that_belongs_to_no_plan_is_shown_with_its_reason() -> None:
    one = call("ecs", "deregister_task_definition", about="arn:aws:ecs:r:1:task-definition/acme:1")
    [step] = steps_of([Entry(key=ACME, action=None, calls=(one,), order=(1, 1, 0), passed=0.0)], {})
    assert (step.type, step.name, step.calls) == (
        "TaskDefinition",
        "acme:1",
        ("ecs DeregisterTaskDefinition",),
    )
    assert "newest revisions" in step.reason


def test_what_is_paused_drifted_or_not_ready_is_said_and_what_is_ready_is_not() -> None:
    def tenant(name: str, *conditions: tuple[str, str]) -> dict[str, Any]:
        said = [{"type": t, "status": s, "reason": t, "message": "m"} for t, s in conditions]
        metadata = {"name": name, "namespace": "customers", "uid": name, "generation": 1}
        spec = {"tierRef": {"name": "gold"}}
        return {
            "apiVersion": "tenant-operator.dev/v1alpha1", "kind": "Tenant", "metadata": metadata, "spec": spec,
            "status": {"conditions": said},
        }  # fmt: skip

    cache = Cache()
    cache.put(tenant("ready", ("Ready", "True")))
    cache.put(tenant("paused", ("Ready", "True"), ("Paused", "True")))
    cache.put(tenant("drifted", ("Ready", "True"), ("Drifted", "True")))
    cache.put(tenant("waiting", ("Ready", "False"), ("Stalled", "True")))
    assert [(b.object.rpartition("/")[2], b.reason) for b in blocked_in(cache)] == [
        ("drifted", "Drifted"), ("paused", "Paused"), ("waiting", "Stalled"),
    ]  # fmt: skip


def test_the_json_says_whether_it_is_complete() -> None:
    document = as_json(preview(entry(Verb.CREATE, "a"), unread=("AccessDenied",)))
    assert document["summary"]["complete"] is False
    assert document["steps"][0]["waitedSeconds"] == 0.0
    assert document["formatVersion"] == "1"
