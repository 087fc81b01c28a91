"""What the API server checks, written beside the fields it is about.

The annotations here only add to the JSON schema, and so to the CRDs: the API server enforces them when somebody writes.
Reading does not repeat them. So an object that was stored before a rule was tightened can still be read, and reading
thousands of objects at start stays cheap.

CEL: https://kubernetes.io/docs/reference/using-api/cel/ and
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule.

    `message` says what to write instead; `expression` is CEL that says it with the values at hand.
    """

    rule: str
    message: str
    expression: str | None = None
    optional_old_self: bool = False

    def as_schema(self) -> dict[str, Any]:
        """The entry for `x-kubernetes-validations`."""
        entry: dict[str, Any] = {"rule": self.rule, "message": self.message}
        if self.expression is not None:
            entry["messageExpression"] = self.expression
        if self.optional_old_self:
            entry["optionalOldSelf"] = True
        return entry


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """Keywords and rules that an annotated field adds to its schema (hashed by identity: `typing` asks for a hash)."""

    keywords: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Called by pydantic when it makes the JSON schema of an annotated type."""
        schema = handler(core_schema)
        schema.update(self.keywords)
        add_rules(schema, self.rules)
        return schema


def add_rules(schema: dict[str, Any], rules: Iterable[Rule]) -> None:
    """Append rules to a schema's own."""
    entries = [rule.as_schema() for rule in rules]
    if entries:
        schema[VALIDATIONS] = [*schema.get(VALIDATIONS, ()), *entries]


def rules(*given: Rule) -> Constraint:
    """CEL rules about a field."""
    return Constraint(rules=given)


def immutable(message: str) -> Constraint:
    """A field that never changes.

    It must be required or defaulted: on an optional one, `a → absent → b` would pass.
    """
    return Constraint(rules=(Rule("self == oldSelf", message),))


def length(most: int, least: int = 1) -> Constraint:
    """A string of `least` to `most` characters."""
    return Constraint({"maxLength": most, **({"minLength": least} if least else {})})


def matching(pattern: str, message: str) -> Constraint:
    """A string that matches a regular expression (RE2) from its start to its end.

    It becomes a CEL rule and no `pattern`, because only a rule can say in words what to write.
    """
    return Constraint(rules=(Rule(f"self.matches({quoted(pattern)})", message),))


def between(least: int, most: int) -> Constraint:
    """A number from `least` to `most`, both included."""
    return Constraint({"minimum": least, "maximum": most})


def one_of(*values: int | str) -> Constraint:
    """One of some values."""
    return Constraint({"enum": list(values)})


def elements(most: int, least: int = 0, *, kind: str = "set") -> Constraint:
    """A list of `least` to `most` elements.

    `kind` is `set` (no element twice), or `atomic` where the order or a repetition means something.
    """
    keywords: dict[str, Any] = {"maxItems": most, "x-kubernetes-list-type": kind}
    return Constraint({**keywords, **({"minItems": least} if least else {})})


def keyed(key: str, most: int) -> Constraint:
    """A list of objects that are told apart by one of their fields."""
    return Constraint(
        {"maxItems": most, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    )


def entries(most: int) -> Constraint:
    """A map of at most `most` entries."""
    return Constraint({"maxProperties": most})


def quoted(text: str) -> str:
    """A CEL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


class Struct(BaseModel):
    """A part of an object: frozen, camelCase outside and snake_case inside, blind to fields that it does not know.

    The docstrings under the fields are their descriptions in the CRD, and so what `kubectl explain` shows.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules about the part as a whole."""
    KEYWORDS: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Other keywords of its schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Called by pydantic when it makes the JSON schema of the class."""
        schema = handler(core_schema)
        found = handler.resolve_ref_schema(schema)
        found.update(cls.KEYWORDS)
        add_rules(found, cls.RULES)
        return schema
