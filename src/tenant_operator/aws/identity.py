"""IAM: the roles of a tier, and the service-linked roles that AWS needs in an account.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html. IAM is one service for all Regions; its
addresses are in `aws-global`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import unquote

from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, as_list, from_list
from tenant_operator.aws.visibility import once_visible
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import GLOBAL, Address, Live, Resource, Role, ServiceLinkedRole, Spec
from tenant_operator.plan.change import FieldChange

SERVICE_LINKED_PREFIX = "AWSServiceRoleFor"


async def read_roles(caller: Caller, names: Sequence[str]) -> dict[Address, Live]:
    """The roles of these names that exist, whoever owns them; service-linked ones too.

    Costs three reads a role and one for each inline policy; one read for a service-linked role.

    Raises:
        AwsError: a reading failed.
    """
    found = await asyncio.gather(*(_read_role(caller, name) for name in names))
    return {live.address: live for live in found if live is not None}


async def _read_role(caller: Caller, name: str) -> Live | None:
    try:
        role = (await caller("iam", "get_role", RoleName=name))["Role"]
        if name.startswith(SERVICE_LINKED_PREFIX):
            return _service_linked(caller, name, role["Path"].strip("/").rpartition("/")[2], role["Arn"])
        attached, inline = await asyncio.gather(_attached(caller, name), _inline_names(caller, name))
        documents = await asyncio.gather(*(_document(caller, name, policy) for policy in inline))
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    return Live(
        address=_address(caller, Role, name),
        id=role["Arn"],
        spec=Role(
            trust=normalised(role["AssumeRolePolicyDocument"]),
            managed_policies=tuple(attached),
            inline_policies=tuple(zip(inline, documents, strict=True)),
            permissions_boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        ),
        tags=from_list(role.get("Tags")),
    )


def normalised(document: str | Mapping[str, Any]) -> str:
    """A policy as IAM gives it (parsed, or URL-encoded JSON) in canonical JSON."""
    if isinstance(document, str):
        document = cast("Mapping[str, Any]", json.loads(unquote(document)))
    return canonical(document)


async def _attached(caller: Caller, name: str) -> list[str]:
    policies = await caller.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    return [policy["PolicyArn"] for policy in policies]


async def _inline_names(caller: Caller, name: str) -> list[str]:
    return await caller.pages("iam", "list_role_policies", "PolicyNames", RoleName=name)


async def _document(caller: Caller, name: str, policy: str) -> str:
    answer = await caller("iam", "get_role_policy", RoleName=name, PolicyName=policy)
    return normalised(answer["PolicyDocument"])


# --- Writing --------------------------------------------------------------------------------------


async def create_role(caller: Caller, resource: Resource) -> Live:
    """CreateRole, then one call for each policy.

    A crash in between leaves a role without some of its policies, which the next plan sees as a difference.
    """
    spec = cast("Role", resource.spec)
    name = resource.address.name
    boundary = {"PermissionsBoundary": spec.permissions_boundary} if spec.permissions_boundary else {}
    try:
        answer = await caller(
            "iam",
            "create_role",
            RoleName=name,
            AssumeRolePolicyDocument=spec.trust,
            Tags=as_list(resource.tags),
            **boundary,
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        live = await once_visible(lambda: _existing(caller, name))
        return adopted(caller, resource, live, "iam", "create_role")
    await _attach(caller, name, spec.managed_policies)
    await _put(caller, name, spec.inline_policies)
    return Live(
        address=_address(caller, Role, name), id=answer["Role"]["Arn"], spec=spec, tags=dict(resource.tags)
    )


async def _existing(caller: Caller, name: str) -> Live:
    live = await _read_role(caller, name)
    if live is None:
        raise caller.error(
            "iam", "get_role", "NoSuchEntity", f"role {name} is not there yet", Category.NOT_FOUND
        )
    return live


async def update_role(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Change the fields that differ; what is to be permitted is added before anything is taken away."""
    wanted, present = cast("Role", resource.spec), cast("Role", live.spec)
    name = resource.address.name
    fields = {change.field for change in changes}
    if "trust" in fields:
        await caller("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=wanted.trust)
    if "permissions_boundary" in fields:
        await _set_boundary(caller, name, wanted.permissions_boundary)
    if "managed_policies" in fields:
        await _attach(caller, name, sorted(set(wanted.managed_policies) - set(present.managed_policies)))
        await _detach(caller, name, sorted(set(present.managed_policies) - set(wanted.managed_policies)))
    if "inline_policies" in fields:
        await _put(caller, name, sorted(set(wanted.inline_policies) - set(present.inline_policies)))
        await _drop(
            caller, name, sorted(set(dict(present.inline_policies)) - set(dict(wanted.inline_policies)))
        )
    return await apply_tag_change(caller, replace(live, spec=wanted), changes)


async def delete_role(caller: Caller, live: Live) -> None:
    """Take off every policy (IAM deletes no role that has any), then delete the role."""
    name = live.address.name
    try:
        attached, inline = await asyncio.gather(_attached(caller, name), _inline_names(caller, name))
        await _detach(caller, name, attached)
        await _drop(caller, name, inline)
        await caller("iam", "delete_role", RoleName=name)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def create_service_linked_role(caller: Caller, resource: Resource) -> Live:
    """Have AWS make the role; that it "has been taken" means that it is there."""
    service, name = cast("ServiceLinkedRole", resource.spec).service, resource.address.name
    try:
        answer = await caller("iam", "create_service_linked_role", AWSServiceName=service)
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        arn = f"arn:{caller.partition}:iam::{caller.account}:role/aws-service-role/{service}/{name}"
        return _service_linked(caller, name, service, arn)
    return _service_linked(caller, name, service, answer["Role"]["Arn"])


async def leave_service_linked_role(caller: Caller, live: Live) -> None:
    """Nothing: the role is the account's, and others may rely on it."""


async def _attach(caller: Caller, name: str, arns: Iterable[str]) -> None:
    for arn in arns:

        async def attach(arn: str = arn) -> None:
            try:
                await caller("iam", "attach_role_policy", RoleName=name, PolicyArn=arn)
            except AwsError as error:
                if error.category is Category.NOT_FOUND and arn in error.message:
                    raise caller.error(
                        "iam",
                        "attach_role_policy",
                        "NoSuchPolicy",
                        f"there is no managed policy {arn} in account {caller.account}; "
                        "create it there, or take it out of spec.iam",
                        Category.SPEC,
                    ) from error
                raise

        await once_visible(attach)


async def _put(caller: Caller, name: str, policies: Iterable[tuple[str, str]]) -> None:
    for policy, document in policies:

        async def put(policy: str = policy, document: str = document) -> None:
            await caller("iam", "put_role_policy", RoleName=name, PolicyName=policy, PolicyDocument=document)

        await once_visible(put)


async def _detach(caller: Caller, name: str, arns: Iterable[str]) -> None:
    for arn in arns:
        await caller("iam", "detach_role_policy", RoleName=name, PolicyArn=arn)


async def _drop(caller: Caller, name: str, policies: Iterable[str]) -> None:
    for policy in policies:
        await caller("iam", "delete_role_policy", RoleName=name, PolicyName=policy)


async def _set_boundary(caller: Caller, name: str, arn: str | None) -> None:
    if arn is None:
        await caller("iam", "delete_role_permissions_boundary", RoleName=name)
    else:
        await caller("iam", "put_role_permissions_boundary", RoleName=name, PermissionsBoundary=arn)


def _address(caller: Caller, kind: type[Spec], name: str) -> Address:
    return Address(account=caller.account, region=GLOBAL, type=kind.__name__, name=name)


def _service_linked(caller: Caller, name: str, service: str, arn: str) -> Live:
    return Live(
        address=_address(caller, ServiceLinkedRole, name), id=arn, spec=ServiceLinkedRole(service=service)
    )


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    Role: create_role,
    ServiceLinkedRole: create_service_linked_role,
}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    Role: update_role
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    Role: delete_role,
    ServiceLinkedRole: leave_service_linked_role,
}
