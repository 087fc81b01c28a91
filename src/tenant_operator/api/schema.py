"""From pydantic's JSON schema to the structural schema of a CRD.

The API server takes a dialect of OpenAPI v3 without references, unions or nulls:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema

| JSON schema                           | structural schema                                                              |
|---------------------------------------|--------------------------------------------------------------------------------|
| `$ref`, with or without siblings      | what it refers to, the siblings on top, rules of both                          |
| `anyOf: [X, null]`                    | X: an optional field is absent, never null                                     |
| `const: X`                            | `enum: [X]`                                                                    |
| `exclusiveMinimum: N` (and Maximum)   | `minimum: N, exclusiveMinimum: true`                                           |
| `additionalProperties: true`          | `x-kubernetes-preserve-unknown-fields: true`                                   |
| `default` of an object                | `{}` where defaults inside it fill it, else none                               |
| `default` below an optional parent    | left out, and told in the description: it would be filled in only sometimes    |
| `default` inside a list or map        | likewise: tools that compare manifests with what is stored would never be done |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tenant_operator.api.constraints import RULES

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "$defs", "examples", "deprecated", "discriminator"})
_UNSUPPORTED = frozenset({"oneOf", "allOf", "not", "if", "prefixItems", "patternProperties", "propertyNames"})
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


class NotStructural(ValueError):
    """A model that no structural schema can describe."""


def structural_schema(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The structural schema of a model.

    Arguments:
        model: its aliases become the property names, its docstrings the descriptions.
        defaults: whether defaults belong in the schema at all: in a spec, not in a status.

    Raises:
        NotStructural: the model has a union of several types, or refers to itself.
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    converter = _Converter(source.get("$defs", {}), tell=defaults)
    return converter.convert(source, fill=defaults, path=model.__name__)


class _Converter:
    """One conversion.

    `definitions` are what `$ref` refers to; `tell` says whether defaults that are not filled in are told in descriptions.
    """

    def __init__(self, definitions: Mapping[str, Schema], *, tell: bool) -> None:
        self._definitions = definitions
        self._tell = tell

    def convert(self, node: Schema, *, fill: bool, path: str, within: tuple[str, ...] = ()) -> Schema:
        """The structural schema of a node.

        Arguments:
            fill: whether a default here, or below, is always filled in.
            path: where the node is, for messages.
            within: the definitions that the node is inside of.
        """
        node, within = self._resolved(node, path, within)
        unsupported = sorted(_UNSUPPORTED & node.keys())
        if unsupported:
            raise NotStructural(f"{path}: {', '.join(unsupported)} has no place in a structural schema")
        result: Schema = {}
        for keyword, value in node.items():
            if keyword in _DROPPED or keyword in ("default", "properties", "items", "additionalProperties", "required"):
                continue
            if keyword == "const":
                result["enum"] = [value]
            elif keyword in _EXCLUSIVE:
                result[_EXCLUSIVE[keyword]], result[keyword] = value, True
            elif keyword == "description":
                result[keyword] = " ".join(value.split())
            else:
                result[keyword] = value
        if "properties" in node:
            self._properties(node, result, fill=fill, path=path, within=within)
        elif "additionalProperties" in node:
            if node["additionalProperties"] is True:
                result["x-kubernetes-preserve-unknown-fields"] = True
            else:
                value = node["additionalProperties"]
                result["additionalProperties"] = self.convert(value, fill=False, path=f"{path}.*", within=within)
        if "items" in node:
            result["items"] = self.convert(node["items"], fill=False, path=f"{path}[]", within=within)
        return _ordered(result)

    def _properties(self, node: Schema, result: Schema, *, fill: bool, path: str, within: tuple[str, ...]) -> None:
        required = node.get("required", [])
        result["properties"] = {}
        for name, child in node["properties"].items():
            default = child.get("default")
            always = name in required or default is not None
            converted = self.convert(child, fill=fill and always, path=f"{path}.{name}", within=within)
            if default is not None and "properties" not in converted:
                if fill:
                    converted["default"] = default
                elif self._tell and default not in ([], {}, ""):
                    _tell_default(converted, default)
            elif default is not None and fill and _has_defaults(converted):
                converted["default"] = {}
            result["properties"][name] = _ordered(converted)
        if required:
            result["required"] = list(required)

    def _resolved(self, node: Schema, path: str, within: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """The node without `$ref` and without a union with null; what stands beside those stays, on top."""
        while "$ref" in node or "anyOf" in node:
            siblings = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
            if "$ref" in node:
                name = node["$ref"].rpartition("/")[2]
                if name in within:
                    raise NotStructural(f"{path}: {name} refers to itself")
                within = (*within, name)
                target = self._definitions[name]
            else:
                options = [option for option in node["anyOf"] if option != {"type": "null"}]
                if len(options) != 1:
                    raise NotStructural(f"{path}: a field has one type; this is a union of {len(options)}")
                target = options[0]
            rules = [*target.get(RULES, ()), *siblings.pop(RULES, ())]
            node = {**target, **siblings, **({RULES: rules} if rules else {})}
        return node, within


def _has_defaults(schema: Schema) -> bool:
    return any("default" in child for child in schema.get("properties", {}).values())


def _tell_default(schema: Schema, default: object) -> None:
    value = default if isinstance(default, str) else json.dumps(default)
    schema["description"] = f"{schema.get('description', '')} Absent: {value}.".strip()


_ORDER = ("description", "type", "format", "default", "enum")
_LAST = ("required", "properties", "items", "additionalProperties", RULES)


def _ordered(schema: Schema) -> Schema:
    """The same keywords in an order that people read well."""
    first = [key for key in _ORDER if key in schema]
    last = [key for key in _LAST if key in schema]
    middle = [key for key in schema if key not in first and key not in last]
    return {key: schema[key] for key in (*first, *middle, *last)}
