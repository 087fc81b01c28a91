"""The converter from pydantic's JSON schema to what the API server takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from tenant_operator.api.constraints import (
    VALIDATIONS,
    Rule,
    Struct,
    elements,
    entries,
    immutable,
    quoted,
    rules,
)
from tenant_operator.api.schema import NotStructural, structural_schema
from tenant_operator.api.types import Document


class Inner(Struct):
    """Inner."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule("self.size > 0", "write a size"),)

    size: int = 3
    """How large, in metres."""
    label: str | None = None
    """What it says."""


class Plain(Struct):
    """Nothing in it has a default."""

    text: str | None = None


class Outer(Struct):
    """Outer."""

    name_of_it: Annotated[str, immutable("it stays")]
    """Its
    name."""
    filled: Annotated[Inner, rules(Rule("true", "never"))] = Inner()
    """Always there."""
    optional: Inner | None = None
    """Sometimes there."""
    several: Annotated[tuple[Inner, ...], elements(3)] = ()
    by_name: Annotated[Mapping[str, Inner], entries(3)] = Field(default={})
    nothing: Plain = Plain()
    document: Document | None = None
    kind: Literal["One"] = "One"
    ratio: float = Field(default=0.5, gt=0, lt=1)


@pytest.fixture(scope="module")
def properties() -> dict[str, Any]:
    found: dict[str, Any] = structural_schema(Outer)["properties"]
    return found


def test_names_are_camel_case(properties: dict[str, Any]) -> None:
    assert list(properties)[:2] == ["nameOfIt", "filled"]


def test_required_fields_are_those_without_a_default() -> None:
    assert structural_schema(Outer)["required"] == ["nameOfIt"]


def test_docstring_below_a_field_is_its_description_on_one_line(properties: dict[str, Any]) -> None:
    assert properties["nameOfIt"]["description"] == "Its name."


def test_rules_of_a_field_stand_beside_those_of_its_type(properties: dict[str, Any]) -> None:
    assert [rule["rule"] for rule in properties["filled"][VALIDATIONS]] == ["self.size > 0", "true"]
    assert properties["nameOfIt"][VALIDATIONS] == [{"rule": "self == oldSelf", "message": "it stays"}]


def test_defaulted_struct_is_filled_by_the_defaults_inside(properties: dict[str, Any]) -> None:
    assert properties["filled"]["default"] == {}
    assert properties["filled"]["properties"]["size"]["default"] == 3
    assert properties["filled"]["properties"]["size"]["description"] == "How large, in metres. Default: 3."


def test_struct_without_defaults_inside_is_not_filled(properties: dict[str, Any]) -> None:
    assert "default" not in properties["nothing"]


@pytest.mark.parametrize("where", [("optional",), ("several", "items"), ("byName", "additionalProperties")])
def test_no_default_below_an_optional_parent_nor_in_a_list_or_map(
    properties: dict[str, Any], where: tuple[str, ...]
) -> None:
    node = properties
    for step in where:
        node = node[step]
    assert "default" not in node
    assert "default" not in node["properties"]["size"]
    assert node["properties"]["size"]["description"] == "How large, in metres. Absent: 3."


def test_optional_field_is_neither_nullable_nor_null_by_default(properties: dict[str, Any]) -> None:
    assert properties["filled"]["properties"]["label"] == {"description": "What it says.", "type": "string"}


def test_document_keeps_unknown_fields_and_is_atomic(properties: dict[str, Any]) -> None:
    assert properties["document"] == {
        "type": "object",
        "minProperties": 1,
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-preserve-unknown-fields": True,
    }


def test_single_literal_is_an_enum(properties: dict[str, Any]) -> None:
    assert properties["kind"]["enum"] == ["One"]


def test_exclusive_bounds_are_flags(properties: dict[str, Any]) -> None:
    bounds = {key: value for key, value in properties["ratio"].items() if "imum" in key}
    assert bounds == {"minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True}


def test_status_has_no_defaults() -> None:
    schema = structural_schema(Outer, defaults=False)["properties"]
    assert "default" not in schema["filled"]
    assert schema["filled"]["properties"]["size"] == {
        "description": "How large, in metres.",
        "type": "integer",
    }


class Union(BaseModel):
    value: int | str


class Recursive(BaseModel):
    below: Optional[Recursive] = None  # noqa: UP045  # a name that is being defined takes no `|`


def test_union_of_types_is_refused() -> None:
    with pytest.raises(NotStructural, match=r"Union\.value: a field has one type"):
        structural_schema(Union)


def test_model_that_refers_to_itself_is_refused() -> None:
    with pytest.raises(NotStructural, match="Recursive refers to itself"):
        structural_schema(Recursive)


def test_text_is_quoted_for_cel() -> None:
    assert quoted("it's a \\d\n") == "'it\\'s a \\\\d\\n'"
