"""Reads that show the state from before a write, for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.aws.foundations.conftest import Account, eventually
from tests.sandbox.aws.workloads.conftest import NOT_FOUND, LoadBalancing, path

LOOKS = 60  # half of them see a copy: that none does is as likely as 2 to the power of -60


@pytest.fixture
def stale(slow: Callable[..., None]) -> Callable[[], None]:
    """From here on, reads are stale for as long as the test lasts."""
    return lambda: slow(staleness=600)


def seen(look: Callable[[], Any]) -> set[Any]:
    """What several looks see."""
    return {look() for _ in range(LOOKS)}


def test_a_new_rule_is_not_in_every_list(account: Account, stale: Callable[[], None]) -> None:
    balancing = LoadBalancing(account)
    balancing.new_rule(1)
    stale()
    balancing.new_rule(2)
    assert seen(lambda: len(balancing.priorities())) == {2, 3}  # with the default rule


def test_a_changed_rule_is_shown_as_it_was(account: Account, stale: Callable[[], None]) -> None:
    balancing = LoadBalancing(account)
    rule = balancing.new_rule(1)
    stale()
    balancing.elb.modify_rule(RuleArn=rule, Conditions=[path("/new")], Actions=NOT_FOUND)

    def shown() -> str:
        [found] = balancing.elb.describe_rules(RuleArns=[rule])["Rules"]
        value: str = found["Conditions"][0]["PathPatternConfig"]["Values"][0]
        return value

    assert seen(shown) == {"/1", "/new"}


def test_a_new_security_group_may_not_be_found_yet(account: Account, stale: Callable[[], None]) -> None:
    ec2, vpc_id = account.client("ec2"), account.vpc()
    stale()
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc_id)["GroupId"]

    def look() -> str:
        try:
            ec2.describe_security_groups(GroupIds=[group])
        except ec2.exceptions.ClientError as error:
            return str(error.response["Error"]["Code"])
        return "found"

    assert seen(look) == {"InvalidGroup.NotFound", "found"}


def test_a_new_policy_may_not_be_listed_yet(account: Account, stale: Callable[[], None]) -> None:
    iam = account.client("iam")
    stale()
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
    iam.put_role_policy(RoleName="tenant-operator", PolicyName="p", PolicyDocument=policy)
    assert seen(lambda: len(iam.list_role_policies(RoleName="tenant-operator")["PolicyNames"])) == {0, 1}


def test_a_deleted_cluster_may_still_be_shown(account: Account, stale: Callable[[], None]) -> None:
    ecs = account.client("ecs")
    ecs.create_cluster(clusterName="c")
    stale()
    ecs.delete_cluster(cluster="c")
    assert seen(lambda: ecs.describe_clusters(clusters=["c"])["clusters"][0]["status"]) == {
        "ACTIVE",
        "INACTIVE",
    }


def test_the_first_cluster_of_an_account_may_not_be_listed_yet(
    account: Account, stale: Callable[[], None]
) -> None:
    ecs = account.client("ecs")
    stale()
    ecs.create_cluster(clusterName="c")
    assert seen(lambda: len(ecs.list_clusters()["clusterArns"])) == {0, 1}


def test_writes_and_other_accounts_are_never_stale(
    account: Account, new_account: Callable[[], Account], stale: Callable[[], None]
) -> None:
    other = new_account().client("ecs")
    ecs = account.client("ecs")
    stale()
    for number in range(10):
        ecs.create_cluster(clusterName=f"c{number}")
        ecs.put_cluster_capacity_providers(
            cluster=f"c{number}", capacityProviders=[], defaultCapacityProviderStrategy=[]
        )
    assert seen(lambda: len(other.list_clusters()["clusterArns"])) == {0}


def test_stale_reads_end(account: Account, slow: Callable[..., None]) -> None:
    ecs = account.client("ecs")
    slow(staleness=0.2)
    ecs.create_cluster(clusterName="c")
    eventually(lambda: all(len(ecs.list_clusters()["clusterArns"]) == 1 for _ in range(LOOKS)))
