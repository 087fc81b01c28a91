"""What people change in AWS behind the operator's back comes back, is said in an Event, and nobody else is touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import census, inventory
from tests.e2e import manifests as m
from tests.e2e.calm import await_rest, writes_of_quiet_sweeps
from tests.e2e.stage import ACCOUNT_A, DNS_ACCOUNT, Stage

pytestmark = pytest.mark.e2e

ZONE_NAME = "example.com"


@dataclass(frozen=True)
class Drift:
    """One thing that a person does by hand."""

    owner: str
    """The object whose Event tells of it: `<kind>/<name>`."""
    said: str
    """What the Event names."""
    spoil: Callable[[Stage], None]
    look: Callable[[Stage], Any]
    """What a person sees of it in AWS; after the repair the same as before."""


def _group(stage: Stage, name: str = "group-1") -> dict[str, Any]:
    return dict(stage.get("infragroup", name)["status"])


def _balancer(stage: Stage) -> str:
    return str(_group(stage)["loadBalancer"]["arn"])


def _listener(stage: Stage) -> dict[str, Any]:
    [found] = stage.client("elbv2").describe_listeners(LoadBalancerArn=_balancer(stage))["Listeners"]
    return dict(found)


def _attributes(stage: Stage) -> dict[str, str]:
    answer = stage.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=_balancer(stage))
    return {a["Key"]: a["Value"] for a in answer["Attributes"]}


def _of_group(component: str, group: str = "group-1") -> list[dict[str, Any]]:
    """The filter for one of a group's EC2 resources."""
    wanted = {"component": component, "infra-group": group}
    return [{"Name": f"tag:tenant-operator.dev/{key}", "Values": [value]} for key, value in wanted.items()]


def _security_group(stage: Stage) -> dict[str, Any]:
    [found] = stage.client("ec2").describe_security_groups(Filters=_of_group("sg-tasks"))["SecurityGroups"]
    return dict(found)


def _route_table(stage: Stage) -> dict[str, Any]:
    [found] = stage.client("ec2").describe_route_tables(Filters=_of_group("routes-lb", "group-9"))[
        "RouteTables"
    ]
    return dict(found)


# --- tenants ----------------------------------------------------------------------------------------


def _routes_to(stage: Stage, tenant: str) -> list[Any]:
    rule = stage.rule_of(tenant)
    if not rule:
        return []
    return [rule["Conditions"], [action["Type"] for action in rule["Actions"]]]


def _delete_rule(stage: Stage) -> None:
    stage.client("elbv2").delete_rule(RuleArn=stage.rule_of("rule")["RuleArn"])


def _answer_503(stage: Stage) -> None:
    stage.client("elbv2").modify_rule(
        RuleArn=stage.rule_of("action")["RuleArn"],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
    )


def _delete_target_group(stage: Stage) -> None:
    """AWS lets a target group go once no rule uses it."""
    elb = stage.client("elbv2")
    [found] = inventory.target_groups(stage, "target-group")
    elb.delete_rule(RuleArn=stage.rule_of("target-group")["RuleArn"])
    elb.delete_target_group(TargetGroupArn=found["TargetGroupArn"])


def _target_group(stage: Stage, tenant: str) -> dict[str, Any]:
    """What a person reads of a tenant's target group, but for its ARN."""
    elb = stage.client("elbv2")
    name = inventory.placement(stage, tenant)["targetGroups"][0]
    found = [g for g in elb.describe_target_groups()["TargetGroups"] if g["TargetGroupName"] == name]
    if not found:
        return {}
    answer = elb.describe_target_group_attributes(TargetGroupArn=found[0]["TargetGroupArn"])
    return {
        **{k: v for k, v in found[0].items() if k not in ("TargetGroupArn", "LoadBalancerArns")},
        **{a["Key"]: a["Value"] for a in answer["Attributes"]},
    }


def _spoil_health_check(stage: Stage) -> None:
    [found] = inventory.target_groups(stage, "health")
    stage.client("elbv2").modify_target_group(
        TargetGroupArn=found["TargetGroupArn"], HealthCheckPath="/wrong", HealthCheckIntervalSeconds=77
    )


