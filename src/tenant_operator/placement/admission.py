"""Whether a tenant may grow where it lives: room first, then the change; never the other way round.

| what the spec asks for                            | what happens                                             |
|---------------------------------------------------|----------------------------------------------------------|
| the size that was let in                          | nothing                                                  |
| less, or what takes no more of any quota          | it is let in at once; what goes is counted until it is gone |
| more, and there is room for it beside the old     | the room is reserved, then the change begins             |
| more, and there is none                           | the former size stays in force, and the tenant says why  |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tenant_operator.placement.ledger import Finding, GroupLedger, grown, shortage
from tenant_operator.placement.reservation import Reservation
from tenant_operator.placement.size import Size, Stack, Use, transition


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """What is reserved from now on, and why it is not what was asked for, if it is not."""

    reservation: Reservation
    findings: tuple[Finding, ...] = ()
    more: Use = field(default_factory=Counter)
    """What the change may take beyond what was kept before."""

    @property
    def shortage(self) -> str:
        """Why the size that was asked for has to wait; empty where it has not."""
        return shortage(list(self.findings))


def admit(
    ledger: GroupLedger,
    held: Reservation,
    wanted: Size,
    live: Collection[Stack],
    *,
    standby: bool = False,
) -> Admission:
    """Let a size in, or keep to the former one.

    Args:
        ledger: the group as it is, this tenant's reservation included.
        held: what is reserved for the tenant.
        wanted: the size that its spec asks for.
        live: the stacks that there are.
        standby: whether the tenant has a standby rule.
    """
    if held.size == wanted:
        return Admission(reservation=held)
    peak = transition(held.size, held.peak, wanted, live, standby=standby)
    after = Reservation(size=wanted, peak=peak)
    more = _more(after.now, held.now)
    findings = grown(ledger, _more(after.lasting, held.lasting), more)
    if all(finding.fits for finding in findings):
        return Admission(reservation=after, findings=tuple(findings), more=more)
    return Admission(reservation=held, findings=tuple(findings))


def _more(after: Use, before: Use) -> Use:
    return Counter({code: after[code] - before[code] for code in after if after[code] > before[code]})
