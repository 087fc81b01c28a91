"""The request ids of our own writes, by which their events are known again.

The principal alone does not do: somebody may work with the operator's own role. CloudTrail's `requestID` is the id that
the answer to the call carried (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
A write whose answer was lost is not known; its event wakes an object once for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_operator.aws.limits import OWN_WRITES_KEPT

REQUEST_ID_HEADERS = ("x-amzn-requestid", "x-amz-request-id")
"""Where AWS's answers carry the id besides their body; in old protocols the two may differ."""


class OwnWrites:
    """The newest writes of this process, in a bounded memory. Belongs to one event loop."""

    def __init__(self, kept: int = OWN_WRITES_KEPT) -> None:
        self._kept = kept
        self._ids: dict[str, None] = {}

    def note(self, answer: Mapping[str, Any]) -> None:
        """Remember the write that was answered so."""
        metadata = answer.get("ResponseMetadata") or {}
        headers = metadata.get("HTTPHeaders") or {}
        for request_id in {metadata.get("RequestId"), *(headers.get(name) for name in REQUEST_ID_HEADERS)}:
            if request_id:
                self._ids[request_id] = None
        while len(self._ids) > self._kept:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._ids
