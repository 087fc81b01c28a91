"""Listeners of load balancers: reading, making, changing, deleting.

The default certificate belongs to the listener itself, the others are in its certificate list
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from tenant_operator.aws import elb_tags, listener_actions, tagging
from tenant_operator.aws.adoption import adopted
from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.aws.tag_repair import with_tags
from tenant_operator.desired.resources import Address, Listener, Live, Resource
from tenant_operator.plan.change import FieldChange

MODIFIABLE = frozenset({"protocol", "default_action", "certificates", "ssl_policy", "unexpected"})


async def list_listeners(caller: Caller, load_balancer_arn: str) -> list[dict[str, Any]]:
    """The listeners of a load balancer, as AWS shows them; none where it has gone.

    Raises:
        AwsError: the reading failed for another reason.
    """
    try:
        return await caller.pages(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=load_balancer_arn
        )
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return []
        raise


async def read_certificate_list(caller: Caller, listener: dict[str, Any]) -> list[str]:
    """The ARNs beside the default certificate, for SNI; a listener without TLS has none and costs no call."""
    if listener["Protocol"] != "HTTPS":
        return []
    arn = listener["ListenerArn"]
    try:
        found = await caller.pages("elbv2", "describe_listener_certificates", "Certificates", ListenerArn=arn)
    except AwsError as error:
        if error.category is Category.NOT_FOUND:
            return []
        raise
    return [certificate["CertificateArn"] for certificate in found if not certificate.get("IsDefault")]


def live_listener(
    caller: Caller, listener: dict[str, Any], sni: Collection[str], listener_tags: Mapping[str, str]
) -> Live:
    """A listener in our terms.

    Args:
        caller: Bound to the listener's account and Region.
        listener: An element of `Listeners`.
        sni: The ARNs beside the default certificate.
        listener_tags: Its tags.
    """
    # arn:aws:elasticloadbalancing:<Region>:<account>:loadbalancer/app/<name>/<id>
    balancer = listener["LoadBalancerArn"].split("/")[-2]
    address = Address(
        account=caller.account,
        region=caller.region,
        type=Listener.__name__,
        name=f"{balancer}:{listener['Port']}",
    )
    default = [certificate["CertificateArn"] for certificate in listener.get("Certificates") or ()][:1]
    action, unexpected = listener_actions.from_api(listener.get("DefaultActions", ()))
    spec = Listener(
        load_balancer=listener["LoadBalancerArn"],
        port=int(listener["Port"]),
        protocol=listener["Protocol"],
        default_action=action,
        certificates=(*default, *sorted(set(sni) - set(default))),
        ssl_policy=(listener.get("SslPolicy") or None) if listener["Protocol"] == "HTTPS" else None,
        unexpected=unexpected,
    )
    return Live(address=address, id=listener["ListenerArn"], spec=spec, tags=dict(listener_tags))


async def create_listener(caller: Caller, resource: Resource) -> Live:
    """Make a listener, then add the certificates beside the default one.

    Raises:
        AwsError: EXISTS with code `ForeignOwner` when somebody else's listens on the port.
    """
    spec = _spec(resource)
    try:
        answer = await caller(
            "elbv2",
            "create_listener",
            LoadBalancerArn=str(spec.load_balancer),
            Port=spec.port,
            **_settings(spec),
            Tags=tagging.as_list(resource.tags),
        )
    except AwsError as error:
        if error.category is not Category.EXISTS:
            raise
        return adopted(caller, resource, await _at_port(caller, spec, error), "elbv2", "create_listener")
    live = live_listener(caller, answer["Listeners"][0], (), resource.tags)
    await _add_certificates(caller, live.id, spec.certificates[1:])
    return replace(live, spec=replace(_live_spec(live), certificates=spec.certificates))


async def update_listener(
    caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]
) -> Live:
    """Set protocol, policy, default action, certificates and tags right.

    A certificate is taken off the list only after every wanted one is on it, so that no name loses its certificate.

    Raises:
        AwsError: AWS refused the change; NOT_FOUND when the listener has gone.
    """
    spec, was = _spec(resource), _live_spec(live)
    if any(change.field in MODIFIABLE for change in changes):
        added = sorted(set(spec.certificates[1:]) - set(was.certificates[1:]))
        surplus = sorted(set(was.certificates[1:]) - set(spec.certificates))
        if was.protocol == "HTTPS":
            await _add_certificates(caller, live.id, added)
        await caller("elbv2", "modify_listener", ListenerArn=live.id, **_settings(spec))
        # What was the default until now could be added above without effect; adding it again is allowed.
        late = sorted(set(added) & set(was.certificates[:1])) if was.protocol == "HTTPS" else added
        await _add_certificates(caller, live.id, late)
        if surplus and spec.protocol == "HTTPS":
            entries = [{"CertificateArn": arn} for arn in surplus]
            await caller("elbv2", "remove_listener_certificates", ListenerArn=live.id, Certificates=entries)
        live = replace(live, spec=spec)
    return await with_tags(caller, resource, live)


async def delete_listener(caller: Caller, live: Live) -> None:
    """Delete a listener and with it its rules; one that has gone is done.

    Raises:
        AwsError: AWS refused.
    """
    try:
        await caller("elbv2", "delete_listener", ListenerArn=live.id)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise


async def _at_port(caller: Caller, spec: Listener, error: AwsError) -> Live:
    """The listener that has the port already; the error where AWS does not show it yet."""
    for listener in await list_listeners(caller, str(spec.load_balancer)):
        if listener["Port"] == spec.port:
            arn = listener["ListenerArn"]
            found = await elb_tags.read_tags(caller, [arn])
            return live_listener(
                caller, listener, await read_certificate_list(caller, listener), found.get(arn, {})
            )
    raise error


async def _add_certificates(caller: Caller, listener_arn: str, arns: Collection[str]) -> None:
    if arns:
        entries = [{"CertificateArn": arn} for arn in arns]
        await caller("elbv2", "add_listener_certificates", ListenerArn=listener_arn, Certificates=entries)


def _settings(spec: Listener) -> dict[str, Any]:
    """What both CreateListener and ModifyListener take."""
    settings: dict[str, Any] = {
        "Protocol": spec.protocol,
        "DefaultActions": listener_actions.to_api(spec.default_action),
    }
    if spec.certificates:
        settings["Certificates"] = [{"CertificateArn": spec.certificates[0]}]
    if spec.ssl_policy is not None:
        settings["SslPolicy"] = spec.ssl_policy
    return settings


def _spec(resource: Resource) -> Listener:
    if not isinstance(resource.spec, Listener):
        raise TypeError(f"{resource.address} is not a listener")
    return resource.spec


def _live_spec(live: Live) -> Listener:
    if not isinstance(live.spec, Listener):
        raise TypeError(f"{live.address} is not a listener")
    return live.spec
