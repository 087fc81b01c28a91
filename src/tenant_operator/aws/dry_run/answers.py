"""What AWS would answer to a write, as far as anybody here reads the answer; and what later reads show of it.

The writers of `aws` run in a dry run exactly as they do otherwise, so that the calls they would make are the calls
that are shown. They need little of the answers: ids, and the fields that a parameter has just set. Ids are made from
the request, so that two dry runs of the same change say the same. An operation that is missing here is an error, never
a guess: `NotImagined` says what to add.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tenant_operator.aws.caller import Target

Parameters = Mapping[str, Any]
Answer = dict[str, Any]

WITHOUT_ANSWER: Mapping[str, frozenset[str]] = {
    "ec2": frozenset(
        {
            "modify_vpc_attribute", "delete_vpc", "delete_subnet", "attach_internet_gateway", "detach_internet_gateway",
            "delete_internet_gateway", "release_address", "delete_nat_gateway", "create_route", "replace_route",
            "delete_route", "disassociate_route_table", "delete_route_table", "authorize_security_group_ingress",
            "revoke_security_group_ingress", "delete_security_group", "modify_vpc_endpoint", "delete_vpc_endpoints",
            "create_tags", "delete_tags",
        }
    ),
    "elbv2": frozenset(
        {
            "set_subnets", "set_security_groups", "modify_load_balancer_attributes", "delete_load_balancer",
            "modify_listener", "add_listener_certificates", "remove_listener_certificates", "delete_listener",
            "modify_target_group_attributes", "delete_target_group", "delete_rule", "add_tags", "remove_tags",
        }
    ),
    "ecs": frozenset(
        {
            "put_cluster_capacity_providers", "delete_cluster", "delete_task_definitions", "tag_resource",
            "untag_resource",
        }
    ),
    "iam": frozenset(
        {
            "update_assume_role_policy", "attach_role_policy", "detach_role_policy", "put_role_policy",
            "delete_role_policy", "put_role_permissions_boundary", "delete_role_permissions_boundary", "delete_role",
            "tag_role", "untag_role",
        }
    ),
    "events": frozenset(
        {
            "put_targets", "remove_targets", "delete_rule", "delete_event_bus", "put_permission", "remove_permission",
            "tag_resource", "untag_resource",
        }
    ),
    "sqs": frozenset({"set_queue_attributes", "delete_queue", "tag_queue", "untag_queue"}),
    "logs": frozenset(
        {
            "create_log_group", "delete_log_group", "put_retention_policy", "delete_retention_policy", "tag_resource",
            "untag_resource",
        }
    ),
}  # fmt: skip
"""The writes of whose answer nobody reads anything."""

STARTS_A_DEPLOYMENT = frozenset(
    {
        "taskDefinition",
        "networkConfiguration",
        "loadBalancers",
        "capacityProviderStrategy",
        "forceNewDeployment",
    }
)
"""https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html"""


class NotImagined(Exception):
    """A dry run has met a write of which it does not know the answer. Nothing was sent."""

    def __init__(self, target: Target) -> None:
        super().__init__(
            f"the dry run does not know what AWS answers to {target.service} {target.operation}, and sends no writes"
        )


@dataclass
class ImaginedAws:
    """What was written in a dry run, laid over what AWS really shows."""

    made: set[str] = field(default_factory=set)
    """The ids and ARNs of what exists only here."""
    _rules: dict[str, Answer] = field(default_factory=dict)
    _target_groups: dict[str, Answer] = field(default_factory=dict)
    _services: dict[str, Answer] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)
    """ARNs of the services that were written here."""
    _definitions: dict[str, Answer] = field(default_factory=dict)
    _revisions: defaultdict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    """The newest revision that was seen or made, by account, Region and family."""
    _deregistered: set[str] = field(default_factory=set)

    # --- reads ------------------------------------------------------------------------------------

    def read(self, target: Target, parameters: Parameters) -> Answer | None:
        """The answer to a read about something that exists, or has changed, only here; None: AWS is to be asked."""
        match target.service, target.operation:
            case "elbv2", "describe_target_health":
                return self._target_health(parameters["TargetGroupArn"])
            case "ecs", "describe_task_definition":
                known = self._definitions.get(parameters["taskDefinition"])
                if known is not None:
                    return {"taskDefinition": known, "tags": known["tags"]}
        return None

    def note(self, target: Target, parameters: Parameters, answer: Answer) -> Answer:
        """Remember what AWS has shown, for what will be laid over it; returns the answer with that laid over."""
        match target.service, target.operation:
            case "elbv2", "describe_rules":
                self._rules.update({rule["RuleArn"]: rule for rule in answer["Rules"]})
            case "elbv2", "describe_target_groups":
                self._target_groups.update(
                    {group["TargetGroupArn"]: group for group in answer["TargetGroups"]}
                )
            case "ecs", "describe_services":
                for service in answer["services"]:
                    self._services.setdefault(service["serviceArn"], service)
            case "ecs", "describe_task_definition":
                self._saw_revision(target, answer["taskDefinition"]["taskDefinitionArn"])
            case "ecs", "list_task_definitions":
                return self._revisions_of(target, parameters, answer)
        return answer

    def _target_health(self, target_group: str) -> Answer | None:
        """As many healthy targets as there should be tasks, once everything has arrived."""
        served = [
            service
            for service in self._services.values()
            if any(b.get("targetGroupArn") == target_group for b in service.get("loadBalancers") or ())
        ]
        changed = target_group in self.made or any(s["serviceArn"] in self._touched for s in served)
        if not changed:
            return None
        count = sum(s["desiredCount"] for s in served if s["status"] == "ACTIVE")
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": "healthy"}}] * count}

    def _revisions_of(self, target: Target, parameters: Parameters, answer: Answer) -> Answer:
        family = parameters.get("familyPrefix", "")
        for arn in answer["taskDefinitionArns"]:
            self._saw_revision(target, arn)
        first_page = "nextToken" not in parameters
        mine = [
            arn for arn in self._definitions if first_page and _place(arn) == (target.account, target.region)
        ]
        arns = [arn for arn in mine if _family(arn) == family] + answer["taskDefinitionArns"]
        return {**answer, "taskDefinitionArns": [arn for arn in arns if arn not in self._deregistered]}

    def _saw_revision(self, target: Target, arn: str) -> None:
        key = (target.account, target.region, _family(arn))
        self._revisions[key] = max(self._revisions[key], int(arn.rpartition(":")[2]))

    # --- writes -----------------------------------------------------------------------------------

    def write(self, target: Target, parameters: Parameters) -> Answer:
        """The answer to a write.

        Raises:
            NotImagined: nobody has said yet what AWS answers to this operation.
        """
        if target.operation in WITHOUT_ANSWER.get(target.service, ()):
            return {}
        answer = _ANSWERS.get((target.service, target.operation))
        if answer is None:
            raise NotImagined(target)
        return answer(self, target, parameters)

    def _new(self, prefix: str, target: Target, parameters: Parameters, length: int = 17) -> str:
        """An id of something new, made from the request that makes it."""
        told = {
            name: value for name, value in parameters.items() if name not in ("ClientToken", "clientToken")
        }
        text = json.dumps(
            [target.account, target.region, target.operation, told], sort_keys=True, default=str
        )
        made = prefix + hashlib.sha256(text.encode()).hexdigest()[:length]
        self.made.add(made)
        return made

    def _arn(self, target: Target, service: str, resource: str, *, regional: bool = True) -> str:
        region = target.region if regional else ""
        made = f"arn:{_partition(target.region)}:{service}:{region}:{target.account}:{resource}"
        self.made.add(made)
        return made

    # EC2

    def _create_vpc(self, target: Target, parameters: Parameters) -> Answer:
        return {"Vpc": {"VpcId": self._new("vpc-", target, parameters), "State": "available"}}

    def _create_subnet(self, target: Target, parameters: Parameters) -> Answer:
        return {"Subnet": {"SubnetId": self._new("subnet-", target, parameters), "State": "available"}}

    def _create_internet_gateway(self, target: Target, parameters: Parameters) -> Answer:
        return {"InternetGateway": {"InternetGatewayId": self._new("igw-", target, parameters)}}

    def _allocate_address(self, target: Target, parameters: Parameters) -> Answer:
        return {"AllocationId": self._new("eipalloc-", target, parameters), "PublicIp": ""}

    def _create_nat_gateway(self, target: Target, parameters: Parameters) -> Answer:
        return {"NatGateway": {"NatGatewayId": self._new("nat-", target, parameters), "State": "pending"}}

    def _create_route_table(self, target: Target, parameters: Parameters) -> Answer:
        return {"RouteTable": {"RouteTableId": self._new("rtb-", target, parameters)}}

    def _associate_route_table(self, target: Target, parameters: Parameters) -> Answer:
        return {"AssociationId": self._new("rtbassoc-", target, parameters)}

    def _replace_route_table_association(self, target: Target, parameters: Parameters) -> Answer:
        return {"NewAssociationId": self._new("rtbassoc-", target, parameters)}

    def _create_security_group(self, target: Target, parameters: Parameters) -> Answer:
        return {"GroupId": self._new("sg-", target, parameters)}

    def _create_vpc_endpoint(self, target: Target, parameters: Parameters) -> Answer:
        return {"VpcEndpoint": {"VpcEndpointId": self._new("vpce-", target, parameters), "State": "pending"}}

    # Elastic Load Balancing

    def _create_load_balancer(self, target: Target, parameters: Parameters) -> Answer:
        name = parameters["Name"]
        suffix = self._new("", target, parameters, 16)
        arn = self._arn(target, "elasticloadbalancing", f"loadbalancer/app/{name}/{suffix}")
        dns_name, zone = f"{name}-{suffix}.{target.region}.elb.amazonaws.com", f"Z{suffix}".upper()
        self.made |= {dns_name, zone}
        balancer = {
            "LoadBalancerArn": arn,
            "LoadBalancerName": name,
            "Scheme": parameters["Scheme"],
            "Type": parameters["Type"],
            "State": {"Code": "provisioning"},
            "AvailabilityZones": [{"SubnetId": subnet} for subnet in parameters["Subnets"]],
            "SecurityGroups": parameters["SecurityGroups"],
            "DNSName": dns_name,
            "CanonicalHostedZoneId": zone,
        }
        return {"LoadBalancers": [balancer]}

    def _create_listener(self, target: Target, parameters: Parameters) -> Answer:
        path = parameters["LoadBalancerArn"].partition(":loadbalancer/")[2]
        suffix = self._new("", target, parameters, 16)
        arn = self._arn(target, "elasticloadbalancing", f"listener/{path}/{suffix}")
        return {"Listeners": [{**parameters, "ListenerArn": arn}]}

    def _create_target_group(self, target: Target, parameters: Parameters) -> Answer:
        name = parameters["Name"]
        suffix = self._new("", target, parameters, 16)
        arn = self._arn(target, "elasticloadbalancing", f"targetgroup/{name}/{suffix}")
        group = {**parameters, "TargetGroupName": name, "TargetGroupArn": arn, "LoadBalancerArns": []}
        self._target_groups[arn] = group
        return {"TargetGroups": [group]}

    def _modify_target_group(self, _target: Target, parameters: Parameters) -> Answer:
        arn = parameters["TargetGroupArn"]
        self._target_groups[arn] = {**self._target_groups[arn], **parameters}
        return {"TargetGroups": [self._target_groups[arn]]}

    def _create_rule(self, target: Target, parameters: Parameters) -> Answer:
        path = parameters["ListenerArn"].partition(":listener/")[2]
        suffix = self._new("", target, parameters, 16)
        arn = self._arn(target, "elasticloadbalancing", f"listener-rule/{path}/{suffix}")
        rule = {**parameters, "RuleArn": arn, "Priority": str(parameters["Priority"])}
        self._rules[arn] = rule
        return {"Rules": [rule]}

    def _modify_rule(self, _target: Target, parameters: Parameters) -> Answer:
        arn = parameters["RuleArn"]
        rule = {**self._rules[arn], **parameters}
        if rule.pop("ResetTransforms", False):
            rule["Transforms"] = []
        self._rules[arn] = rule
        return {"Rules": [rule]}

    # ECS

    def _create_cluster(self, target: Target, parameters: Parameters) -> Answer:
        arn = self._arn(target, "ecs", f"cluster/{parameters['clusterName']}")
        return {"cluster": {**parameters, "clusterArn": arn, "status": "ACTIVE"}}

    def _register_task_definition(self, target: Target, parameters: Parameters) -> Answer:
        family = parameters["family"]
        key = (target.account, target.region, family)
        self._revisions[key] += 1
        arn = self._arn(target, "ecs", f"task-definition/{family}:{self._revisions[key]}")
        self._definitions[arn] = {**parameters, "taskDefinitionArn": arn}
        return {"taskDefinition": self._definitions[arn]}

    def _deregister_task_definition(self, _target: Target, parameters: Parameters) -> Answer:
        self._deregistered.add(parameters["taskDefinition"])
        return {}

    def _create_service(self, target: Target, parameters: Parameters) -> Answer:
        cluster = parameters["cluster"].rsplit("/", 1)[-1]
        arn = self._arn(target, "ecs", f"service/{cluster}/{parameters['serviceName']}")
        service = {
            **parameters,
            "serviceArn": arn,
            "clusterArn": parameters["cluster"],
            "status": "ACTIVE",
            "runningCount": 0,
            "pendingCount": parameters["desiredCount"],
            "deployments": [_deployment(parameters["taskDefinition"])],
        }
        self._services[arn] = service
        self._touched.add(arn)
        return {"service": copy.deepcopy(service)}

    def _update_service(self, _target: Target, parameters: Parameters) -> Answer:
        arn = parameters["service"]
        before = self._services[arn]
        service = {**before, **{k: v for k, v in parameters.items() if k not in ("cluster", "service")}}
        if arn in self._touched:  # what was written before has arrived
            service["runningCount"] = before["desiredCount"]
            service["deployments"] = [_deployment(before["taskDefinition"], "COMPLETED")]
        service["pendingCount"] = max(0, service["desiredCount"] - service["runningCount"])
        if STARTS_A_DEPLOYMENT & set(parameters):
            earlier = [{**deployment, "status": "ACTIVE"} for deployment in service["deployments"]]
            service["deployments"] = [_deployment(service["taskDefinition"]), *earlier]
        self._services[arn] = service
        self._touched.add(arn)
        return {"service": copy.deepcopy(service)}

    def _delete_service(self, _target: Target, parameters: Parameters) -> Answer:
        arn = parameters["service"]
        self._services[arn] = {**self._services[arn], "status": "DRAINING", "desiredCount": 0}
        self._touched.add(arn)
        return {}

    # EventBridge and SQS

    def _put_rule(self, target: Target, parameters: Parameters) -> Answer:
        bus = parameters.get("EventBusName", "default")
        path = parameters["Name"] if bus == "default" else f"{bus}/{parameters['Name']}"
        return {"RuleArn": self._arn(target, "events", f"rule/{path}")}

    def _create_event_bus(self, target: Target, parameters: Parameters) -> Answer:
        return {"EventBusArn": self._arn(target, "events", f"event-bus/{parameters['Name']}")}

    def _create_queue(self, target: Target, parameters: Parameters) -> Answer:
        url = f"https://sqs.{target.region}.amazonaws.com/{target.account}/{parameters['QueueName']}"
        self.made.add(url)
        return {"QueueUrl": url}

    # IAM and Route 53

    def _create_role(self, target: Target, parameters: Parameters) -> Answer:
        return {"Role": {"Arn": self._arn(target, "iam", f"role/{parameters['RoleName']}", regional=False)}}

    def _create_service_linked_role(self, target: Target, parameters: Parameters) -> Answer:
        service = parameters["AWSServiceName"]
        return {"Role": {"Arn": self._arn(target, "iam", f"role/aws-service-role/{service}", regional=False)}}

    def _change_resource_record_sets(self, _target: Target, _parameters: Parameters) -> Answer:
        return {"ChangeInfo": {"Id": "/change/imagined", "Status": "INSYNC"}}


_Writer = Callable[[ImaginedAws, Target, Parameters], Answer]

_ANSWERS: Mapping[tuple[str, str], _Writer] = {
    (service, name): getattr(ImaginedAws, f"_{name}")
    for service, names in {
        "ec2": (
            "create_vpc", "create_subnet", "create_internet_gateway", "allocate_address", "create_nat_gateway",
            "create_route_table", "associate_route_table", "replace_route_table_association", "create_security_group",
            "create_vpc_endpoint",
        ),
        "elbv2": (
            "create_load_balancer", "create_listener", "create_target_group", "modify_target_group", "create_rule",
            "modify_rule",
        ),
        "ecs": (
            "create_cluster", "register_task_definition", "deregister_task_definition", "create_service",
            "update_service", "delete_service",
        ),
        "events": ("put_rule", "create_event_bus"),
        "sqs": ("create_queue",),
        "iam": ("create_role", "create_service_linked_role"),
        "route53": ("change_resource_record_sets",),
    }.items()
    for name in names
}  # fmt: skip


def answered() -> frozenset[tuple[str, str]]:
    """Service and operation (boto3's names) of every write to which there is an answer."""
    silent = {(service, name) for service, names in WITHOUT_ANSWER.items() for name in names}
    return frozenset(silent | set(_ANSWERS))


def _deployment(task_definition: str, state: str = "IN_PROGRESS") -> Answer:
    return {"status": "PRIMARY", "rolloutState": state, "taskDefinition": task_definition}


def _family(arn: str) -> str:
    return arn.rsplit("/", 1)[-1].rpartition(":")[0]


def _place(arn: str) -> tuple[str, str]:
    """The account and Region of an ARN."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return account, region


def _partition(region: str) -> str:
    """The partition of a Region: https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
