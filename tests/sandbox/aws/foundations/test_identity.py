"""Who may come in: STS, and the roles of IAM."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tenant_operator.sandbox.aws.client import SandboxAWS
from tests.sandbox.aws.foundations.conftest import REGION, Account, client, refused

OPERATOR_ACCOUNT = "111111111111"
LOGS_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
)
EXECUTION_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"


def trusting(*principals: str, **condition: Any) -> str:
    """A trust policy; `condition` is the block of StringEquals."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": list(principals)},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = {"StringEquals": condition["StringEquals"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ROOT = f"arn:aws:iam::{OPERATOR_ACCOUNT}:root"
ECS_TASKS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture
def sts(control: SandboxAWS, operator: dict[str, str]) -> Any:
    return client(control.endpoint, "sts", REGION, operator)


def make_role(account: Account, name: str = "r", trust: str = ECS_TASKS, **members: Any) -> str:
    made = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust, **members)
    arn: str = made["Role"]["Arn"]
    return arn


def test_an_unknown_key_is_refused(control: SandboxAWS) -> None:
    stranger = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x" * 40}
    with refused("InvalidClientTokenId", "The security token included in the request is invalid."):
        client(control.endpoint, "sts", REGION, stranger).get_caller_identity()
    with refused("AuthFailure"):
        client(control.endpoint, "ec2", REGION, stranger).describe_vpcs()
    with refused("UnrecognizedClientException"):
        client(control.endpoint, "ecs", REGION, stranger).list_clusters()


def test_a_session_token_that_does_not_belong_to_the_key_is_refused(account: Account) -> None:
    mixed = {**account.credentials, "aws_session_token": "x" * 40}
    with refused("InvalidClientTokenId"):
        client(account.control.endpoint, "sts", REGION, mixed).get_caller_identity()


def test_a_session_is_the_role_in_its_account(account: Account) -> None:
    identity = account.client("sts").get_caller_identity()
    assert identity["Account"] == account.id
    assert identity["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/tenant-operator/test"
    assert identity["UserId"].startswith("AROA")
    assert identity["UserId"].endswith(":test")


def test_a_role_that_is_not_there_cannot_be_assumed(sts: Any, account: Account) -> None:
    arn = f"arn:aws:iam::{account.id}:role/nothing"
    expected = (
        f"User: arn:aws:iam::{OPERATOR_ACCOUNT}:user/tenant-operator is not authorized to perform: sts:AssumeRole "
        f"on resource: {arn}"
    )
    with refused("AccessDenied", expected):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")


def test_a_role_that_trusts_somebody_else_cannot_be_assumed(sts: Any, account: Account) -> None:
    for trust in (trusting("arn:aws:iam::123456789012:root"), ECS_TASKS):
        arn = make_role(account, f"r{len(trust)}", trust)
        with refused("AccessDenied", "is not authorized to perform: sts:AssumeRole"):
            sts.assume_role(RoleArn=arn, RoleSessionName="test")


def test_an_external_id_has_to_match(sts: Any, account: Account) -> None:
    arn = make_role(account, trust=trusting(ROOT, StringEquals={"sts:ExternalId": "secret"}))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="guess")
    assert sts.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="secret")["Credentials"]


def test_a_denial_in_the_trust_policy_wins(sts: Any, account: Account) -> None:
    document = json.loads(trusting(ROOT))
    document["Statement"].append({**document["Statement"][0], "Effect": "Deny"})
    arn = make_role(account, trust=json.dumps(document))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")


def test_a_role_can_trust_one_role_of_another_account(new_account: Callable[[], Account], sts: Any) -> None:
    one, other = new_account(), new_account()
    arn = make_role(other, trust=trusting(f"arn:aws:iam::{one.id}:role/tenant-operator"))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")
    chained = one.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")
    assert chained["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{other.id}:assumed-role/r/test"
    with refused("ValidationError", "1 hour session limit for roles assumed by role chaining"):
        account_limit = {"RoleArn": arn, "RoleSessionName": "test", "DurationSeconds": 7200}
        other.client("iam").update_role(RoleName="r", MaxSessionDuration=43200)
        one.client("sts").assume_role(**account_limit)


def test_a_new_role_cannot_be_assumed_at_once(sts: Any, account: Account, slow: Callable[..., None]) -> None:
    slow(role_propagation=300.0)
    arn = make_role(account, trust=trusting(ROOT))
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test")
    slow(role_propagation=0.0)
    assert sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]


def test_a_session_cannot_be_longer_than_the_role_allows(sts: Any, account: Account) -> None:
    arn = make_role(account, trust=trusting(ROOT))
    with refused("ValidationError", "exceeds the MaxSessionDuration set for this role"):
        sts.assume_role(RoleArn=arn, RoleSessionName="test", DurationSeconds=7200)


def test_a_session_name_has_certain_characters(sts: Any, account: Account) -> None:
    with refused("ValidationError", "roleSessionName"):
        sts.assume_role(RoleArn=f"arn:aws:iam::{account.id}:role/tenant-operator", RoleSessionName="a b")


