"""Application Load Balancers: reading, making, changing, deleting.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tenant_operator.aws import elb_tags, tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired.resources import Address, Live, LoadBalancer, Resource
from tenant_operator.plan.change import FieldChange

IDLE_TIMEOUT = "idle_timeout.timeout_seconds"
CLIENT_KEEP_ALIVE = "client_keep_alive.seconds"
DELETION_PROTECTION = "deletion_protection.enabled"
AWS_DEFAULTS = {IDLE_TIMEOUT: "60", CLIENT_KEEP_ALIVE: "3600", DELETION_PROTECTION: "false"}
"""What a load balancer has that was made without saying so
(https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html)."""


async def list_load_balancers(caller: Caller, prefixes: tuple[str, ...]) -> list[dict[str, Any]]:
    """All load balancers of the account and Region whose names begin with one of `prefixes`, as AWS shows them."""
    found = await caller.pages("elbv2", "describe_load_balancers", "LoadBalancers")
    return [balancer for balancer in found if balancer["LoadBalancerName"].startswith(prefixes)]


async def read_attributes(caller: Caller, arn: str) -> dict[str, str]:
    """A load balancer's attributes, one call; none where it has gone.

    Raises:
        AwsError: the reading failed for another reason.
    """
    try:
        answer = await caller("elbv2", "describe_load_balancer_attributes", LoadBalancerArn=arn)
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return {}
        raise
    return {attribute["Key"]: attribute["Value"] for attribute in answer["Attributes"]}


def live_load_balancer(
    caller: Caller, balancer: dict[str, Any], balancer_tags: Mapping[str, str], attributes: Mapping[str, str]
) -> Live:
    """A load balancer in our terms. Live attributes: `state`, `dns_name`, `zone_id`, `vpc`."""
    address = Address(
        account=caller.account,
        region=caller.region,
        type=LoadBalancer.__name__,
        name=balancer["LoadBalancerName"],
    )
    kind = balancer.get("Type", "application")
    spec = LoadBalancer(
        scheme=balancer.get("Scheme", ""),
        subnets=tuple(zone["SubnetId"] for zone in balancer.get("AvailabilityZones", ())),
        security_groups=tuple(balancer.get("SecurityGroups") or ()),
        unexpected=() if kind == "application" else (f"it is a {kind} load balancer",),
        **_from_attributes(attributes),
    )
    return Live(
        address=address,
        id=balancer["LoadBalancerArn"],
        spec=spec,
        tags=dict(balancer_tags),
        attributes={
            "state": (balancer.get("State") or {}).get("Code", ""),
            # Route 53 answers with lower case; so that an alias compares equal, it is lower case here too.
            "dns_name": balancer.get("DNSName", "").lower(),
            "zone_id": balancer.get("CanonicalHostedZoneId", ""),
            "vpc": balancer.get("VpcId", ""),
        },
    )


async def create_load_balancer(caller: Caller, resource: Resource) -> Live:
    """Make a load balancer and set its attributes where they are not AWS's defaults.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's has the name.
    """
    spec = _spec(resource)
    try:
        answer = await caller(
            "elbv2",
            "create_load_balancer",
            Name=resource.address.name,
            Subnets=[str(subnet) for subnet in spec.subnets],
            SecurityGroups=[str(group) for group in spec.security_groups],
            Scheme=spec.scheme,
            Type="application",
            IpAddressType="ipv4",
            Tags=tagging.as_list(resource.tags),
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        return adopted(caller, resource, await _by_name(caller, resource), "elbv2", "create_load_balancer")
    live = live_load_balancer(caller, answer["LoadBalancers"][0], resource.tags, AWS_DEFAULTS)
    return await _with_attributes_set(caller, live, spec)


async def update_load_balancer(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set subnets, security groups, attributes and tags right, each only where it differs.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the load balancer has gone.
    """
    spec = _spec(resource)
    fields = {change.field for change in changes}
    if "subnets" in fields:
        subnets = [str(subnet) for subnet in spec.subnets]
        await caller("elbv2", "set_subnets", LoadBalancerArn=live.id, Subnets=subnets)
        live = replace(live, spec=replace(_live_spec(live), subnets=spec.subnets))
    if "security_groups" in fields:
        groups = [str(group) for group in spec.security_groups]
        await caller("elbv2", "set_security_groups", LoadBalancerArn=live.id, SecurityGroups=groups)
        live = replace(live, spec=replace(_live_spec(live), security_groups=spec.security_groups))
    live = await _with_attributes_set(caller, live, spec)
    return await with_tags(caller, resource, live)


async def delete_load_balancer(caller: Caller, live: Live) -> None:
    """Delete a load balancer and with it its listeners; its deletion protection is lifted first.

    Whoever asks has decided that it may go. One that has gone is done.

    Raises:
        AwsError: AWS refused.
    """
    try:
        if _live_spec(live).deletion_protection:
            off = [{"Key": DELETION_PROTECTION, "Value": "false"}]
            await caller("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=live.id, Attributes=off)
        await caller("elbv2", "delete_load_balancer", LoadBalancerArn=live.id)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _by_name(caller: Caller, resource: Resource) -> Live:
    answer = await caller("elbv2", "describe_load_balancers", Names=[resource.address.name])
    balancer = answer["LoadBalancers"][0]
    arn = balancer["LoadBalancerArn"]
    found = await elb_tags.read_tags(caller, [arn])
    return live_load_balancer(caller, balancer, found.get(arn, {}), await read_attributes(caller, arn))


async def _with_attributes_set(caller: Caller, live: Live, spec: LoadBalancer) -> Live:
    """One call with the attributes that differ; none when none does."""
    wanted, has = _to_attributes(spec), _to_attributes(_live_spec(live))
    differing = [{"Key": key, "Value": value} for key, value in wanted.items() if has[key] != value]
    if not differing:
        return live
    await caller("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=live.id, Attributes=differing)
    return replace(live, spec=replace(_live_spec(live), **_from_attributes(wanted)))


def _to_attributes(spec: LoadBalancer) -> dict[str, str]:
    return {
        IDLE_TIMEOUT: str(spec.idle_timeout_seconds),
        CLIENT_KEEP_ALIVE: str(spec.client_keep_alive_seconds),
        DELETION_PROTECTION: str(spec.deletion_protection).lower(),
    }


def _from_attributes(attributes: Mapping[str, str]) -> dict[str, Any]:
    values = {**AWS_DEFAULTS, **attributes}
    return {
        "idle_timeout_seconds": int(values[IDLE_TIMEOUT]),
        "client_keep_alive_seconds": int(values[CLIENT_KEEP_ALIVE]),
        "deletion_protection": values[DELETION_PROTECTION] == "true",
    }


def _spec(resource: Resource) -> LoadBalancer:
    if not isinstance(resource.spec, LoadBalancer):
        raise TypeError(f"{resource.address} is not a load balancer")
    return resource.spec


def _live_spec(live: Live) -> LoadBalancer:
    if not isinstance(live.spec, LoadBalancer):
        raise TypeError(f"{live.address} is not a load balancer")
    return live.spec
