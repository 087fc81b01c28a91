"""What all four kinds share: the group, metadata, and the parts of a status that every kind has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import ValidationError, WrapValidator

from tenant_operator.api.conditions import Condition
from tenant_operator.api.constraints import Rule, Struct, between, entries, keyed, length
from tenant_operator.api.types import OBJECT_NAME_PATTERN

GROUP = "tenant-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "tenancy"
FINALIZER = f"{GROUP}/finalizer"
ANNOTATION_RECONCILE = f"{GROUP}/reconcile-requested-at"
"""Change its value to force a pass; `status.lastHandledReconcileAt` answers with the same value."""
ANNOTATION_ORPHAN = f"{GROUP}/orphan"
"""With the value "true", the object goes at once and AWS stays as it is."""


class ObjectMeta(Struct):
    """The metadata of an object, as far as the operator reads it."""

    name: str
    namespace: str | None = None
    """None for the cluster-scoped kinds."""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    """RFC 3339, to the second."""
    deletion_timestamp: str | None = None
    """RFC 3339; when set, the object is to go."""
    finalizers: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class Aws(Struct):
    """Where in AWS this is: enough to clean up if a parent is lost."""

    partition: Annotated[str, length(20)] | None = None
    """Partition, such as aws."""
    account: Annotated[str, length(12)] | None = None
    """Account id."""
    region: Annotated[str, length(25)] | None = None
    """Region."""
    role_arn: Annotated[str, length(2048)] | None = None
    """Role through which the operator works there; absent: the operator's own credentials."""


Fingerprints = Annotated[
    Mapping[str, Annotated[str, length(64)]],
    entries(5000),
]
"""Fingerprints by resource: its type and name."""


class DriftEvents(Struct):
    """Whether AWS's events of changes reach the operator from here."""

    state: Literal["On", "Unavailable"]
    """On: changes are noticed in seconds. Unavailable: at the next sweep only."""
    message: Annotated[str, length(1024, least=0)] | None = None
    """Why they do not, and what to do."""


class Status(Struct):
    """What the operator has seen and done."""

    observed_generation: Annotated[int, between(0, 2**53)] | None = None
    """The generation of the spec that this status is about."""
    conditions: Annotated[tuple[Condition, ...], keyed("type", 16)] = ()
    """The object's state, aspect by aspect."""
    aws: Aws | None = None
    """Where in AWS this is: enough to clean up if a parent is lost."""
    last_handled_reconcile_at: Annotated[str, length(256, least=0)] | None = None
    """The value of the annotation tenant-operator.dev/reconcile-requested-at that was last acted on."""


StatusT = TypeVar("StatusT", bound=Status)


def readable(empty: Callable[[], StatusT]) -> WrapValidator:
    """A status that cannot be read (another version wrote it) counts as empty: the next visit writes it anew."""

    def read(value: Any, handler: Callable[[Any], StatusT]) -> StatusT:
        try:
            return handler(value)
        except ValidationError:
            return empty()

    return WrapValidator(read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    """JSON path of a scalar."""
    description: str
    type: str = "string"
    wide: bool = False
    """Only with `-o wide`."""


class KubernetesObject(Struct):
    """One object of one of the four kinds."""

    KIND: ClassVar[str]
    PLURAL: ClassVar[str]
    SHORT_NAMES: ClassVar[tuple[str, ...]]
    NAMESPACED: ClassVar[bool] = False
    COLUMNS: ClassVar[tuple[Column, ...]]
    SELECTABLE: ClassVar[tuple[str, ...]] = ()
    """JSON paths of the fields that a field selector may name."""
    ROOT_RULES: ClassVar[tuple[Rule, ...]]
    """Rules about metadata.name, of new objects only: a stored one must always be able to get its status."""

    metadata: ObjectMeta


def condition_column(
    name: str, condition: str, field: str, description: str, *, wide: bool = False
) -> Column:
    """A column that shows one field of a condition."""
    path = f'.status.conditions[?(@.type=="{condition}")].{field}'
    return Column(name=name, path=path, description=description, wide=wide)


READY = condition_column("Ready", "Ready", "status", "Whether the object has all that it needs")
AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date", description="Time since creation")

NAME_RULE = Rule(
    f"oldSelf.hasValue() || self.metadata.name.matches('{OBJECT_NAME_PATTERN}')",
    "metadata.name must be 1 to 40 lower-case letters, digits and inner hyphens, such as tier-1: "
    "names of AWS resources are made from it",
    optional_old_self=True,
)
