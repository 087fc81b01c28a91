"""How AWS tells the operator of changes: EventBridge rules in the accounts, a queue for each Region in the operator's own.

```
 a cell's account, Region R            the operator's account, Region R
 default bus ─ rules ────────────────► bus ─ rule ─► queue ─► the operator
                                       default bus ─ rules ─┘   └► undelivered, after `MAX_RECEIVES`
```

An account of its own may put events on the operator's bus because that bus's policy names the account, so no role is
needed (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html). IAM and Route 53 tell of their
changes in one Region of a partition only; there the rule `global` listens for both.

All of it belongs to the installation, not to any one object: cells and tiers of one account share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenant_operator.desired import names, tags
from tenant_operator.desired.documents import canonical
from tenant_operator.desired.resources import Address, EventBus, EventRule, Queue, Resource

GLOBAL_REGIONS: Mapping[str, str] = {
    "aws": "us-east-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-cn": "cn-northwest-1",
}
"""Where IAM's and Route 53's events are, by partition."""

RETENTION_SECONDS = 3600
"""A hint that has not been read for an hour is worth nothing: sweeps have seen more since, and so has a start."""
UNDELIVERED_SECONDS = 14 * 24 * 3600
"""What could not be read waits for a person as long as SQS keeps anything."""
MAX_RECEIVES = 20
"""Often enough for processes that hand a message on to the one that it concerns, seldom enough not to read poison all day."""

OWNER_KIND = "Installation"
"""Stands in the ownership tags where other resources have the kind of a custom resource."""

CLOUDTRAIL = "AWS API Call via CloudTrail"
ECS_KINDS = ("ECS Deployment State Change", "ECS Service Action", "ECS Task State Change")

REGIONAL_CALLS: Mapping[str, tuple[str, ...]] = {
    "elasticloadbalancing": (
        "AddListenerCertificates", "AddTags", "CreateListener", "CreateRule", "DeleteListener", "DeleteLoadBalancer",
        "DeleteRule", "DeleteTargetGroup", "DeregisterTargets", "ModifyListener", "ModifyLoadBalancerAttributes",
        "ModifyRule", "ModifyTargetGroup", "ModifyTargetGroupAttributes", "RegisterTargets",
        "RemoveListenerCertificates", "RemoveTags", "SetIpAddressType", "SetRulePriorities", "SetSecurityGroups",
        "SetSubnets",
    ),
    "ecs": (
        "CreateService", "DeleteCluster", "DeleteService", "DeregisterTaskDefinition", "PutClusterCapacityProviders",
        "TagResource", "UntagResource", "UpdateCluster", "UpdateService",
    ),
    "ec2": (
        "AcceptVpcEndpointConnections", "AssociateRouteTable", "AuthorizeSecurityGroupIngress", "CreateRoute",
        "CreateTags", "DeleteInternetGateway", "DeleteNatGateway", "DeleteRoute", "DeleteRouteTable",
        "DeleteSecurityGroup", "DeleteSubnet", "DeleteTags", "DeleteVpcEndpoints", "DetachInternetGateway",
        "DisassociateRouteTable", "ModifySecurityGroupRules", "ModifyVpcAttribute", "ModifyVpcEndpoint",
        "RejectVpcEndpointConnections", "ReleaseAddress", "ReplaceRoute", "ReplaceRouteTableAssociation",
        "RevokeSecurityGroupIngress",
    ),
    "logs": ("DeleteLogGroup", "DeleteRetentionPolicy", "PutRetentionPolicy"),
}  # fmt: skip
"""What people do to what the operator makes, by service, where that has events in its own Region."""

GLOBAL_CALLS: Mapping[str, tuple[str, ...]] = {
    "iam": (
        "AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
        "PutRolePermissionsBoundary", "PutRolePolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy",
    ),
    "route53": ("ChangeResourceRecordSets", "DeleteHostedZone"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Home:
    """The operator's own account in one Region: where events come together."""

    installation: str
    partition: str
    account: str
    region: str

    @property
    def queue_arn(self) -> str:
        """Of the queue that the operator reads."""
        return self._arn("sqs", names.drift_feed(self.installation))

    @property
    def undelivered_arn(self) -> str:
        """Of the queue that keeps what could not be read."""
        return self._arn("sqs", names.drift_feed(self.installation, "undelivered"))

    @property
    def bus_arn(self) -> str:
        """Of the bus on which other accounts put their events."""
        return self._arn("events", f"event-bus/{names.drift_feed(self.installation)}")

    def rule_arns(self) -> tuple[str, ...]:
        """Patterns of the rules that may send to the queue: those on the account's default bus, and the bus's own."""
        prefix = f"{names.installation_prefix(self.installation)}drift-"
        bus = names.drift_feed(self.installation)
        return self._arn("events", f"rule/{prefix}*"), self._arn("events", f"rule/{bus}/{prefix}*")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def home(place: Home, accounts: Iterable[str]) -> list[Resource]:
    """What is needed in the operator's own account; `accounts` are the others, whose events come over the bus."""
    others = sorted(set(accounts) - {place.account})
    undelivered = _resource(
        place.installation,
        place.account,
        place.region,
        Queue(retention_seconds=UNDELIVERED_SECONDS),
        names.drift_feed(place.installation, "undelivered"),
        "drift-undelivered",
    )
    queue = _resource(
        place.installation,
        place.account,
        place.region,
        Queue(
            retention_seconds=RETENTION_SECONDS,
            policy=canonical(_queue_policy(place)),
            undelivered=place.undelivered_arn,
            max_receives=MAX_RECEIVES,
        ),
        names.drift_feed(place.installation),
        "drift-queue",
        after=(undelivered.address,),
    )
    if not others:
        return [undelivered, queue]
    bus = _resource(
        place.installation,
        place.account,
        place.region,
        EventBus(policy=canonical(_bus_policy(place, others))),
        names.drift_feed(place.installation),
        "drift-bus",
    )
    forward = _rule(
        place.installation,
        place.account,
        place.region,
        "received",
        {"source": [{"prefix": "aws."}]},
        place.queue_arn,
        bus=bus.address.name,
        after=(bus.address, queue.address),
    )
    return [undelivered, queue, bus, forward]


