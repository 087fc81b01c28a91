"""Service Quotas: what an account may have, and what AWS grants it."""

from __future__ import annotations

import pytest

from tenant_operator.placement.quotas import KNOWN, RECORDS
from tenant_operator.sandbox.aws.client import ControlError, SandboxAWS
from tenant_operator.sandbox.aws.services.ecs.scheduler import FARGATE_VCPUS
from tenant_operator.sandbox.aws.services.elbv2 import quotas as load_balancing
from tenant_operator.sandbox.aws.services.quotas import TABLE
from tests.sandbox.aws.foundations.conftest import REGION, Account, refused


def value(account: Account, service: str, code: str, region: str = REGION) -> float:
    found = account.client("service-quotas", region).get_service_quota(ServiceCode=service, QuotaCode=code)
    applied: float = found["Quota"]["Value"]
    return applied


def test_a_quota_has_awss_default_until_another_value_is_granted(account: Account) -> None:
    assert value(account, "elasticloadbalancing", "L-7EED9B64") == 100
    grant = {"account": account.id, "region": REGION, "code": "L-7EED9B64", "value": 200}
    account.control.request("POST", "quotas", grant)
    assert value(account, "elasticloadbalancing", "L-7EED9B64") == 200
    assert value(account, "elasticloadbalancing", "L-7EED9B64", "eu-west-1") == 100
    default = account.client("service-quotas").get_aws_default_service_quota(
        ServiceCode="elasticloadbalancing", QuotaCode="L-7EED9B64"
    )
    assert default["Quota"]["Value"] == 100


def test_ecs_has_no_applied_quotas_but_defaults(account: Account) -> None:
    quotas = account.client("service-quotas")
    with refused("NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ecs", QuotaCode="L-21C621EB")
    found = quotas.get_aws_default_service_quota(ServiceCode="ecs", QuotaCode="L-21C621EB")
    assert found["Quota"]["Value"] == 10_000
    assert quotas.list_service_quotas(ServiceCode="ecs")["Quotas"] == []


def test_an_unknown_quota_is_not_found(account: Account) -> None:
    with refused("NoSuchResourceException"):
        account.client("service-quotas").get_service_quota(ServiceCode="vpc", QuotaCode="L-00000000")
    with refused("NoSuchResourceException"):
        account.client("service-quotas").list_service_quotas(ServiceCode="nothing")


def test_quotas_of_global_services_are_in_us_east_1_only(account: Account) -> None:
    assert value(account, "iam", "L-FE177D64") == 1000
    with refused("NoSuchResourceException"):
        value(account, "iam", "L-FE177D64", "eu-west-1")


def test_quotas_are_listed_in_pages(account: Account) -> None:
    pages = account.client("service-quotas").get_paginator("list_aws_default_service_quotas")
    found = [
        quota["QuotaCode"]
        for page in pages.paginate(ServiceCode="vpc", PaginationConfig={"PageSize": 4})
        for quota in page["Quotas"]
    ]
    assert found == [quota.code for quota in TABLE if quota.service == "vpc"]


def test_a_quota_that_aws_raises_for_nobody_cannot_be_granted(control: SandboxAWS) -> None:
    body = {"account": "700000000000", "region": REGION, "code": "L-822D1B1B", "value": 200}
    with pytest.raises(ControlError, match="for nobody: it stays 100"):
        control.request("POST", "quotas", body)


def test_a_granted_quota_needs_a_known_code(control: SandboxAWS) -> None:
    with pytest.raises(ControlError, match="unknown quota code 'L-1'; known are L-"):
        control.request("POST", "quotas", {"account": "700000000000", "code": "L-1", "value": 200})


def test_too_many_calls_are_refused_when_throttles_are_on(account: Account) -> None:
    quotas = account.client("service-quotas")
    account.control.throttles(enabled=True, scale=0.05)
    try:
        with refused("TooManyRequestsException"):
            for _ in range(50):
                quotas.list_services()
    finally:
        account.control.throttles(enabled=False)


def test_what_load_balancing_enforces_is_what_service_quotas_tells() -> None:
    told = {quota.code: (quota.default, quota.adjustable) for quota in TABLE}
    for quota in load_balancing.ALL:
        assert told[quota.code] == (quota.default, quota.adjustable), quota.name


def test_what_ecs_enforces_is_what_service_quotas_tells() -> None:
    told = {quota.code: quota.default for quota in TABLE}
    code, default = FARGATE_VCPUS
    assert told[code] == default


def test_every_quota_that_the_operator_reads_is_known() -> None:
    told = {(quota.service, quota.code): quota.default for quota in TABLE}
    built_in = {(k.service, k.code): k.default for k in (*KNOWN, RECORDS) if k.default is not None}
    assert built_in == {key: told[key] for key in built_in}
