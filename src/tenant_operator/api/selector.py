"""Label selectors, as Kubernetes means them.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from tenant_operator.api.constraints import Rule, Struct, elements, entries, length


class Requirement(Struct):
    """A condition on one label."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : "
            "!has(self.values) || size(self.values) == 0",
            "In and NotIn need values; Exists and DoesNotExist have none",
        ),
    )

    key: Annotated[str, length(317)]
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """In, NotIn, Exists or DoesNotExist."""
    values: Annotated[tuple[Annotated[str, length(63, least=0)], ...], elements(50)] = ()
    """With In and NotIn: the values, at most 50."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether some labels meet the condition; as in Kubernetes, a label that is not there is `NotIn` anything."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        return (value is not None) == (self.operator == "Exists")

    def describe(self) -> str:
        """The condition as `kubectl get -l` would take it."""
        if self.operator in ("In", "NotIn"):
            return f"{self.key} {self.operator.lower()} ({','.join(self.values)})"
        return self.key if self.operator == "Exists" else f"!{self.key}"


class LabelSelector(Struct):
    """Labels that something must have; an empty selector matches everything."""

    KEYWORDS: ClassVar[Mapping[str, Any]] = MappingProxyType({"x-kubernetes-map-type": "atomic"})

    match_labels: Annotated[Mapping[str, Annotated[str, length(63, least=0)]], entries(20)] = {}
    """Labels and the values that they must have, at most 20."""
    match_expressions: Annotated[tuple[Requirement, ...], elements(20, kind="atomic")] = ()
    """Conditions on labels, all of which must be met, at most 20."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether some labels are selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )

    def describe(self) -> str:
        """The selector as `kubectl get -l` would take it; empty when it matches everything."""
        wanted = [f"{key}={value}" for key, value in sorted(self.match_labels.items())]
        return ",".join([*wanted, *(requirement.describe() for requirement in self.match_expressions)])
