"""What exists in a dry run: what AWS showed once, and what would have been written since."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tenant_operator.aws.readings import Reading
from tenant_operator.aws.snapshot import View
from tenant_operator.desired.resources import Address
from tenant_operator.plan.arrival import arrived


@dataclass
class ImaginedView(View):
    """A view that asks AWS once. Where it would ask again, what is on its way arrives instead (see `plan.arrival`)."""

    made: AbstractSet[str] = field(default_factory=set)
    """The ids of what exists only in this dry run: AWS is never asked about it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._asked: set[str] = set()

    def read_since(self, address: Address) -> bool:
        """Whether it was read back after our last write: in a dry run it says what was written."""
        return address in self.lives

    async def take_reading(self, name: str, read: Reading, scope: tuple[str, ...]) -> None:
        """Ask AWS the first time; later, and for what AWS does not have, let what is on its way arrive."""
        about = name.rpartition(" ")[2]
        if name not in self._asked and about not in self.made:
            await super().take_reading(name, read, scope)
            self._asked.add(name)
            return
        for live in self.shown_by(name):
            now = arrived(live)
            if now is None:
                self.remove(live.address)
            elif now != live:
                self.put(now)
