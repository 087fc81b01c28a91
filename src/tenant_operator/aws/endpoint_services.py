"""Endpoint services: what a provider offers to be connected to.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpointServices.html.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from tenant_operator.aws.caller import Caller
from tenant_operator.aws.errors import Category
from tenant_operator.aws.limits import ENDPOINT_SERVICE_TTL_SECONDS
from tenant_operator.aws.sessions import Session


@dataclass(frozen=True, kw_only=True)
class EndpointService:
    """One service as the caller's account sees it."""

    name: str
    availability_zones: tuple[str, ...]
    """Names, in the caller's account, of the zones in which it can be reached."""
    acceptance_required: bool
    """Whether the provider has to accept each connection."""
    private_dns_name: str
    """Or "" when it has none: then private DNS cannot be switched on."""
    types: tuple[str, ...]
    """Interface | Gateway | GatewayLoadBalancer"""


@dataclass
class EndpointServices:
    """Lookups that are remembered for a while, apart for each account and Region. Belongs to one event loop."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str, str], tuple[float, EndpointService]] = field(default_factory=dict)

    async def find(self, caller: Caller, name: str) -> EndpointService:
        """A service by its full name, such as com.amazonaws.us-east-1.ecr.api; costs a read every ten minutes.

        Raises:
            AwsError: SPEC, when the account does not see a service of this name.
        """
        key = (caller.account, caller.region, name)
        known = self._known.get(key)
        if known is not None and self.clock() - known[0] < ENDPOINT_SERVICE_TTL_SECONDS:
            return known[1]
        service = await _describe(caller, name)
        self._known[key] = (self.clock(), service)
        return service


async def _describe(caller: Caller, name: str) -> EndpointService:
    answer = await caller("ec2", "describe_vpc_endpoint_services", ServiceNames=[name])
    details = [detail for detail in answer.get("ServiceDetails", ()) if detail["ServiceName"] == name]
    if not details:
        raise caller.error(
            "ec2",
            "describe_vpc_endpoint_services",
            "InvalidServiceName",
            f"account {caller.account} does not see {name} in {caller.region}",
            Category.SPEC,
        )
    zones = {zone for detail in details for zone in detail.get("AvailabilityZones", ())}
    first = details[0]
    return EndpointService(
        name=name,
        availability_zones=tuple(sorted(zones)),
        acceptance_required=bool(first.get("AcceptanceRequired", False)),
        private_dns_name=first.get("PrivateDnsName", ""),
        types=tuple(
            sorted({kind["ServiceType"] for detail in details for kind in detail.get("ServiceType", ())})
        ),
    )


_BY_SESSION: WeakKeyDictionary[Session, EndpointServices] = WeakKeyDictionary()
"""What is known lives as long as the credentials with which it was asked for."""


async def endpoint_service(caller: Caller, name: str) -> EndpointService:
    """A service by its full name, from what is remembered; see `EndpointServices.find`."""
    return await _BY_SESSION.setdefault(caller.session, EndpointServices()).find(caller, name)
