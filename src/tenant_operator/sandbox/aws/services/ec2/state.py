"""VPC endpoints and endpoint services of one account and Region; the rest of EC2 is in moto's backend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.interfaces import Interface
from tenant_operator.sandbox.aws.simulation import Simulation

# States: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html
PENDING_ACCEPTANCE = "PendingAcceptance"
PENDING = "Pending"
AVAILABLE = "Available"
DELETING = "Deleting"
REJECTED = "Rejected"
CHANGEABLE = frozenset({PENDING_ACCEPTANCE, PENDING, AVAILABLE})


@dataclass(slots=True)
class Endpoint:
    """A VPC endpoint. `interfaces` maps a subnet to the interface in it."""

    id: str
    account: str
    region: str
    vpc_id: str
    service_name: str
    kind: str  # Interface | Gateway | GatewayLoadBalancer
    state: str
    private_dns: bool
    private_dns_names: tuple[str, ...]  # of the service: what private DNS answers for
    policy: str
    created: datetime
    interfaces: dict[str, Interface] = field(default_factory=dict)
    security_group_ids: list[str] = field(default_factory=list)
    route_table_ids: list[str] = field(default_factory=list)
    dns_suffix: str = ""  # <service>.<Region>.vpce.amazonaws.com
    dns_label: str = ""


@dataclass(slots=True)
class EndpointService:
    """A provider's service that other accounts' endpoints connect to."""

    id: str
    account: str
    region: str
    acceptance_required: bool
    private_dns_name: str
    availability_zones: tuple[str, ...]
    load_balancer_arns: list[str]
    supported_regions: list[str] = field(default_factory=list)
    principals: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The full name, by which consumers ask for it."""
        return f"com.amazonaws.vpce.{self.region}.{self.id}"

    def admits(self, account: str) -> bool:
        """Whether an account may see it: its owner, and whoever its permissions name."""
        return account == self.account or bool(
            self.principals & {"*", account, f"arn:aws:iam::{account}:root"}
        )


@dataclass(frozen=True, slots=True)
class Creation:
    """What was asked for with a client token, and what came of it."""

    parameters: Mapping[str, Any]
    resource_id: str


@dataclass(slots=True)
class Ec2State:
    """Everything that is kept here."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    services: dict[str, EndpointService] = field(default_factory=dict)
    creations: dict[tuple[str, str], Creation] = field(default_factory=dict)  # by (action, client token)

    def endpoints_of_vpc(self, vpc_id: str) -> list[Endpoint]:
        """All endpoints of a VPC, those that are being deleted too."""
        return [endpoint for endpoint in self.endpoints.values() if endpoint.vpc_id == vpc_id]

    def earlier(self, action: str, parameters: Mapping[str, Any], known: Iterable[str]) -> str | None:
        """The resource that an earlier call with the same client token has made, if it is still there.

        Raises:
            AwsFailure: IdempotentParameterMismatch.
        """
        creation = self.creations.get((action, parameters.get("ClientToken") or ""))
        if creation is None or creation.resource_id not in known:
            return None
        if creation.parameters != parameters:
            message = (
                "The client token you have provided is associated with a resource that was created with different "
                "parameters"
            )
            raise AwsFailure("IdempotentParameterMismatch", message)
        return creation.resource_id

    def remember(self, action: str, parameters: Mapping[str, Any], resource_id: str) -> None:
        """Note what a call with a client token has made."""
        token = parameters.get("ClientToken")
        if token:
            self.creations[(action, token)] = Creation(parameters, resource_id)


def endpoints_of_service(sim: Simulation, name: str) -> Iterator[Endpoint]:
    """The endpoints of all accounts that connect to a service."""
    for _, _, state in sim.states(Ec2State):
        for endpoint in state.endpoints.values():
            if endpoint.service_name == name:
                yield endpoint


def all_services(sim: Simulation) -> Iterator[EndpointService]:
    """The endpoint services of all accounts."""
    for _, _, state in sim.states(Ec2State):
        yield from state.services.values()
