"""EC2's two older ways of its own: lists as `{"items": […]}`, and whole requests inside `<Action>Request`.

The first is that of the actions EC2 began with, the second that of VPC endpoints and NAT gateways; both as seen in
published trails, for AWS documents neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.services.cloudtrail.spelling import lower_first, scalar

_WRAPPED = ("VpcEndpoint", "NatGateway", "FlowLogs", "LaunchTemplate")
_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


def request(operation: Any, values: Mapping[str, Any]) -> Any:
    """The event's `requestParameters`."""
    if _is_wrapped(operation):
        return {f"{operation.name}Request": _wire(operation.input_shape, values)}
    if operation.name in ("CreateTags", "DeleteTags"):
        ids = [{"resourceId": found} for found in values.get("Resources") or ()]
        tags = [{lower_first(name): text for name, text in tag.items()} for tag in values.get("Tags") or ()]
        return {"resourcesSet": {"items": ids}, "tagSet": {"items": tags}}
    found = _items(operation.input_shape, values)
    if operation.name == "CreateSecurityGroup" and "description" in found:
        found["groupDescription"] = found.pop("description")
    return found


def response(operation: Any, values: Mapping[str, Any] | None, request_id: str) -> Any:
    """The event's `responseElements`: the result's own members, or `_return` where the API says only that it was done."""
    shape = operation.output_shape
    shown = _items(shape, values, by_wire=True) if values and shape is not None else {}
    if _is_wrapped(operation):
        return {f"{operation.name}Response": {"xmlns": _NAMESPACE, "requestId": request_id, **shown}}
    done = shown.pop("return", None)
    if done is not None or not shown:
        shown["_return"] = True if done is None else done
    return {"requestId": request_id, **shown}


def _is_wrapped(operation: Any) -> bool:
    return any(part in operation.name for part in _WRAPPED)


def _items(shape: Any, value: Any, *, by_wire: bool = False) -> Any:
    """Results have the names of the XML answer (`tagSet`), parameters those of the API reference."""
    match shape.type_name:
        case "structure":
            return {
                lower_first(_xml_name(name, shape.members[name]) if by_wire else name): _items(
                    shape.members[name], item, by_wire=by_wire
                )
                for name, item in value.items()
                if name in shape.members and item is not None
            }
        case "list":
            entries = [_items(shape.member, item, by_wire=by_wire) for item in value]
            return {"items": entries} if entries else {}
        case _:
            return scalar(value)


def _wire(shape: Any, value: Any) -> Any:
    """Members by their names on the wire (`VpcEndpointId`, not `VpcEndpointIds`), list entries numbered by `tag`."""
    match shape.type_name:
        case "structure":
            return {
                _wire_name(name, shape.members[name]): _wire(shape.members[name], item)
                for name, item in value.items()
                if name in shape.members and item is not None
            }
        case "list":
            entries = [_numbered(number, _wire(shape.member, item)) for number, item in enumerate(value, 1)]
            return entries[0] if len(entries) == 1 else entries
        case _:
            return scalar(value)


def _wire_name(name: str, member: Any) -> str:
    on_the_wire = str(member.serialization.get("queryName") or member.serialization.get("name") or name)
    return on_the_wire[:1].upper() + on_the_wire[1:]


def _xml_name(name: str, member: Any) -> str:
    return str(member.serialization.get("name") or name)


def _numbered(number: int, entry: Any) -> dict[str, Any]:
    return {"tag": number, **entry} if isinstance(entry, dict) else {"tag": number, "content": entry}
