"""`userIdentity`: who made a call.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.calls import Principal
from tenant_operator.sandbox.aws.simulation import Simulation


def identity_of(sim: Simulation, principal: Principal) -> dict[str, Any]:
    """AssumedRole with its session, IAMUser, or Root."""
    common = {
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": principal.access_key_id,
    }
    if principal.role_name:
        return _assumed_role(sim, principal, common)
    if principal.arn.endswith(":root"):
        return {"type": "Root", "principalId": principal.account, **common}
    name = principal.arn.rsplit("/", 1)[-1]
    user = next((found for found in _iam(principal).users.values() if found.name == name), None)
    user_id = user.id if user is not None else _id("AIDA", principal.arn)
    return {"type": "IAMUser", "principalId": user_id, **common, "userName": name}


def _assumed_role(sim: Simulation, principal: Principal, common: dict[str, Any]) -> dict[str, Any]:
    partition = principal.arn.split(":")[1]
    roles = _iam(principal).roles.values()
    arn = f"arn:{partition}:iam::{principal.account}:role/{principal.role_name}"
    role = next((found for found in roles if found.name == principal.role_name), None)
    role_id = role.id if role is not None else _id("AROA", arn)  # a session outlives its role
    key = sim.credentials.find(principal.access_key_id)
    issued = key.issued if key is not None else sim.timestamp()
    return {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{principal.session_name}",
        **common,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": role.arn if role is not None else arn,
                "accountId": principal.account,
                "userName": principal.role_name,
            },
            "attributes": {
                "creationDate": issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "mfaAuthenticated": "false",
            },
        },
    }


def _iam(principal: Principal) -> Any:
    return iam_backends[principal.account][principal.arn.split(":")[1]]


def _id(prefix: str, arn: str) -> str:
    """The unique id of somebody whom IAM does not have, the same at every call."""
    return prefix + base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]
