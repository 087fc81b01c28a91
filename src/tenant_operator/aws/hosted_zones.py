"""Finding the hosted zone that a tier's name lives in.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByName.html
"""

from __future__ import annotations

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category

ZONES_LOOKED_AT = 100
"""Zones of one name: several VPCs may each have a private one, so there can be more than two."""


def plain_id(zone: str) -> str:
    """A hosted zone's id without the path that AWS's answers put before it."""
    return zone.rsplit("/", 1)[-1]


def plain_name(name: str) -> str:
    r"""A DNS name as we write it: lower case, no trailing dot, `*` where AWS's answers say `\052`."""
    return name.replace("\\052", "*").rstrip(".").lower()


async def find_zone(caller: Caller, name: str, private: bool) -> str:
    """The id of the hosted zone of exactly this name.

    Raises:
        AwsError: SPEC with code `NoSuchHostedZone` when there is none, or `AmbiguousHostedZone` when there are several;
            or AWS refused the reading.
    """
    wanted = plain_name(name)
    answer = await caller(
        "route53", "list_hosted_zones_by_name", DNSName=wanted, MaxItems=str(ZONES_LOOKED_AT)
    )
    named = [zone for zone in answer["HostedZones"] if plain_name(zone["Name"]) == wanted]
    found = [zone for zone in named if bool((zone.get("Config") or {}).get("PrivateZone")) is private]
    if len(found) == 1:
        return plain_id(found[0]["Id"])
    if found:
        ids = ", ".join(sorted(plain_id(zone["Id"]) for zone in found))
        raise _error(
            caller,
            "AmbiguousHostedZone",
            f"account {caller.account} has several {_kind(private)} hosted zones named {wanted} ({ids}); "
            "name the one that is meant by spec.endpoint.hostedZone.id",
        )
    other = (
        f"; there is a {_kind(not private)} one: set spec.endpoint.hostedZone.private accordingly"
        if named
        else ""
    )
    missing = f"account {caller.account} has no {_kind(private)} hosted zone named {wanted}"
    raise _error(caller, "NoSuchHostedZone", missing + (other or "; create it, or correct the name"))


async def hosted_zone(caller: Caller, zone: str) -> tuple[str, bool]:
    """The name of a hosted zone (no trailing dot), and whether it is private.

    Raises:
        AwsError: SPEC with code `NoSuchHostedZone` when the account has no such zone; or AWS refused the reading.
    """
    try:
        answer = await caller("route53", "get_hosted_zone", Id=zone)
    except AwsError as error:
        if error.category is not Category.NOT_FOUND:
            raise
        message = (
            f"account {caller.account} has no hosted zone {zone}; correct spec.endpoint.hostedZone.id, or name "
            "a role of the account that owns it in spec.endpoint.roleArn"
        )
        raise caller.error(
            "route53", "get_hosted_zone", "NoSuchHostedZone", message, Category.SPEC
        ) from error
    found = answer["HostedZone"]
    return plain_name(found["Name"]), bool((found.get("Config") or {}).get("PrivateZone"))


async def records_in_zone(caller: Caller, zone: str) -> tuple[int, int]:
    """How many records a hosted zone holds, anybody's, and how many it may hold.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHostedZoneLimit.html

    Raises:
        AwsError: AWS refused the reading.
    """
    answer = await caller("route53", "get_hosted_zone_limit", HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")
    return int(answer["Count"]), int(answer["Limit"]["Value"])


def _kind(private: bool) -> str:
    return "private" if private else "public"


def _error(caller: Caller, code: str, message: str) -> AwsError:
    return caller.error("route53", "list_hosted_zones_by_name", code, message, Category.SPEC)
