"""AWS's request token buckets, by account, Region and bucket group.

Numbers: https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html,
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html,
https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html.
Services without a published table share one generous bucket each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket group: how many calls at once, and how many a second after that."""

    name: str
    burst: float
    refill: float


def _actions(bucket: Bucket, names: str) -> dict[str, Bucket]:
    return dict.fromkeys(names.split(), bucket)


_ELB_READ = Bucket("elb-read", 40, 10)
_ELB_WRITE = Bucket("elb-write", 20, 3)
_ELB = {
    **_actions(Bucket("elb-resource-intensive", 10, 0.2), "CreateLoadBalancer SetSubnets"),
    **_actions(Bucket("elb-registration", 20, 4), "RegisterTargets DeregisterTargets"),
}

_ECS_CLUSTER_READ = Bucket("ecs-cluster-read", 50, 20)
_ECS = {
    **_actions(
        Bucket("ecs-cluster-write", 20, 1),
        "CreateCluster DeleteCluster UpdateCluster UpdateClusterSettings PutClusterCapacityProviders",
    ),
    **_actions(_ECS_CLUSTER_READ, "DescribeClusters ListClusters"),
    **_actions(Bucket("ecs-service-write", 50, 5), "CreateService UpdateService DeleteService"),
    **_actions(
        Bucket("ecs-service-read", 100, 20),
        "DescribeServices ListServices ListServicesByNamespace",
    ),
    **_actions(
        Bucket("ecs-task-definition-write", 20, 1),
        "RegisterTaskDefinition DeregisterTaskDefinition",
    ),
    **_actions(
        Bucket("ecs-task-definition-read", 50, 20),
        "DescribeTaskDefinition ListTaskDefinitions ListTaskDefinitionFamilies",
    ),
    **_actions(Bucket("ecs-task-definition-delete", 5, 1), "DeleteTaskDefinitions"),
    **_actions(Bucket("ecs-task-write", 100, 40), "RunTask StartTask StopTask ExecuteCommand"),
    **_actions(Bucket("ecs-task-read", 100, 20), "DescribeTasks ListTasks"),
    **_actions(Bucket("ecs-tag-write", 20, 10), "TagResource UntagResource"),
    **_actions(Bucket("ecs-tag-read", 50, 20), "ListTagsForResource"),
    **_actions(
        Bucket("ecs-settings-write", 10, 1),
        "PutAccountSetting PutAccountSettingDefault DeleteAccountSetting",
    ),
    **_actions(Bucket("ecs-settings-read", 50, 20), "ListAccountSettings"),
}
_ECS_OTHER = Bucket("ecs-deployments", 50, 20)

_EC2_READ = Bucket("ec2-read", 100, 20)
_EC2_UNFILTERED_READ = Bucket("ec2-unfiltered-read", 50, 10)
_EC2_WRITE = Bucket("ec2-write", 50, 5)
_EC2_UNFILTERED = frozenset({"DescribeInstances", "DescribeNetworkInterfaces", "DescribeSecurityGroups"})
_ENDPOINT_SERVICES = Bucket("ec2-endpoint-services", 10, 1)
_EC2 = {
    **{
        name: Bucket(f"ec2-{name}", 4, 0.3)
        for name in ("CreateVpcEndpoint", "ModifyVpcEndpoint", "DeleteVpcEndpoints")
    },
    **_actions(
        _ENDPOINT_SERVICES,
        "CreateVpcEndpointServiceConfiguration ModifyVpcEndpointServiceConfiguration "
        "DeleteVpcEndpointServiceConfigurations AcceptVpcEndpointConnections RejectVpcEndpointConnections",
    ),
    "AuthorizeSecurityGroupIngress": Bucket("ec2-resource-intensive", 50, 5),
    "CreateNetworkInterface": Bucket("ec2-CreateNetworkInterface", 100, 5),
    "CreateTags": Bucket("ec2-CreateTags", 100, 10),
}

