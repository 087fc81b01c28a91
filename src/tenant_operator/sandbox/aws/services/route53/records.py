"""Changing and listing record sets, and how far a change has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53 import batches, names
from tenant_operator.sandbox.aws.services.route53.limits import RECORDS_PER_ZONE
from tenant_operator.sandbox.aws.services.route53.state import Route53State, of_account
from tenant_operator.sandbox.aws.simulation import Simulation

MAX_PAGE = 300


@dataclass(slots=True)
class ChangeWindow:
    """For how long after a change its zone accepts no other one, in seconds."""

    seconds: float


def install(sim: Simulation) -> None:
    """Answer the calls about record sets and changes, and two control routes.

    `POST route53/busy {"zone": id, "seconds": n}`: another writer's change keeps the zone busy for n seconds.
    `POST route53/change-window {"seconds": n}`: every change keeps its zone busy for n seconds.
    """
    window = ChangeWindow(seconds=0.2 if sim.profile == "aws" else 0.0)

    @sim.handles("route53", "ChangeResourceRecordSets")
    def change(call: Call) -> Mapping[str, Any]:
        state = of_account(sim, call.account)
        zone = state.zone(call.parameters["HostedZoneId"])
        batch = call.parameters["ChangeBatch"]
        if sim.now() < zone.busy_until:
            message = "The request was rejected because Route 53 was still processing a prior request."
            raise AwsFailure("PriorRequestNotComplete", message)
        deltas = batches.deltas_of(zone, batch["Changes"], RECORDS_PER_ZONE.of(sim, call.account))
        zone.apply(deltas)
        zone.busy_until = sim.now() + window.seconds
        sim.after(sim.durations.record_insync, lambda: zone.publish(deltas))
        made = state.note_change(sim, batch.get("Comment") or "")
        return {"ChangeInfo": made.describe(sim.now())}

    @sim.handles("route53", "GetChange")
    def get_change(call: Call) -> Mapping[str, Any]:
        change_id = call.parameters["Id"].removeprefix("/change/")
        found = of_account(sim, call.account).changes.get(change_id)
        if found is None:
            message = f"Could not find resource with ID: {change_id}"
            raise AwsFailure("NoSuchChange", message, status=404)
        return {"ChangeInfo": found.describe(sim.now())}

    @sim.handles("route53", "ListResourceRecordSets")
    def list_record_sets(call: Call) -> Mapping[str, Any]:
        return _listed(of_account(sim, call.account), call.parameters)

    @sim.controls("POST", "route53/busy")
    def keep_busy(values: Mapping[str, Any]) -> Mapping[str, Any]:
        zone_id = str(values["zone"]).removeprefix("/hostedzone/")
        for _, _, state in sim.states(Route53State):
            if zone_id in state.zones:
                state.zones[zone_id].busy_until = sim.now() + _seconds(values)
                return {"zone": zone_id}
        raise ValueError(f"there is no hosted zone {zone_id}")

    @sim.controls("POST", "route53/change-window")
    def set_window(values: Mapping[str, Any]) -> Mapping[str, Any]:
        window.seconds = _seconds(values)
        return {"seconds": window.seconds}


def _seconds(values: Mapping[str, Any]) -> float:
    seconds = float(values["seconds"])
    if seconds < 0:
        raise ValueError(f"seconds must be at least 0, not {seconds}")
    return seconds


def _listed(state: Route53State, parameters: Mapping[str, Any]) -> dict[str, Any]:
    zone = state.zone(parameters["HostedZoneId"])
    name, type_ = parameters.get("StartRecordName") or "", parameters.get("StartRecordType") or ""
    identifier = parameters.get("StartRecordIdentifier") or ""
    if (type_ and not name) or (identifier and not type_):
        message = (
            "The input is not valid: StartRecordType needs StartRecordName, StartRecordIdentifier needs both"
        )
        raise AwsFailure("InvalidInput", message)
    size = page_size(parameters, MAX_PAGE)
    found = list(islice(zone.from_on(names.stored(name) if name else "", type_, identifier), size + 1))
    answer: dict[str, Any] = {
        "ResourceRecordSets": [record_set.document for record_set in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        following = found[size]
        answer |= {"NextRecordName": following.name, "NextRecordType": following.type}
        if following.set_identifier:
            answer["NextRecordIdentifier"] = following.set_identifier
    return answer


def page_size(parameters: Mapping[str, Any], most: int) -> int:
    """The size of a page: MaxItems, but no more than the service gives.

    Raises:
        AwsFailure: InvalidInput, when it is no number of at least 1.
    """
    given = str(parameters.get("MaxItems") or most)
    if not given.isdigit() or int(given) < 1:
        raise AwsFailure("InvalidInput", f"maxitems must be a number of at least 1, not '{given}'")
    return min(int(given), most)
