"""What a consumer can connect to: AWS's own services, and those of providers that admit the consumer's account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.ec2 import aws_services
from tenant_operator.sandbox.aws.services.ec2.describing import Described, matching, page, tags_of
from tenant_operator.sandbox.aws.services.ec2.state import EndpointService, all_services
from tenant_operator.sandbox.aws.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Offer:
    """A service as a consumer in one account and Region sees it."""

    name: str
    service_id: str
    kinds: tuple[str, ...]
    owner: str
    acceptance_required: bool
    private_dns_name: str  # empty: private DNS cannot be switched on
    availability_zones: tuple[str, ...]
    dns_suffix: str

    def describe(self) -> Described:
        """As DescribeVpcEndpointServices shows it."""
        document: dict[str, Any] = {
            "ServiceName": self.name,
            "ServiceId": self.service_id,
            "ServiceType": [{"ServiceType": kind} for kind in self.kinds],
            "AvailabilityZones": list(self.availability_zones),
            "Owner": self.owner,
            "BaseEndpointDnsNames": [self.dns_suffix],
            "VpcEndpointPolicySupported": True,
            "AcceptanceRequired": self.acceptance_required,
            "ManagesVpcEndpoints": False,
            "SupportedIpAddressTypes": ["ipv4"],
        }
        if self.private_dns_name:
            document["PrivateDnsName"] = self.private_dns_name
            document["PrivateDnsNames"] = [{"PrivateDnsName": self.private_dns_name}]
            document["PrivateDnsNameVerificationState"] = "verified"
        fields = {"service-name": [self.name], "service-type": list(self.kinds), "owner": [self.owner]}
        return Described(document, fields)


def find(sim: Simulation, call: Call, name: str) -> Offer:
    """The service of this name.

    Raises:
        AwsFailure: InvalidServiceName: there is none, or its permissions do not name the account.
    """
    found = aws_services.find(name, call.region)
    if found is not None:
        return _of_aws(found, call)
    region = call.parameters.get("ServiceRegion") or call.region
    for service in all_services(sim):
        if service.name == name and service.admits(call.account) and region == service.region:
            return _of_provider(service)
    raise AwsFailure("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist")


def _of_aws(service: aws_services.AwsService, call: Call) -> Offer:
    zones = ec2_backends[call.account][call.region].describe_availability_zones()
    short = service.name.removeprefix(f"com.amazonaws.{call.region}.")
    return Offer(
        name=service.name,
        service_id=f"vpce-svc-{service.name.encode().hex()[-17:]}",
        kinds=service.kinds,
        owner="amazon",
        acceptance_required=False,
        private_dns_name=service.private_dns_name,
        availability_zones=tuple(zone.name for zone in zones),
        dns_suffix=f"{short}.{call.region}.vpce.amazonaws.com",
    )


def _of_provider(service: EndpointService) -> Offer:
    return Offer(
        name=service.name,
        service_id=service.id,
        kinds=("Interface",),
        owner=service.account,
        acceptance_required=service.acceptance_required,
        private_dns_name=service.private_dns_name,
        availability_zones=service.availability_zones,
        dns_suffix=f"{service.id}.{service.region}.vpce.amazonaws.com",
    )


def install(sim: Simulation) -> None:
    """Answer DescribeVpcEndpointServices."""

    @sim.handles("ec2", "DescribeVpcEndpointServices")
    def describe(call: Call) -> Mapping[str, Any]:
        wanted = call.parameters.get("ServiceNames") or ()
        if wanted:
            offers = [find(sim, call, name) for name in wanted]
        else:
            offers = [_of_aws(service, call) for service in aws_services.all_of(call.region)]
            offers += [
                _of_provider(service)
                for service in all_services(sim)
                if service.region == call.region and service.admits(call.account)
            ]
        described = []
        for offer in offers:
            item = offer.describe()
            own = offer.owner == call.account
            tags = tags_of(call, offer.service_id) if own else {}
            described.append(Described(item.document, item.fields, tags))
        found, token = page(
            matching(described, call.parameters.get("Filters")), call.parameters, "ServiceNames"
        )
        return {
            "ServiceNames": [item.document["ServiceName"] for item in found],
            "ServiceDetails": [item.shown() for item in found],
            "NextToken": token,
        }
