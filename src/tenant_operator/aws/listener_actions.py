"""Actions of listeners and rules: between the ELBv2 API's wording and ours.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Action.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenant_operator.desired.resources import FixedResponse, Forward, ListenerAction, RedirectToHttps

REDIRECT_STATUS = "HTTP_301"
_SAME_URL = {"Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}


def to_api(action: ListenerAction) -> list[dict[str, Any]]:
    """The `Actions` (or `DefaultActions`) of a request."""
    if isinstance(action, FixedResponse):
        response = {"StatusCode": str(action.status), "ContentType": action.content_type}
        if action.body:
            response["MessageBody"] = action.body
        return [{"Type": "fixed-response", "FixedResponseConfig": response}]
    if isinstance(action, RedirectToHttps):
        target = {"Protocol": "HTTPS", "Port": str(action.port), "StatusCode": REDIRECT_STATUS, **_SAME_URL}
        return [{"Type": "redirect", "RedirectConfig": target}]
    groups = [{"TargetGroupArn": str(arn), "Weight": weight} for arn, weight in action.targets]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": False}}
    return [{"Type": "forward", "ForwardConfig": config}]


def from_api(actions: Sequence[dict[str, Any]]) -> tuple[ListenerAction, tuple[str, ...]]:
    """The action that answers requests, and in words whatever else is set that we never set.

    An action of a kind that we never make comes back as a fixed response with the status 0, which no desired action
    equals.
    """
    ordered = sorted(actions, key=lambda action: action.get("Order", 0))
    unexpected = [f"a {action['Type']} action" for action in ordered[:-1]]
    last: dict[str, Any] = ordered[-1] if ordered else {"Type": "no"}
    match last["Type"]:
        case "fixed-response":
            return _fixed_response(last["FixedResponseConfig"]), tuple(unexpected)
        case "forward":
            forward, extra = _forward(last)
            return forward, (*unexpected, *extra)
        case "redirect" if (redirect := _redirect(last["RedirectConfig"])) is not None:
            return redirect, tuple(unexpected)
        case other:
            return FixedResponse(status=0), (*unexpected, f"a {other} action")


def _fixed_response(config: dict[str, Any]) -> FixedResponse:
    return FixedResponse(
        status=int(config["StatusCode"]),
        body=config.get("MessageBody") or "",
        content_type=config.get("ContentType") or "text/plain",
    )


def _redirect(config: dict[str, Any]) -> RedirectToHttps | None:
    same_url = all(config.get(part, same) == same for part, same in _SAME_URL.items())
    if config.get("Protocol") != "HTTPS" or config.get("StatusCode") != REDIRECT_STATUS or not same_url:
        return None
    port = config.get("Port", "443")
    return RedirectToHttps(port=int(port)) if port.isdigit() else None


def _forward(action: dict[str, Any]) -> tuple[Forward, tuple[str, ...]]:
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    targets = [(group["TargetGroupArn"], int(group.get("Weight", 1))) for group in groups]
    if len(targets) == 1:
        targets = [(arn, min(weight, 1)) for arn, weight in targets]
    sticky = (config.get("TargetGroupStickinessConfig") or {}).get("Enabled", False)
    return Forward(tuple(targets)), ("stickiness between target groups",) if sticky else ()
