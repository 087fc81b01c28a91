"""What a person finds in an account: the tags of everything that is owned, and what a tenant has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e import manifests as m
from tests.e2e.stage import ACCOUNT_A, Stage

OWNED = "tenant-operator.dev/installation"
TAGS_PER_CALL = 20
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTags.html"""

Tags = Mapping[str, str]


def owned(stage: Stage, account: str = ACCOUNT_A) -> dict[str, Tags]:
    """Everything in an account that carries ownership tags, by ARN or id, with its tags."""
    found = [*_ec2(stage, account), *_elb(stage, account), *_ecs(stage, account), *_roles(stage, account)]
    return {name: tags for name, tags in found if OWNED in tags}


def _ec2(stage: Stage, account: str) -> Iterator[tuple[str, Tags]]:
    by_id: dict[str, dict[str, str]] = {}
    pages = stage.client("ec2", account).get_paginator("describe_tags").paginate()
    for tag in (tag for page in pages for tag in page["Tags"]):
        by_id.setdefault(tag["ResourceId"], {})[tag["Key"]] = tag["Value"]
    yield from by_id.items()


def _elb(stage: Stage, account: str) -> Iterator[tuple[str, Tags]]:
    elb = stage.client("elbv2", account)
    balancers = [b["LoadBalancerArn"] for b in elb.describe_load_balancers()["LoadBalancers"]]
    listeners = [
        listener["ListenerArn"]
        for balancer in balancers
        for listener in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    ]
    groups = [g["TargetGroupArn"] for g in elb.describe_target_groups()["TargetGroups"]]
    rules = [rule["RuleArn"] for rule in stage.rules(account)]
    yield from _elb_tags(stage, account, [*balancers, *listeners, *groups, *rules])


def _elb_tags(stage: Stage, account: str, arns: Sequence[str]) -> Iterator[tuple[str, Tags]]:
    """Tags by ARN, without those whose owner has gone since it was listed: one of them makes AWS refuse the whole call."""
    if len(arns) > TAGS_PER_CALL:
        yield from _elb_tags(stage, account, arns[:TAGS_PER_CALL])
        yield from _elb_tags(stage, account, arns[TAGS_PER_CALL:])
        return
    elb = stage.client("elbv2", account)
    try:
        answer = elb.describe_tags(ResourceArns=arns) if arns else {"TagDescriptions": ()}
    except elb.exceptions.ClientError as error:
        if not error.response["Error"]["Code"].endswith("NotFound"):
            raise
        if len(arns) > 1:
            for arn in arns:
                yield from _elb_tags(stage, account, [arn])
        return
    for described in answer["TagDescriptions"]:
        yield described["ResourceArn"], {tag["Key"]: tag["Value"] for tag in described["Tags"]}


def _ecs(stage: Stage, account: str) -> Iterator[tuple[str, Tags]]:
    ecs = stage.client("ecs", account)
    arns = list(ecs.list_clusters()["clusterArns"])
    for cluster in arns:
        arns = [*arns, *ecs.list_services(cluster=cluster)["serviceArns"]]
    for arn in arns:
        tags = ecs.list_tags_for_resource(resourceArn=arn)["tags"]
        yield arn, {tag["key"]: tag["value"] for tag in tags}


def _roles(stage: Stage, account: str) -> Iterator[tuple[str, Tags]]:
    iam = stage.client("iam", account)
    for role in iam.list_roles()["Roles"]:
        tags = iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
        yield role["Arn"], {tag["Key"]: tag["Value"] for tag in tags}


def placement(stage: Stage, tenant: str, group: str = "group-1") -> dict[str, Any]:
    """What a tenant's status says of one infra group."""
    for found in stage.get("tenant", tenant, m.NAMESPACE)["status"]["placements"]:
        if found["infraGroup"] == group:
            return dict(found)
    raise AssertionError(f"tenant {tenant} is not in {group}")


def services(stage: Stage, tenant: str, group: str = "group-1") -> list[dict[str, Any]]:
    """A tenant's ECS services in an infra group, one a cluster."""
    ecs = stage.client("ecs")
    found = []
    for cluster in placement(stage, tenant, group)["clusters"]:
        [arn] = ecs.list_services(cluster=cluster)["serviceArns"]
        found += ecs.describe_services(cluster=cluster, services=[arn])["services"]
    return found


def definition(stage: Stage, tenant: str, group: str = "group-1") -> dict[str, Any]:
    """The task definition that a tenant's first cluster runs."""
    arn = services(stage, tenant, group)[0]["taskDefinition"]
    return dict(stage.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"])


def container(stage: Stage, tenant: str, group: str = "group-1") -> dict[str, Any]:
    """Its one container."""
    [found] = definition(stage, tenant, group)["containerDefinitions"]
    return dict(found)


def target_groups(stage: Stage, tenant: str, group: str = "group-1") -> list[dict[str, Any]]:
    """The target groups in an infra group that carry a tenant's tags."""
    elb = stage.client("elbv2")
    found = {g["TargetGroupArn"]: g for g in elb.describe_target_groups()["TargetGroups"]}
    return [
        dict(found[arn])
        for arn, tags in _elb_tags(stage, ACCOUNT_A, list(found))
        if (tags.get("tenant-operator.dev/tenant"), tags.get("tenant-operator.dev/infra-group"))
        == (tenant, group)
    ]


def serves(stage: Stage, path: str) -> bool:
    """Whether the rule that takes a path forwards, and only to where at least one target is healthy."""
    elb = stage.client("elbv2")
    [action] = stage.rule_of(path)["Actions"]
    if action["Type"] != "forward":
        return False
    weighted = [t["TargetGroupArn"] for t in action["ForwardConfig"]["TargetGroups"] if t["Weight"]]
    return bool(weighted) and all(
        any(
            target["TargetHealth"]["State"] == "healthy"
            for target in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        )
        for arn in weighted
    )