def _service(stage: Stage, tenant: str) -> list[Any]:
    """Status, wanted count and container of a tenant's service; empty where it is missing."""
    ecs = stage.client("ecs")
    cluster = inventory.placement(stage, tenant)["clusters"][0]
    clusters = ecs.describe_clusters(clusters=[cluster])["clusters"]
    if not any(c["status"] == "ACTIVE" for c in clusters):
        return []
    arns = ecs.list_services(cluster=cluster)["serviceArns"]
    if not arns:
        return []
    [found] = ecs.describe_services(cluster=cluster, services=arns)["services"]
    definition = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    return [found["status"], found["desiredCount"], found["runningCount"], definition["containerDefinitions"]]


def _delete_service(stage: Stage, tenant: str) -> str:
    cluster = inventory.placement(stage, tenant)["clusters"][0]
    [found] = inventory.services(stage, tenant)
    stage.client("ecs").delete_service(cluster=cluster, service=found["serviceName"], force=True)
    return str(found["taskDefinition"])


def _delete_the_service(stage: Stage) -> None:
    _delete_service(stage, "service")


def _delete_cluster(stage: Stage) -> None:
    ecs = stage.client("ecs")
    cluster = inventory.placement(stage, "cluster")["clusters"][0]
    _delete_service(stage, "cluster")
    stage.wait("its tasks have stopped", lambda: not ecs.list_tasks(cluster=cluster)["taskArns"])
    stage.wait("the cluster goes", lambda: _went(lambda: ecs.delete_cluster(cluster=cluster), ecs))


def _went(delete: Callable[[], Any], ecs: Any) -> bool:
    try:
        delete()
    except (ecs.exceptions.ClusterContainsServicesException, ecs.exceptions.ClusterContainsTasksException):
        return False
    return True


def _delete_service_and_definition(stage: Stage) -> None:
    arn = _delete_service(stage, "definition")
    stage.client("ecs").deregister_task_definition(taskDefinition=arn)


def _scale(stage: Stage) -> None:
    cluster = inventory.placement(stage, "scale")["clusters"][0]
    [found] = inventory.services(stage, "scale")
    stage.client("ecs").update_service(cluster=cluster, service=found["serviceName"], desiredCount=3)


def _run_another_image(stage: Stage) -> None:
    """A person registers a revision of their own and has the service run it."""
    ecs = stage.client("ecs")
    cluster = inventory.placement(stage, "image")["clusters"][0]
    [service] = inventory.services(stage, "image")
    old = inventory.definition(stage, "image")
    [container] = old["containerDefinitions"]
    keep = (
        "family",
        "taskRoleArn",
        "executionRoleArn",
        "networkMode",
        "cpu",
        "memory",
        "requiresCompatibilities",
    )
    made = ecs.register_task_definition(
        **{key: old[key] for key in keep},
        containerDefinitions=[
            {**container, "image": "222222222222.dkr.ecr.us-east-1.amazonaws.com/app:mine"}
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=cluster, service=service["serviceName"], taskDefinition=made)


# --- names ------------------------------------------------------------------------------------------


def _records(stage: Stage, name: str) -> list[Any]:
    return [{**record, "Weight": record["Weight"]} for record in stage.records(name)]


def _change_record(stage: Stage, name: str, action: str, **changes: Any) -> None:
    [record] = stage.records(name)
    stage.client("route53", DNS_ACCOUNT).change_resource_record_sets(
        HostedZoneId=stage.zone(),
        ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": {**record, **changes}}]},
    )


# --- infra groups and cells -------------------------------------------------------------------------


def _ingress(stage: Stage) -> list[Any]:
    return sorted(
        json.dumps({k: v for k, v in permission.items() if v}, sort_keys=True)
        for permission in _security_group(stage)["IpPermissions"]
    )


def _swap_ingress(stage: Stage) -> None:
    """A rule is gone, and another lets the whole world in."""
    ec2, found = stage.client("ec2"), _security_group(stage)
    ec2.revoke_security_group_ingress(GroupId=found["GroupId"], IpPermissions=found["IpPermissions"])
    ec2.authorize_security_group_ingress(
        GroupId=found["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )


def _endpoint(stage: Stage) -> list[Any]:
    """What a person sees of the group's endpoint, but for its id."""
    found = stage.client("ec2").describe_vpc_endpoints(
        Filters=[{"Name": "tag:tenant-operator.dev/infra-group", "Values": ["group-1"]}]
    )["VpcEndpoints"]
    return [
        [e["ServiceName"], e["State"], sorted(e["SubnetIds"])]
        for e in found
        if e["State"].lower() not in ("deleted", "deleting")
    ]


def _delete_endpoint(stage: Stage) -> None:
    [found] = _group(stage)["endpoints"]
    stage.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[found["id"]])


def _routes(stage: Stage) -> list[Any]:
    return sorted((r["DestinationCidrBlock"], r["GatewayId"]) for r in _route_table(stage)["Routes"])


def _delete_route(stage: Stage) -> None:
    stage.client("ec2").delete_route(
        RouteTableId=_route_table(stage)["RouteTableId"], DestinationCidrBlock="0.0.0.0/0"
    )


def _spoil_listener(stage: Stage) -> None:
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "mine"}}
    stage.client("elbv2").modify_listener(
        ListenerArn=_listener(stage)["ListenerArn"], DefaultActions=[action]
    )


