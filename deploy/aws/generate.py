#!/usr/bin/env python3
"""Write `cell-role.yaml`: the CloudFormation template of a cell's role, from the policies beside it.

    python deploy/aws/generate.py          writes it
    python deploy/aws/generate.py --check  exits with 1 when it is not what would be written

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
TEMPLATE = FOLDER / "cell-role.yaml"
HEAD = """\
# Made from cell-trust.json and cell-*-policy.json by generate.py. Into the account of a cell, in any one Region:
#   aws cloudformation deploy --stack-name tenant-operator-cell --template-file deploy/aws/cell-role.yaml \\
#     --capabilities CAPABILITY_NAMED_IAM --parameter-overrides \\
#     OperatorRoleArn=arn:aws:iam::111111111111:role/tenant-operator ExternalId=… \\
#     InstallationId=prod-eu RolePrefix=prod-eu
"""
POLICIES = {
    "Network": "cell-network-policy",
    "Serving": "cell-serving-policy",
    "Identity": "cell-identity-policy",
    "Events": "cell-events-policy",
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "OperatorRoleArn": {
        "Type": "String",
        "Description": "The role that the operator runs with.",
        "AllowedPattern": "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$",
    },
    "ExternalId": {
        "Type": "String",
        "Description": "What the Cell's spec.externalId says; 2 to 1224 characters.",
        "AllowedPattern": "^[A-Za-z0-9+=,.@:/_-]{2,1224}$",
        "NoEcho": True,
    },
    "InstallationId": {
        "Type": "String",
        "Description": "The operator's --installation-id.",
        "AllowedPattern": "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
    },
    "RolePrefix": {
        "Type": "String",
        "Description": "The first 8 characters of InstallationId, without a hyphen at the end; tasks' roles begin so.",
        "AllowedPattern": "^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?$",
    },
    "RoleName": {
        "Type": "String",
        "Default": "tenant-operator-cell",
        "Description": "What spec.roleArn ends with.",
    },
    "BoundaryArn": {
        "Type": "String",
        "Default": "",
        "Description": "Advised. A permissions boundary: only roles that carry it may get rights (the tier's "
        "spec.iam.permissionsBoundaryArn must name it). Empty: the operator may give the tasks' roles any right.",
    },
}
PLACEHOLDERS = {
    "arn:aws:": "arn:${AWS::Partition}:",
    "ACCOUNT_ID": "${AWS::AccountId}",
    "OPERATOR_ROLE_ARN": "${OperatorRoleArn}",
    "EXTERNAL_ID": "${ExternalId}",
    "INSTALLATION_ID": "${InstallationId}",
    "ROLE_PREFIX": "${RolePrefix}",
}
BOUND = ("CreateRolesTaggedAsOurs", "GiveRolesTheirRights")
UNBOUND = "LiftBoundaries"


def template() -> str:
    """The text of `cell-role.yaml`."""
    resources: dict[str, Any] = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": {"Ref": "RoleName"},
                "AssumeRolePolicyDocument": _substituted(_document("cell-trust")),
                "ManagedPolicyArns": [{"Ref": f"{title}Policy"} for title in POLICIES],
            },
        }
    }
    for title, name in POLICIES.items():
        document = _document(name)
        document["Statement"] = [_bounded(statement) for statement in _substituted(document["Statement"])]
        resources[f"{title}Policy"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document},
        }
    whole = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role through which tenant-operator works in the account of a cell.",
        "Parameters": PARAMETERS,
        "Conditions": {"HasBoundary": {"Fn::Not": [{"Fn::Equals": [{"Ref": "BoundaryArn"}, ""]}]}},
        "Resources": resources,
        "Outputs": {
            "RoleArn": {"Description": "The Cell's spec.roleArn.", "Value": {"Fn::GetAtt": ["Role", "Arn"]}}
        },
    }
    # CloudFormation refuses YAML aliases, which PyYAML writes for an object that comes twice: nothing in a copy does.
    copy = json.loads(json.dumps(whole))
    return HEAD + yaml.safe_dump(copy, sort_keys=False, width=200)


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def _bounded(statement: dict[str, Any]) -> dict[str, Any]:
    """With BoundaryArn: rights only for roles that carry the boundary, and nobody takes it off."""
    if statement["Sid"] == UNBOUND:
        return {"Fn::If": ["HasBoundary", {"Ref": "AWS::NoValue"}, statement]}
    if statement["Sid"] in BOUND:
        equals = {**statement["Condition"]["StringEquals"], "iam:PermissionsBoundary": {"Ref": "BoundaryArn"}}
        return {"Fn::If": ["HasBoundary", {**statement, "Condition": {"StringEquals": equals}}, statement]}
    return statement


def _substituted(value: Any) -> Any:
    """The value with every placeholder as CloudFormation fills it in."""
    if isinstance(value, dict):
        return {key: _substituted(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_substituted(element) for element in value]
    text = value
    for placeholder, replacement in PLACEHOLDERS.items():
        text = text.replace(placeholder, replacement)
    return value if text == value else {"Fn::Sub": text}


def main(arguments: list[str]) -> int:
    """Write the template, or check it; returns the exit code."""
    if arguments == ["--check"]:
        if TEMPLATE.exists() and TEMPLATE.read_text() == template():
            return 0
        sys.stderr.write(f"{TEMPLATE.name} is stale: run `python deploy/aws/generate.py`\n")
        return 1
    if arguments:
        sys.stderr.write(f"unknown arguments {' '.join(arguments)}; write --check or nothing\n")
        return 2
    TEMPLATE.write_text(template())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
