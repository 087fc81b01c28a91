"""Changes of records, and how they are put into batches that Route 53 takes: pure.

Limits: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests-changeresourcerecordsets
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tenant_operator.aws.records import RECORD_SET, to_api
from tenant_operator.desired.resources import Live, Record

MAX_ELEMENTS = 1000
"""ResourceRecord elements in one request; an alias counts as one, and an UPSERT counts twice."""
MAX_CHARACTERS = 32_000
"""Characters of all values in one request; an UPSERT counts twice. Aliases have no values. Should Route 53 count otherwise,
it refuses the request, and its halves are sent."""


@dataclass(frozen=True, kw_only=True)
class RecordChange:
    """One record that should be as `desired`, or should not be (None). `live` is what was read; None: nothing."""

    desired: Record | None
    live: Live | None

    def __post_init__(self) -> None:
        if self.desired is None and self.live is None:
            raise ValueError("a record change needs what should be, or what is; this one has neither")

    @property
    def record(self) -> Record:
        """The record that it is about."""
        if self.desired is not None:
            return self.desired
        if self.live is None or not isinstance(self.live.spec, Record):
            raise TypeError(f"{self.live} is not a record")
        return self.live.spec

    @property
    def key(self) -> tuple[str, str]:
        """What Route 53 tells one weighted record from another by: name and set identifier."""
        return self.record.name, self.record.set_identifier

    @property
    def verb(self) -> str:
        """CREATE, UPSERT or DELETE: by what should be and what is."""
        if self.desired is None:
            return "DELETE"
        return "CREATE" if self.live is None else "UPSERT"

    @property
    def elements(self) -> int:
        """What it counts for against `MAX_ELEMENTS`."""
        return 2 if self.verb == "UPSERT" else 1

    @property
    def characters(self) -> int:
        """What it counts for against `MAX_CHARACTERS`."""
        values = self.to_api()["ResourceRecordSet"].get("ResourceRecords") or ()
        return self.elements * sum(len(value["Value"]) for value in values)

    def to_api(self) -> dict[str, Any]:
        """The element of `Changes`. A DELETE repeats every value that AWS showed, as it must."""
        shown = None if self.live is None else self.live.attributes.get(RECORD_SET)
        record_set = shown if self.desired is None and shown else to_api(self.record)
        return {"Action": self.verb, "ResourceRecordSet": record_set}


class Changes(Protocol):
    """Something that holds changes which must all be in one request."""

    @property
    def changes(self) -> Sequence[RecordChange]:
        """The changes."""


C = TypeVar("C", bound=Changes)


def fits(changes: Iterable[RecordChange]) -> bool:
    """Whether one request may hold all of them."""
    return _may_be(*_counted(changes))


def batches(submissions: Iterable[C]) -> list[list[C]]:
    """The submissions in their order, in as few requests as that allows; none is torn apart.

    Route 53 refuses two changes of one record in one request, so a second submission about a record begins the next.
    """
    found: list[list[C]] = []
    keys: set[tuple[str, str]] = set()
    elements = characters = 0
    for submission in submissions:
        mine = {change.key for change in submission.changes}
        more, longer = _counted(submission.changes)
        if found and not keys & mine and _may_be(elements + more, characters + longer):
            found[-1].append(submission)
        else:
            found.append([submission])
            keys, elements, characters = set(), 0, 0
        keys |= mine
        elements, characters = elements + more, characters + longer
    return found


def halves(batch: Sequence[C]) -> tuple[list[C], list[C]]:
    """A refused batch in two parts, so that whoever is to blame is found in few requests."""
    middle = len(batch) // 2
    return list(batch[:middle]), list(batch[middle:])


def _counted(changes: Iterable[RecordChange]) -> tuple[int, int]:
    """Elements and characters."""
    listed = list(changes)
    return sum(change.elements for change in listed), sum(change.characters for change in listed)


def _may_be(elements: int, characters: int) -> bool:
    return elements <= MAX_ELEMENTS and characters <= MAX_CHARACTERS
