"""The routes by which gateway endpoints are reached: one to the service's prefix list in each of their route tables.

https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import Route

from tenant_operator.sandbox.aws.services.ec2.state import Endpoint

_Route: Any = Route  # to its annotations every gateway is a VPN gateway


@dataclass(frozen=True, slots=True)
class _Gateway:
    """What moto's route shows of its gateway."""

    id: str


def add(endpoint: Endpoint, route_table_ids: Iterable[str]) -> None:
    """Lead the traffic of these route tables through the endpoint."""
    prefix_list = _prefix_list(endpoint)
    if endpoint.kind != "Gateway" or prefix_list is None:
        return
    tables = ec2_backends[endpoint.account][endpoint.region].route_tables
    for table_id in route_table_ids:
        table = tables[table_id]
        route = _Route(table, None, None, destination_prefix_list=prefix_list, gateway=_Gateway(endpoint.id))
        table._routes[route.id] = route  # noqa: SLF001 - create_route looks for moto's own endpoints


def remove(endpoint: Endpoint, route_table_ids: Iterable[str]) -> None:
    """Take the routes away again."""
    tables = ec2_backends[endpoint.account][endpoint.region].route_tables
    for table_id in route_table_ids:
        if table_id in tables:
            routes: dict[str, Any] = tables[table_id]._routes  # noqa: SLF001 - as in add
            for route_id in [key for key, route in routes.items() if route.gateway_id == endpoint.id]:
                del routes[route_id]


def _prefix_list(endpoint: Endpoint) -> Any:
    lists = ec2_backends[endpoint.account][endpoint.region].managed_prefix_lists.values()
    return next((found for found in lists if found.prefix_list_name == endpoint.service_name), None)
