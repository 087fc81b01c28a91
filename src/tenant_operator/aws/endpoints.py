"""VPC endpoints: private ways to AWS's services and to other providers'.

They are the slowest step of a new infra group (AWS allows a burst of 4 creations, then 0.3 a second), and some have to
be accepted by their provider. Nothing here waits for that: the state is a live attribute.
Source: https://docs.aws.amazon.com/vpc/latest/privatelink/what-is-privatelink.html.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from tenant_operator.aws import ec2
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.endpoint_services import EndpointService, endpoint_service
from tenant_operator.aws.errors import CATEGORY_OF, AwsError, Category
from tenant_operator.aws.tagging import apply_tag_change, from_list, specifications
from tenant_operator.aws.visibility import creation_token, once_visible
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import Address, Live, Resource, Spec, VpcEndpoint
from tenant_operator.plan.change import FieldChange

__all__ = [
    "CREATE", "DELETE", "TERMINAL", "UPDATE", "EndpointService",
    "delete_endpoints", "endpoint_service", "read_endpoints",
]  # fmt: skip

TERMINAL = frozenset({"rejected", "failed", "expired"})
"""States that an endpoint does not leave: it has to be deleted and made anew."""

_GONE = frozenset({"deleted"})
_GOING = frozenset({"deleting", "deleted"})


async def read_endpoints(caller: Caller, installation: str) -> dict[Address, Live]:
    """Every endpoint of an installation in the caller's account and Region, those that are going too. One read.

    Raises:
        AwsError: the reading failed.
    """
    found = await _read(caller, ec2.of_installation(installation))
    return ec2.by_address(live for live in found if live.attributes["state"] not in _GONE)


async def _read(caller: Caller, wanted: ec2.Filters) -> list[Live]:
    found = await ec2.described(caller, "describe_vpc_endpoints", "VpcEndpoints", wanted)
    return [_live(caller, endpoint) for endpoint in found]


def _live(caller: Caller, endpoint: Mapping[str, Any]) -> Live:
    spec = VpcEndpoint(
        vpc=endpoint["VpcId"],
        service=endpoint["ServiceName"],
        endpoint_type=endpoint["VpcEndpointType"],
        subnets=tuple(endpoint.get("SubnetIds", ())),
        security_groups=tuple(group["GroupId"] for group in endpoint.get("Groups", ())),
        route_tables=tuple(endpoint.get("RouteTableIds", ())),
        private_dns=bool(endpoint.get("PrivateDnsEnabled", False)),
        policy=normalised_policy(endpoint.get("PolicyDocument")),
    )
    return ec2.live_of(
        caller, spec, endpoint["VpcEndpointId"], from_list(endpoint.get("Tags")), _attributes(endpoint)
    )


def _attributes(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """`state` in lower case (Describe answers in another case than its filters), and why it is so."""
    error = endpoint.get("LastError") or {}
    return {
        "state": str(endpoint.get("State", "pending")).lower(),
        "failure": error.get("Message") or endpoint.get("FailureReason") or "",
        "dns_names": tuple(
            entry["DnsName"] for entry in endpoint.get("DnsEntries", ()) if "DnsName" in entry
        ),
    }


def normalised_policy(document: str | None) -> str | None:
    """An endpoint's policy in canonical JSON; None for the one that AWS gives when none is asked for: all for all.

    Source: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html#default-endpoint-policy.
    """
    if not document:
        return None
    parsed = cast("Mapping[str, Any]", json.loads(document))
    return None if _allows_everything(parsed) else canonical(parsed)


def _allows_everything(document: Mapping[str, Any]) -> bool:
    found = document.get("Statement", ())
    statements: Sequence[Mapping[str, Any]] = [found] if isinstance(found, Mapping) else found
    return (
        len(statements) == 1
        and {key: value for key, value in statements[0].items() if key not in ("Sid", "Principal")}
        == {"Effect": "Allow", "Action": "*", "Resource": "*"}
        and statements[0].get("Principal")
        in (
            "*",
            {"AWS": "*"},
        )
    )


async def create_endpoint(caller: Caller, resource: Resource) -> Live:
    """CreateVpcEndpoint, or what an earlier creation of the same endpoint has made.

    Private DNS stays off until the endpoint is available, then an update switches it on: AWS refuses it for an
    endpoint that its provider has not accepted.
    """
    spec = cast("VpcEndpoint", resource.spec)
    before = await ec2.with_identity(resource, partial(_read, caller))
    present = [live for live in before if live.attributes["state"] not in _GOING | TERMINAL]
    if present:
        return ec2.by_address(present)[resource.address]
    put = ec2.name_tagged(resource)
    interface = spec.endpoint_type == "Interface"
    parameters: dict[str, Any] = {
        "VpcId": ec2.known(spec.vpc),
        "ServiceName": spec.service,
        "VpcEndpointType": spec.endpoint_type,
        "ClientToken": creation_token(
            resource.address, str(spec.vpc), spec.service, *sorted(live.id for live in before)
        ),
        "TagSpecifications": specifications("vpc-endpoint", put),
        **({"SubnetIds": _ids(spec.subnets)} if spec.subnets else {}),
        **({"SecurityGroupIds": _ids(spec.security_groups)} if spec.security_groups else {}),
        **({"RouteTableIds": _ids(spec.route_tables)} if spec.route_tables else {}),
        **({"PrivateDnsEnabled": spec.private_dns} if interface else {}),
        **({} if spec.policy is None else {"PolicyDocument": spec.policy}),
    }
    answer = await once_visible(partial(caller, "ec2", "create_vpc_endpoint", **parameters))
    endpoint = answer["VpcEndpoint"]
    return ec2.created(resource, endpoint["VpcEndpointId"], _attributes(endpoint), put)


async def update_endpoint(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """All changes but those of tags in one ModifyVpcEndpoint, for AWS allows few of them."""
    wanted, present = cast("VpcEndpoint", resource.spec), cast("VpcEndpoint", live.spec)
    fields = {change.field for change in changes}
    parameters: dict[str, Any] = {}
    for name, label in (
        ("subnets", "SubnetIds"), ("security_groups", "SecurityGroupIds"), ("route_tables", "RouteTableIds"),
    ):  # fmt: skip
        if name in fields:
            parameters.update(_difference(label, getattr(wanted, name), getattr(present, name)))
    if "private_dns" in fields:
        parameters["PrivateDnsEnabled"] = wanted.private_dns
    if "policy" in fields:
        parameters.update(
            {"ResetPolicy": True} if wanted.policy is None else {"PolicyDocument": wanted.policy}
        )
    if parameters:
        await caller("ec2", "modify_vpc_endpoint", VpcEndpointId=live.id, **parameters)
    return await apply_tag_change(caller, replace(live, spec=wanted), changes)


def _difference(label: str, wanted: Iterable[str], present: Iterable[str]) -> dict[str, list[str]]:
    added, removed = sorted(set(wanted) - set(present)), sorted(set(present) - set(wanted))
    return {**({f"Add{label}": added} if added else {}), **({f"Remove{label}": removed} if removed else {})}


def _ids(values: Iterable[Any]) -> list[str]:
    return [ec2.known(value) for value in values]


async def delete_endpoint(caller: Caller, live: Live) -> None:
    """Delete one endpoint; its network interfaces are gone some minutes later."""
    await delete_endpoints(caller, [live])


async def delete_endpoints(caller: Caller, lives: Sequence[Live]) -> None:
    """Delete several endpoints of one account and Region in one call: AWS allows 0.3 calls a second.

    Raises:
        AwsError: AWS refuses one of them; the others are deleted all the same.
    """
    ids = sorted(live.id for live in lives if live.attributes.get("state") not in _GOING)
    if not ids:
        return
    try:
        answer = await caller("ec2", "delete_vpc_endpoints", VpcEndpointIds=ids)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise
        if len(lives) > 1:  # one that is gone must not keep the others
            for live in lives:
                await delete_endpoints(caller, [live])
        return
    for failed in answer.get("Unsuccessful", ()):
        code = failed["Error"]["Code"]
        if not code.endswith("NotFound"):
            message = f"{failed['ResourceId']}: {failed['Error']['Message']}"
            category = CATEGORY_OF.get(code, Category.RETRY)
            raise caller.error("ec2", "delete_vpc_endpoints", code, message, category)


CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {VpcEndpoint: create_endpoint}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    VpcEndpoint: update_endpoint
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {VpcEndpoint: delete_endpoint}
