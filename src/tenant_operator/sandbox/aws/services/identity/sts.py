"""STS: who one is, and assuming roles, with the refusals that a wrong role, trust policy or external id brings.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from hashlib import sha256
from typing import Any

from moto.iam.models import iam_backends

from tenant_operator.sandbox.aws.calls import Call, Principal
from tenant_operator.sandbox.aws.credentials import AccessKey
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.identity import trust
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("sts")

_ROLE_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/(?P<path>.*/)?(?P<name>[^/]+)"
)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
SHORTEST_SESSION, LONGEST_CHAINED_SESSION = 900, 3600  # seconds


@behaviours.answers("GetCallerIdentity")
def _identity(sim: Simulation, call: Call) -> Mapping[str, Any]:
    _ = sim
    principal = call.principal
    return {"UserId": _user_id(principal), "Account": principal.account, "Arn": principal.arn}


def _user_id(principal: Principal) -> str:
    if principal.role_name:
        role = _role(principal.account, principal.arn.split(":")[1], principal.role_name)
        return f"{role.id if role else 'AROAUNKNOWN'}:{principal.session_name}"
    if principal.arn.endswith(":root"):
        return principal.account
    return "AIDA" + sha256(principal.arn.encode()).hexdigest()[:17].upper()


def _role(account: str, partition: str, name: str) -> Any:
    roles = iam_backends[account][partition].roles.values()
    return next((role for role in roles if role.name == name), None)


@behaviours.answers("AssumeRole")
def _assume(sim: Simulation, call: Call) -> Mapping[str, Any]:
    parameters = call.parameters
    arn, session = parameters["RoleArn"], parameters["RoleSessionName"]
    _check_members(parameters)
    found = _ROLE_ARN.fullmatch(arn)
    if found is None:
        raise AwsFailure("ValidationError", f"{arn} is invalid")
    role = _role(found["account"], found["partition"], found["name"])
    asking = trust.Asking(
        call.principal, _own_role_arn(call.principal), session, parameters.get("ExternalId")
    )
    if (
        role is None
        or role.arn != arn
        or not _is_known_everywhere(sim, role)
        or not trust.allows(role.assume_role_policy_document, asking)
    ):
        raise _denied(call, arn)
    seconds = _duration(call, role, parameters.get("DurationSeconds"))
    session_arn = f"arn:{found['partition']}:sts::{found['account']}:assumed-role/{role.name}/{session}"
    key = sim.credentials.issue_session(found["account"], session_arn, role.name, session, seconds)
    return {
        "Credentials": _credentials(key),
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{session}", "Arn": session_arn},
    }


def _is_known_everywhere(sim: Simulation, role: Any) -> bool:
    """IAM's changes take a while to be.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    age = sim.timestamp() - role.create_date.replace(tzinfo=UTC)
    return bool(age.total_seconds() >= sim.durations.role_propagation)


def _denied(call: Call, arn: str) -> AwsFailure:
    message = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    return AwsFailure("AccessDenied", message, status=403)


def _own_role_arn(principal: Principal) -> str:
    if not principal.role_name:
        return ""
    role = _role(principal.account, principal.arn.split(":")[1], principal.role_name)
    return str(role.arn) if role else ""


def _check_members(parameters: Mapping[str, Any]) -> None:
    session, external_id = parameters["RoleSessionName"], parameters.get("ExternalId")
    if not _SESSION_NAME.fullmatch(session):
        message = (
            f"1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
        )
        raise AwsFailure("ValidationError", message)
    if external_id is not None and not _EXTERNAL_ID.fullmatch(external_id):
        message = (
            "1 validation error detected: Value at 'externalId' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w+=,.@:\/-]*, with 2 to 1224 characters"
        )
        raise AwsFailure("ValidationError", message)


def _duration(call: Call, role: Any, asked: int | None) -> int:
    longest = int(role.max_session_duration or 3600)
    seconds = 3600 if asked is None else int(asked)
    if not SHORTEST_SESSION <= seconds <= longest:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        if seconds < SHORTEST_SESSION:
            message = f"DurationSeconds must be at least {SHORTEST_SESSION}, not {seconds}"
        raise AwsFailure("ValidationError", message)
    if call.principal.role_name and seconds > LONGEST_CHAINED_SESSION:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        raise AwsFailure("ValidationError", message)
    return seconds


def _credentials(key: AccessKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token,
        "Expiration": key.expires,
    }


def install(sim: Simulation) -> None:
    """Answer STS. Its other calls are not simulated, and say so."""
    sim.own_services.add("sts")
    behaviours.install(sim)
