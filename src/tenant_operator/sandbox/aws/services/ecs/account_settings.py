"""Account settings: stored and shown, with AWS's defaults.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.ecs.state import EcsState, invalid
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

_DEFAULTS = {
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "fargateFIPSMode": "disabled",
    "tagResourceAuthorization": "off",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "defaultLogDriverMode": "non-blocking",
}

behaviours = Behaviours("ecs")


def _stored(sim: Simulation, call: Call) -> dict[str, str]:
    return sim.state(EcsState, call.account, call.region).account_settings


@behaviours.answers("PutAccountSetting", "PutAccountSettingDefault")
def _put_account_setting(sim: Simulation, call: Call) -> Mapping[str, Any]:
    name = call.parameters["name"]
    if name not in _DEFAULTS:
        raise invalid(f"Invalid setting name: {name}")
    _stored(sim, call)[name] = call.parameters["value"]
    return {"setting": _shown(call, name, call.parameters["value"])}


@behaviours.answers("ListAccountSettings")
def _list_account_settings(sim: Simulation, call: Call) -> Mapping[str, Any]:
    effective = {**(_DEFAULTS if call.parameters.get("effectiveSettings") else {}), **_stored(sim, call)}
    wanted = call.parameters.get("name")
    return {
        "settings": [_shown(call, name, value) for name, value in effective.items() if wanted in (None, name)]
    }


def _shown(call: Call, name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value, "principalArn": call.principal.arn, "type": "user"}
