"""What IAM refuses about roles and policies, where moto does not.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import SERVICE_NAME_CONVERSION, iam_backends
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.identity import trust
from tenant_operator.sandbox.aws.simulation import Simulation

QUOTAS_REGION = "us-east-1"  # where Service Quotas keeps IAM's
ROLES = ("L-FE177D64", 1000)
MANAGED_POLICIES_PER_ROLE = ("L-0DA4ABF3", 10)
MAX_INLINE_POLICIES = 10_240  # characters of all of a role's, without white space
MAX_TRUST_POLICY = 2048  # characters, without white space; L-C07B4B0D
MAX_TAGS = 50
# As https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html links to them.
_SERVICE_NAMES = {"ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"}
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_ROLE_PRINCIPAL = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/.+")
_ANY_PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:(root|(role|user|assumed-role)/.+)")


def _backend(call: Call) -> Any:
    return iam_backends[call.account][call.partition]


def _role(call: Call) -> Any:
    """The role (moto's) that a call names, or None: moto says what is to be said then."""
    return next(
        (role for role in _backend(call).roles.values() if role.name == call.parameters["RoleName"]), None
    )


def _quota(sim: Simulation, call: Call, quota: tuple[str, int]) -> int:
    return int(sim.quota(call.account, QUOTAS_REGION, *quota))


def _exceeded(name: str, limit: int) -> AwsFailure:
    return AwsFailure("LimitExceeded", f"Cannot exceed quota for {name}: {limit}", status=409)


def _create(sim: Simulation, call: Call) -> None:
    name = call.parameters["RoleName"]
    if not _ROLE_NAME.fullmatch(name):
        message = (
            "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-, and at most 64 of them"
        )
        raise AwsFailure("ValidationError", message)
    if _role(call) is not None:
        raise AwsFailure("EntityAlreadyExists", f"Role with name {name} already exists.", status=409)
    _check_trust(call, call.parameters["AssumeRolePolicyDocument"])
    limit = _quota(sim, call, ROLES)
    if len(_backend(call).roles) >= limit:
        raise _exceeded("RolesPerAccount", limit)


def _update_trust(sim: Simulation, call: Call) -> None:
    _ = sim
    if _role(call) is not None:
        _check_trust(call, call.parameters["PolicyDocument"])


def _check_trust(call: Call, document: str) -> None:
    try:
        IAMTrustPolicyDocumentValidator(document).validate()
    except MalformedPolicyDocument as error:
        raise AwsFailure("MalformedPolicyDocument", error.message) from error
    if len(re.sub(r"\s", "", document)) > MAX_TRUST_POLICY:
        raise _exceeded("ACLSizePerRole", MAX_TRUST_POLICY)
    parsed = json.loads(document)
    statements = parsed["Statement"] if isinstance(parsed["Statement"], list) else [parsed["Statement"]]
    if not all("Principal" in statement for statement in statements):
        raise AwsFailure("MalformedPolicyDocument", "Missing required field Principal")
    for principal in trust.principals(parsed):
        if not _is_principal(principal, call):
            message = f'Invalid principal in policy: "AWS":"{principal}"'
            raise AwsFailure("MalformedPolicyDocument", message)


def _is_principal(principal: str, call: Call) -> bool:
    """AWS looks whether a role that a trust policy names exists, in whatever account."""
    if not _ANY_PRINCIPAL.fullmatch(principal):
        return False
    found = _ROLE_PRINCIPAL.fullmatch(principal)
    if found is None:
        return True
    roles = iam_backends[found["account"]][call.partition].roles.values()
    return any(role.arn == principal for role in roles)


def _attach(sim: Simulation, call: Call) -> None:
    role = _role(call)
    limit = _quota(sim, call, MANAGED_POLICIES_PER_ROLE)
    if role is not None:
        others = role.managed_policies.keys() - {call.parameters["PolicyArn"]}
        if len(others) >= limit:
            raise _exceeded("PoliciesPerRole", limit)


def _put_inline(sim: Simulation, call: Call) -> None:
    _ = sim
    role = _role(call)
    if role is not None:
        documents = {**role.policies, call.parameters["PolicyName"]: call.parameters["PolicyDocument"]}
        if sum(len(re.sub(r"\s", "", document)) for document in documents.values()) > MAX_INLINE_POLICIES:
            message = f"Maximum policy size of {MAX_INLINE_POLICIES} bytes exceeded for role {role.name}"
            raise AwsFailure("LimitExceeded", message, status=409)


def _delete_policy(sim: Simulation, call: Call) -> None:
    _ = sim
    policy = _backend(call).managed_policies.get(call.parameters["PolicyArn"])
    if policy is not None and policy.attachment_count > 0:
        message = "Cannot delete a policy attached to entities."
        raise AwsFailure("DeleteConflict", message, status=409)


def _create_service_linked(sim: Simulation, call: Call) -> None:
    _ = sim
    service = call.parameters["AWSServiceName"]
    suffix = call.parameters.get("CustomSuffix") or ""
    for role in _backend(call).roles.values():
        if role.path == f"/aws-service-role/{service}/" and (not suffix or role.name.endswith(f"_{suffix}")):
            message = f"Service role name {role.name} has been taken in this account, please try a different suffix."
            raise AwsFailure("InvalidInput", message)


def _delete(sim: Simulation, call: Call) -> None:
    """A service-linked role is deleted by its own call only."""
    _ = sim
    role = _role(call)
    if role is not None and role.path.startswith("/aws-service-role/"):
        message = (
            f"Cannot perform the operation on the protected role '{role.name}' - "
            "this role is only modifiable by AWS"
        )
        raise AwsFailure("UnmodifiableEntity", message)


def _tag(sim: Simulation, call: Call) -> None:
    _ = sim
    role = _role(call)
    if role is not None:
        keys = {tag["Key"] for tag in (*role.tags, *call.parameters["Tags"])}
        if len(keys) > MAX_TAGS:
            raise _exceeded("TagsPerRole", MAX_TAGS)


_CHECKS: dict[str, Callable[[Simulation, Call], None]] = {
    "CreateRole": _create,
    "UpdateAssumeRolePolicy": _update_trust,
    "AttachRolePolicy": _attach,
    "PutRolePolicy": _put_inline,
    "DeletePolicy": _delete_policy,
    "CreateServiceLinkedRole": _create_service_linked,
    "DeleteRole": _delete,
    "TagRole": _tag,
}


def install(sim: Simulation) -> None:
    """Refuse what IAM refuses; name service-linked roles as the services do."""
    SERVICE_NAME_CONVERSION.update(_SERVICE_NAMES)
    for action, check in _CHECKS.items():
        sim.validates("iam", action)(partial(check, sim))
