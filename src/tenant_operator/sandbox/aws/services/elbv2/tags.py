"""Tags of load balancers, listeners, rules and target groups.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AddTags.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.services.elbv2.paging import limit_named
from tenant_operator.sandbox.aws.services.elbv2.state import ElbState
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

MAX_TAGS = 50

behaviours = Behaviours("elbv2")


def _state(sim: Simulation, call: Call) -> ElbState:
    found = sim.state(ElbState, call.account, call.region)
    for arn in call.parameters["ResourceArns"]:
        if not found.exists(arn):
            raise _not_found(arn)
    return found


@behaviours.answers("AddTags")
def _add_tags(sim: Simulation, call: Call) -> None:
    found = _state(sim, call)
    check_new(call.parameters["Tags"])
    added = {tag["Key"] for tag in call.parameters["Tags"]}
    for arn in call.parameters["ResourceArns"]:
        if len(added | found.tags.get(arn, {}).keys()) > MAX_TAGS:
            raise AwsFailure(
                "TooManyTags",
                "You've reached the limit on the number of tags for this resource",
            )
    for arn in call.parameters["ResourceArns"]:
        put(found, arn, call.parameters["Tags"])


@behaviours.answers("RemoveTags")
def _remove_tags(sim: Simulation, call: Call) -> None:
    found = _state(sim, call)
    for arn in call.parameters["ResourceArns"]:
        for key in call.parameters["TagKeys"]:
            found.tags.get(arn, {}).pop(key, None)


@behaviours.answers("DescribeTags")
def _describe_tags(sim: Simulation, call: Call) -> Mapping[str, Any]:
    limit_named("ResourceArns", call.parameters["ResourceArns"])
    found = _state(sim, call)
    return {
        "TagDescriptions": [
            {
                "ResourceArn": arn,
                "Tags": [{"Key": key, "Value": value} for key, value in found.tags.get(arn, {}).items()],
            }
            for arn in call.parameters["ResourceArns"]
        ]
    }


def check_new(tags: Sequence[Mapping[str, str]]) -> None:
    """Raises AwsFailure: DuplicateTagKeys, TooManyTags, or a reserved key."""
    keys = [tag["Key"] for tag in tags]
    if len(keys) != len(set(keys)):
        raise AwsFailure("DuplicateTagKeys", "A tag key was specified more than once")
    if len(keys) > MAX_TAGS:
        raise AwsFailure(
            "TooManyTags",
            "You've reached the limit on the number of tags for this resource",
        )
    for tag in tags:
        if tag["Key"].lower().startswith("aws:"):
            raise AwsFailure(
                "ValidationError",
                f"The tag key '{tag['Key']}' is reserved: it begins with 'aws:'",
            )
        if len(tag["Key"]) > 128 or len(tag.get("Value", "")) > 256:
            message = f"The tag '{tag['Key']}' is too long: keys have at most 128 characters, values 256"
            raise AwsFailure("ValidationError", message)


def put(state: ElbState, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
    """Set tags, keeping the others."""
    if tags:
        state.tags.setdefault(arn, {}).update({tag["Key"]: tag.get("Value", "") for tag in tags})


def _not_found(arn: str) -> AwsFailure:
    kinds = {
        ":targetgroup/": ("TargetGroupNotFound", "Target groups"),
        ":listener-rule/": ("RuleNotFound", "Rules"),
        ":listener/": ("ListenerNotFound", "Listeners"),
    }
    for part, (code, name) in kinds.items():
        if part in arn:
            return AwsFailure(code, f"{name} '{arn}' not found")
    return AwsFailure("LoadBalancerNotFound", f"Load balancers '{arn}' not found")
