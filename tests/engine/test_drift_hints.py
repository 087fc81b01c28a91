"""Which objects an event of AWS concerns: one example of each call that is listened for, in CloudTrail's own words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenant_operator.aws.accounts import Accounts
from tenant_operator.aws.drift_events import DriftEvent, Unreadable, parse
from tenant_operator.aws.own_writes import OwnWrites
from tenant_operator.desired import tags
from tenant_operator.desired.drift_feed import CLOUDTRAIL, GLOBAL_CALLS, REGIONAL_CALLS
from tenant_operator.desired.resources import (
    GLOBAL,
    Address,
    Cluster,
    FixedResponse,
    HealthCheck,
    Listener,
    ListenerRule,
    Live,
    LoadBalancer,
    LogGroup,
    Record,
    Role,
    SecurityGroup,
    Service,
    Spec,
    TargetGroup,
    VpcEndpoint,
)
from tenant_operator.engine.cache import Cache, Key, Kind, cell_key, group_key
from tenant_operator.engine.clouds import Clouds
from tenant_operator.engine.drift_hints import DriftHints, Verdict
from tests.e2e import manifests as m

ACCOUNT, REGION, ZONE = "222222222222", "eu-west-1", "Z0123456789ABCDEFGHIJ"
DNS_ACCOUNT = "111111111111"
OPERATOR = f"arn:aws:sts::{ACCOUNT}:assumed-role/tenant-operator/tenant-operator"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
BALANCER = f"{ELB}:loadbalancer/app/prod-group-1-0a1b2c3d4e/50dc6c495c0c9188"
LISTENER = f"{ELB}:listener/app/prod-group-1-0a1b2c3d4e/50dc6c495c0c9188/f2f7dc8efc522ab2"
RULE = f"{ELB}:listener-rule/app/prod-group-1-0a1b2c3d4e/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
TARGETS = f"{ELB}:targetgroup/prod-acme-0123456789/73e2d6bc24d8a067"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod-tier-1-acme-1-0123456789"
NAME = "prod-tier-1-acme-1-0123456789"
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{NAME}/prod-acme-0123456789"
LOGS = "/tenant-operator/prod-0123456789/tier-1"
ROLE = "prod-eu-west-1-task-tier-1-0123456789"

ACME, CELL, GROUP = Key(Kind.TENANT, "customers", "acme"), cell_key("cell-a"), group_key("group-1")


def owned(kind: str, name: str, namespace: str = "") -> Mapping[str, str]:
    owner = tags.Owner(kind=kind, namespace=namespace, name=name, uid="uid")
    group = "group-1" if kind != "Tier" else ""
    tenant = name if kind == "Tenant" else ""
    return tags.Ownership(
        installation="prod", owner=owner, tier="tier-1", infra_group=group, tenant=tenant
    ).tags("x")


TENANTS_TAGS, GROUPS_TAGS, TIERS_TAGS = (
    owned("Tenant", "acme", "customers"), owned("InfraGroup", "group-1"), owned("Tier", "tier-1"),
)  # fmt: skip
CHECK = HealthCheck(
    path="/", interval_seconds=15, timeout_seconds=5, healthy_threshold=2, unhealthy_threshold=3
)


def live(name: str, id_: str, spec: Spec, found: Mapping[str, str], region: str = REGION) -> Live:
    address = Address(account=ACCOUNT, region=region, type=type(spec).__name__, name=name)
    return Live(address=address, id=id_, spec=spec, tags=found)


ANSWER = FixedResponse(404)
LIVES = (
    live(
        "prod-group-1-0a1b2c3d4e",
        BALANCER,
        LoadBalancer(scheme="internal", subnets=(), security_groups=()),
        GROUPS_TAGS,
    ),
    live(
        "lb:80",
        LISTENER,
        Listener(load_balancer=BALANCER, port=80, protocol="HTTP", default_action=ANSWER),
        GROUPS_TAGS,
    ),
    live("group-1/acme/rule", RULE, ListenerRule(listener=LISTENER, action=ANSWER), TENANTS_TAGS),
    live(
        "prod-acme-0123456789", TARGETS, TargetGroup(vpc="vpc-1", port=80, health_check=CHECK), TENANTS_TAGS
    ),
    live(NAME, CLUSTER, Cluster(), TENANTS_TAGS),
    live(
        f"{NAME}/prod-acme-0123456789",
        SERVICE,
        Service(
            cluster=CLUSTER,
            target_group=TARGETS,
            container_port=80,
            task_definition="td",
            desired_count=1,
            subnets=(),
            security_groups=(),
        ),
        TENANTS_TAGS,
    ),
    live(
        "group-1/sg",
        "sg-0a1b2c3d4e5f60718",
        SecurityGroup(vpc="vpc-1", group_name="g", description="d"),
        GROUPS_TAGS,
    ),
    live(
        "group-1/endpoint",
        "vpce-0a1b2c3d4e5f60718",
        VpcEndpoint(vpc="vpc-1", service="s", endpoint_type="Interface"),
        GROUPS_TAGS,
    ),
    live(LOGS, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOGS}", LogGroup(retention_days=30), TIERS_TAGS),
    live(ROLE, f"arn:aws:iam::{ACCOUNT}:role/{ROLE}", Role(trust="{}"), TIERS_TAGS, GLOBAL),
)


class _Transport:
    def __init__(self) -> None:
        self.own_writes = OwnWrites()


class _Accounts:
    """Only what tells our own events: no call is made here."""

    def __init__(self) -> None:
        self.transport = _Transport()

    @staticmethod
    def principals() -> frozenset[str]:
        return frozenset({OPERATOR})


def hints() -> DriftHints:
    cache = Cache()
    tier = m.tier("tier-1", mode="PerTenant")
    tier["spec"]["endpoint"]["hostedZone"] = {"id": ZONE}
    tier["spec"]["region"] = REGION
    for body in (
        tier,
        m.cell("cell-a", account=ACCOUNT),
        m.group("group-1"),
        m.tenant("acme"),
        m.tenant("beta"),
    ):
        body["metadata"].setdefault("uid", body["metadata"]["name"])
        cache.put(body)
    clouds = Clouds(installation="prod", accounts=cast("Accounts", _Accounts()))
    view = clouds.view(ACCOUNT, REGION)
    for found in LIVES:
        view.put(found)
    records = clouds.view(DNS_ACCOUNT, GLOBAL)
    for name in ("tier-1.us-east-1.example.com", "acme.tier-1.us-east-1.example.com"):
        spec = Record(
            zone=ZONE, name=name, set_identifier="prod/group-1", weight=1, alias_dns_name="x", alias_zone="y"
        )
        address = Address(DNS_ACCOUNT, GLOBAL, "Record", f"{ZONE}/{name}/prod/group-1")
        records.put(Live(address=address, id=address.name, spec=spec))
    return DriftHints("prod", cache, clouds, {})


def told(
    service: str, name: str, request: Any, answer: Any = None, account: str = ACCOUNT, **detail: Any
) -> str:
    """An event as EventBridge puts it into the queue."""
    region = "us-east-1" if service in GLOBAL_CALLS else REGION
    return json.dumps(
        {
            "version": "0",
            "id": detail.pop("id", ""),
            "detail-type": CLOUDTRAIL,
            "source": f"aws.{service}",
            "account": account,
            "time": "2026-05-12T10:00:00Z",
            "region": region,
            "resources": [],
            "detail": {
                "eventVersion": "1.09",
                "userIdentity": {
                    "type": "AssumedRole",
                    "principalId": "AROAEXAMPLE:alice",
                    "arn": f"arn:aws:sts::{account}:assumed-role/admin/alice",
                    "accountId": account,
                    "sessionContext": {
                        "sessionIssuer": {
                            "type": "Role",
                            "arn": f"arn:aws:iam::{account}:role/admin",
                            "userName": "admin",
                        }
                    },
                },
                "eventTime": "2026-05-12T10:00:00Z",
                "eventSource": f"{service}.amazonaws.com",
                "eventName": name,
                "awsRegion": region,
                "sourceIPAddress": "192.0.2.1",
                "userAgent": "console.amazonaws.com",
                "requestParameters": request,
                "responseElements": answer,
                "requestID": "c8e3a1f2",
                "eventID": "e-1",
                "readOnly": False,
                "eventType": "AwsApiCall",
                "recipientAccountId": account,
                **detail,
            },
        }
    )


def changes(name: str, set_identifier: str = "prod/group-1") -> dict[str, Any]:
    record = {"name": name, "type": "A", "setIdentifier": set_identifier, "weight": 3}
    batch = {"changes": [{"action": "DELETE", "resourceRecordSet": record}]}
    return {"hostedZoneId": ZONE, "changeBatch": batch}


EXAMPLES: dict[str, tuple[str, set[Key], set[str]]] = {
    "elbv2 CreateRule": (
        told("elasticloadbalancing", "CreateRule", {"listenerArn": LISTENER, "priority": 7, "actions": []}),
        {GROUP}, {f"rules of {LISTENER}"},
    ),
    "elbv2 ModifyRule": (
        told("elasticloadbalancing", "ModifyRule", {"ruleArn": RULE, "actions": [{"type": "fixed-response"}]}),
        {ACME}, {f"rules of {LISTENER}"},
    ),
    "elbv2 DeleteRule": (
        told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}), {ACME}, {f"rules of {LISTENER}"}
    ),
    "elbv2 SetRulePriorities": (
        told("elasticloadbalancing", "SetRulePriorities", {"rulePriorities": [{"ruleArn": RULE, "priority": 9}]}),
        {ACME}, {f"rules of {LISTENER}"},
    ),
    "elbv2 ModifyListener": (
        told("elasticloadbalancing", "ModifyListener", {"listenerArn": LISTENER, "port": 81}),
        {GROUP}, {"load balancing"},
    ),
    "elbv2 DeleteListener": (
        told("elasticloadbalancing", "DeleteListener", {"listenerArn": LISTENER}), {GROUP}, {"load balancing"}
    ),
    "elbv2 ModifyTargetGroupAttributes": (
        told("elasticloadbalancing", "ModifyTargetGroupAttributes", {
            "targetGroupArn": TARGETS,
            "attributes": [{"key": "deregistration_delay.timeout_seconds", "value": "5"}],
        }),
        {ACME}, {"load balancing"},
    ),
    "elbv2 DeregisterTargets": (
        told("elasticloadbalancing", "DeregisterTargets", {"targetGroupArn": TARGETS, "targets": [{"id": "10.0.0.1"}]}),
        {ACME}, {"load balancing"},
    ),
    "elbv2 SetSecurityGroups": (
        told("elasticloadbalancing", "SetSecurityGroups", {"loadBalancerArn": BALANCER, "securityGroups": ["sg-9"]}),
        {GROUP}, {"load balancing"},
    ),
    "elbv2 RemoveTags": (
        told("elasticloadbalancing", "RemoveTags", {"resourceArns": [RULE], "tagKeys": ["team"]}),
        {ACME}, {f"rules of {LISTENER}"},
    ),
    "ecs UpdateService by names": (
        told("ecs", "UpdateService", {"cluster": NAME, "service": "prod-acme-0123456789", "desiredCount": 9}),
        {ACME}, {f"services of {CLUSTER}"},
    ),
    "ecs DeleteService by ARNs": (
        told("ecs", "DeleteService", {"cluster": CLUSTER, "service": SERVICE, "force": True}),
        {ACME}, {f"services of {CLUSTER}"},
    ),
    "ecs DeleteCluster": (
        told("ecs", "DeleteCluster", {"cluster": NAME}, {"cluster": {"clusterArn": CLUSTER}}),
        {ACME}, {"clusters", f"services of {CLUSTER}"},
    ),
    "ecs DeregisterTaskDefinition": (
        told("ecs", "DeregisterTaskDefinition", {"taskDefinition": f"{NAME}:3"}),
        {ACME}, {f"services of {CLUSTER}"},
    ),
    "ecs UntagResource": (
        told("ecs", "UntagResource", {"resourceArn": SERVICE, "tagKeys": ["team"]}),
        {ACME}, {f"services of {CLUSTER}"},
    ),
    "ec2 AuthorizeSecurityGroupIngress": (
        told("ec2", "AuthorizeSecurityGroupIngress", {
            "groupId": "sg-0a1b2c3d4e5f60718",
            "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]},
        }),
        {GROUP}, {"network"},
    ),
    "ec2 DeleteVpcEndpoints": (
        told("ec2", "DeleteVpcEndpoints", {
            "DeleteVpcEndpointsRequest": {"VpcEndpointId": {"tag": 1, "content": "vpce-0a1b2c3d4e5f60718"}}
        }),
        {GROUP}, {"endpoints"},
    ),
    "ec2 DeleteTags": (
        told("ec2", "DeleteTags", {
            "resourcesSet": {"items": [{"resourceId": "sg-0a1b2c3d4e5f60718"}]},
            "tagSet": {"items": [{"key": "team"}]},
        }),
        {GROUP}, {"network"},
    ),
    "logs PutRetentionPolicy": (
        told("logs", "PutRetentionPolicy", {"logGroupName": LOGS, "retentionInDays": 1}),
        {CELL}, {f"identity {ROLE} {LOGS}"},
    ),
    "iam DeleteRolePolicy": (
        told("iam", "DeleteRolePolicy", {"roleName": ROLE, "policyName": "p"}), {CELL}, {f"identity {ROLE} {LOGS}"}
    ),
    "iam UpdateAssumeRolePolicy": (
        told("iam", "UpdateAssumeRolePolicy", {"roleName": ROLE, "policyDocument": "{}"}),
        {CELL}, {f"identity {ROLE} {LOGS}"},
    ),
    "route53 of the tier's name": (
        told("route53", "ChangeResourceRecordSets", changes("tier-1.us-east-1.example.com."), account=DNS_ACCOUNT),
        {GROUP}, set(),
    ),
    "route53 of a tenant's name": (
        told("route53", "ChangeResourceRecordSets", changes("ACME.tier-1.us-east-1.example.com"), account=DNS_ACCOUNT),
        {ACME}, set(),
    ),
    "route53 DeleteHostedZone": (
        told("route53", "DeleteHostedZone", {"id": ZONE}, account=DNS_ACCOUNT), {Key(Kind.TIER, "", "tier-1")}, set()
    ),
}  # fmt: skip
READINGS = (
    "load balancing", f"rules of {LISTENER}", "clusters", f"services of {CLUSTER}", "network", "endpoints",
    f"identity {ROLE} {LOGS}", "identity another",
)  # fmt: skip


async def fresh(found: DriftHints) -> set[str]:
    """The readings that count as new; at first all of them."""
    view = found.clouds.view(ACCOUNT, REGION)
    return {name for name in READINGS if not view.readings.is_older(name, 1000)}


async def read_everything(found: DriftHints) -> None:
    view = found.clouds.view(ACCOUNT, REGION)

    async def nothing(_: Any) -> Mapping[Address, Live]:
        return dict(view.lives)

    for name in READINGS:
        await view.readings.refresh(name, 0, cast("Any", _Caller()), nothing, ("nothing",))


class _Caller:
    priority = 0


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_event_wakes_whom_it_concerns_and_has_only_that_read_again(name: str) -> None:
    body, keys, forgotten = EXAMPLES[name]
    found = hints()
    await read_everything(found)
    verdict, woken = found.take(parse(body))
    assert verdict is Verdict.WOKE
    assert set(woken) == keys
    assert set(READINGS) - await fresh(found) == forgotten


def test_every_service_that_is_listened_to_has_an_example() -> None:
    shown = {name.split()[0].replace("elbv2", "elasticloadbalancing") for name in EXAMPLES}
    assert shown == {*REGIONAL_CALLS, *GLOBAL_CALLS}


ECS_OWN = {
    "ECS Deployment State Change": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED", "eventType": "INFO"},
    "ECS Service Action": {"eventName": "SERVICE_TASK_START_IMPAIRED", "eventType": "WARN", "clusterArn": CLUSTER},
    "ECS Task State Change": {"clusterArn": CLUSTER, "lastStatus": "STOPPED", "group": "service:x", "stoppedReason": "oom"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ECS_OWN)
async def test_what_ecs_says_of_a_service_or_task_has_its_tenant_look_at_once(kind: str) -> None:
    task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{NAME}/0123456789abcdef"
    resource = task if "Task State" in kind else SERVICE
    body = {
        "id": "1", "detail-type": kind, "source": "aws.ecs", "account": ACCOUNT, "region": REGION,
        "resources": [resource], "detail": ECS_OWN[kind],
    }  # fmt: skip
    found = hints()
    await read_everything(found)
    assert found.take(parse(json.dumps(body))) == (Verdict.WOKE, frozenset({ACME}))
    assert f"services of {CLUSTER}" not in await fresh(found)


@pytest.mark.parametrize(
    "body",
    [
        told("elasticloadbalancing", "ModifyRule", {"ruleArn": RULE.replace("9683", "0000")}),
        told("elasticloadbalancing", "ModifyRule", {"ruleArn": RULE}, account="333333333333"),
        told("ecs", "UpdateService", {"cluster": "theirs", "service": "theirs"}),
        told("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "i-1"}]}}),
        told("iam", "DeleteRole", {"roleName": "theirs"}),
        told("route53", "ChangeResourceRecordSets", changes("theirs.example.com."), account=DNS_ACCOUNT),
        told("route53", "ChangeResourceRecordSets", changes("xtier-1.us-east-1.example.com"), account=DNS_ACCOUNT),
        told("route53", "ChangeResourceRecordSets", changes("nobody.tier-1.us-east-1.example.com"), account=DNS_ACCOUNT),
        told("s3", "DeleteBucket", {"bucketName": LOGS[1:]}),
    ],
)  # fmt: skip
async def test_what_happens_to_others_wakes_nobody(body: str) -> None:
    found = hints()
    await read_everything(found)
    assert found.take(parse(body)) == (Verdict.FOREIGN, frozenset())
    assert await fresh(found) == set(READINGS)


def test_a_call_that_aws_refused_wakes_nobody() -> None:
    body = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, errorCode="AccessDenied")
    assert hints().take(parse(body))[0] is Verdict.FAILED


def test_an_event_that_comes_twice_is_taken_once() -> None:
    body, found = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, id="6a7e8feb"), hints()
    assert [found.take(parse(body))[0] for _ in range(2)] == [Verdict.WOKE, Verdict.AGAIN]


def test_our_own_write_wakes_nobody_and_another_request_in_our_name_does() -> None:
    ours: dict[str, Any] = {"userIdentity": {"arn": OPERATOR}, "requestID": "ours"}
    found = hints()
    found.clouds.accounts.transport.own_writes.note({"ResponseMetadata": {"RequestId": "ours"}})
    body = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, **ours)
    assert found.take(parse(body))[0] is Verdict.OWN
    theirs = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, **{**ours, "requestID": "theirs"})
    assert found.take(parse(theirs))[0] is Verdict.WOKE
    forged = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, requestID="ours")
    assert found.take(parse(forged))[0] is Verdict.WOKE


def test_iam_users_and_root_are_noticed_too() -> None:
    for identity in (
        {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/bob"},
        {"type": "Root"},
        None,
        "?",
    ):
        body = told("elasticloadbalancing", "DeleteRule", {"ruleArn": RULE}, userIdentity=identity)
        assert hints().take(parse(body))[0] is Verdict.WOKE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=25,
)
NAMED = st.sampled_from(
    [RULE, LISTENER, CLUSTER, NAME, ROLE, "arn:aws:ecs:::", "arn:", "x:1", "/hostedzone/", ".", ""]
)


@given(JSON, JSON, st.lists(NAMED, max_size=5), st.sampled_from(["aws.ecs", "aws.route53", "aws.iam", "x"]))
@settings(max_examples=150, deadline=None)
def test_whatever_an_event_holds_nothing_breaks(
    request: Any, identity: Any, named: list[str], source: str
) -> None:
    event = json.loads(told("ecs", "UpdateService", [request, *named], request, userIdentity=identity))
    event["source"], event["resources"] = source, named
    hints().take(parse(json.dumps(event)))


@given(JSON | st.dictionaries(st.sampled_from(["detail", "account", "source", "id", "region"]), JSON))
@settings(max_examples=200, deadline=None)
def test_what_is_no_event_is_called_unreadable_and_nothing_worse(body: Any) -> None:
    with contextlib.suppress(Unreadable):
        assert isinstance(parse(json.dumps(body)), DriftEvent)


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "\x00", "null", '"text"', '{"detail": {"a": NaN}}'])
def test_broken_json_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        parse(body)


def test_the_memory_of_own_writes_is_bounded_and_keeps_the_newest() -> None:
    writes = OwnWrites(kept=3)
    for number in range(10):
        writes.note({"ResponseMetadata": {"RequestId": str(number)}})
    assert [str(n) in writes for n in range(10)] == [False] * 7 + [True] * 3
