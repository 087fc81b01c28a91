"""Route 53's quotas, and the two calls that tell them.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html. Their codes in Service Quotas belong to
us-east-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53.state import of_account
from tenant_operator.sandbox.aws.simulation import Simulation

QUOTAS_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota of an account."""

    code: str  # empty: Service Quotas does not list it
    default: int

    def of(self, sim: Simulation, account: str) -> int:
        """The value in force."""
        return int(sim.quota(account, QUOTAS_REGION, self.code, self.default)) if self.code else self.default


RECORDS_PER_ZONE = Limit("L-E209CC9F", 10_000)
HOSTED_ZONES = Limit("L-4EA4796A", 500)
HEALTH_CHECKS = Limit("", 200)
VPCS_PER_ZONE = Limit("", 300)
TRAFFIC_POLICIES = Limit("", 50)
TRAFFIC_POLICY_INSTANCES = Limit("", 5)
REUSABLE_DELEGATION_SETS = Limit("", 100)


def install(sim: Simulation) -> None:
    """Answer GetHostedZoneLimit and GetAccountLimit."""

    @sim.handles("route53", "GetHostedZoneLimit")
    def of_zone(call: Call) -> Mapping[str, Any]:
        zone = of_account(sim, call.account).zone(call.parameters["HostedZoneId"])
        kind = call.parameters["Type"]
        match kind:
            case "MAX_RRSETS_BY_ZONE":
                limit, count = RECORDS_PER_ZONE, zone.count
            case "MAX_VPCS_ASSOCIATED_BY_ZONE" if zone.private:
                limit, count = VPCS_PER_ZONE, len(zone.vpcs)
            case "MAX_VPCS_ASSOCIATED_BY_ZONE":
                message = f"{zone.id} is a public hosted zone; {kind} is for private ones"
                raise AwsFailure("HostedZoneNotPrivate", message)
            case _:
                raise AwsFailure("InvalidInput", f"Invalid limit type {kind}")
        return {"Limit": {"Type": kind, "Value": limit.of(sim, call.account)}, "Count": count}

    @sim.handles("route53", "GetAccountLimit")
    def of_whole_account(call: Call) -> Mapping[str, Any]:
        kind = call.parameters["Type"]
        counted = {
            "MAX_HOSTED_ZONES_BY_OWNER": (HOSTED_ZONES, len(of_account(sim, call.account).zones)),
            "MAX_HEALTH_CHECKS_BY_OWNER": (HEALTH_CHECKS, 0),
            "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER": (REUSABLE_DELEGATION_SETS, 0),
            "MAX_TRAFFIC_POLICIES_BY_OWNER": (TRAFFIC_POLICIES, 0),
            "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER": (TRAFFIC_POLICY_INSTANCES, 0),
        }
        if kind not in counted:
            raise AwsFailure("InvalidInput", f"Invalid limit type {kind}")
        limit, count = counted[kind]
        return {"Limit": {"Type": kind, "Value": limit.of(sim, call.account)}, "Count": count}
