"""Hosted zones: public and private, their limits and tags."""

from __future__ import annotations

import pytest

from tests.sandbox.aws.foundations.conftest import REGION, Account, refused


def make_zone(account: Account, name: str, **members: object) -> str:
    route53 = account.client("route53")
    made = route53.create_hosted_zone(Name=name, CallerReference=f"{account.id}/{name}/{members}", **members)
    zone_id: str = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    return zone_id


def test_a_zone_starts_with_its_name_servers(account: Account) -> None:
    zone_id, route53 = make_zone(account, "E.com"), account.client("route53")
    found = route53.get_hosted_zone(Id=zone_id)
    assert found["HostedZone"]["Name"] == "e.com."
    assert len(found["DelegationSet"]["NameServers"]) == 4
    records = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    assert [(record["Name"], record["Type"]) for record in records] == [("e.com.", "NS"), ("e.com.", "SOA")]


def test_an_unknown_zone_is_not_found(account: Account) -> None:
    with refused("NoSuchHostedZone", "No hosted zone found with ID: Z0123"):
        account.client("route53").get_hosted_zone(Id="Z0123")


def test_a_caller_reference_is_taken_once(account: Account) -> None:
    route53 = account.client("route53")
    route53.create_hosted_zone(Name="e.com", CallerReference="once")
    with refused("HostedZoneAlreadyExists"):
        route53.create_hosted_zone(Name="f.com", CallerReference="once")


def test_a_zone_with_records_cannot_be_deleted(account: Account) -> None:
    zone_id, route53 = make_zone(account, "e.com"), account.client("route53")
    record = {"Name": "a.e.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    with refused("HostedZoneNotEmpty"):
        route53.delete_hosted_zone(Id=zone_id)
    batch["Changes"][0]["Action"] = "DELETE"
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    route53.delete_hosted_zone(Id=zone_id)
    with refused("NoSuchHostedZone"):
        route53.get_hosted_zone(Id=zone_id)


def test_zones_are_found_by_name(account: Account) -> None:
    for name in ("b.com", "a.com", "x.a.com", "a.org"):
        make_zone(account, name)
    route53 = account.client("route53")
    answer = route53.list_hosted_zones_by_name(DNSName="A.com", MaxItems="2")
    assert [zone["Name"] for zone in answer["HostedZones"]] == ["a.com.", "x.a.com."]
    assert answer["NextDNSName"] == "b.com."


def test_zones_are_listed_in_pages(account: Account) -> None:
    made = {make_zone(account, f"z{number}.com") for number in range(5)}
    pages = (
        account.client("route53")
        .get_paginator("list_hosted_zones")
        .paginate(PaginationConfig={"PageSize": 2})
    )
    found = [zone["Id"].removeprefix("/hostedzone/") for page in pages for zone in page["HostedZones"]]
    assert len(found) == 5
    assert set(found) == made


def test_a_private_zone_belongs_to_vpcs(account: Account) -> None:
    route53, vpcs = account.client("route53"), [account.vpc(), account.vpc()]
    zone_id = make_zone(account, "internal", VPC={"VPCRegion": REGION, "VPCId": vpcs[0]})
    found = route53.get_hosted_zone(Id=zone_id)
    assert found["HostedZone"]["Config"]["PrivateZone"] is True
    assert [vpc["VPCId"] for vpc in found["VPCs"]] == [vpcs[0]]
    with refused("LastVPCAssociation"):
        route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=found["VPCs"][0])
    route53.associate_vpc_with_hosted_zone(HostedZoneId=zone_id, VPC={"VPCRegion": REGION, "VPCId": vpcs[1]})
    route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone_id, VPC=found["VPCs"][0])


def test_two_private_zones_of_one_name_in_one_vpc_are_refused(account: Account) -> None:
    vpc = {"VPCRegion": REGION, "VPCId": account.vpc()}
    make_zone(account, "internal", VPC=vpc)
    with refused("ConflictingDomainExists"):
        make_zone(account, "internal", VPC=vpc, HostedZoneConfig={"PrivateZone": True})


def test_an_unknown_vpc_is_refused(account: Account) -> None:
    with refused("InvalidVPCId"):
        make_zone(account, "internal", VPC={"VPCRegion": REGION, "VPCId": "vpc-0123"})


def test_the_number_of_zones_is_limited_by_the_quota(account: Account) -> None:
    account.control.request("POST", "quotas", {"account": account.id, "code": "L-4EA4796A", "value": 1})
    make_zone(account, "a.com")
    with refused("TooManyHostedZones"):
        make_zone(account, "b.com")
    limit = account.client("route53").get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")
    assert (limit["Limit"]["Value"], limit["Count"]) == (1, 1)


def test_a_zone_has_tags(account: Account) -> None:
    zone_id, route53 = make_zone(account, "e.com"), account.client("route53")
    names = {"ResourceType": "hostedzone", "ResourceId": zone_id}
    route53.change_tags_for_resource(
        **names, AddTags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    )
    route53.change_tags_for_resource(**names, RemoveTagKeys=["a"])
    found = route53.list_tags_for_resource(**names)["ResourceTagSet"]
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]


@pytest.mark.parametrize("call", ["create_health_check", "create_reusable_delegation_set"])
def test_what_is_not_simulated_says_so(account: Account, call: str) -> None:
    parameters = {"CallerReference": "x"}
    if call == "create_health_check":
        parameters["HealthCheckConfig"] = {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 80}  # type: ignore[assignment]
    with refused("SandboxNotImplemented"):
        getattr(account.client("route53"), call)(**parameters)
