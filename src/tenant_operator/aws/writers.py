"""One way to write any resource: the services' own tables of writers, joined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tenant_operator.aws import (
    compute,
    endpoints,
    event_rules,
    identity,
    load_balancing,
    logs,
    network,
    queues,
)
from tenant_operator.aws.caller import Caller
from tenant_operator.desired.resources import Live, Resource, Spec
from tenant_operator.plan.change import FieldChange

_MODULES = (identity, logs, network, endpoints, load_balancing, compute, queues, event_rules)

CREATE: Mapping[type[Spec], Callable[[Caller, Resource], Awaitable[Live]]] = {
    kind: writer for module in _MODULES for kind, writer in module.CREATE.items()
}
UPDATE: Mapping[type[Spec], Callable[[Caller, Resource, Live, tuple[FieldChange, ...]], Awaitable[Live]]] = {
    kind: writer for module in _MODULES for kind, writer in module.UPDATE.items()
}
DELETE: Mapping[type[Spec], Callable[[Caller, Live], Awaitable[None]]] = {
    kind: writer for module in _MODULES for kind, writer in module.DELETE.items()
}


async def create(caller: Caller, resource: Resource) -> Live:
    """Make a resource whose references are resolved; one that is there already and ours is adopted.

    Raises:
        AwsError: AWS refused, or somebody else's is in its place.
    """
    return await CREATE[type(resource.spec)](caller, resource)


async def update(caller: Caller, resource: Resource, live: Live, changes: tuple[FieldChange, ...]) -> Live:
    """Set the fields named in `changes` right, in place.

    Raises:
        AwsError: AWS refused.
    """
    return await UPDATE[type(resource.spec)](caller, resource, live, changes)


async def delete(caller: Caller, live: Live) -> None:
    """Delete a resource; one that is gone already is done.

    Raises:
        AwsError: AWS refused.
    """
    await DELETE[type(live.spec)](caller, live)
