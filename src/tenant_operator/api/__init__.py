"""What a user writes and reads: the four kinds, their conditions, and the CRDs that are made from them.

The models are immutable, have snake_case names and take the camelCase of the manifests. `parse` makes one of an
object as Kubernetes shows it. `tenant_operator.api.crds` makes the CRDs.
"""

from __future__ import annotations

from tenant_operator.api.cell import Cell, CellSpec, CellStatus
from tenant_operator.api.conditions import CONDITIONS, TRANSIENT_CONDITIONS, Condition
from tenant_operator.api.infragroup import InfraGroup, InfraGroupSpec, InfraGroupStatus
from tenant_operator.api.objects import (
    ANNOTATION_ORPHAN,
    ANNOTATION_RECONCILE,
    API_VERSION,
    CATEGORY,
    FINALIZER,
    GROUP,
    VERSION,
    ObjectMeta,
)
from tenant_operator.api.parsing import KINDS, UnreadableObject, parse
from tenant_operator.api.tenant import Tenant, TenantSpec, TenantStatus
from tenant_operator.api.tier import Tier, TierSpec, TierStatus

__all__ = [
    "ANNOTATION_ORPHAN",
    "ANNOTATION_RECONCILE",
    "API_VERSION",
    "CATEGORY",
    "CONDITIONS",
    "FINALIZER",
    "GROUP",
    "KINDS",
    "TRANSIENT_CONDITIONS",
    "VERSION",
    "Cell",
    "CellSpec",
    "CellStatus",
    "Condition",
    "InfraGroup",
    "InfraGroupSpec",
    "InfraGroupStatus",
    "ObjectMeta",
    "Tenant",
    "TenantSpec",
    "TenantStatus",
    "Tier",
    "TierSpec",
    "TierStatus",
    "UnreadableObject",
    "parse",
]