def _spoil_balancer(stage: Stage) -> None:
    stage.client("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=_balancer(stage), Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "7"}]
    )


def _vpc_tags(stage: Stage) -> dict[str, str]:
    [vpc] = stage.client("ec2").describe_vpcs(VpcIds=[_group(stage)["network"]["vpcId"]])["Vpcs"]
    return {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}


def _retag(stage: Stage) -> None:
    """A tag of the tier's is gone. (Without the ownership tags themselves it would be nobody's.)"""
    stage.client("ec2").delete_tags(Resources=[_group(stage)["network"]["vpcId"]], Tags=[{"Key": "team"}])


def _log_groups(stage: Stage, tier: str) -> list[Any]:
    found = stage.client("logs").describe_log_groups(logGroupNamePrefix="/tenant-operator/")["logGroups"]
    return [
        [g["logGroupName"], g.get("retentionInDays")] for g in found if g["logGroupName"].endswith(f"/{tier}")
    ]


def _forget_retention(stage: Stage) -> None:
    [[name, _]] = _log_groups(stage, "tier-1")
    stage.client("logs").delete_retention_policy(logGroupName=name)


def _delete_log_group(stage: Stage) -> None:
    [[name, _]] = _log_groups(stage, "tier-2")
    stage.client("logs").delete_log_group(logGroupName=name)


def _execution_role(stage: Stage, tier: str) -> str:
    """The name of the role that starts a tier's tasks."""
    roles = [r["RoleName"] for r in stage.client("iam").list_roles()["Roles"]]
    [name] = [r for r in roles if "-execution-" in r and f"-{tier}-" in r]
    return str(name)


def _policies(stage: Stage, tier: str) -> list[Any]:
    iam, role = stage.client("iam"), _execution_role(stage, tier)
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [names, documents, iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]]


def _delete_policies(stage: Stage) -> None:
    iam, role = stage.client("iam"), _execution_role(stage, "tier-1")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)


