"""Tags of hosted zones: https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeTagsForResource.html."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.route53.state import Zone, of_account
from tenant_operator.sandbox.aws.simulation import Simulation

MAX_CHANGES = 10  # tags to add, or keys to remove, in one call
MAX_TAGS = 50


def install(sim: Simulation) -> None:
    """Answer the calls about tags."""

    def zone(call: Call, zone_id: str) -> Zone:
        if call.parameters["ResourceType"] != "hostedzone":
            message = f"No health check exists with the ID {zone_id}."  # the sandbox has none
            raise AwsFailure("NoSuchHealthCheck", message, status=404)
        return of_account(sim, call.account).zone(zone_id)

    @sim.handles("route53", "ChangeTagsForResource")
    def change(call: Call) -> Mapping[str, Any]:
        found = zone(call, call.parameters["ResourceId"])
        added, removed = call.parameters.get("AddTags") or [], call.parameters.get("RemoveTagKeys") or []
        if (not added and not removed) or len(added) > MAX_CHANGES or len(removed) > MAX_CHANGES:
            message = f"Between 1 and {MAX_CHANGES} tags can be added, and keys removed, in one call"
            raise AwsFailure("InvalidInput", message)
        kept = {key: value for key, value in found.tags.items() if key not in removed}
        kept |= {tag["Key"]: tag.get("Value") or "" for tag in added}
        if len(kept) > MAX_TAGS:
            raise AwsFailure("InvalidInput", f"A resource can have at most {MAX_TAGS} tags")
        found.tags = kept
        return {}

    @sim.handles("route53", "ListTagsForResource")
    def list_one(call: Call) -> Mapping[str, Any]:
        return {"ResourceTagSet": _shown(zone(call, call.parameters["ResourceId"]))}

    @sim.handles("route53", "ListTagsForResources")
    def list_several(call: Call) -> Mapping[str, Any]:
        zones = [zone(call, zone_id) for zone_id in call.parameters["ResourceIds"]]
        return {"ResourceTagSets": [_shown(found) for found in zones]}


def _shown(zone: Zone) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in sorted(zone.tags.items())]
    return {"ResourceType": "hostedzone", "ResourceId": zone.id, "Tags": tags}
