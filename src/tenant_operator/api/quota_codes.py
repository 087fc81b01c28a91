"""The quotas that decide how much an account can hold, by their codes in Service Quotas.

https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html: each service's page lists its codes.
"""

from __future__ import annotations

from enum import StrEnum


class QuotaCode(StrEnum):
    """A quota's code in Service Quotas; unlike its name, AWS never changes it."""

    RULES = "L-7EED9B64"
    TARGET_GROUPS = "L-822D1B1B"
    TARGETS = "L-7E6692B2"
    LOAD_BALANCERS = "L-53DA6B97"
    REGION_TARGET_GROUPS = "L-B22855CB"
    ENDPOINTS = "L-29B6F2EB"
    GATEWAY_ENDPOINTS = "L-1B52E74A"
    VPCS = "L-F678F1CE"
    INTERFACES = "L-DF5E4CA3"
    SECURITY_GROUP_RULES = "L-0EA8095F"
    CLUSTERS = "L-21C621EB"
    VCPU = "L-3032A538"
    SPOT_VCPU = "L-36FBB829"
    ROLES = "L-FE177D64"
    RECORDS = "L-E209CC9F"


OVERRIDABLE = tuple(code for code in QuotaCode if code is not QuotaCode.RECORDS)
"""What `Cell.spec.quotaOverrides` may name: a hosted zone's records belong to no cell."""
