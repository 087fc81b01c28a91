"""What an infra group holds and may hold: the numbers that placement goes by.

Target groups, not rules, are a load balancer's ceiling: 100, and AWS raises it for nobody
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
"""

from __future__ import annotations

from dataclasses import dataclass

TARGET_GROUPS_PER_LOAD_BALANCER = 100
RULES_PER_LOAD_BALANCER = 100
"""AWS's default; one rule a tenant."""
RULE_RESERVE = 2
"""Rules kept free for standby rules of tenants that resume."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupLedger:
    """One group's use and limits. `headroom` target groups are kept free for replacements."""

    name: str
    tenants: int
    target_groups: int
    max_tenants: int
    headroom: int
    max_target_groups: int = TARGET_GROUPS_PER_LOAD_BALANCER
    max_rules: int = RULES_PER_LOAD_BALANCER

    @property
    def free_target_groups(self) -> int:
        """Target groups that new tenants may take."""
        return max(0, self.max_target_groups - self.headroom - self.target_groups)

    @property
    def free_rules(self) -> int:
        """Rules that new tenants may take."""
        return max(0, self.max_rules - RULE_RESERVE - self.tenants)


def room(ledger: GroupLedger, clusters: int = 1) -> int:
    """How many more tenants of so many clusters a group can take."""
    return min(
        max(0, ledger.max_tenants - ledger.tenants), ledger.free_target_groups // clusters, ledger.free_rules
    )


def shortage(ledger: GroupLedger, clusters: int) -> str:
    """Why a group cannot take one more tenant of so many clusters, with the number that led to it; empty if it can."""
    if room(ledger, clusters) > 0:
        return ""
    if ledger.tenants >= ledger.max_tenants:
        return f"{ledger.name} holds {ledger.tenants} of limits.tenantsPerInfraGroup {ledger.max_tenants}"
    if ledger.free_target_groups < clusters:
        return (
            f"{ledger.name} has {ledger.target_groups} of {ledger.max_target_groups} target groups "
            f"({ledger.headroom} are kept for replacements) and {clusters} more are needed"
        )
    return (
        f"{ledger.name} has {ledger.tenants} of {ledger.max_rules} listener rules ({RULE_RESERVE} are kept)"
    )
