"""Roles and log groups, made and mended over HTTP."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from tenant_operator.aws import identity, logs
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.identity import normalised, read_roles
from tenant_operator.aws.logs import read_log_groups
from tenant_operator.desired import tags
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import (
    GLOBAL,
    Address,
    Live,
    LogGroup,
    Resource,
    Role,
    ServiceLinkedRole,
    Spec,
)
from tests.aws.conftest import INSTALLATION, Cell
from tests.aws.converging import converge, infra_group_ownership, left_to_do, refuse_once

TRUST = canonical({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
DOCUMENT = canonical({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::bucket/${aws:username}/*"}],
})  # fmt: skip
ROLE = "prod-task-tier-1-0123456789"
GROUP = "/tenant-operator/prod-0123456789/tier-1"


def owned(cell: Cell, name: str, spec: Spec, region: str = GLOBAL) -> Resource:
    address = Address(account=cell.caller.account, region=region, type=type(spec).__name__, name=name)
    own = infra_group_ownership().tags("role-task", {"team": "platform"}) if spec.taggable else {}
    return Resource(address=address, spec=spec, tags=own)


def policy(cell: Cell, name: str) -> str:
    """The ARN of a managed policy, which is made when it is asked for first."""
    arn = f"arn:aws:iam::{cell.caller.account}:policy/{name}"
    iam = cell.client("iam")
    if arn not in {found["Arn"] for found in iam.list_policies(Scope="Local")["Policies"]}:
        iam.create_policy(PolicyName=name, PolicyDocument=DOCUMENT)
        cell.new_calls()
    return arn


def role(cell: Cell, **changes: Any) -> Resource:
    spec = Role(
        trust=TRUST, managed_policies=(policy(cell, "execution"),), inline_policies=(("read", DOCUMENT),)
    )
    return owned(cell, ROLE, dataclasses.replace(spec, **changes))


def group(cell: Cell, days: int | None = 30) -> Resource:
    return owned(cell, GROUP, LogGroup(retention_days=days), cell.caller.region)


async def roles(cell: Cell) -> dict[Address, Live]:
    return await read_roles(cell.caller, [ROLE, "absent"])


async def test_a_role_that_was_made_reads_back_as_declared(cell: Cell) -> None:
    await converge(cell.caller, [role(cell)], {})
    assert cell.new_calls() == ["CreateRole", "AttachRolePolicy", "PutRolePolicy"]
    assert not left_to_do([role(cell)], await roles(cell))


async def test_an_edited_role_changes_in_place_and_permits_before_it_forbids(cell: Cell) -> None:
    world = await converge(cell.caller, [role(cell)], {})
    cell.new_calls()
    other = DOCUMENT.replace("GetObject", "PutObject")
    edited = role(
        cell,
        trust=TRUST.replace("ecs-tasks", "ec2"),
        managed_policies=(policy(cell, "read-only"),),
        inline_policies=(("write", other),),
        permissions_boundary=policy(cell, "read-only"),
    )
    world = await converge(cell.caller, [edited], world)
    calls = cell.new_calls()
    assert calls.index("AttachRolePolicy") < calls.index("DetachRolePolicy")
    assert calls.index("PutRolePolicy") < calls.index("DeleteRolePolicy")
    assert not left_to_do([edited], await roles(cell))
    await converge(cell.caller, [role(cell)], await roles(cell))
    assert not left_to_do([role(cell)], await roles(cell))


@pytest.mark.parametrize("action", ["CreateRole", "AttachRolePolicy", "PutRolePolicy"])
async def test_a_role_whose_creation_was_cut_short_is_taken_up_again(cell: Cell, action: str) -> None:
    cell.lose_answer(action)
    with pytest.raises(AwsError):
        await converge(cell.caller, [role(cell)], {})
    world = await converge(cell.caller, [role(cell)], {})
    await converge(cell.caller, [role(cell)], world)
    assert not left_to_do([role(cell)], await roles(cell))


async def test_somebody_elses_role_of_the_same_name_is_refused_and_untouched(cell: Cell) -> None:
    wanted = role(cell)
    cell.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
    cell.new_calls()
    with pytest.raises(AwsError) as refused:
        await identity.CREATE[Role](cell.caller, wanted)
    assert (refused.value.category, refused.value.code) == (Category.EXISTS, "ForeignOwner")
    assert cell.new_calls() == ["CreateRole"]


async def test_a_managed_policy_that_does_not_exist_is_named(cell: Cell) -> None:
    absent = f"arn:aws:iam::{cell.caller.account}:policy/absent"
    with pytest.raises(AwsError) as refused:
        await converge(cell.caller, [role(cell, managed_policies=(absent,))], {})
    assert refused.value.category is Category.SPEC
    assert absent in refused.value.advice
    assert "take it out of spec.iam" in refused.value.advice


async def test_a_role_goes_with_whatever_was_put_on_it_by_hand(cell: Cell) -> None:
    (live,) = (await converge(cell.caller, [role(cell)], {})).values()
    cell.client("iam").attach_role_policy(RoleName=ROLE, PolicyArn=policy(cell, "read-only"))
    await identity.DELETE[Role](cell.caller, live)
    assert await roles(cell) == {}
    await identity.DELETE[Role](cell.caller, live)


async def test_a_role_is_tagged_in_place(cell: Cell) -> None:
    world = await converge(cell.caller, [role(cell)], {})
    edited = dataclasses.replace(role(cell), tags=infra_group_ownership().tags("role-task", {"cost": "1"}))
    await converge(cell.caller, [edited], world)
    (live,) = (await roles(cell)).values()
    assert not left_to_do([edited], {live.address: live})
    assert "team" not in live.tags
    assert live.tags[tags.INSTALLATION] == INSTALLATION


async def test_a_service_linked_role_that_is_there_is_left_as_it_is(cell: Cell) -> None:
    name = "AWSServiceRoleForECS"
    wanted = owned(cell, name, ServiceLinkedRole(service="ecs.amazonaws.com"))
    assert await read_roles(cell.caller, [name]) == {}
    cell.client("iam").create_role(
        RoleName=name, Path="/aws-service-role/ecs.amazonaws.com/", AssumeRolePolicyDocument=TRUST
    )
    assert not left_to_do([wanted], await read_roles(cell.caller, [name]))


async def test_a_service_linked_role_that_somebody_was_first_to_make_is_taken_for_made(cell: Cell) -> None:
    name = "AWSServiceRoleForECS"
    wanted = owned(cell, name, ServiceLinkedRole(service="ecs.amazonaws.com"))
    taken = f"Service role name {name} has been taken in this account, please try a different suffix."
    refuse_once(cell, "CreateServiceLinkedRole", "InvalidInput", taken)
    (live,) = (await converge(cell.caller, [wanted], {})).values()
    assert live.spec == wanted.spec
    assert live.id.endswith(f":role/aws-service-role/ecs.amazonaws.com/{name}")


async def test_documents_compare_equal_however_iam_writes_them() -> None:
    encoded = "%7B%22Version%22%3A%20%222012-10-17%22%2C%20%22Statement%22%3A%20%5B%5D%7D"
    assert normalised(encoded) == normalised(json.loads('{"Statement": [], "Version": "2012-10-17"}'))


async def test_a_log_group_with_retention_reads_back_as_declared_and_follows_edits(cell: Cell) -> None:
    await converge(cell.caller, [group(cell)], {})
    found = await read_log_groups(cell.caller, [GROUP, GROUP + "-absent"])
    assert not left_to_do([group(cell)], found)
    for days in (7, None, 90):
        await converge(cell.caller, [group(cell, days)], found)
        found = await read_log_groups(cell.caller, [GROUP])
        assert not left_to_do([group(cell, days)], found)


@pytest.mark.parametrize("action", ["CreateLogGroup", "PutRetentionPolicy"])
async def test_a_log_group_whose_creation_was_cut_short_is_taken_up_again(cell: Cell, action: str) -> None:
    cell.lose_answer(action)
    with pytest.raises(AwsError):
        await converge(cell.caller, [group(cell)], {})
    world = await converge(cell.caller, [group(cell)], {})
    await converge(cell.caller, [group(cell)], world)
    assert not left_to_do([group(cell)], await read_log_groups(cell.caller, [GROUP]))


async def test_a_log_group_goes_and_twice_is_no_harm(cell: Cell) -> None:
    (live,) = (await converge(cell.caller, [group(cell)], {})).values()
    for _ in range(2):
        await logs.DELETE[LogGroup](cell.caller, live)
    assert await read_log_groups(cell.caller, [GROUP]) == {}


async def test_a_longer_name_with_the_same_start_is_another_log_group(cell: Cell) -> None:
    cell.client("logs").create_log_group(logGroupName=GROUP + "0")
    assert await read_log_groups(cell.caller, [GROUP]) == {}
