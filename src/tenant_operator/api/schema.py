"""From pydantic's JSON schema to the structural schema of a CRD.

The API server takes a dialect of OpenAPI v3 without references, unions or nulls:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema

| JSON schema                          | structural schema                                                            |
|--------------------------------------|------------------------------------------------------------------------------|
| `$ref`, with or without siblings     | what it refers to, the siblings on top, rules of both                        |
| `anyOf: [X, null]`                   | X: an optional field is absent, never null                                   |
| `const: X`                           | `enum: [X]`                                                                  |
| `exclusiveMinimum: N` (and Maximum)  | `minimum: N, exclusiveMinimum: true`                                         |
| `additionalProperties: true`         | `x-kubernetes-preserve-unknown-fields: true`                                 |
| `default` of an object               | `{}` where defaults inside it fill it, else none                             |
| `default` below an optional parent   | left out: it would be filled in only sometimes                               |
| `default` inside a list or a map     | left out: comparing a manifest with what is stored would always differ       |

A default is told in the field's description too: `kubectl explain` does not show it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from tenant_operator.api.constraints import VALIDATIONS

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "$defs", "examples", "deprecated", "discriminator"})
_WALKED = frozenset({"default", "properties", "items", "additionalProperties", "required"})
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
    return converter.convert(source, _Place(path=model.__name__, filled=defaults))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the schema something is."""

    path: str
    """For messages."""
    filled: bool
    """Whether a default here is always filled in: no parent is optional, and it is in no list or map."""
    within: tuple[str, ...] = ()
    """The definitions that it is inside of."""

    def below(self, step: str, *, filled: bool) -> _Place:
        """A place inside this one."""
        return replace(self, path=self.path + step, filled=self.filled and filled)


class _Converter:
    """One conversion.

    `definitions` are what `$ref` refers to; `tell` says whether defaults are told in descriptions.
    """

    def __init__(self, definitions: Mapping[str, Schema], *, tell: bool) -> None:
        self._definitions = definitions
        self._tell = tell

    def convert(self, node: Schema, place: _Place) -> Schema:
        """The structural schema of a node of the JSON schema."""
        node, place = self._resolved(node, place)
        unsupported = sorted(_UNSUPPORTED & node.keys())
        if unsupported:
            raise NotStructural(f"{place.path}: {', '.join(unsupported)} has no place in a structural schema")
        result = _keywords(node)
        if "properties" in node:
            self._properties(node, result, place)
        elif node.get("additionalProperties") is True:
            result["x-kubernetes-preserve-unknown-fields"] = True
        elif "additionalProperties" in node:
            values = node["additionalProperties"]
            result["additionalProperties"] = self.convert(values, place.below(".*", filled=False))
        if "items" in node:
            result["items"] = self.convert(node["items"], place.below("[]", filled=False))
        return _ordered(result)

    def _properties(self, node: Schema, result: Schema, place: _Place) -> None:
        required = node.get("required", [])
        result["properties"] = {}
        for name, child in node["properties"].items():
            default = child.get("default")
            always = name in required or default is not None
            inside = place.below(f".{name}", filled=always)
            converted = self.convert(child, inside)
            if default is not None:
                self._default(converted, default, inside)
            result["properties"][name] = _ordered(converted)
        if required:
            result["required"] = list(required)

    def _default(self, schema: Schema, default: object, place: _Place) -> None:
        if "properties" in schema:
            if place.filled and any("default" in child for child in schema["properties"].values()):
                schema["default"] = {}
            return
        if place.filled:
            schema["default"] = default
        if self._tell and default not in ([], {}, ""):
            word = "Default" if place.filled else "Absent"
            schema["description"] = f"{schema.get('description', '')} {word}: {_in_words(default)}.".strip()

    def _resolved(self, node: Schema, place: _Place) -> tuple[Schema, _Place]:
        """The node without `$ref` and without a union with null; what stands beside those stays, on top."""
        while "$ref" in node or "anyOf" in node:
            siblings = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
            if "$ref" in node:
                name = node["$ref"].rpartition("/")[2]
                if name in place.within:
                    raise NotStructural(f"{place.path}: {name} refers to itself")
                place = replace(place, within=(*place.within, name))
                target = self._definitions[name]
            else:
                options = [option for option in node["anyOf"] if option != {"type": "null"}]
                if len(options) != 1:
                    raise NotStructural(
                        f"{place.path}: a field has one type; this is a union of {len(options)}"
                    )
                target = options[0]
            rules = [*target.get(VALIDATIONS, ()), *siblings.pop(VALIDATIONS, ())]
            node = {**target, **siblings, **({VALIDATIONS: rules} if rules else {})}
        return node, place


def _keywords(node: Schema) -> Schema:
    """A node's own keywords in the API server's dialect, without what is below it."""
    result: Schema = {}
    for keyword, value in node.items():
        if keyword in _DROPPED or keyword in _WALKED:
            continue
        if keyword == "const":
            result["enum"] = [value]
        elif keyword in _EXCLUSIVE:
            result[_EXCLUSIVE[keyword]], result[keyword] = value, True
        elif keyword == "description":
            result[keyword] = " ".join(value.split())
        else:
            result[keyword] = value
    return result


def _in_words(default: object) -> str:
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return default if isinstance(default, str) else json.dumps(default)


_FIRST = ("description", "type", "format", "default", "enum")
_LAST = ("required", "properties", "items", "additionalProperties", VALIDATIONS)


def _ordered(schema: Schema) -> Schema:
    """The same keywords in an order that people read well."""
    middle = [key for key in schema if key not in _FIRST and key not in _LAST]
    return {key: schema[key] for key in (*_FIRST, *middle, *_LAST) if key in schema}
