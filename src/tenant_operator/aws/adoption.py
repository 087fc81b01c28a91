"""What to do about a resource that is already there under the name or the tags of one to be made."""

from __future__ import annotations

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Live, Resource


def adopted(caller: Caller, resource: Resource, live: Live, service: str, operation: str) -> Live:
    """The live resource, if it belongs to the same installation: the next plan mends what differs.

    Args:
        caller: whose call met it.
        resource: what was to be made.
        live: what is there.
        service: boto3's name of the service that was called.
        operation: boto3's name of the call that met it.

    Raises:
        AwsError: EXISTS, with the code `ForeignOwner`: somebody else was first.
    """
    installation = resource.tags.get(tags.INSTALLATION, "")
    if tags.is_ours(live.tags, installation):
        return live
    raise foreign_owner(caller, resource, live, service, operation)


def foreign_owner(caller: Caller, resource: Resource, live: Live, service: str, operation: str) -> AwsError:
    """The error that says who owns what is in a resource's place, and what to do."""
    other = live.tags.get(tags.INSTALLATION)
    owner = tags.owner_of(live.tags)
    if other is None:
        who = "it does not carry this operator's ownership tags"
    else:
        who = f"it belongs to installation {other!r}" + (f" ({owner})" if owner is not None else "")
    message = (
        f"{resource.address.type} {live.id} in account {caller.account} has the name that is needed here, but {who}; "
        "remove or rename it"
    )
    return caller.error(service, operation, "ForeignOwner", message, Category.EXISTS)
