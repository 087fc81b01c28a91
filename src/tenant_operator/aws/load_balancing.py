"""Elastic Load Balancing as the rest of the program sees it: one reading, and the writers by type.

Rules are read listener by listener and made with a priority: see `aws.rules`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tenant_operator.aws import elb_tags, listeners, load_balancers, rules, target_groups
from tenant_operator.aws.caller import Caller
from tenant_operator.desired import names, tags
from tenant_operator.desired.resources import (
    Address,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    Resource,
    Spec,
    TargetGroup,
)
from tenant_operator.plan.change import FieldChange

FULL_READS_PER_TURN = 4
"""Target groups whose attributes are really read in each turn: a constant, however many tenants there are."""
TURN_SECONDS = 300.0
"""A turn is as long as the time between two sweeps: 100 target groups are through in about two hours."""

CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    LoadBalancer: load_balancers.create_load_balancer,
    Listener: listeners.create_listener,
    TargetGroup: target_groups.create_target_group,
}
"""Rules are missing here: `rules.create_rule` needs a priority, which the lane of their listener chooses."""

UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    LoadBalancer: load_balancers.update_load_balancer,
    Listener: listeners.update_listener,
    TargetGroup: target_groups.update_target_group,
    ListenerRule: rules.update_rule,
}

DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    LoadBalancer: load_balancers.delete_load_balancer,
    Listener: listeners.delete_listener,
    TargetGroup: target_groups.delete_target_group,
    ListenerRule: rules.delete_rule,
}


async def read_load_balancing(
    caller: Caller, installation: str, *, turn: int | None = None, in_full: frozenset[str] = frozenset()
) -> dict[Address, Live]:
    """Our load balancers with their listeners, and our target groups.

    What has a name that begins like ours but carries other tags is there too, so that one can say who owns it; of such
    load balancers the attributes and listeners are not read.

    Args:
        caller: Bound to the account and Region.
        installation: The installation whose resources are ours.
        turn: Which few target groups are read in full (see `target_groups`); by the clock when not given.
        in_full: ARNs of target groups that are read in full besides.

    Raises:
        AwsError: AWS refused a reading.
    """
    prefix = names.installation_prefix(installation)
    balancers, groups = await asyncio.gather(
        load_balancers.list_load_balancers(caller, _load_balancer_prefixes(prefix)),
        target_groups.list_target_groups(caller, prefix),
    )
    arns = [balancer["LoadBalancerArn"] for balancer in balancers] + [
        group["TargetGroupArn"] for group in groups
    ]
    known = await elb_tags.read_tags(caller, arns)
    found = await asyncio.gather(
        *(
            _with_listeners(caller, installation, balancer, known[balancer["LoadBalancerArn"]])
            for balancer in balancers
            if balancer["LoadBalancerArn"] in known
        )
    )
    lives = [live for part in found for live in part]
    lives += await _target_groups(
        caller, installation, groups, known, _turn() if turn is None else turn, in_full
    )
    return {live.address: live for live in lives}


async def _with_listeners(
    caller: Caller, installation: str, balancer: dict[str, Any], balancer_tags: Mapping[str, str]
) -> list[Live]:
    """A load balancer and, where it is ours, its listeners."""
    arn = balancer["LoadBalancerArn"]
    if not tags.is_ours(balancer_tags, installation):
        return [load_balancers.live_load_balancer(caller, balancer, balancer_tags, {})]
    attributes, listening = await asyncio.gather(
        load_balancers.read_attributes(caller, arn), listeners.list_listeners(caller, arn)
    )
    known = await elb_tags.read_tags(caller, [listener["ListenerArn"] for listener in listening])
    lives = [load_balancers.live_load_balancer(caller, balancer, balancer_tags, attributes)]
    for listener in listening:
        if listener["ListenerArn"] in known:
            sni = await listeners.read_certificate_list(caller, listener)
            lives.append(listeners.live_listener(caller, listener, sni, known[listener["ListenerArn"]]))
    return lives


async def _target_groups(
    caller: Caller,
    installation: str,
    groups: list[dict[str, Any]],
    known: Mapping[str, Mapping[str, str]],
    turn: int,
    in_full: frozenset[str],
) -> list[Live]:
    """The target groups, a few of them with the deregistration delay that they really have."""
    lives = [
        target_groups.live_target_group(caller, group, known[group["TargetGroupArn"]])
        for group in groups
        if group["TargetGroupArn"] in known
    ]
    ours = [live.id for live in lives if tags.is_ours(live.tags, installation)]
    read = {*target_groups.in_turn(ours, turn, FULL_READS_PER_TURN), *in_full.intersection(ours)}
    delays = await target_groups.read_target_group_attributes(caller, read)
    return [target_groups.with_delay(live, delays[live.id]) if live.id in delays else live for live in lives]


def _turn() -> int:
    return int(time.time() // TURN_SECONDS)


def _load_balancer_prefixes(prefix: str) -> tuple[str, ...]:
    """`names.load_balancer` puts a letter in front of what AWS reserves."""
    return (prefix, "t" + prefix) if prefix.startswith("internal-") else (prefix,)
