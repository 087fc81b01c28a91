"""How values are shown: never a secret, and names where AWS has given no id yet."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st

from tenant_operator.desired.resources import (
    Address,
    Forward,
    ListenerRule,
    Live,
    Ref,
    Resource,
    Subnet,
    TaskDefinition,
)
from tenant_operator.plan.change import FieldChange
from tenant_operator.plan.shown import names_of, shown_changes, shown_creation

NAMES = st.text("ABCDEFG_", min_size=1, max_size=8)
SECRETS = st.text("abcdef0123456789", min_size=12, max_size=40)
"""Long enough that none is part of anything else that is shown."""


def definition(environment: dict[str, str], secrets: dict[str, str], command: list[str]) -> TaskDefinition:
    return TaskDefinition(
        image="app:1", cpu=256, memory=512, architecture="X86_64", port=80, task_role="t", execution_role="e",
        log_group="l", log_region="r", log_stream_prefix="p", environment=tuple(environment.items()),
        secrets=tuple(secrets.items()), command=tuple(command), entry_point=tuple(command),
    )  # fmt: skip


def address(kind: str, name: str = "n") -> Address:
    return Address(account="1", region="r", type=kind, name=name)


CONTENTS = st.builds(
    definition,
    st.dictionaries(NAMES, SECRETS, max_size=3),
    st.dictionaries(NAMES, SECRETS, max_size=3),
    st.lists(SECRETS, max_size=3),
)


@given(CONTENTS, CONTENTS)
def test_no_value_that_may_be_secret_is_ever_shown(before: TaskDefinition, after: TaskDefinition) -> None:
    changes = [
        FieldChange(field=item.name, old=getattr(before, item.name), new=getattr(after, item.name))
        for item in dataclasses.fields(after)
        if getattr(before, item.name) != getattr(after, item.name)
    ]
    creation = Resource(address=address("TaskDefinition"), spec=after)
    shown = json.dumps(
        [dataclasses.asdict(c) for c in (*shown_changes(changes, {}), *shown_creation(creation, {}))]
    )
    for spec in (before, after):
        values = [*dict(spec.environment).values(), *dict(spec.secrets).values(), *spec.command]
        assert not any(value in shown for value in values)


def test_a_changed_variable_is_named() -> None:
    change = FieldChange(
        field="environment",
        old=(("A", "1"), ("B", "2"), ("C", "3")),
        new=(("A", "1"), ("B", "9"), ("D", "4")),
    )
    [shown] = shown_changes([change], {})
    assert (shown.old, shown.new) == (["A", "B", "C"], ["A", "B (changed)", "D"])


def test_an_id_that_aws_has_not_given_yet_is_shown_by_name() -> None:
    group = address("TargetGroup", "acme")
    made = Live(address=group, id="arn:made", spec=Subnet(vpc="v", cidr="c", zone="z"))
    names = names_of([made], {"arn:made", "other"})
    rule = ListenerRule(listener=Ref(address("Listener")), action=Forward((("arn:made", 1), ("arn:real", 2))))
    by_field = {
        c.field: c.new for c in shown_creation(Resource(address=address("ListenerRule"), spec=rule), names)
    }
    assert by_field["listener"] == "<id of Listener n>"
    assert by_field["action"] == {"targets": [["<id of TargetGroup acme>", 1], ["arn:real", 2]]}
    assert names["other"] == "(known after apply)"


def test_of_something_new_what_is_not_default_is_shown_and_ownership_tags_are_not() -> None:
    wanted = Resource(
        address=address("Subnet"),
        spec=Subnet(vpc="v", cidr="10.0.0.0/24", zone="a"),
        tags={"tenant-operator.dev/installation": "me", "team": "blue"},
    )
    assert {c.field: c.new for c in shown_creation(wanted, {})} == {
        "vpc": "v", "cidr": "10.0.0.0/24", "zone": "a", "tags": {"team": "blue"},
    }  # fmt: skip


def test_a_long_document_is_shown_by_its_hash() -> None:
    [shown] = shown_changes([FieldChange(field="policy", old="x" * 500, new="y" * 500)], {})
    assert shown.old.startswith("(sha256:")
    assert shown.old != shown.new
