"""Every TTL, time-out, size and rate of this room, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# --- One call -------------------------------------------------------------------------------------

CONNECT_TIMEOUT_SECONDS = 3
"""AWS endpoints accept a connection in well under a second; more means that there is no way to them. It must be shorter
than the time between the closing of the fence and the end of the lease (engine/settings.py)."""

READ_TIMEOUT_SECONDS = 30
"""The slowest calls we make (CreateVpcEndpoint, CreateNatGateway) answer within about ten seconds."""

READ_ATTEMPTS = 2
"""A read that met an outage is tried once more: a connection that was dropped while idle is the common case."""

RETRY_PAUSE_SECONDS = 0.5
"""Before that second attempt."""

CALL_WAIT_SECONDS = 300.0
"""How long one call may wait for tokens, throttle answers included, before it gives up as THROTTLED. A burst of 50
tenants needs 45 s of the slowest bucket that onboarding uses (see BUCKETS), so this leaves room for several of them."""

# --- Threads and connections ----------------------------------------------------------------------

MAX_THREADS = 128
"""Of the one pool in which boto3 calls run. They are started as needed."""

THREADS_PER_ACCOUNT = 8
"""So that an account that answers nothing holds few threads; 8 calls at 100 ms each are far above AWS's rates."""

RESYNC_THREADS_PER_ACCOUNT = 4
"""So that a slow sweep leaves threads for people's edits."""

LONG_POLLS = frozenset({"receive_message"})
"""Calls that wait for something to come. Each has a thread of its own, so that it takes nobody's place."""

# --- Events of changes ----------------------------------------------------------------------------

OWN_WRITES_KEPT = 20_000
"""Request ids of our own writes, about 3 MB. CloudTrail's events come within minutes; an account's buckets allow about
ten writes a second, and several accounts are rarely busy for longer than that at once."""

MAX_EVENT_STRINGS = 20_000
"""Of one event that are looked at: SQS takes 256 KiB, which hold fewer names than that."""

MAX_EVENT_DEPTH = 24
"""How deep an event is looked into; CloudTrail's own go about ten deep."""

MESSAGES_PER_RECEIVE = 10
"""The most that SQS gives, and the most that it deletes, at once."""

# --- Circuit breaker ------------------------------------------------------------------------------

BREAKER_FAILURES = 5
"""Consecutive outages of one service in one account and Region after which calls are refused at once."""

BREAKER_FIRST_PAUSE_SECONDS = 5.0
"""Long enough not to hammer, short enough that a blip costs nobody a minute."""

BREAKER_LONGEST_PAUSE_SECONDS = 120.0
"""The pause doubles up to this; then one probe every two minutes is left."""

# --- Credentials ----------------------------------------------------------------------------------

SESSION_NAME = "tenant-operator"
SESSION_SECONDS = 3600
"""The longest that AWS allows when one role assumes another
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining)."""

# --- Waiting for AWS to show what it has made -----------------------------------------------------

CREATION_VISIBLE_SECONDS = 60.0
"""How long after a create a not-found may still be AWS's eventual consistency
(https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html)."""

UPDATE_VISIBLE_SECONDS = 15.0
"""How long after an update a reading may still show the values from before it."""

FIRST_LOOK_SECONDS = 0.5
LONGEST_LOOK_SECONDS = 8.0
"""The pauses between looks for something just made grow from the first to the second."""

CREATION_TOKEN_SECONDS = 3600
"""Client tokens of creations change every hour: a retry meets the same one, a re-creation days later does not get
AWS's memory of a resource that was deleted since."""

# --- Reading --------------------------------------------------------------------------------------

EC2_PAGE = 1000
"""The most that EC2's Describe calls give at once."""

SERVICE_READERS = 8
"""How many clusters' services are read at the same time in one account: as many as an account has threads."""

ENDPOINT_SERVICE_TTL_SECONDS = 600.0
"""Zones and acceptance of an endpoint service rarely change; a provider that adds a zone is seen within ten minutes."""

MAX_ADVICE = 400
"""Characters of `AwsError.advice`: several of them fit one condition's message."""

# --- Token buckets --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """One of AWS's token buckets: `burst` calls at once, `refill` calls a second thereafter."""

    name: str
    burst: float
    refill: float


RATE_HEADROOM = 0.95
"""We use this share of what AWS allows: its clock is not ours, and calls bunch up on the way."""

RESYNC_SHARE = 0.2
"""Sweeps get at most this share of a bucket's refill (and of its burst, at least one call)."""

EDIT_RESERVE = 0.3
"""Sweeps leave this share of a full bucket to people's edits."""

AGING_SECONDS = 20.0
"""A sweep's call that has waited so long counts as an edit that came when it did: nothing starves."""

SLOWEST_PACE = 0.1
"""However often AWS throttles, a bucket refills at least at this share of its rate."""

PACE_RECOVERY_SECONDS = 60.0
"""A bucket that was throttled is back at its full rate after so long without another throttle answer."""

