"""Which load balancer uses which target group: kept up to date with every change of an action, never searched for.

A target group may be used by one load balancer only, and a load balancer may use 100 different ones
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.quotas import (
    TARGET_GROUPS_PER_LOAD_BALANCER,
)
from tenant_operator.sandbox.aws.services.elbv2.state import (
    Document,
    ElbState,
    Listener,
    LoadBalancer,
    TargetGroup,
    target_groups_in,
)
from tenant_operator.sandbox.aws.simulation import Simulation


def change_actions(
    sim: Simulation,
    state: ElbState,
    load_balancer: LoadBalancer,
    *,
    old: Iterable[Document] = (),
    new: Iterable[Document] = (),
) -> None:
    """Account for actions that replace others; all or nothing.

    Raises:
        AwsFailure: TargetGroupNotFound, TargetGroupAssociationLimit, TooManyUniqueTargetGroupsPerLoadBalancer,
            IncompatibleProtocols, or a group of another VPC.
    """
    added, removed = Counter(target_groups_in(new)), Counter(target_groups_in(old))
    for arn in added:
        _check_group(state, load_balancer, arn)
    after = Counter(load_balancer.target_groups)
    after.update(added)
    after.subtract(removed)
    after = +after
    if len(after) > max(TARGET_GROUPS_PER_LOAD_BALANCER.default, len(load_balancer.target_groups)):
        raise AwsFailure(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "You've reached the limit on the number of unique target groups per load balancer across all listeners: "
            f"{TARGET_GROUPS_PER_LOAD_BALANCER.default}",
        )
    for arn in load_balancer.target_groups.keys() - after.keys():
        if (group := state.target_groups.get(arn)) is not None:
            group.load_balancer_arn = None
            _tell(sim, group)
    for arn in after.keys() - load_balancer.target_groups.keys():
        group = state.target_group(arn)
        group.load_balancer_arn = load_balancer.arn
        group.used_since = sim.now()
        _tell(sim, group)
    load_balancer.target_groups = after


def _tell(sim: Simulation, group: TargetGroup) -> None:
    for watcher in group.watchers.values():
        sim.after(0.0, watcher)


def _check_group(state: ElbState, load_balancer: LoadBalancer, arn: str) -> None:
    group = state.target_group(arn)
    if group.load_balancer_arn not in (None, load_balancer.arn):
        raise AwsFailure(
            "TargetGroupAssociationLimit",
            f"The following target groups cannot be associated with more than one load balancer: '{arn}'",
        )
    application = load_balancer.kind == "application"
    if application != (group.settings.get("Protocol") in ("HTTP", "HTTPS", None)):
        raise AwsFailure(
            "IncompatibleProtocols",
            f"Target group '{arn}' with protocol {group.settings.get('Protocol')} cannot be used by this load balancer",
        )
    if group.settings.get("VpcId") not in (None, load_balancer.vpc_id):
        raise AwsFailure(
            "InvalidConfigurationRequest",
            f"The following target groups are not in the VPC of the load balancer '{load_balancer.vpc_id}': '{arn}'",
        )


def publish(sim: Simulation, listener: Listener) -> None:
    """Let the data plane act on the listener's rules after a propagation time; changes within it go together."""
    if listener.publication_due:
        return
    listener.publication_due = True

    def take_effect() -> None:
        listener.publication_due = False
        listener.served = tuple(listener.in_order())

    sim.after(sim.durations.rule_propagation, take_effect)
