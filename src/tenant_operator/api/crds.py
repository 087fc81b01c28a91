"""The CustomResourceDefinitions of the four kinds, made from the models.

They need Kubernetes 1.31: selectable fields, and CEL's `isCIDR`
(https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-cidr-libraries).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from tenant_operator.api.constraints import add_rules
from tenant_operator.api.objects import CATEGORY, GROUP, VERSION, Column, KubernetesObject
from tenant_operator.api.parsing import KINDS
from tenant_operator.api.schema import structural_schema

MARK = "# Generated from the models by `tenant-operator crds --write crds`; do not edit.\n"


def manifests() -> list[dict[str, Any]]:
    """The four CRDs, parents first."""
    return [_manifest(kind) for kind in KINDS]


def files() -> dict[str, str]:
    """The content of `crds/`: file name → YAML, one file per kind."""
    return {f"{crd['metadata']['name']}.yaml": MARK + as_yaml(crd) for crd in manifests()}


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """A manifest as YAML, in its own order, without anchors."""
    return yaml.dump(dict(manifest), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Writes equal parts out in full: an alias in a CRD helps nobody."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


def _manifest(kind: type[KubernetesObject]) -> dict[str, Any]:
    singular = kind.KIND.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.KIND,
                "listKind": f"{kind.KIND}List",
                "plural": kind.PLURAL,
                "singular": singular,
                "shortNames": list(kind.SHORT_NAMES),
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if kind.NAMESPACED else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.COLUMNS],
                    **_selectable(kind),
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _selectable(kind: type[KubernetesObject]) -> dict[str, Any]:
    paths = [{"jsonPath": path} for path in kind.SELECTABLE]
    return {"selectableFields": paths} if paths else {}


def _column(column: Column) -> dict[str, Any]:
    entry = dataclasses.asdict(column)
    wide = entry.pop("wide")
    path = entry.pop("path")
    return {**entry, "jsonPath": path, **({"priority": 1} if wide else {})}


def _root(kind: type[KubernetesObject]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(_part(kind, "spec")),
            "status": structural_schema(_part(kind, "status"), defaults=False),
        },
    }
    add_rules(schema, kind.ROOT_RULES)
    return schema


def _part(kind: type[KubernetesObject], name: str) -> type[BaseModel]:
    model = kind.model_fields[name].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model
