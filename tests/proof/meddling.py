"""What a person changes in AWS behind the operator's back: each kind of meddling by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.e2e.stage import ACCOUNT_A, ACCOUNT_B, DNS_ACCOUNT, Stage
from tests.proof.fleet import Meddle

FOREIGN_PATH = "/somebody-else"
ACCOUNTS = (ACCOUNT_A, ACCOUNT_B)


def meddle(stage: Stage, change: Meddle) -> None:
    """Do it, as far as what it is done to is there."""
    try:
        _WAYS[change.how](stage, change.tenant)
    except ClientError as error:  # the operator takes the thing away, or uses it, at this very moment
        if error.response["Error"]["Code"] not in _GONE:
            raise


_GONE = frozenset(
    {
        "RuleNotFound", "ListenerNotFound", "TargetGroupNotFound", "LoadBalancerNotFound", "PriorityInUse", "ResourceInUse",
        "ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException", "InvalidChangeBatch",
        "PriorRequestNotComplete",
    }
)  # fmt: skip


def _listeners(stage: Stage) -> Iterator[tuple[Any, str]]:
    for account in ACCOUNTS:
        elb = stage.client("elbv2", account)
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            arn = balancer["LoadBalancerArn"]
            for listener in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
                yield elb, str(listener["ListenerArn"])


def _target_groups(stage: Stage) -> Iterator[tuple[Any, str]]:
    for account in ACCOUNTS:
        elb = stage.client("elbv2", account)
        for group in elb.describe_target_groups()["TargetGroups"]:
            yield elb, str(group["TargetGroupArn"])


def _foreign_rule(stage: Stage, _tenant: str) -> None:
    """A rule of somebody else's at the very priority that the operator would take next."""
    for elb, arn in _listeners(stage):
        rules = elb.describe_rules(ListenerArn=arn)["Rules"]
        taken = {int(rule["Priority"]) for rule in rules if not rule["IsDefault"]}
        elb.create_rule(
            ListenerArn=arn,
            Priority=next(p for p in range(max(taken, default=0) + 1, 50_000) if p not in taken),
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [FOREIGN_PATH]}}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )
        return


def _record_weight(stage: Stage, _tenant: str) -> None:
    """Another weight for the first record of each of the tiers' names; never 0."""
    zone = stage.zone()
    for record in stage.records("example.com")[:2]:
        changed = {**record, "Weight": 1 + (record["Weight"] + 100) % 254}
        stage.client("route53", DNS_ACCOUNT).change_resource_record_sets(
            HostedZoneId=zone,
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": changed}]},
        )


def _target_group_tags(stage: Stage, _tenant: str) -> None:
    for elb, arn in _target_groups(stage):
        elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "tenant-operator.dev/tier", "Value": "mine-now"}])
        return


def _health_check(stage: Stage, _tenant: str) -> None:
    for elb, arn in _target_groups(stage):
        elb.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=77)
        return


def _idle_timeout(stage: Stage, _tenant: str) -> None:
    for account in ACCOUNTS:
        elb = stage.client("elbv2", account)
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            elb.modify_load_balancer_attributes(
                LoadBalancerArn=balancer["LoadBalancerArn"],
                Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "61"}],
            )


def _more_tasks(stage: Stage, _tenant: str) -> None:
    for account in ACCOUNTS:
        ecs = stage.client("ecs", account)
        for cluster in ecs.list_clusters()["clusterArns"][:2]:
            for service in ecs.list_services(cluster=cluster)["serviceArns"]:
                found = ecs.describe_services(cluster=cluster, services=[service])["services"][0]
                if found["status"] == "ACTIVE" and found["desiredCount"]:
                    ecs.update_service(
                        cluster=cluster, service=service, desiredCount=found["desiredCount"] + 1
                    )


def _delete_rule(stage: Stage, tenant: str) -> None:
    for elb, arn in _listeners(stage):
        rules = [rule for rule in elb.describe_rules(ListenerArn=arn)["Rules"] if not rule["IsDefault"]]
        tags = (
            elb.describe_tags(ResourceArns=[rule["RuleArn"] for rule in rules][:20])["TagDescriptions"]
            if rules
            else []
        )
        for described in tags:
            if {"Key": "tenant-operator.dev/tenant", "Value": tenant} in described["Tags"]:
                elb.delete_rule(RuleArn=described["ResourceArn"])
                return


def _out_of_memory(stage: Stage, tenant: str) -> None:
    if any(found["tenant"] == tenant for found in _running(stage)):
        stage.aws.out_of_memory(tenant=tenant)


def _running(stage: Stage) -> Iterator[dict[str, str]]:
    for account in ACCOUNTS:
        ecs = stage.client("ecs", account)
        for cluster in ecs.list_clusters()["clusterArns"]:
            for service in ecs.list_services(cluster=cluster)["serviceArns"]:
                [found] = ecs.describe_services(cluster=cluster, services=[service], include=["TAGS"])[
                    "services"
                ]
                own = {tag["key"]: tag["value"] for tag in found.get("tags", ())}
                if found["runningCount"]:
                    yield {"tenant": own.get("tenant-operator.dev/tenant", "")}


_WAYS: Mapping[str, Callable[[Stage, str], None]] = {
    "foreign-rule": _foreign_rule,
    "record-weight": _record_weight,
    "target-group-tags": _target_group_tags,
    "health-check": _health_check,
    "idle-timeout": _idle_timeout,
    "more-tasks": _more_tasks,
    "delete-rule": _delete_rule,
    "out-of-memory": _out_of_memory,
}
