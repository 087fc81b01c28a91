"""One of AWS's limits as a status shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from tenant_operator.api.constraints import Struct, between, length


class Quota(Struct):
    """One of AWS's limits, and how much of it is used."""

    code: Annotated[str, length(32)]
    """Code in Service Quotas, such as L-7EED9B64."""
    name: Annotated[str, length(256)]
    """Name in Service Quotas."""
    used: Annotated[int, between(0, 2**53)] | None = None
    """How much is used or kept for what is placed and not yet made, as far as it is known. Where a quota counts
    per load balancer or per VPC, it is the fullest one's."""
    limit: Annotated[int, between(0, 2**53)]
    """How much is allowed."""
    source: Literal["ServiceQuotas", "AWSDefault", "BuiltIn", "Override"]
    """Where the limit comes from."""