def test_an_access_key_works_until_it_is_deleted(account: Account) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="u")
    made = iam.create_access_key(UserName="u")["AccessKey"]
    key = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    user = client(account.control.endpoint, "sts", REGION, key)
    assert user.get_caller_identity()["Arn"] == f"arn:aws:iam::{account.id}:user/u"
    iam.delete_access_key(UserName="u", AccessKeyId=made["AccessKeyId"])
    with refused("InvalidClientTokenId"):
        user.get_caller_identity()


def test_a_role_of_the_same_name_is_refused(account: Account) -> None:
    make_role(account)
    with refused("EntityAlreadyExists", "Role with name r already exists."):
        make_role(account)


def test_a_policy_that_is_not_one_is_refused(account: Account) -> None:
    iam = account.client("iam")
    with refused("MalformedPolicyDocument"):
        make_role(account, trust="{}")
    with refused("MalformedPolicyDocument", "Missing required field Principal"):
        no_principal = {"Effect": "Allow", "Action": "sts:AssumeRole"}
        make_role(account, trust=json.dumps({"Version": "2012-10-17", "Statement": [no_principal]}))
    make_role(account)
    with refused("MalformedPolicyDocument"):
        iam.update_assume_role_policy(RoleName="r", PolicyDocument=LOGS_POLICY)
    with refused("MalformedPolicyDocument"):
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument='{"Statement": []')


def test_a_trust_policy_can_only_name_roles_that_exist(account: Account) -> None:
    nobody = f"arn:aws:iam::{account.id}:role/nobody"
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{nobody}"'):
        make_role(account, trust=trusting(nobody))


def test_a_role_with_policies_cannot_be_deleted(account: Account) -> None:
    iam = account.client("iam")
    make_role(account)
    iam.attach_role_policy(RoleName="r", PolicyArn=EXECUTION_POLICY)
    with refused("DeleteConflict", "must detach all policies first"):
        iam.delete_role(RoleName="r")
    iam.detach_role_policy(RoleName="r", PolicyArn=EXECUTION_POLICY)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=LOGS_POLICY)
    with refused("DeleteConflict", "must delete policies first"):
        iam.delete_role(RoleName="r")
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    with refused("NoSuchEntity"):
        iam.get_role(RoleName="r")


def test_only_policies_that_exist_can_be_attached(account: Account) -> None:
    iam = account.client("iam")
    make_role(account)
    for arn in ("arn:aws:iam::aws:policy/NoSuchPolicy", f"arn:aws:iam::{account.id}:policy/nothing"):
        with refused("NoSuchEntity", arn):
            iam.attach_role_policy(RoleName="r", PolicyArn=arn)


def test_a_permissions_boundary_is_a_policy_that_exists(account: Account) -> None:
    arn = f"arn:aws:iam::{account.id}:policy/nothing"
    with refused("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable."):
        make_role(account, PermissionsBoundary=arn)
    make_role(account, PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")


def test_a_policy_that_is_attached_cannot_be_deleted(account: Account) -> None:
    iam = account.client("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LOGS_POLICY)["Policy"]["Arn"]
    make_role(account)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    with refused("DeleteConflict", "Cannot delete a policy attached to entities."):
        iam.delete_policy(PolicyArn=arn)


def test_the_number_of_roles_is_limited(account: Account) -> None:
    account.control.request("POST", "quotas", {"account": account.id, "code": "L-FE177D64", "value": 2})
    make_role(account, "one")
    with refused("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2"):
        make_role(account, "two")


def test_the_11th_managed_policy_of_a_role_is_refused(account: Account) -> None:
    iam = account.client("iam")
    make_role(account)
    arns = [
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=LOGS_POLICY)["Policy"]["Arn"]
        for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    with refused("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10"):
        iam.attach_role_policy(RoleName="r", PolicyArn=arns[10])
    iam.attach_role_policy(RoleName="r", PolicyArn=arns[9])


def test_a_service_linked_role_is_made_once_and_not_deleted_as_others_are(account: Account) -> None:
    iam = account.client("iam")
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForECS"
    with refused("InvalidInput", "AWSServiceRoleForECS has been taken in this account"):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    with refused("UnmodifiableEntity"):
        iam.delete_role(RoleName="AWSServiceRoleForECS")


def test_roles_are_listed_in_pages_with_tags_on_request(account: Account) -> None:
    for number in range(5):
        make_role(account, f"r{number}", Tags=[{"Key": "n", "Value": str(number)}])
    iam = account.client("iam")
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    assert sorted(names) == ["r0", "r1", "r2", "r3", "r4", "tenant-operator"]
    assert len(names) == len(set(names))
    iam.untag_role(RoleName="r0", TagKeys=["n"])
    iam.tag_role(RoleName="r0", Tags=[{"Key": "m", "Value": "x"}])
    assert iam.get_role(RoleName="r0")["Role"]["Tags"] == [{"Key": "m", "Value": "x"}]


def test_what_sts_does_not_simulate_says_so(account: Account) -> None:
    with refused("SandboxNotImplemented"):
        account.client("sts").get_session_token()
