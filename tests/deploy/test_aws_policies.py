"""The IAM policies that are shipped: they allow every call that the operator makes, in the form that IAM takes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

from tenant_operator.desired import names, tags
from tenant_operator.desired.drift_feed import Home

ROOT = Path(__file__).parents[2]
AWS = ROOT / "deploy" / "aws"
SOURCE = ROOT / "src" / "tenant_operator" / "aws"
IAM_PREFIXES = {
    "ec2": "ec2",
    "ecs": "ecs",
    "elbv2": "elasticloadbalancing",
    "events": "events",
    "iam": "iam",
    "logs": "logs",
    "route53": "route53",
    "service-quotas": "servicequotas",
    "sqs": "sqs",
    "sts": "sts",
}
"""boto3's names of the services that the operator calls, and what their IAM actions begin with."""
NO_CALLS_IN = ("limits.py",)
"""It lists operations by AWS's token buckets, those too that nobody calls."""
NEEDS_NO_RIGHT = {"sts:GetCallerIdentity"}
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""
MANAGED_POLICY_CHARACTERS = 6144
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html; blanks do not count."""
CELL = ("cell-network-policy", "cell-serving-policy", "cell-identity-policy", "cell-events-policy")
ALL = (*CELL, "dns-policy", "operator-policy", "operator-events-policy")
BATCHES = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
}
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html"""


