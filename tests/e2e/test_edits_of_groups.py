"""Edits of infra groups and placements, existing networks, HTTPS, and the ways to let go without deleting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import inventory
from tests.e2e import manifests as m
from tests.e2e.calm import await_rest
from tests.e2e.manifests import Manifest
from tests.e2e.stage import ACCOUNT_A, Stage

pytestmark = pytest.mark.e2e

NAME = "tier-1.us-east-1.example.com"
ZONES = ["us-east-1a", "us-east-1b"]


@pytest.fixture(scope="module")
def served(stage: Stage) -> Stage:
    """A tier with a name for each tenant, two groups in one account, and a tenant that lives in both."""
    stage.apply(
        m.namespace(),
        m.tier(mode="PerTenant"),
        m.cell(),
        m.group(),
        m.group("group-2", cidr="10.21.0.0/16"),
        m.tenant("acme", placement={"spread": 2}),
        m.tenant("alone", placement={"infraGroups": ["group-1"]}),
        m.tenant("kept", placement={"infraGroups": ["group-1"]}, deletionPolicy="Retain"),
        m.tenant("orphan", placement={"infraGroups": ["group-1"]}),
    )
    stage.await_ready("infragroup", "group-1", "group-2")
    stage.await_ready("tenant", "acme", "alone", "kept", "orphan", namespace=m.NAMESPACE)
    return stage


def weights(stage: Stage, name: str) -> dict[str, int]:
    """The weights of a name by infra group."""
    return {
        record["SetIdentifier"].rpartition("/")[2]: record["Weight"]
        for record in stage.records(name)
        if record["Name"].rstrip(".") == name
    }


def await_weights(stage: Stage, name: str, wanted: dict[str, int]) -> None:
    stage.wait(f"{name} has the weights {wanted}", lambda: weights(stage, name) == wanted)


def test_weights_of_a_group_reach_every_name_and_zero_takes_its_records_away(served: Stage) -> None:
    stage, own = served, f"acme.{NAME}"
    await_weights(stage, own, {"group-1": 100, "group-2": 100})
    for weight, left in ((30, {"group-2": 30}), (0, {}), (100, {"group-2": 100})):
        stage.apply(m.group("group-2", cidr="10.21.0.0/16", dnsWeight=weight))
        await_weights(stage, own, {"group-1": 100, **left})
        await_weights(stage, NAME, {"group-1": 100, **left})
    stage.await_ready("tenant", "acme", namespace=m.NAMESPACE)


def test_a_wider_spread_adds_a_group_and_a_narrower_one_leaves_it(served: Stage) -> None:
    stage, own = served, f"acme.{NAME}"
    stage.apply(m.tenant("acme", placement={"spread": 1}))
    stage.wait("the name leads to one group", lambda: len(weights(stage, own)) == 1)
    stage.wait(
        "the other group is left",
        lambda: len(stage.get("tenant", "acme", m.NAMESPACE)["status"]["placements"]) == 1,
    )
    stage.apply(m.tenant("acme", placement={"spread": 2}))
    stage.wait("the name leads to both groups", lambda: len(weights(stage, own)) == 2)
    stage.await_ready("tenant", "acme", namespace=m.NAMESPACE)


@dataclass(frozen=True)
class Balancer:
    """A load balancer as a person finds it."""

    arn: str
    attributes: dict[str, str]
    zones: set[str]
    ingress: set[str]


def balancer(stage: Stage, group: str) -> Balancer:
    """The load balancer of an infra group."""
    elb, ec2 = stage.client("elbv2"), stage.client("ec2")
    arn = stage.get("infragroup", group)["status"]["loadBalancer"]["arn"]
    [found] = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    groups = ec2.describe_security_groups(GroupIds=found["SecurityGroups"])["SecurityGroups"]
    return Balancer(
        arn=arn,
        attributes={a["Key"]: a["Value"] for a in attributes},
        zones={zone["ZoneName"] for zone in found["AvailabilityZones"]},
        ingress={r["CidrIp"] for g in groups for p in g["IpPermissions"] for r in p["IpRanges"]},
    )


def test_a_load_balancer_changes_in_place_and_gets_a_further_zone(served: Stage) -> None:
    stage = served
    before = balancer(stage, "group-2")
    assert before.ingress == {"10.21.0.0/16"}
    edited = m.group(
        "group-2",
        network={"create": {"cidr": "10.21.0.0/16", "availabilityZones": [*ZONES, "us-east-1c"]}},
        loadBalancer={
            "listener": {"port": 80, "protocol": "HTTP"},
            "ingressCidrs": ["10.0.0.0/8", "192.168.0.0/24"],
            "idleTimeoutSeconds": 120,
        },
    )
    stage.apply(edited)

    def changed() -> bool:
        after = balancer(stage, "group-2")
        assert after.arn == before.arn
        return (
            after.attributes["idle_timeout.timeout_seconds"] == "120"
            and after.ingress == {"10.0.0.0/8", "192.168.0.0/24"}
            and after.zones == {*ZONES, "us-east-1c"}
        )

    stage.wait("the load balancer is as the spec says", changed)
    stage.await_ready("infragroup", "group-2")

    def spread() -> bool:
        [service] = inventory.services(stage, "acme", "group-2")
        return len(service["networkConfiguration"]["awsvpcConfiguration"]["subnets"]) == 3

    stage.wait("the tenants' tasks may run in the further zone", spread)
    stage.await_ready("tenant", "acme", namespace=m.NAMESPACE)
    await_rest(stage)


# --- letting go -------------------------------------------------------------------------------------


def tenant_things(stage: Stage, tenant: str) -> dict[str, inventory.Tags]:
    """What is owned for a tenant in account A, with its tags."""
    return {
        name: tags
        for name, tags in inventory.owned(stage).items()
        if tags.get("tenant-operator.dev/tenant") == tenant
    }


def test_a_retained_tenant_is_left_as_it_is_and_adopted_by_the_next_of_its_id(served: Stage) -> None:
    stage = served
    before = tenant_things(stage, "kept")
    assert len(before) >= 4
    stage.delete("tenant", "kept", "-n", m.NAMESPACE)
    stage.await_gone("tenant", "kept", namespace=m.NAMESPACE)
    left = tenant_things(stage, "kept")
    assert left.keys() == before.keys()
    assert all(tags["tenant-operator.dev/released"] == "true" for tags in left.values())
    assert not stage.records(f"kept.{NAME}"), "it is out of DNS"
    await_rest(stage)
    assert tenant_things(stage, "kept") == left

    stage.apply(m.tenant("heir", tenantId="kept", placement={"infraGroups": ["group-1"]}))
    stage.await_ready("tenant", "heir", namespace=m.NAMESPACE)
    adopted = tenant_things(stage, "kept")
    assert adopted.keys() == before.keys()
    assert all(tags["tenant-operator.dev/name"] == "heir" for tags in adopted.values())
    assert not any("tenant-operator.dev/released" in tags for tags in adopted.values())
    assert weights(stage, f"kept.{NAME}") == {"group-1": 100}


def test_an_orphaned_tenant_goes_at_once_and_leaves_everything(served: Stage) -> None:
    stage = served
    before = tenant_things(stage, "orphan")
    mark = stage.aws.last_call()
    stage.kubectl("annotate", "tenant", "orphan", "-n", m.NAMESPACE, "tenant-operator.dev/orphan=true")
    stage.delete("tenant", "orphan", "-n", m.NAMESPACE)
    stage.await_gone("tenant", "orphan", namespace=m.NAMESPACE)
    assert tenant_things(stage, "orphan").keys() == before.keys()
    assert stage.writes_since(mark) == []


# --- networks that are there already, and HTTPS -----------------------------------------------------


@dataclass(frozen=True)
class OwnNetwork:
    """A VPC that was made by hand."""

    vpc: str
    subnets: tuple[str, ...]
    route_table: str


@pytest.fixture(scope="module")
def by_hand(served: Stage) -> OwnNetwork:
    """A VPC with a subnet in each of two zones, and a route table of their own."""
    ec2 = served.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    subnets = []
    for number, zone in enumerate(ZONES):
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.50.{number}.0/24", AvailabilityZone=zone)
        subnets.append(made["Subnet"]["SubnetId"])
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[-1])
    return OwnNetwork(vpc=vpc, subnets=tuple(subnets), route_table=table)


def adopting(network: OwnNetwork, certificate: str) -> Manifest:
    """An infra group in that network, with HTTPS."""
    return m.group(
        "group-3",
        network={
            "existing": {
                "vpcId": network.vpc,
                "loadBalancerSubnetIds": list(network.subnets),
                "workloadSubnetIds": list(network.subnets),
            }
        },
        loadBalancer={"listener": {"port": 443, "protocol": "HTTPS", "certificateArns": [certificate]}},
    )


def in_vpc(stage: Stage, vpc: str) -> dict[str, Any]:
    """What a person has in a VPC: the VPC, its subnets and its route tables."""
    ec2 = stage.client("ec2")
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    return {
        "vpc": ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"],
        "subnets": {s["SubnetId"]: s.get("Tags") for s in ec2.describe_subnets(Filters=here)["Subnets"]},
        "tables": {
            t["RouteTableId"]: (t["Associations"], t.get("Tags"))
            for t in ec2.describe_route_tables(Filters=here)["RouteTables"]
        },
    }


def test_an_infra_group_in_an_existing_network_with_https_serves(served: Stage, by_hand: OwnNetwork) -> None:
    stage, elb = served, served.client("elbv2")
    before = in_vpc(stage, by_hand.vpc)
    certificates = stage.client("acm").list_certificates()["CertificateSummaryList"]
    certificate = certificates[0]["CertificateArn"]
    stage.apply(adopting(by_hand, certificate), m.tenant("guest", placement={"infraGroups": ["group-3"]}))
    stage.await_ready("infragroup", "group-3")
    stage.await_ready("tenant", "guest", namespace=m.NAMESPACE)
    assert in_vpc(stage, by_hand.vpc) == before, "what was there has not changed"
    arn = stage.get("infragroup", "group-3")["status"]["loadBalancer"]["arn"]
    listeners = {x["Port"]: x for x in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    assert [c["CertificateArn"] for c in listeners[443]["Certificates"]] == [certificate]
    assert listeners[443]["Protocol"] == "HTTPS"
    [redirect] = listeners[80]["DefaultActions"]
    assert redirect["RedirectConfig"]["Protocol"] == "HTTPS"
    assert redirect["RedirectConfig"]["StatusCode"] == "HTTP_301"
    endpoint = stage.get("tenant", "guest", m.NAMESPACE)["status"]["endpoint"]
    assert endpoint == f"https://guest.{NAME}/"
    await_rest(stage)


def test_leaving_an_existing_network_takes_only_its_own_away(served: Stage, by_hand: OwnNetwork) -> None:
    stage, ec2 = served, served.client("ec2")
    before = in_vpc(stage, by_hand.vpc)
    stage.delete("tenant", "guest", "-n", m.NAMESPACE)
    stage.delete("infragroup", "group-3")
    stage.await_gone("tenant", "guest", namespace=m.NAMESPACE)
    stage.await_gone("infragroup", "group-3")
    assert in_vpc(stage, by_hand.vpc) == before
    here = [{"Name": "vpc-id", "Values": [by_hand.vpc]}]
    groups = ec2.describe_security_groups(Filters=here)["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]
    endpoints = ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    assert not [e for e in endpoints if e["State"].lower() not in ("deleting", "deleted")]
    assert all(
        balancer["VpcId"] != by_hand.vpc
        for balancer in stage.client("elbv2", ACCOUNT_A).describe_load_balancers()["LoadBalancers"]
    )
