"""What moto's own EC2 answers lack: pages, all-or-nothing rule changes, true counts of free addresses, quick tags.

Moto's classes are shared by the whole process, so they are changed once and for all simulations of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses import EC2Response

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import RESERVED_ADDRESSES
from tenant_operator.sandbox.aws.services.ec2.describing import page
from tenant_operator.sandbox.aws.services.ec2.quotas import RULES_PER_SECURITY_GROUP
from tenant_operator.sandbox.aws.simulation import Simulation

_PAGED = {
    "describe_vpcs": ("Vpcs", "VpcIds"),
    "describe_subnets": ("Subnets", "SubnetIds"),
    "describe_security_groups": ("SecurityGroups", "GroupIds"),
    "describe_security_group_rules": ("SecurityGroupRules", "SecurityGroupRuleIds"),
    "describe_route_tables": ("RouteTables", "RouteTableIds"),
    "describe_internet_gateways": ("InternetGateways", "InternetGatewayIds"),
}
_RULE_CHANGES = (
    "authorize_security_group_ingress",
    "authorize_security_group_egress",
    "revoke_security_group_ingress",
    "revoke_security_group_egress",
)
_MARK = "_tenant_operator_sandbox"  # on functions that are changed already


def install(sim: Simulation) -> None:
    """Change moto's answers."""
    for name, (key, ids_member) in _PAGED.items():
        _replace(name, functools.partial(_paged, key=key, ids_member=ids_member))
    for name in _RULE_CHANGES:
        _replace(name, _atomic)
    free = property(functools.partial(_free_addresses, sim))
    setattr(Subnet, "available_ip_address_count", free)  # noqa: B010  # an assignment to a property is no valid type
    limit = functools.partialmethod(_check_room_for_rules, sim=sim)
    setattr(SecurityGroupBackend, "_verify_group_will_respect_rule_count_limit", limit)  # noqa: B010  # nor this
    setattr(TaggedEC2Resource, "get_tags", _tags)  # noqa: B010  # an assignment to a method is no valid type


def _replace(name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(EC2Response, name)
    if not hasattr(original, _MARK):
        changed = functools.wraps(original)(change(original))
        setattr(changed, _MARK, True)
        setattr(EC2Response, name, changed)


def _paged(original: Callable[..., Any], *, key: str, ids_member: str) -> Callable[..., Any]:
    def describe(self: Any) -> ActionResult:
        found = original(self).result[key]
        parameters = {member: self._get_param(member) for member in ("MaxResults", "NextToken", ids_member)}
        shown, token = page(found, parameters, ids_member)
        return ActionResult({key: list(shown), "NextToken": token} if token else {key: list(shown)})

    return describe


def _atomic(original: Callable[..., Any]) -> Callable[..., Any]:
    """All of the call's rules are changed, or none."""

    def change(self: Any) -> Any:
        backend = ec2_backends[self.current_account][self.region]
        group = backend.get_security_group_from_id(self._get_param("GroupId") or "")
        if group is None:
            return original(self)
        before = list(group.ingress_rules), list(group.egress_rules)
        try:
            return original(self)
        except Exception:
            group.ingress_rules, group.egress_rules = before
            raise

    return change


def _free_addresses(sim: Simulation, subnet: Any) -> int:
    own: int = sum(eni.subnet_id == subnet.id for eni in subnet.ec2_backend.enis.values())
    usable = int(subnet.cidr.num_addresses) - RESERVED_ADDRESSES - 1
    return usable - own - len(sim.interfaces.in_subnet(subnet.id))


def _check_room_for_rules(
    backend: Any,
    group: Any,
    present: int,
    ranges: Sequence[Any] | None,
    groups: Sequence[Any] | None = None,
    egress: bool = False,
    *,
    sim: Simulation,
) -> None:
    """Rules a direction of a security group, by the quota; moto knows AWS's default only."""
    _ = group, egress
    account, region = backend.account_id, backend.region_name
    limit = int(sim.quota(account, region, RULES_PER_SECURITY_GROUP.code, RULES_PER_SECURITY_GROUP.default))
    if present + len(ranges or ()) + len(groups or ()) > limit:
        message = "The maximum number of rules per security group has been reached."
        raise AwsFailure("RulesPerSecurityGroupLimitExceeded", message)


def _tags(resource: Any) -> list[dict[str, str]]:
    """The tags of one resource, looked up; moto compares its id with those of all tags of the Region."""
    found = resource.ec2_backend.tags.get(resource.id, {})
    return [{"resource_id": resource.id, "key": key, "value": value} for key, value in found.items()]
