"""The hosted zones of one account, their record sets and their changes."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53.names import sort_key
from tenant_operator.sandbox.aws.simulation import Simulation

GLOBAL = "aws-global"  # Route 53 is one service for all Regions

RecordKey = tuple[str, str]  # type and set identifier ("" when it has none) of one name's record sets
Group = Mapping[RecordKey, "RecordSet"]  # the record sets of one name


@dataclass(frozen=True, slots=True)
class RecordSet:
    """One record set; `document` is what the API shows of it."""

    name: str
    type: str
    set_identifier: str  # empty: it has none
    document: Mapping[str, Any]

    @property
    def key(self) -> RecordKey:
        """What tells it from the other record sets of its name."""
        return self.type, self.set_identifier

    @property
    def policy(self) -> str:
        """The member that makes it one of several with its name and type, such as Weight; `simple` without any."""
        return next((member for member in POLICIES if member in self.document), "simple")


POLICIES = (
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
    "GeoProximityLocation",
)


@dataclass(frozen=True, slots=True)
class Delta:
    """One record set as it is after a change; None: it is gone."""

    name: str
    key: RecordKey
    after: RecordSet | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change as GetChange shows it."""

    id: str
    submitted: datetime
    in_sync_at: float  # on the simulation's clock
    comment: str = ""

    def describe(self, now: float) -> dict[str, Any]:
        """As the API shows it; `now` on the simulation's clock."""
        shown: dict[str, Any] = {
            "Id": f"/change/{self.id}",
            "Status": "INSYNC" if now >= self.in_sync_at else "PENDING",
            "SubmittedAt": self.submitted,
        }
        return {**shown, "Comment": self.comment} if self.comment else shown


@dataclass(slots=True)
class Zone:
    """A hosted zone. `groups` is what the API shows; `served` what DNS answers from, once changes are in sync."""

    id: str
    name: str
    caller_reference: str
    comment: str
    private: bool
    name_servers: tuple[str, ...]
    vpcs: list[tuple[str, str]] = field(default_factory=list)  # (VPC id, Region) of a private zone
    tags: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)  # by name
    served: dict[str, dict[RecordKey, RecordSet]] = field(default_factory=dict)
    busy_until: float = 0.0  # a change is being accepted until then
    count: int = 0
    _order: list[tuple[str, str]] = field(default_factory=list)  # (sort key, name) of `groups`

    def apply(self, deltas: Iterable[Delta]) -> None:
        """Change what the API shows."""
        for delta in deltas:
            group = dict(self.groups.get(delta.name, {}))
            self.count -= delta.key in group
            group.pop(delta.key, None)
            if delta.after is not None:
                group[delta.key] = delta.after
                self.count += 1
            self._set(delta.name, group)

    def _set(self, name: str, group: Group) -> None:
        place = (sort_key(name), name)
        if group:
            if name not in self.groups:
                bisect.insort(self._order, place)
            self.groups[name] = group
        elif name in self.groups:
            del self.groups[name]
            del self._order[bisect.bisect_left(self._order, place)]

    def publish(self, deltas: Iterable[Delta]) -> None:
        """Change what DNS answers from."""
        for delta in deltas:
            group = self.served.setdefault(delta.name, {})
            if delta.after is None:
                group.pop(delta.key, None)
            else:
                group[delta.key] = delta.after

    def from_on(self, name: str, type_: str, identifier: str) -> Iterator[RecordSet]:
        """Record sets in the order of ListResourceRecordSets, from a place on (empty strings: from the start)."""
        first = bisect.bisect_left(self._order, (sort_key(name), name)) if name else 0
        for key, found in self._order[first:]:
            group = self.groups[found]
            for record_key in sorted(group):
                if name and key == sort_key(name) and record_key < (type_, identifier):
                    continue
                yield group[record_key]

    def describe(self) -> dict[str, Any]:
        """As the API shows it."""
        config: dict[str, Any] = {"PrivateZone": self.private}
        if self.comment:
            config["Comment"] = self.comment
        return {
            "Id": f"/hostedzone/{self.id}",
            "Name": self.name,
            "CallerReference": self.caller_reference,
            "Config": config,
            "ResourceRecordSetCount": self.count,
        }


@dataclass(slots=True)
class Route53State:
    """Everything of one account."""

    zones: dict[str, Zone] = field(default_factory=dict)  # by id without /hostedzone/
    changes: dict[str, Change] = field(default_factory=dict)  # by id without /change/

    def zone(self, zone_id: str) -> Zone:
        """Raises AwsFailure: NoSuchHostedZone."""
        found = self.zones.get(zone_id.removeprefix("/hostedzone/"))
        if found is None:
            message = f"No hosted zone found with ID: {zone_id.removeprefix('/hostedzone/')}"
            raise AwsFailure("NoSuchHostedZone", message, status=404)
        return found

    def note_change(self, sim: Simulation, comment: str = "") -> Change:
        """A new change, PENDING for as long as the settings say."""
        change = Change(
            id="C" + sim.hex_id(20).upper(),
            submitted=sim.timestamp(),
            in_sync_at=sim.now() + sim.durations.record_insync,
            comment=comment,
        )
        self.changes[change.id] = change
        return change


def of_account(sim: Simulation, account: str) -> Route53State:
    """The state of an account."""
    return sim.state(Route53State, account, GLOBAL)
