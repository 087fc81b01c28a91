"""Cell: one AWS account of a tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from tenant_operator.api.constraints import (
    Rule,
    Struct,
    between,
    entries,
    immutable,
    keyed,
    length,
    quoted,
    rules,
)
from tenant_operator.api.objects import (
    AGE,
    NAME_RULE,
    READY,
    Column,
    DriftEvents,
    Fingerprints,
    KubernetesObject,
    Status,
    readable,
)
from tenant_operator.api.quota import Quota
from tenant_operator.api.quota_codes import OVERRIDABLE
from tenant_operator.api.types import AccountId, ExternalId, Reference, RoleArn

_CODES = ", ".join(quoted(code) for code in OVERRIDABLE)
QuotaOverrides = Annotated[
    Mapping[str, Annotated[int, between(0, 10_000_000)]],
    entries(len(OVERRIDABLE)),
    rules(
        Rule(
            f"self.all(code, code in [{_CODES}])",
            f"quotaOverrides takes these codes of Service Quotas only: {', '.join(OVERRIDABLE)}; see docs/capacity.md "
            "for what each one limits",
        )
    ),
]


class CellSpec(Struct):
    """One AWS account of a tier."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.roleArn) || self.roleArn.contains('::' + self.accountId + ':')",
            "roleArn must be a role in the account accountId",
            "'roleArn must be a role in account ' + self.accountId + ', such as arn:aws:iam::' + self.accountId + "
            "':role/tenant-operator'",
        ),
        Rule("!has(self.externalId) || has(self.roleArn)", "externalId goes with roleArn; write both"),
    )

    tier_ref: Annotated[Reference, immutable("tierRef cannot change; create a second cell in the other tier")]
    """The tier that the cell belongs to. Immutable."""
    account_id: Annotated[
        AccountId, immutable("accountId cannot change; create a second cell with the other account")
    ]
    """AWS account id, 12 digits in quotes. Immutable. It must be the account that the credentials lead to."""
    role_arn: RoleArn | None = None
    """IAM role through which the operator works in the account. Absent: the operator's own credentials."""
    external_id: ExternalId | None = None
    """External id that the role's trust policy asks for; advised with roleArn."""
    quota_overrides: QuotaOverrides = Field(default={})
    """Limits of the account that count in place of what AWS says, by code in Service Quotas (L-7EED9B64: 200),
    for an account whose quotas the operator may not read, or that others share. Never above a limit that AWS raises
    for nobody."""
    schedulable: bool = True
    """false: no new tenants here."""
    paused: bool = False
    """true: nothing of the cell, its infra groups and its tenants there is changed in AWS."""


class CellSummary(Struct):
    """The cell's children, counted."""

    infra_groups: Annotated[str, length(32)] | None = None
    """Infra groups that are Ready, of all: "3/3"."""
    tenants: Annotated[int, between(0, 2**31 - 1)] | None = None
    """Tenants that are placed in the cell."""


class CellStatus(Status):
    """What the operator has seen and done."""

    drift_events: DriftEvents | None = None
    """Whether AWS's events of changes reach the operator from here; absent where it does not ask for them."""
    fingerprints: Fingerprints | None = None
    """With the tier's drift: Report: what each AWS resource was last brought to, as a fingerprint. A resource that differs
    from a spec whose fingerprint is still the same has drifted."""
    summary: CellSummary | None = None
    """The cell's children, counted."""
    quotas: Annotated[tuple[Quota, ...], keyed("code", 100)] = ()
    """AWS's limits in the account."""


class Cell(KubernetesObject):
    """One AWS account of a tier."""

    KIND: ClassVar[str] = "Cell"
    PLURAL: ClassVar[str] = "cells"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("cell",)
    SELECTABLE: ClassVar[tuple[str, ...]] = (".spec.tierRef.name",)
    ROOT_RULES: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)
    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Tier", path=".spec.tierRef.name", description="Tier"),
        Column(name="Account", path=".spec.accountId", description="AWS account"),
        Column(name="Groups", path=".status.summary.infraGroups", description="Infra groups ready, of all"),
        Column(
            name="Tenants", path=".status.summary.tenants", type="integer", description="Tenants placed here"
        ),
        READY,
        AGE,
    )

    spec: CellSpec
    status: Annotated[CellStatus, readable(CellStatus)] = CellStatus()