_ELB_READ = Rate("elbv2 reads", 40, 10)
_ELB_WRITE = Rate("elbv2 writes", 20, 3)
_ELB_HEAVY = Rate("elbv2 resource-intensive", 10, 0.2)
_ELB_REGISTRATION = Rate("elbv2 registration", 20, 4)
_ECS_CLUSTER_WRITE = Rate("ecs cluster writes", 20, 1)
_ECS_CLUSTER_READ = Rate("ecs cluster reads", 50, 20)
_ECS_DEFINITION_WRITE = Rate("ecs task definition writes", 20, 1)
_ECS_DEFINITION_READ = Rate("ecs task definition reads", 50, 20)
_ECS_DEFINITION_DELETE = Rate("ecs task definition deletes", 5, 1)
_ECS_SERVICE_WRITE = Rate("ecs service writes", 50, 5)
_ECS_SERVICE_READ = Rate("ecs service reads", 100, 20)
_ECS_DEPLOYMENT_READ = Rate("ecs service deployments", 50, 20)
_ECS_TASK_WRITE = Rate("ecs task writes", 100, 40)
_ECS_TASK_READ = Rate("ecs task reads", 100, 20)
_ECS_TAG_WRITE = Rate("ecs tag writes", 20, 10)
_ECS_TAG_READ = Rate("ecs tag reads", 50, 20)
_ECS_SETTING_WRITE = Rate("ecs account setting writes", 10, 1)
_EC2_READ = Rate("ec2 reads", 100, 20)
_EC2_UNFILTERED_READ = Rate("ec2 reads of interfaces and security groups", 50, 10)
_EC2_WRITE = Rate("ec2 writes", 50, 5)
_EC2_TAGS = Rate("ec2 tags", 100, 10)

BUCKETS: Mapping[str, Mapping[str, Rate]] = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html
    "elbv2": {
        "create_load_balancer": _ELB_HEAVY,
        "set_subnets": _ELB_HEAVY,
        "register_targets": _ELB_REGISTRATION,
        "deregister_targets": _ELB_REGISTRATION,
        "describe_*": _ELB_READ,
        "*": _ELB_WRITE,
    },
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
    "ecs": {
        "describe_clusters": _ECS_CLUSTER_READ,
        "list_clusters": _ECS_CLUSTER_READ,
        "register_task_definition": _ECS_DEFINITION_WRITE,
        "deregister_task_definition": _ECS_DEFINITION_WRITE,
        "delete_task_definitions": _ECS_DEFINITION_DELETE,
        "describe_task_definition": _ECS_DEFINITION_READ,
        "list_task_definitions": _ECS_DEFINITION_READ,
        "list_task_definition_families": _ECS_DEFINITION_READ,
        "create_service": _ECS_SERVICE_WRITE,
        "update_service": _ECS_SERVICE_WRITE,
        "delete_service": _ECS_SERVICE_WRITE,
        "describe_services": _ECS_SERVICE_READ,
        "list_services": _ECS_SERVICE_READ,
        "describe_service_deployments": _ECS_DEPLOYMENT_READ,
        "list_service_deployments": _ECS_DEPLOYMENT_READ,
        "describe_service_revisions": _ECS_DEPLOYMENT_READ,
        "stop_task": _ECS_TASK_WRITE,
        "describe_tasks": _ECS_TASK_READ,
        "list_tasks": _ECS_TASK_READ,
        "tag_resource": _ECS_TAG_WRITE,
        "untag_resource": _ECS_TAG_WRITE,
        "list_tags_for_resource": _ECS_TAG_READ,
        "put_account_setting": _ECS_SETTING_WRITE,
        "*": _ECS_CLUSTER_WRITE,
    },
    # https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
    "ec2": {
        "create_vpc_endpoint": Rate("ec2 create endpoint", 4, 0.3),
        "modify_vpc_endpoint": Rate("ec2 modify endpoint", 4, 0.3),
        "delete_vpc_endpoints": Rate("ec2 delete endpoints", 4, 0.3),
        "describe_network_interfaces": _EC2_UNFILTERED_READ,
        "describe_security_groups": _EC2_UNFILTERED_READ,
        "create_tags": _EC2_TAGS,
        "delete_tags": _EC2_TAGS,
        "describe_*": _EC2_READ,
        "*": _EC2_WRITE,
    },
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html allows 50 and 10 a second,
    # for the whole account: the console, Terraform and external-dns share them, so half is ours.
    "route53": {"*": Rate("route53", 25, 5)},
    # https://docs.aws.amazon.com/servicequotas/latest/userguide/reference_limits.html: 5 a second, and 5 more at once.
    "service-quotas": {
        "get_service_quota": Rate("service quotas", 10, 5),
        "get_aws_default_service_quota": Rate("service quotas' defaults", 10, 5),
        "*": Rate("service quotas' other calls", 6, 3),
    },
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html: 50 a second for all of the control plane,
    # of every program in the account, so half is ours.
    "events": {"*": Rate("events", 25, 25)},
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html: a standard queue
    # takes nearly any number of calls; what is here only bounds a program gone wild.
    "sqs": {"*": Rate("sqs", 100, 50)},
    # AWS publishes no rates for the following; these are well below what is seen to be refused.
    "iam": {
        "get_*": Rate("iam reads", 30, 10),
        "list_*": Rate("iam reads", 30, 10),
        "*": Rate("iam writes", 15, 5),
    },
    "sts": {"*": Rate("sts", 50, 20)},
    "logs": {
        "describe_*": Rate("logs reads", 10, 5),
        "list_*": Rate("logs reads", 10, 5),
        "*": Rate("logs writes", 10, 5),
    },
}

OTHER = Rate("other", 10, 3)
"""For services without a line of their own (CloudWatch alarms, for one, are changed at 3 a second)."""

GLOBAL_SERVICES = frozenset({"iam", "route53"})
"""Services with one bucket for the whole account, whatever the Region of the caller."""
