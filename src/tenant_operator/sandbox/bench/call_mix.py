"""The calls by which servers are compared: what the operator reads and writes most, in an account with one busy group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenant_operator.sandbox.bench.prepared_calls import PreparedCall, client, prepare

TENANTS = 50  # rules and target groups that are there before
READS = 200  # of each kind
WRITES = 40  # of each kind: a load balancer takes 100 rules
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)
NOT_FOUND = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]


@dataclass(frozen=True, slots=True)
class Kind:
    """Calls of one kind, such as `elbv2:DescribeRules`."""

    name: str
    writes: bool
    calls: Sequence[PreparedCall]


def kinds(endpoint: str, key: Mapping[str, str]) -> list[Kind]:
    """Make what has to be there, and prepare calls."""
    return _Mix(endpoint, key).kinds()


class _Mix:
    def __init__(self, endpoint: str, key: Mapping[str, str]) -> None:
        self._clients = {
            name: client(name, endpoint, key) for name in ("ec2", "elbv2", "ecs", "route53", "iam")
        }
        ec2, elb = self._clients["ec2"], self._clients["elbv2"]
        self._vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [self._subnet(number, zone) for number, zone in enumerate("ab")]
        balancer = elb.create_load_balancer(Name="bench", Subnets=subnets, Scheme="internal")[
            "LoadBalancers"
        ][0]
        self._listener = elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=NOT_FOUND
        )["Listeners"][0]["ListenerArn"]
        self._groups = [elb.create_target_group(**self._group(n))["TargetGroups"][0] for n in range(TENANTS)]
        self._rules = [elb.create_rule(**self._rule(n))["Rules"][0]["RuleArn"] for n in range(TENANTS)]
        self._clusters = [
            self._clients["ecs"].create_cluster(clusterName=f"old-{n}")["cluster"]["clusterArn"]
            for n in range(TENANTS)
        ]
        zone = self._clients["route53"].create_hosted_zone(Name="bench.test", CallerReference="1")[
            "HostedZone"
        ]
        self._zone = zone["Id"].removeprefix("/hostedzone/")
        self._clients["route53"].change_resource_record_sets(
            HostedZoneId=self._zone, ChangeBatch={"Changes": [_record(n) for n in range(TENANTS)]}
        )
        self._role = self._clients["iam"].create_role(RoleName="bench", AssumeRolePolicyDocument=_TRUST)[
            "Role"
        ]["Arn"]

    def kinds(self) -> list[Kind]:
        """All kinds, reads first."""
        groups = [group["TargetGroupArn"] for group in self._groups]
        reads: dict[str, list[dict[str, Any]]] = {
            "elbv2:describe_target_groups": [{"TargetGroupArns": groups[:20]}],
            "elbv2:describe_rules": [{"ListenerArn": self._listener, "PageSize": 100}],
            "elbv2:describe_tags": [{"ResourceArns": self._rules[:20]}],
            "elbv2:describe_target_health": [{"TargetGroupArn": arn} for arn in groups],
            "ecs:describe_clusters": [{"clusters": self._clusters}],
            "ecs:list_clusters": [{}],
            "route53:list_resource_record_sets": [{"HostedZoneId": self._zone}],
            "ec2:describe_subnets": [{"Filters": [{"Name": "vpc-id", "Values": [self._vpc]}]}],
            "iam:get_role": [{"RoleName": "bench"}],
        }
        new = range(TENANTS, TENANTS + WRITES)
        writes: dict[str, list[dict[str, Any]]] = {
            "elbv2:create_target_group": [self._group(n) for n in new],
            "elbv2:create_rule": [self._rule(n) for n in new],
            "elbv2:modify_rule": [{"RuleArn": arn, "Actions": NOT_FOUND} for arn in self._rules[:WRITES]],
            "ecs:create_cluster": [{"clusterName": f"new-{n}"} for n in new],
            "ecs:register_task_definition": [self._definition(n) for n in new],
            "route53:change_resource_record_sets": [
                {"HostedZoneId": self._zone, "ChangeBatch": {"Changes": [_record(n)]}} for n in new
            ],
            "ec2:create_security_group": [
                {"GroupName": f"g{n}", "Description": "bench", "VpcId": self._vpc} for n in new
            ],
        }
        return [
            *(self._kind(name, found * (READS // len(found)), writes=False) for name, found in reads.items()),
            *(self._kind(name, found, writes=True) for name, found in writes.items()),
        ]

    def _kind(self, name: str, parameters: Sequence[Mapping[str, Any]], *, writes: bool) -> Kind:
        service, operation = name.split(":")
        taken = [prepare(self._clients[service], operation, values) for values in parameters]
        return Kind(name, writes, taken)

    def _subnet(self, number: int, zone: str) -> str:
        made = self._clients["ec2"].create_subnet(
            VpcId=self._vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )
        return str(made["Subnet"]["SubnetId"])

    def _group(self, number: int) -> dict[str, Any]:
        return {
            "Name": f"tg-{number}",
            "Protocol": "HTTP",
            "Port": 8080,
            "VpcId": self._vpc,
            "TargetType": "ip",
            "Tags": [{"Key": "tenant", "Value": str(number)}],
        }

    def _rule(self, number: int) -> dict[str, Any]:
        group = self._groups[number % TENANTS]["TargetGroupArn"]
        return {
            "ListenerArn": self._listener,
            "Priority": number + 1,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/t{number}/*"]}}],
            "Actions": [{"Type": "forward", "TargetGroupArn": group}],
            "Tags": [{"Key": "tenant", "Value": str(number)}],
        }

    def _definition(self, number: int) -> dict[str, Any]:
        return {
            "family": f"t{number}",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "taskRoleArn": self._role,
            "containerDefinitions": [
                {"name": "app", "image": "app:1", "portMappings": [{"containerPort": 8080}]}
            ],
        }


def _record(number: int) -> dict[str, Any]:
    record = {
        "Name": f"t{number}.bench.test",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    }
    return {"Action": "UPSERT", "ResourceRecordSet": record}
