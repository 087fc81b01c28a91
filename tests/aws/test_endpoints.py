"""VPC endpoints, made and mended over HTTP."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tenant_operator.aws.endpoints import (
    delete_endpoints,
    endpoint_service,
    normalised_policy,
    read_endpoints,
)
from tenant_operator.aws.errors import AwsError, Category
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.private_link import EndpointDesign, aws_service, endpoint
from tenant_operator.desired.resources import Address, Live, Resource
from tests.aws.conftest import INSTALLATION, REGION, Cell
from tests.aws.converging import converge, infra_group_ownership, left_to_do, refuse_once, until

POLICY = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}


def resource(cell: Cell, design: EndpointDesign, *, available: bool = False, **changes: Any) -> Resource:
    made = endpoint(
        design,
        infra_group_ownership(),
        {"team": "platform"},
        account=cell.caller.account,
        region=REGION,
        vpc=cell.vpc,
        subnets=tuple(cell.subnets[:2]),
        security_groups=(cell.security_groups[0],),
        route_tables=tuple(route_tables(cell)),
        available=available,
    )
    return dataclasses.replace(made, spec=dataclasses.replace(made.spec, **changes))


def route_tables(cell: Cell) -> list[str]:
    found = cell.client("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [cell.vpc]}])
    return [table["RouteTableId"] for table in found["RouteTables"]]


async def available(cell: Cell, count: int) -> Mapping[Address, Live]:
    """Wait until so many endpoints are available."""
    return await until(
        lambda: read_endpoints(cell.caller, INSTALLATION),
        lambda found: sum(live.attributes["state"] == "available" for live in found.values()) == count,
    )


async def test_endpoints_that_were_made_read_back_as_declared(cell: Cell) -> None:
    with_policy = dataclasses.replace(aws_service("s3", REGION), policy=POLICY)
    desired = [resource(cell, aws_service("ecr.api", REGION)), resource(cell, with_policy)]
    await converge(cell.caller, desired, {})
    found = await read_endpoints(cell.caller, INSTALLATION)
    assert not left_to_do(desired, found)
    assert all("state" in live.attributes and live.attributes["state"].islower() for live in found.values())


async def test_private_dns_comes_on_by_an_update_once_the_endpoint_is_available(cell: Cell) -> None:
    cell.client("ec2").modify_vpc_attribute(VpcId=cell.vpc, EnableDnsHostnames={"Value": True})
    await converge(cell.caller, [resource(cell, aws_service("logs", REGION))], {})
    world = await available(cell, 1)
    cell.new_calls()
    desired = [resource(cell, aws_service("logs", REGION), available=True)]
    await converge(cell.caller, desired, world)
    assert cell.new_calls() == ["ModifyVpcEndpoint"]
    assert not left_to_do(desired, await read_endpoints(cell.caller, INSTALLATION))


async def test_subnets_groups_and_policy_change_in_one_call(cell: Cell) -> None:
    world = await converge(cell.caller, [resource(cell, aws_service("logs", REGION))], {})
    cell.new_calls()
    desired = [
        resource(
            cell,
            aws_service("logs", REGION),
            subnets=tuple(cell.subnets[1:]),
            security_groups=(cell.security_groups[1],),
            policy=canonical(POLICY),
        )
    ]
    await converge(cell.caller, desired, world)
    assert cell.new_calls() == ["ModifyVpcEndpoint"]


async def test_a_creation_whose_answer_was_lost_is_taken_up_again(cell: Cell) -> None:
    desired = [resource(cell, aws_service("ecr.dkr", REGION))]
    cell.lose_answer("CreateVpcEndpoint")
    with pytest.raises(AwsError):
        await converge(cell.caller, desired, {})
    made = await converge(cell.caller, desired, {})
    found = await read_endpoints(cell.caller, INSTALLATION)
    assert {live.id for live in found.values()} == {live.id for live in made.values()}


async def test_an_endpoint_deleted_by_hand_is_made_anew(cell: Cell) -> None:
    desired = [resource(cell, aws_service("ecr.dkr", REGION))]
    (before,) = (await converge(cell.caller, desired, {})).values()
    cell.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[before.id])
    await converge(cell.caller, desired, {})
    found = await available(cell, 1)
    assert found[before.address].id != before.id
    assert not left_to_do(desired, found)


async def test_several_endpoints_go_in_one_call_and_twice_is_no_harm(cell: Cell) -> None:
    desired = [resource(cell, aws_service(name, REGION)) for name in ("logs", "s3")]
    world = await converge(cell.caller, desired, {})
    cell.new_calls()
    await delete_endpoints(cell.caller, list(world.values()))
    assert cell.new_calls() == ["DeleteVpcEndpoints"]
    await delete_endpoints(cell.caller, list(world.values()))
    found = await read_endpoints(cell.caller, INSTALLATION)
    assert all(live.attributes["state"] == "deleting" for live in found.values())
    await until(lambda: read_endpoints(cell.caller, INSTALLATION), lambda found: not found)


async def test_the_quota_of_endpoints_is_said_in_words(cell: Cell) -> None:
    refuse_once(
        cell,
        "CreateVpcEndpoint",
        "VpcEndpointLimitExceeded",
        "The maximum number of VPC endpoints has been reached.",
    )
    with pytest.raises(AwsError) as refused:
        await converge(cell.caller, [resource(cell, aws_service("logs", REGION))], {})
    assert refused.value.category is Category.QUOTA
    assert "Service Quotas" in refused.value.advice
    assert cell.caller.account in refused.value.advice


async def test_a_services_zones_are_looked_up_once(cell: Cell) -> None:
    name = f"com.amazonaws.{REGION}.logs"
    service = await endpoint_service(cell.caller, name)
    cell.new_calls("*")
    assert await endpoint_service(cell.caller, name) is service
    assert cell.new_calls("*") == []
    assert "us-east-1a" in service.availability_zones
    assert not service.acceptance_required
    assert service.types == ("Interface",)


async def test_a_service_that_the_account_does_not_see_is_a_mistake_in_the_spec(cell: Cell) -> None:
    with pytest.raises(AwsError) as unknown:
        await endpoint_service(cell.caller, "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0")
    assert unknown.value.category is Category.SPEC
    assert "correct serviceName, or ask the provider to allow account" in unknown.value.advice


@pytest.mark.parametrize(
    "document",
    [
        None,
        "",
        {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]},
        {
            "Version": "2008-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
        },
        {
            "Statement": {
                "Sid": "x",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "*",
                "Resource": "*",
            }
        },
    ],
)
def test_the_policy_that_aws_gives_by_itself_is_no_policy(document: Mapping[str, Any] | str | None) -> None:
    assert normalised_policy(json.dumps(document) if isinstance(document, dict) else document) is None  # type: ignore[arg-type]  # str or None


def test_a_policy_that_narrows_anything_is_kept() -> None:
    narrowed = {
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"a": {}}}
        ]
    }
    assert normalised_policy(json.dumps(narrowed, indent=2)) == canonical(narrowed)
    assert normalised_policy(json.dumps(POLICY)) == canonical(POLICY)
