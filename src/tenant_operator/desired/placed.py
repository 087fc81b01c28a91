"""Where things are: an infra group as the resources in it see it (a `GroupSite`), made of ids or of references."""

from __future__ import annotations

from dataclasses import dataclass

from tenant_operator.desired import names
from tenant_operator.desired.resources import Address, Id, Spec


@dataclass(frozen=True, kw_only=True)
class GroupSite:
    """One infra group: its place in tier and cell, and what its tenants' resources refer to.

    In a network that the operator makes, `vpc`, subnets and security groups are `Ref`s; in an existing one they are
    the ids that the spec names.
    """

    installation: str
    tier: str
    cell: str
    infra_group: str
    partition: str
    account: str
    region: str
    vpc: Id
    workload_subnets: tuple[Id, ...]
    workload_security_groups: tuple[Id, ...]
    listener: Address
    """The listener that carries the tenants' rules."""
    load_balancer: Address

    def address(self, kind: type[Spec], name: str) -> Address:
        """The address of one of the group's resources."""
        return Address(account=self.account, region=self.region, type=kind.__name__, name=name)

    def role_arn(self, purpose: str) -> str:
        """The ARN of the tier's role in this account (`task` or `execution`): known before it exists."""
        name = names.role(self.installation, self.tier, self.region, purpose)
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"
