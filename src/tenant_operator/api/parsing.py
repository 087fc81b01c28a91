"""From an object as Kubernetes shows it to its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tenant_operator.api.cell import Cell
from tenant_operator.api.infragroup import InfraGroup
from tenant_operator.api.objects import GROUP
from tenant_operator.api.tenant import Tenant
from tenant_operator.api.tier import Tier

KINDS: tuple[type[Tier | Cell | InfraGroup | Tenant], ...] = (Tier, Cell, InfraGroup, Tenant)
"""The four kinds, parents first."""
_BY_NAME = {kind.KIND: kind for kind in KINDS}


class UnreadableObject(ValueError):
    """An object that is none of the four kinds, or whose fields have the wrong types."""


def parse(body: Mapping[str, Any]) -> Tier | Cell | InfraGroup | Tenant:
    """The model of an object.

    Fields that this version does not know are left out, and rules that the API server enforces are not repeated:
    what is stored can be read, even if the rules were tightened since.

    Raises:
        UnreadableObject: it is of another kind, a required field is missing, or one has the wrong type.
    """
    kind = _BY_NAME.get(str(body.get("kind")))
    if kind is None:
        raise UnreadableObject(
            f"kind {body.get('kind')!r} is none of {GROUP}'s kinds ({', '.join(_BY_NAME)}); name one of them"
        )
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise UnreadableObject(_in_words(kind.KIND, body, error)) from error


def _in_words(kind: str, body: Mapping[str, Any], error: ValidationError) -> str:
    metadata = body.get("metadata")
    name = metadata.get("name", "?") if isinstance(metadata, Mapping) else "?"
    problems = (
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)
    )
    return f"{kind} {name} cannot be read: {'; '.join(problems)}"