def _trust_everybody(stage: Stage) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    stage.client("iam").update_assume_role_policy(
        RoleName=_execution_role(stage, "tier-2"),
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


OWN_NAME, SPOILT_NAME = (f"{name}.tier-2.us-east-1.example.com" for name in ("own", "heavy"))
TIER_NAME = "tier-1.us-east-1.example.com"

DRIFTS: dict[str, Drift] = {
    "a rule is deleted": Drift(
        "tenant/rule", "ListenerRule", _delete_rule, lambda s: _routes_to(s, "rule")
    ),
    "a rule answers 503": Drift(
        "tenant/action", "ListenerRule", _answer_503, lambda s: _routes_to(s, "action")
    ),
    "a target group is deleted": Drift(
        "tenant/target-group", "TargetGroup", _delete_target_group,
        lambda s: [_target_group(s, "target-group"), _routes_to(s, "target-group")],
    ),
    "a health check is altered": Drift(
        "tenant/health", "TargetGroup", _spoil_health_check, lambda s: _target_group(s, "health")
    ),
    "a service is deleted": Drift(
        "tenant/service", "Service", _delete_the_service, lambda s: _service(s, "service")
    ),
    "a cluster is deleted": Drift("tenant/cluster", "Cluster", _delete_cluster, lambda s: _service(s, "cluster")),
    "a task definition is deregistered": Drift(
        "tenant/definition", "TaskDefinition", _delete_service_and_definition, lambda s: _service(s, "definition")
    ),
    "a service is scaled": Drift("tenant/scale", "Service", _scale, lambda s: _service(s, "scale")),
    "a service runs another image": Drift(
        "tenant/image", "TaskDefinition", _run_another_image, lambda s: _service(s, "image")
    ),
    "a tenant's record is deleted": Drift(
        "tenant/own", "Record", lambda s: _change_record(s, OWN_NAME, "DELETE"), lambda s: _records(s, OWN_NAME)
    ),
    "a tenant's record is altered": Drift(
        "tenant/heavy", "Record",
        lambda s: _change_record(s, SPOILT_NAME, "UPSERT", Weight=3), lambda s: _records(s, SPOILT_NAME),
    ),
    "the tier's record is deleted": Drift(
        "infragroup/group-1", "Record", lambda s: _change_record(s, TIER_NAME, "DELETE"), lambda s: _records(s, TIER_NAME)
    ),
    "security group rules are swapped": Drift(
        "infragroup/group-1", "SecurityGroup", _swap_ingress, _ingress
    ),
    "an endpoint is deleted": Drift("infragroup/group-1", "VpcEndpoint", _delete_endpoint, _endpoint),
    "a route is deleted": Drift("infragroup/group-9", "RouteTable", _delete_route, _routes),
    "a listener answers something else": Drift(
        "infragroup/group-1", "Listener", _spoil_listener, lambda s: _listener(s)["DefaultActions"]
    ),
    "a load balancer's time-out is altered": Drift(
        "infragroup/group-1", "LoadBalancer", _spoil_balancer, _attributes
    ),
    "a tag is taken off": Drift("infragroup/group-1", "Vpc", _retag, _vpc_tags),
    "logs are kept for ever": Drift("cell/cell-a", "LogGroup", _forget_retention, lambda s: _log_groups(s, "tier-1")),
    "a log group is deleted": Drift("cell/cell-c", "LogGroup", _delete_log_group, lambda s: _log_groups(s, "tier-2")),
    "a role loses its policies": Drift("cell/cell-a", "Role", _delete_policies, lambda s: _policies(s, "tier-1")),
    "a role trusts everybody": Drift("cell/cell-c", "Role", _trust_everybody, lambda s: _policies(s, "tier-2")),
}  # fmt: skip

TENANTS = [d.owner.removeprefix("tenant/") for d in DRIFTS.values() if d.owner.startswith("tenant/")]
OWN = ("own", "heavy")


# --- neighbours -------------------------------------------------------------------------------------


def make_neighbours(stage: Stage) -> Callable[[], dict[str, Any]]:
    """What other people have in the same account and zone, untagged; returns how it looks."""
    ec2, elb, ecs, iam = (stage.client(service) for service in ("ec2", "elbv2", "ecs", "iam"))
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.99.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.0.0.0/8"
    )
    [balancer] = elb.create_load_balancer(
        Name="theirs", Subnets=subnets, SecurityGroups=[group], Scheme="internal"
    )["LoadBalancers"]
    arn = balancer["LoadBalancerArn"]
    [target] = elb.create_target_group(Name="theirs", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")[
        "TargetGroups"
    ]
    forward = [{"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}]
    stage.wait(
        "their load balancer is active",
        lambda: (
            elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["State"]["Code"]
            == "active"
        ),
    )
    [listener] = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward)[
        "Listeners"
    ]
    elb.create_rule(
        ListenerArn=listener["ListenerArn"],
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/theirs"]}}],
        Priority=1,
        Actions=forward,
    )
    ecs.create_cluster(clusterName="theirs")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(
        RoleName="theirs",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    dns = stage.client("route53", DNS_ACCOUNT)
    record = {
        "Name": f"theirs.{ZONE_NAME}",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    }
    dns.change_resource_record_sets(
        HostedZoneId=stage.zone(),
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )

    def look() -> dict[str, Any]:
        records = dns.list_resource_record_sets(HostedZoneId=stage.zone(), MaxItems="300")[
            "ResourceRecordSets"
        ]
        found = {
            "vpc": ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"],
            "subnets": ec2.describe_subnets(SubnetIds=subnets)["Subnets"],
            "groups": ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])[
                "SecurityGroups"
            ],
            "balancer": elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"],
            "attributes": elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"],
            "listeners": elb.describe_listeners(LoadBalancerArn=arn)["Listeners"],
            "rules": elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"],
            "target": elb.describe_target_groups(TargetGroupArns=[target["TargetGroupArn"]])["TargetGroups"],
            "tags": elb.describe_tags(ResourceArns=[arn, target["TargetGroupArn"]])["TagDescriptions"],
            "cluster": ecs.describe_clusters(clusters=["theirs"], include=["TAGS", "SETTINGS"])["clusters"],
            "role": iam.get_role(RoleName="theirs")["Role"],
            "policies": iam.list_role_policies(RoleName="theirs")["PolicyNames"],
            "records": [r for r in records if r["Name"].startswith("theirs.")],
        }
        return dict(json.loads(json.dumps(found, default=str, sort_keys=True)))

    return look