def source(place: Home, account: str, *, regional: bool, with_global: bool) -> list[Resource]:
    """The rules on an account's default bus that send events to the operator's account in the same Region.

    Args:
        place: The operator's account, in that Region.
        account: The account whose changes matter; it may be the operator's own.
        regional: Whether a cell is there in this Region.
        with_global: Whether IAM's and Route 53's events are to be had here.
    """
    target = place.queue_arn if account == place.account else place.bus_arn
    patterns: dict[str, Mapping[str, Any]] = {}
    if regional:
        patterns["calls"] = _calls(REGIONAL_CALLS)
        patterns["tasks"] = _tasks(place, account)
    if with_global:
        patterns["global"] = _calls(GLOBAL_CALLS)
    return [
        _rule(place.installation, account, place.region, purpose, pattern, target)
        for purpose, pattern in patterns.items()
    ]


def _calls(calls: Mapping[str, tuple[str, ...]]) -> Mapping[str, Any]:
    """Successful calls of these names. Whoever made them: somebody else may use the operator's own role."""
    return {
        "source": [f"aws.{service}" for service in sorted(calls)],
        "detail-type": [CLOUDTRAIL],
        "detail": {
            "eventName": sorted({name for found in calls.values() for name in found}),
            "errorCode": [{"exists": False}],
        },
    }


def _tasks(place: Home, account: str) -> Mapping[str, Any]:
    """What ECS says of this installation's services and of tasks that stopped (clusters' names begin as all ours do)."""
    prefix = names.installation_prefix(place.installation)
    arn = f"arn:{place.partition}:ecs:{place.region}:{account}"
    resources = [{"prefix": f"{arn}:service/{prefix}"}, {"prefix": f"{arn}:task/{prefix}"}]
    deployments, actions, tasks = ECS_KINDS
    return {
        "source": ["aws.ecs"],
        "resources": resources,
        "$or": [
            {"detail-type": [deployments, actions]},
            {"detail-type": [tasks], "detail": {"lastStatus": ["STOPPED"]}},
        ],
    }


def _queue_policy(place: Home) -> Mapping[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "EventsOfOurRules",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": place.queue_arn,
                "Condition": {"ArnLike": {"aws:SourceArn": list(place.rule_arns())}},
            }
        ],
    }


def _bus_policy(place: Home, accounts: Iterable[str]) -> Mapping[str, Any]:
    """Each account by its number: EventBridge itself refuses that anybody makes up events of AWS's services."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"EventsOf{account}",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{place.partition}:iam::{account}:root"},
                "Action": "events:PutEvents",
                "Resource": place.bus_arn,
            }
            for account in accounts
        ],
    }


def _rule(
    installation: str,
    account: str,
    region: str,
    purpose: str,
    pattern: Mapping[str, Any],
    target: str,
    *,
    bus: str = "default",
    after: tuple[Address, ...] = (),
) -> Resource:
    spec = EventRule(bus=bus, pattern=canonical(pattern), target=target)
    name = names.drift_feed(installation, purpose)
    return _resource(installation, account, region, spec, name, f"drift-{purpose}", after=after)


def _resource(
    installation: str,
    account: str,
    region: str,
    spec: Queue | EventBus | EventRule,
    name: str,
    component: str,
    after: tuple[Address, ...] = (),
) -> Resource:
    owner = tags.Owner(kind=OWNER_KIND, namespace="", name=installation, uid="")
    ownership = tags.Ownership(installation=installation, owner=owner, tier="")
    address = Address(account=account, region=region, type=type(spec).__name__, name=name)
    return Resource(address=address, spec=spec, tags=ownership.tags(component), after=after)
