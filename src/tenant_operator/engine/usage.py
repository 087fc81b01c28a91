"""How much of each quota this installation's resources use, counted from what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import (
    Cluster,
    ListenerRule,
    LoadBalancer,
    Service,
    Subnet,
    TargetGroup,
    Vpc,
    VpcEndpoint,
)

RULES, TARGET_GROUPS, LOAD_BALANCERS, REGION_TARGET_GROUPS = (
    "L-7EED9B64",
    "L-822D1B1B",
    "L-53DA6B97",
    "L-B22855CB",
)
VPCS, ENDPOINTS, INTERFACES, CLUSTERS = "L-F678F1CE", "L-29B6F2EB", "L-DF5E4CA3", "L-21C621EB"


def usage(view: View) -> Mapping[str, int]:
    """Use by quota code. Where a quota counts per load balancer or per VPC, it is the fullest one's."""
    rules: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    endpoints: Counter[str] = Counter()
    single: Counter[str] = Counter()
    tasks = zones = 0
    for live in view.lives.values():
        spec = live.spec
        if isinstance(spec, ListenerRule):
            rules[str(spec.listener)] += 1
        elif isinstance(spec, TargetGroup):
            groups[str(live.attributes.get("load_balancer") or "")] += 1
        elif isinstance(spec, VpcEndpoint):
            if spec.endpoint_type == "Interface":
                endpoints[str(spec.vpc)] += 1
                zones += len(spec.subnets)
        elif isinstance(spec, Service):
            tasks += live.attributes["state"].running
        elif isinstance(spec, Vpc | LoadBalancer | Cluster | Subnet):
            single[type(spec).__name__] += 1
    region_groups = sum(groups.values())
    groups.pop("", None)
    return {
        RULES: max(rules.values(), default=0),
        TARGET_GROUPS: max(groups.values(), default=0),
        REGION_TARGET_GROUPS: region_groups,
        LOAD_BALANCERS: single[LoadBalancer.__name__],
        VPCS: single[Vpc.__name__],
        ENDPOINTS: max(endpoints.values(), default=0),
        INTERFACES: tasks + zones,
        CLUSTERS: single[Cluster.__name__],
    }
