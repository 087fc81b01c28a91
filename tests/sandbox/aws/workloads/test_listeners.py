"""Listeners: ports, certificates, default actions."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws.foundations.conftest import refused
from tests.sandbox.aws.workloads.conftest import NOT_FOUND, LoadBalancing, forward


def certificate(balancing: LoadBalancing, name: str = "example.com") -> str:
    arn: str = balancing.account.client("acm").request_certificate(DomainName=name)["CertificateArn"]
    return arn


def secure(balancing: LoadBalancing, *arns: str, **parameters: Any) -> str:
    certificates = [{"CertificateArn": arn} for arn in arns]
    return balancing.new_listener(
        balancing.load_balancer, 443, Protocol="HTTPS", Certificates=certificates, **parameters
    )


def test_a_second_listener_on_a_port_is_refused(balancing: LoadBalancing) -> None:
    assert balancing.listener
    with refused("DuplicateListener"):
        balancing.new_listener(balancing.load_balancer, 80)


def test_https_needs_a_certificate(balancing: LoadBalancing) -> None:
    with refused("CertificateNotFound"):
        secure(balancing)


def test_https_needs_a_certificate_that_exists(balancing: LoadBalancing) -> None:
    arn = f"arn:aws:acm:us-east-1:{balancing.account.id}:certificate/none"
    with refused("CertificateNotFound", arn):
        secure(balancing, arn)


def test_http_takes_no_certificate(balancing: LoadBalancing) -> None:
    given = [{"CertificateArn": certificate(balancing)}]
    with refused("InvalidConfigurationRequest"):
        balancing.new_listener(balancing.load_balancer, 80, Certificates=given)


def test_https_shows_its_default_certificate_and_policy(balancing: LoadBalancing) -> None:
    arn = certificate(balancing)
    listener = secure(balancing, arn, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    [shown] = balancing.elb.describe_listeners(ListenerArns=[listener])["Listeners"]
    assert shown["Certificates"] == [{"CertificateArn": arn}]
    assert shown["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"


def test_an_unknown_policy_is_refused(balancing: LoadBalancing) -> None:
    with refused("SSLPolicyNotFound"):
        secure(balancing, certificate(balancing), SslPolicy="none")


def test_further_certificates_are_listed_apart(balancing: LoadBalancing) -> None:
    first, second = certificate(balancing, "a.example.com"), certificate(balancing, "b.example.com")
    listener = secure(balancing, first)
    balancing.elb.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": second}])

    def listed() -> dict[str, bool]:
        found = balancing.elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]
        return {entry["CertificateArn"]: entry["IsDefault"] for entry in found}

    assert listed() == {first: True, second: False}
    balancing.elb.remove_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": second}]
    )
    assert listed() == {first: True}


def test_a_new_default_action_is_the_default_rules(balancing: LoadBalancing) -> None:
    group = balancing.new_group()
    balancing.elb.modify_listener(ListenerArn=balancing.listener, DefaultActions=forward(group))
    [default] = balancing.elb.describe_rules(ListenerArn=balancing.listener)["Rules"]
    assert default["Actions"][0]["TargetGroupArn"] == group


def test_deleting_a_listener_frees_its_groups(balancing: LoadBalancing) -> None:
    group = balancing.used_group()
    balancing.elb.delete_listener(ListenerArn=balancing.listener)
    balancing.elb.delete_target_group(TargetGroupArn=group)


def test_listeners_are_paged(balancing: LoadBalancing) -> None:
    arns = [balancing.new_listener(balancing.load_balancer, port) for port in (80, 81, 82)]
    pages = balancing.elb.get_paginator("describe_listeners").paginate(
        LoadBalancerArn=balancing.load_balancer, PaginationConfig={"PageSize": 2}
    )
    assert [[found["ListenerArn"] for found in page["Listeners"]] for page in pages] == [arns[:2], arns[2:]]


def test_an_application_load_balancer_speaks_http_only(balancing: LoadBalancing) -> None:
    with refused("UnsupportedProtocol"):
        balancing.new_listener(balancing.load_balancer, 80, Protocol="TCP", DefaultActions=NOT_FOUND)