def document(name: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((AWS / f"{name}.json").read_text())
    return loaded


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions_of(*policies: str) -> set[str]:
    return {
        action for name in policies for s in document(name)["Statement"] for action in listed(s["Action"])
    }


@cache
def operations(service: str) -> Mapping[str, str]:
    """IAM actions by boto3's method name."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): f"{IAM_PREFIXES[service]}:{name}" for name in model.operation_names}


def calls_in(path: Path) -> Iterator[tuple[str, set[str]]]:
    """The operations that a module names, each with the services that it can be of."""
    for node in ast.walk(ast.parse(path.read_text())):
        parts = node.args if isinstance(node, ast.Call) else [node]
        service = next(
            (p.value for p in parts if isinstance(p, ast.Constant) and p.value in IAM_PREFIXES), None
        )
        for part in parts:
            name = part.value if isinstance(part, ast.Constant) else None
            if not isinstance(name, str):
                continue
            of = {
                s for s in ([service] if isinstance(service, str) else IAM_PREFIXES) if name in operations(s)
            }
            if of:
                yield name, of


def called_actions() -> set[str]:
    """The IAM actions of every AWS call in the operator's source."""
    certain: set[str] = set()
    for path in SOURCE.glob("*.py"):
        if path.name in NO_CALLS_IN:
            continue
        found = [(name, services) for name, services in calls_in(path)]
        settled = {name for name, services in found if len(services) == 1}
        for name, services in found:
            if len(services) == 1 or name not in settled:
                certain |= {operations(service)[name] for service in services}
    return certain


def test_the_policies_allow_every_call_that_the_operator_makes() -> None:
    called = {BATCHES.get(action, action) for action in called_actions()} - NEEDS_NO_RIGHT
    assert len(called) > 100, "the source's calls are no longer found; mend calls_in"
    missing = called - actions_of(*ALL)
    assert not missing, f"add to deploy/aws/*.json and run deploy/aws/generate.py: {sorted(missing)}"


def test_the_policies_allow_nothing_that_the_operator_does_not_do() -> None:
    implied = {
        "ec2:DescribeAccountAttributes",  # ELB and ECS look at the caller's network with the caller's rights
        "ec2:GetSecurityGroupsForVpc",
        "iam:PassRole",  # a task definition names its roles
        "route53:AssociateVPCWithHostedZone",  # EC2 asks for it when an endpoint has private DNS
    }
    extra = actions_of(*ALL) - {BATCHES.get(action, action) for action in called_actions()} - implied
    assert not extra, f"nobody calls {sorted(extra)}"


@pytest.mark.parametrize("path", sorted(AWS.glob("*.json")), ids=lambda path: path.stem)
def test_each_policy_is_one_that_iam_takes(path: Path) -> None:
    policy = document(path.stem)
    assert policy["Version"] == "2012-10-17"
    assert len(json.dumps(policy, separators=(",", ":"))) <= MANAGED_POLICY_CHARACTERS
    known = {action for service in IAM_PREFIXES for action in operations(service).values()} | {"iam:PassRole"}
    for statement in policy["Statement"]:
        actions = listed(statement["Action"])
        assert actions == sorted(set(actions))
        assert set(actions) <= known | {"sts:TagSession"}, "a misspelt action is one that IAM never allows"
        assert not any("*" in action for action in actions)
    sids = [statement["Sid"] for statement in policy["Statement"] if "Sid" in statement]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize("name", CELL)
def test_what_is_not_the_operators_can_not_be_changed(name: str) -> None:
    reads = ("Describe", "Get", "List")
    scoped_by_name = ("arn:aws:iam::", "arn:aws:logs:", "arn:aws:events:")
    in_networks_of_others = ("CreateInAnyVpc", "PlaceEndpoints", "PrivateDnsOfEndpoints")
    takes_no_resource = ("RetireTaskDefinitions",)
    for statement in document(name)["Statement"]:
        writes = [a for a in listed(statement["Action"]) if not a.split(":")[1].startswith(reads)]
        if not writes or statement["Sid"] in (*in_networks_of_others, *takes_no_resource):
            continue
        tagged = any(
            key.endswith(f"Tag/{tags.INSTALLATION}")
            for key in statement.get("Condition", {}).get("StringEquals", {})
        )
        named = all(resource.startswith(scoped_by_name) for resource in listed(statement["Resource"]))
        assert tagged or named, statement["Sid"]


@pytest.mark.parametrize("installation", ["prod-eu", "a", "prod-eu-west-and-more", "sandbox"])
def test_the_names_in_the_policies_match_the_names_that_are_made(installation: str) -> None:
    prefix = installation[:8].rstrip("-")
    filled = {"INSTALLATION_ID": installation, "ROLE_PREFIX": prefix, "ACCOUNT_ID": "222222222222"}

    def patterns(action: str) -> list[str]:
        found = [
            s["Resource"]
            for s in document("cell-identity-policy")["Statement"]
            if action in listed(s["Action"])
        ]
        texts = [text for resource in found for text in listed(resource)]
        for placeholder, value in filled.items():
            texts = [text.replace(placeholder, value) for text in texts]
        return texts

    for purpose in ("task", "execution"):
        role = f"arn:aws:iam::222222222222:role/{names.role(installation, 'tier-1', 'eu-central-1', purpose)}"
        assert any(fnmatchcase(role, pattern) for pattern in patterns("iam:CreateRole"))
    group = f"arn:aws:logs:eu-central-1:222222222222:log-group:{names.log_group(installation, 'tier-1')}"
    assert any(fnmatchcase(group, pattern) for pattern in patterns("logs:CreateLogGroup"))


@pytest.mark.parametrize("installation", ["prod-eu", "a", "prod-eu-west-and-more"])
def test_the_names_of_the_drift_feed_match_the_policies(installation: str) -> None:
    prefix = installation[:8].rstrip("-")
    place = Home(installation=installation, partition="aws", account="111111111111", region="eu-central-1")
    bus = names.drift_feed(installation)
    arns = [
        place.queue_arn, place.undelivered_arn, place.bus_arn,
        f"arn:aws:events:eu-central-1:111111111111:rule/{names.drift_feed(installation, 'calls')}",
        f"arn:aws:events:eu-central-1:111111111111:rule/{bus}/{names.drift_feed(installation, 'received')}",
    ]  # fmt: skip
    patterns = [
        resource.replace("ROLE_PREFIX", prefix).replace("ACCOUNT_ID", "111111111111")
        for statement in document("operator-events-policy")["Statement"]
        for resource in listed(statement["Resource"])
        if resource != "*"
    ]
    assert all(any(fnmatchcase(arn, pattern) for pattern in patterns) for arn in arns)


def test_the_template_of_the_cells_role_is_what_the_policies_say() -> None:
    check = [sys.executable, str(AWS / "generate.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "run `python deploy/aws/generate.py`"


def test_the_template_fills_every_placeholder_in() -> None:
    text = (AWS / "cell-role.yaml").read_text()
    body = text.partition("AWSTemplateFormatVersion")[2]
    assert not [
        word
        for word in ("ACCOUNT_ID", "INSTALLATION_ID", "ROLE_PREFIX", "EXTERNAL_ID", "arn:aws:")
        if word in body
    ]
    template = yaml.safe_load(text)
    assert set(template["Resources"]) == {
        "Role",
        *(f"{title}Policy" for title in ("Network", "Serving", "Identity", "Events")),
    }


def test_the_template_has_no_aliases_which_cloudformation_refuses() -> None:
    tokens = yaml.scan((AWS / "cell-role.yaml").read_text())
    assert not [token for token in tokens if isinstance(token, yaml.AliasToken | yaml.AnchorToken)]