_ROUTE53_ACCOUNT = Bucket("route53-account", 50, 10)
_ROUTE53 = {
    "CreateHealthCheck": Bucket("route53-CreateHealthCheck", 50, 0.5),
    "DeleteHealthCheck": Bucket("route53-DeleteHealthCheck", 15, 3),
    "CreateHostedZone": Bucket("route53-CreateHostedZone", 40, 2),
    "DeleteHostedZone": Bucket("route53-DeleteHostedZone", 40, 5),
    "AssociateVPCWithHostedZone": Bucket("route53-AssociateVPC", 20, 5),
    "DisassociateVPCFromHostedZone": Bucket("route53-DisassociateVPC", 10, 5),
    "GetHealthCheckStatus": Bucket("route53-GetHealthCheckStatus", 4, 1),
}
_GENEROUS = {
    "sts": (600, 600),
    "iam": (100, 20),
    "logs": (50, 25),
    "service-quotas": (20, 5),
}

# Per second, without a word about bursts: a second's worth at once. PutEvents: the lowest of the Regions.
_EVENTS = Bucket("events", 50, 50)
_EVENTS_PUT = Bucket("events-put", 400, 400)

# Not throttled: standard queues take nearly any number of calls; the others' own docs give rates that no operator of
# this kind comes near.
_UNLIMITED = frozenset({"sqs", "acm", "cloudwatch", "kms"})


def buckets_of(call: Call) -> tuple[Bucket, ...]:
    """The buckets that a call takes one token from each."""
    read = call.kind == "read"
    match call.service:
        case "elbv2":
            return (_ELB.get(call.action, _ELB_READ if read else _ELB_WRITE),)
        case "ecs":
            return (_ECS.get(call.action, _ECS_OTHER),)
        case "ec2":
            if call.action in _EC2_UNFILTERED and not (
                call.parameters.get("Filters") or call.parameters.get("MaxResults")
            ):
                return (_EC2_UNFILTERED_READ,)
            return (_EC2.get(call.action, _EC2_READ if read else _EC2_WRITE),)
        case "route53":
            own = _ROUTE53.get(call.action, Bucket(f"route53-{call.action}", 50, 10))
            return (_ROUTE53_ACCOUNT, own)
        case "events":
            return (_EVENTS_PUT if call.action == "PutEvents" else _EVENTS,)
        case service if service in _UNLIMITED:
            return ()
        case service:
            burst, refill = _GENEROUS.get(service, (100, 20))
            return (Bucket(service, burst, refill),)


def throttled(service: str) -> AwsFailure:
    """The refusal, in the service's own code (its error-code list in the API reference)."""
    match service:
        case "ec2":
            return AwsFailure("RequestLimitExceeded", "Request limit exceeded.", status=503)
        case "elbv2" | "route53" | "iam" | "sts" | "cloudwatch" | "elb":
            return AwsFailure("Throttling", "Rate exceeded")
        case "service-quotas":
            return AwsFailure("TooManyRequestsException", "Too many requests")
        case "sqs":
            return AwsFailure("RequestThrottled", "The request was denied due to request throttling.")
        case _:
            return AwsFailure("ThrottlingException", "Rate exceeded")


@dataclass(slots=True)
class _Level:
    tokens: float
    at: float


class Throttles:
    """The levels of all buckets. `scale` multiplies burst and refill (0.5: half of what AWS gives)."""

    def __init__(self, clock: Callable[[], float], *, enabled: bool = False, scale: float = 1.0) -> None:
        self.enabled = enabled
        self.scale = scale
        self._clock = clock
        self._levels: dict[tuple[str, str, str], _Level] = {}

    def configure(self, *, enabled: bool, scale: float) -> None:
        """Switch on or off, or scale; all buckets are full afterwards.

        Raises:
            ValueError: a scale that is not above 0.
        """
        if scale <= 0:
            raise ValueError(f"scale must be above 0 (1 is what AWS gives), not {scale!r}")
        self.enabled, self.scale = enabled, scale
        self._levels.clear()

    def admit(self, call: Call) -> None:
        """Take the call's tokens.

        Raises:
            AwsFailure: a bucket is empty; no token is taken then.
        """
        if not self.enabled:
            return
        levels = [self._level(call, bucket) for bucket in buckets_of(call)]
        if any(level.tokens < 1 for level in levels):
            raise throttled(call.service)
        for level in levels:
            level.tokens -= 1

    def _level(self, call: Call, bucket: Bucket) -> _Level:
        now = self._clock()
        burst = max(1.0, bucket.burst * self.scale)
        key = (
            call.account,
            "" if call.service in ("route53", "iam") else call.region,
            bucket.name,
        )
        level = self._levels.setdefault(key, _Level(burst, now))
        level.tokens = min(burst, level.tokens + (now - level.at) * bucket.refill * self.scale)
        level.at = now
        return level
