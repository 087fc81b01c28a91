"""The `tags` part of an update: sets ours right and leaves those of other tools alone."""

from __future__ import annotations

from dataclasses import replace

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.tagging import retag, retagged
from tenant_operator.desired import tags
from tenant_operator.desired.resources import Live, Resource


async def with_tags(caller: Caller, resource: Resource, live: Live) -> Live:
    """The live resource with the tags that it should have; no call where it has them already.

    Raises:
        AwsError: AWS refused the tags.
    """
    put, drop = tags.changes(resource.tags, live.tags)
    if not put and not drop:
        return live
    await retag(caller, live, put, drop)
    return replace(live, tags=retagged(live, put, drop))
