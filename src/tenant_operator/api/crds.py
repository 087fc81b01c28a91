"""The CustomResourceDefinitions of the four kinds, made from the models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml

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

    def ignore_aliases(self, data: Any) -> bool:
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
                    **({"selectableFields": [{"jsonPath": path} for path in kind.SELECTABLE]} if kind.SELECTABLE else {}),
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    entry = dataclasses.asdict(column)
    wide = entry.pop("wide")
    path = entry.pop("path")
    return {**entry, "jsonPath": path, **({"priority": 1} if wide else {})}


def _root(kind: type[KubernetesObject]) -> dict[str, Any]:
    fields = kind.model_fields
    spec, status = fields["spec"].annotation, fields["status"].annotation
    assert spec is not None and status is not None, "every kind has a spec and a status"
    schema: dict[str, Any] = {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural_schema(spec),
            "status": structural_schema(status, defaults=False),
        },
    }
    add_rules(schema, kind.ROOT_RULES)
    return schema
