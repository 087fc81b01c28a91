"""The finalizer: on before anything is made in AWS, off once nothing is left there, or at once where a person says so.

The process that works on an object puts it on and takes it off, with a patch that holds only while the finalizers are as
they were seen: two writers never undo each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from tenant_operator.api import ANNOTATION_ORPHAN, FINALIZER
from tenant_operator.engine.cache import Key, Object
from tenant_operator.engine.kubernetes import Kubernetes


def is_orphan(annotations: Mapping[str, str] | None) -> bool:
    """Whether a person wants an object to go at once when it is deleted, and everything in AWS to stay as it is."""
    return (annotations or {}).get(ANNOTATION_ORPHAN) == "true"


def is_ours(obj: Object) -> bool:
    """Whether an object is to be visited: it has our finalizer, so that it cannot go behind our back, and is no orphan."""
    return FINALIZER in obj.metadata.finalizers and not (
        obj.metadata.deletion_timestamp and is_orphan(obj.metadata.annotations)
    )


def is_due(obj: Object) -> bool:
    """Whether the finalizer is to be put on, or to be taken off an orphan."""
    present = FINALIZER in obj.metadata.finalizers
    if obj.metadata.deletion_timestamp:
        return present and is_orphan(obj.metadata.annotations)
    return not present


async def add(kubernetes: Kubernetes, key: Key, obj: Object) -> None:
    """Put it on. Where the object has changed since it was seen, nothing happens: the change will be seen.

    Raises:
        Refused: the API server refused.
    """
    before = obj.metadata.finalizers
    await kubernetes.set_finalizers(key, obj.metadata.uid, before, (*before, FINALIZER))


async def remove(kubernetes: Kubernetes, key: Key, obj: Object) -> bool:
    """Take it off; False where the object has changed since it was seen, or is gone.

    Raises:
        Refused: the API server refused.
    """
    before = obj.metadata.finalizers
    after = [finalizer for finalizer in before if finalizer != FINALIZER]
    return await kubernetes.set_finalizers(key, obj.metadata.uid, before, after)
