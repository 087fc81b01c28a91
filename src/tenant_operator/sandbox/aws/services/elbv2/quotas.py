"""Elastic Load Balancing's quotas: AWS's defaults, or what the account was granted.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.services.elbv2.paging import page
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("elbv2")


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as DescribeAccountLimits names it and Service Quotas codes it."""

    name: str
    code: str  # empty: Service Quotas does not list it
    default: int
    adjustable: bool = True

    def of(self, sim: Simulation, call: Call) -> int:
        """The value in force in the call's account and Region."""
        if not self.adjustable or not self.code:
            return self.default
        return int(sim.quota(call.account, call.region, self.code, self.default))


LOAD_BALANCERS = Quota("application-load-balancers", "L-53DA6B97", 50)
LISTENERS = Quota("listeners-per-application-load-balancer", "L-B6DF7632", 50)
RULES = Quota("rules-per-application-load-balancer", "L-7EED9B64", 100)
TARGET_GROUPS_PER_LOAD_BALANCER = Quota(
    "target-groups-per-application-load-balancer", "L-822D1B1B", 100, adjustable=False
)
TARGET_GROUPS_PER_ACTION = Quota(
    "target-groups-per-action-on-application-load-balancer",
    "L-057ECE54",
    5,
    adjustable=False,
)
TARGETS_PER_LOAD_BALANCER = Quota("targets-per-application-load-balancer", "L-7E6692B2", 1000)
TARGET_GROUPS = Quota("target-groups", "L-B22855CB", 3000)
TARGETS_PER_GROUP = Quota("targets-per-target-group", "L-A0D0B863", 1000)
CERTIFICATES = Quota("certificates-per-application-load-balancer", "L-9365A611", 25)
CONDITION_VALUES = Quota("condition-values-per-alb-rule", "L-EBC0C08B", 5, adjustable=False)
CONDITION_WILDCARDS = Quota("condition-wildcards-per-alb-rule", "L-A012D4E8", 5, adjustable=False)
NETWORK_LOAD_BALANCERS = Quota("network-load-balancers", "L-69A177A2", 50)

ALL = (
    LOAD_BALANCERS,
    TARGET_GROUPS,
    TARGETS_PER_LOAD_BALANCER,
    LISTENERS,
    RULES,
    NETWORK_LOAD_BALANCERS,
    CERTIFICATES,
    TARGET_GROUPS_PER_LOAD_BALANCER,
    TARGET_GROUPS_PER_ACTION,
    CONDITION_VALUES,
    CONDITION_WILDCARDS,
)


@behaviours.answers("DescribeAccountLimits")
def _describe_account_limits(sim: Simulation, call: Call) -> Mapping[str, Any]:
    limits = [{"Name": quota.name, "Max": str(quota.of(sim, call))} for quota in ALL]
    shown, marker = page(limits, call.parameters)
    return {"Limits": shown, "NextMarker": marker}
