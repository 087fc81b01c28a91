"""CloudTrail's events on the default bus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.events.conftest import API_CALL, Queue
from tests.sandbox.aws.foundations.conftest import REGION, Account, client, refused

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
Trail = Callable[..., Queue]


@pytest.fixture
def imperfect(control: SandboxAWS) -> Iterator[Callable[..., Any]]:
    def change(**shares: float) -> None:
        control.settings(imperfections=shares)

    yield change
    control.settings(imperfections={"trail_lost": 0, "trail_duplicated": 0})


def test_a_write_is_told_with_who_where_and_what(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    account.client("ecs").create_cluster(clusterName="c", tags=[{"key": "Team", "value": "x"}])
    [event] = queue.events()
    assert (event["source"], event["detail-type"], event["account"]) == ("aws.ecs", API_CALL, account.id)
    detail = event["detail"]
    assert (detail["eventSource"], detail["eventName"]) == ("ecs.amazonaws.com", "CreateCluster")
    assert (detail["awsRegion"], detail["recipientAccountId"]) == (REGION, account.id)
    assert detail["requestParameters"] == {"clusterName": "c", "tags": [{"key": "Team", "value": "x"}]}
    assert detail["responseElements"]["cluster"]["clusterArn"].endswith(":cluster/c")
    assert (detail["readOnly"], "errorCode" in detail) == (False, False)
    assert "Botocore" in detail["userAgent"]


def test_a_role_session_is_told_with_its_role(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    account.client("ecs").create_cluster()
    [event] = queue.events()
    identity = event["detail"]["userIdentity"]
    role = account.client("iam").get_role(RoleName="tenant-operator")["Role"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"] == f"arn:aws:sts::{account.id}:assumed-role/tenant-operator/test"
    assert identity["principalId"] == f"{role['RoleId']}:test"
    assert identity["accessKeyId"] == account.credentials["aws_access_key_id"]
    issuer = identity["sessionContext"]["sessionIssuer"]
    assert (issuer["arn"], issuer["userName"], issuer["type"]) == (role["Arn"], "tenant-operator", "Role")


def test_a_user_has_no_session_context(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    iam = account.client("iam")
    user = iam.create_user(UserName="ann")["User"]
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    credentials = {
        "aws_access_key_id": key["AccessKeyId"],
        "aws_secret_access_key": key["SecretAccessKey"],
    }
    client(account.control.endpoint, "ecs", REGION, credentials).create_cluster()
    [event] = queue.events()
    identity = event["detail"]["userIdentity"]
    assert (identity["type"], identity["userName"]) == ("IAMUser", "ann")
    assert (identity["arn"], identity["principalId"]) == (user["Arn"], user["UserId"])
    assert "sessionContext" not in identity


def test_a_refused_write_is_told_with_its_error(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs", "aws.ec2")
    with refused("ClusterNotFoundException"):
        account.client("ecs").delete_cluster(cluster="none")
    [event] = queue.events()
    assert event["detail"]["errorCode"] == "ClusterNotFoundException"
    assert event["detail"]["responseElements"] is None
    with refused("InvalidVpcID.NotFound"):
        account.client("ec2").delete_vpc(VpcId="vpc-none")
    [event] = queue.events()
    assert event["detail"]["errorCode"] == "Client.InvalidVpcID.NotFound"


def test_a_denied_write_is_told_too(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    account.control.add_fault("deny", account=account.id, service="ecs", count=1)
    with refused("AccessDeniedException"):
        account.client("ecs").create_cluster()
    [event] = queue.events()
    assert event["detail"]["errorCode"] in ("AccessDenied", "AccessDeniedException")


def test_reads_and_messages_are_not_told(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs", "aws.sqs")
    account.client("ecs").list_clusters()
    queue.send("data")
    account.client("ecs").create_cluster()
    names = [
        json.loads(message["Body"])["detail"]["eventName"]
        for message in received(queue)
        if "{" in message["Body"]
    ]
    assert {"ListClusters", "SendMessage"}.isdisjoint(names)
    assert "CreateCluster" in names


def received(queue: Queue) -> list[dict[str, Any]]:
    """Until the newest write is there: what came before it is there as well."""
    found: list[dict[str, Any]] = []
    while not any("CreateCluster" in message["Body"] for message in found):
        found += queue.receive(wait=5)
    return found


def test_global_services_are_told_in_virginia(account: Account, trail: Trail) -> None:
    queue = trail("aws.iam", "aws.route53")
    iam = account.client("iam", "eu-west-1")
    iam.put_role_policy(RoleName="tenant-operator", PolicyName="p", PolicyDocument=POLICY)
    [event] = queue.events()
    assert (event["region"], event["detail"]["awsRegion"]) == (REGION, REGION)
    zone = account.client("route53").create_hosted_zone(Name="t.example", CallerReference="1")["HostedZone"]
    record = {"Name": "a.t.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    account.client("route53").change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batch)
    changed = next(
        found for found in queue.events(2) if found["detail"]["eventName"] == "ChangeResourceRecordSets"
    )
    detail = changed["detail"]
    assert detail["requestParameters"]["changeBatch"]["changes"][0]["resourceRecordSet"]["tTL"] == 60
    assert detail["responseElements"]["changeInfo"]["status"] == "PENDING"
    assert "reconstruct" in detail["additionalEventData"]["Note"]


POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
)


def test_secrets_are_hidden(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    environment = [{"name": "TOKEN", "value": "s3cr3t"}]
    container = {"name": "app", "image": "i", "environment": environment, "memory": 128}
    account.client("ecs").register_task_definition(
        family="f",
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[container],
    )
    [event] = queue.events()
    assert "s3cr3t" not in json.dumps(event)
    [shown] = event["detail"]["requestParameters"]["containerDefinitions"]
    assert (shown["environment"], shown["image"]) == (HIDDEN, "i")


def test_ec2_is_told_in_its_own_ways(account: Account, trail: Trail) -> None:
    queue = trail("aws.ec2")
    ec2, vpc_id = account.client("ec2"), account.vpc()
    ec2.create_tags(Resources=[vpc_id], Tags=[{"Key": "k", "Value": "v"}])
    ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-1", "vpce-2"])
    told = {event["detail"]["eventName"]: event["detail"] for event in queue.events(3)}
    assert told["CreateVpc"]["responseElements"]["vpc"]["vpcId"] == vpc_id
    assert told["CreateTags"]["requestParameters"] == {
        "resourcesSet": {"items": [{"resourceId": vpc_id}]},
        "tagSet": {"items": [{"key": "k", "value": "v"}]},
    }
    assert told["CreateTags"]["responseElements"]["_return"] is True
    wrapped = [{"tag": 1, "content": "vpce-1"}, {"tag": 2, "content": "vpce-2"}]
    assert told["DeleteVpcEndpoints"]["requestParameters"] == {
        "DeleteVpcEndpointsRequest": {"VpcEndpointId": wrapped}
    }


def test_the_request_id_is_that_of_the_answer(account: Account, trail: Trail) -> None:
    queue = trail("aws.ecs")
    made = account.client("ecs").create_cluster()
    [event] = queue.events()
    assert event["detail"]["requestID"] == made["ResponseMetadata"]["RequestId"]


def test_events_can_be_lost(account: Account, trail: Trail, imperfect: Callable[..., Any]) -> None:
    queue = trail("aws.ecs")
    imperfect(trail_lost=1)
    account.client("ecs").create_cluster(clusterName="lost")
    imperfect(trail_lost=0)
    account.client("ecs").create_cluster(clusterName="told")
    assert "lost" not in json.dumps(queue.events())


def test_events_can_come_twice(account: Account, trail: Trail, imperfect: Callable[..., Any]) -> None:
    queue = trail("aws.ecs")
    imperfect(trail_duplicated=1)
    account.client("ecs").create_cluster()
    first, second = queue.events(2)
    assert first == second


def test_events_come_after_the_delay_that_is_set(
    account: Account, trail: Trail, slow: Callable[..., None]
) -> None:
    queue = trail("aws.ecs", "aws.iam")
    slow(trail_delivery=600)
    account.client("ecs").create_cluster()
    slow(trail_delivery=0)
    account.client("iam").put_role_policy(RoleName="tenant-operator", PolicyName="p", PolicyDocument=POLICY)
    assert [event["source"] for event in queue.events()] == ["aws.iam"]
    assert queue.receive() == []