# --- the tests --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoilt:
    """The stage after everything has been spoilt at once, and how it all looked before."""

    stage: Stage
    before: dict[str, Any]
    neighbours: Callable[[], dict[str, Any]]
    neighbours_before: dict[str, Any]


@pytest.fixture(scope="module")
def spoilt(stage: Stage) -> Spoilt:
    """Everything has been spoilt by hand, at once."""
    neighbours = make_neighbours(stage)
    neighbours_before = neighbours()
    public = {
        "scheme": "internet-facing",
        "ingressCidrs": ["0.0.0.0/0"],
        "listener": {"port": 80, "protocol": "HTTP"},
    }
    stage.apply(
        m.namespace(),
        m.tier("tier-1", tags={"team": "blue"}),
        m.cell("cell-a"),
        m.group("group-1", "cell-a", "10.20.0.0/16"),
        m.tier("tier-2", mode="PerTenant"),
        m.cell("cell-c", "tier-2"),
        m.group("group-9", "cell-c", "10.29.0.0/16", loadBalancer=public),
        *(m.tenant(name, "tier-2" if name in OWN else "tier-1") for name in TENANTS),
    )
    stage.await_ready("infragroup", "group-1", "group-9")
    stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    stage.await_condition("infragroup", "group-1", "EndpointReady", "InForce")
    await_rest(stage)
    before = {name: drift.look(stage) for name, drift in DRIFTS.items()}
    assert all(before.values()), before
    for drift in DRIFTS.values():
        drift.spoil(stage)
    return Spoilt(stage, before, neighbours, neighbours_before)


def events(stage: Stage, owner: str) -> list[str]:
    """What Events say of the repair of an object's drift."""
    kind, name = owner.split("/")
    found = json.loads(stage.kubectl("get", "events", "-A", "-o", "json"))["items"]
    return [
        event["message"]
        for event in found
        if event["reason"] == "DriftRepaired"
        and event["involvedObject"]["kind"].lower() == kind
        and event["involvedObject"]["name"] == name
    ]


@pytest.mark.parametrize("name", DRIFTS)
def test_what_was_spoilt_by_hand_comes_back_and_an_event_says_so(spoilt: Spoilt, name: str) -> None:
    drift, stage = DRIFTS[name], spoilt.stage
    found: list[Any] = []

    def repaired() -> bool:
        found[:] = [drift.look(stage)]
        return bool(found[0] == spoilt.before[name])

    try:
        stage.wait("it is as before", repaired)
    except AssertionError as error:
        raise AssertionError(f"before: {spoilt.before[name]}\nnow: {found[0]}\n{error}") from None
    stage.wait(
        f"an Event of {drift.owner} names the {drift.said}",
        lambda: any(drift.said in message for message in events(stage, drift.owner)),
    )


def test_everybody_is_ready_again_and_there_is_one_of_each_thing(spoilt: Spoilt) -> None:
    spoilt.stage.await_ready("infragroup", "group-1", "group-9")
    spoilt.stage.await_ready("tenant", *TENANTS, namespace=m.NAMESPACE)
    counted = census.of_tenants(spoilt.stage, ACCOUNT_A)
    assert set(counted.values()) == {len(TENANTS)}, counted


def test_after_the_repair_nothing_more_is_written(spoilt: Spoilt) -> None:
    await_rest(spoilt.stage)
    assert writes_of_quiet_sweeps(spoilt.stage) == []


def test_untagged_neighbours_are_untouched(spoilt: Spoilt) -> None:
    assert spoilt.neighbours() == spoilt.neighbours_before


def test_the_log_of_all_this_has_no_tracebacks(spoilt: Spoilt) -> None:
    assert census.indiscretions(spoilt.stage) == []
