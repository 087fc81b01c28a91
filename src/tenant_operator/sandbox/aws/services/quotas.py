"""Service Quotas: every quota that the simulated services refuse by, AWS's default and what an account was granted.

https://docs.aws.amazon.com/servicequotas/latest/userguide/intro.html. Defaults: the quota pages of each service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tenant_operator.sandbox.aws.calls import Call
from tenant_operator.sandbox.aws.failures import AwsFailure
from tenant_operator.sandbox.aws.simulation import Behaviours, Simulation

behaviours = Behaviours("service-quotas")

GLOBAL_REGION = "us-east-1"  # where the quotas of global services are
_GLOBAL = frozenset({"iam", "route53"})
_WITHOUT_APPLIED = frozenset({"ecs"})  # "Amazon ECS does not support applied quotas"
_NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "ecs": "Amazon Elastic Container Service (Amazon ECS)",
    "elasticloadbalancing": "Elastic Load Balancing (ELB)",
    "fargate": "AWS Fargate",
    "iam": "AWS Identity and Access Management (IAM)",
    "kms": "AWS Key Management Service (AWS KMS)",
    "route53": "Amazon Route 53",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}
MAX_PAGE = 100

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Quota:
    """One quota as AWS has it by default."""

    service: str
    code: str
    name: str
    default: float
    adjustable: bool = True

    @property
    def is_global(self) -> bool:
        """Whether it counts for all Regions together."""
        return self.service in _GLOBAL


def _of(service: str, *rows: tuple[str, str, float] | tuple[str, str, float, bool]) -> list[Quota]:
    return [Quota(service, *row) for row in rows]


TABLE: tuple[Quota, ...] = (
    *_of(
        "elasticloadbalancing",
        ("L-53DA6B97", "Application Load Balancers per Region", 50),
        ("L-69A177A2", "Network Load Balancers per Region", 50),
        ("L-B6DF7632", "Listeners per Application Load Balancer", 50),
        ("L-9365A611", "Certificates per Application Load Balancer", 25),
        ("L-7EED9B64", "Rules per Application Load Balancer", 100),
        ("L-822D1B1B", "Target Groups per Application Load Balancer", 100, False),
        ("L-057ECE54", "Target Groups per Action per Application Load Balancer", 5, False),
        ("L-7E6692B2", "Targets per Application Load Balancer", 1000),
        ("L-B22855CB", "Target Groups per Region", 3000),
        ("L-A0D0B863", "Targets per Target Group per Region", 1000),
        ("L-EBC0C08B", "Condition Values per Rule", 5, False),
        ("L-A012D4E8", "Condition Wildcards per Rule", 5, False),
    ),
    *_of(
        "vpc",
        ("L-F678F1CE", "VPCs per Region", 5),
        ("L-407747CB", "Subnets per VPC", 200),
        ("L-A4707A72", "Internet gateways per Region", 5),
        ("L-FE5A380F", "NAT gateways per Availability Zone", 5),
        ("L-589F43AA", "Route tables per VPC", 200),
        ("L-93826ACB", "Routes per route table", 500),
        ("L-E79EC296", "VPC security groups per Region", 2500),
        ("L-0EA8095F", "Inbound or outbound rules per security group", 60),
        ("L-2AFB9258", "Security groups per network interface", 5),
        ("L-DF5E4CA3", "Network interfaces per Region", 5000),
        ("L-29B6F2EB", "Interface VPC endpoints per VPC", 50),
        ("L-1B52E74A", "Gateway VPC endpoints per Region", 20),
        ("L-CA6CC422", "Resource VPC endpoints per VPC", 200),
        ("L-3B4E38D2", "Service network VPC endpoints per VPC", 50),
        ("L-3248932A", "Characters per VPC endpoint policy", 20_480, False),
    ),
    *_of("ec2", ("L-0263D0A3", "EC2-VPC Elastic IPs", 5)),
    *_of(
        "ecs",
        ("L-21C621EB", "Clusters per account", 10_000),
        ("L-9EF96962", "Services per cluster", 5000),
        ("L-92E49DE3", "Tasks per service", 5000),
        ("L-86C34207", "Container instances per cluster", 5000),
        ("L-A04A77EF", "Target groups per service", 5, False),
        ("L-B9151B48", "Revisions per task definition family", 1_000_000, False),
    ),
    *_of("fargate", ("L-3032A538", "Fargate On-Demand vCPU resource count", 4000)),
    *_of(
        "iam",
        ("L-FE177D64", "Roles per account", 1000),
        ("L-0DA4ABF3", "Managed policies per role", 10),
        ("L-C07B4B0D", "Role trust policy length", 2048),
    ),
    *_of(
        "route53",
        ("L-4EA4796A", "Hosted zones", 500),
        ("L-E209CC9F", "Records per hosted zone", 10_000),
    ),
    *_of("kms", ("L-C2F1777E", "Customer Master Keys (CMKs)", 100_000)),
)
_BY_CODE = {(quota.service, quota.code): quota for quota in TABLE}
_BY_CODE_ALONE = {quota.code: quota for quota in TABLE}


def _known(call: Call) -> Quota:
    service, code = call.parameters["ServiceCode"], call.parameters["QuotaCode"]
    found = _BY_CODE.get((service, code))
    if found is None or (found.is_global and call.region != GLOBAL_REGION):
        message = "The request failed because the specified service and quota do not exist."
        raise AwsFailure("NoSuchResourceException", message)
    return found


def _shown(call: Call, quota: Quota, value: float) -> dict[str, Any]:
    region, account = ("", "") if quota.is_global else (call.region, call.account)
    return {
        "ServiceCode": quota.service,
        "ServiceName": _NAMES[quota.service],
        "QuotaArn": f"arn:{call.partition}:servicequotas:{region}:{account}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": quota.is_global,
    }


def _applied(sim: Simulation, call: Call, quota: Quota) -> float:
    return float(sim.quota(call.account, call.region, quota.code, quota.default))


@behaviours.answers("GetServiceQuota")
def _get(sim: Simulation, call: Call) -> Mapping[str, Any]:
    quota = _known(call)
    if quota.service in _WITHOUT_APPLIED:
        message = "The request failed because the specified quota has no applied value."
        raise AwsFailure("NoSuchResourceException", message)
    return {"Quota": _shown(call, quota, _applied(sim, call, quota))}


@behaviours.answers("GetAWSDefaultServiceQuota")
def _get_default(sim: Simulation, call: Call) -> Mapping[str, Any]:
    _ = sim
    quota = _known(call)
    return {"Quota": _shown(call, quota, quota.default)}


@behaviours.answers("ListServiceQuotas")
def _list(sim: Simulation, call: Call) -> Mapping[str, Any]:
    service = call.parameters["ServiceCode"]
    quotas = [] if service in _WITHOUT_APPLIED else _of_service(call)
    shown, token = _page(quotas, call.parameters)
    return {
        "Quotas": [_shown(call, quota, _applied(sim, call, quota)) for quota in shown],
        "NextToken": token,
    }


@behaviours.answers("ListAWSDefaultServiceQuotas")
def _list_defaults(sim: Simulation, call: Call) -> Mapping[str, Any]:
    _ = sim
    shown, token = _page(_of_service(call), call.parameters)
    return {"Quotas": [_shown(call, quota, quota.default) for quota in shown], "NextToken": token}


def _of_service(call: Call) -> list[Quota]:
    service = call.parameters["ServiceCode"]
    if service not in _NAMES:
        message = f"The request failed because the specified service {service} does not exist."
        raise AwsFailure("NoSuchResourceException", message)
    if service in _GLOBAL and call.region != GLOBAL_REGION:
        return []
    return [quota for quota in TABLE if quota.service == service]


@behaviours.answers("ListServices")
def _services(sim: Simulation, call: Call) -> Mapping[str, Any]:
    _ = sim
    names = [{"ServiceCode": code, "ServiceName": name} for code, name in sorted(_NAMES.items())]
    shown, token = _page(names, call.parameters)
    return {"Services": shown, "NextToken": token}


def _page(items: Sequence[ItemT], parameters: Mapping[str, Any]) -> tuple[Sequence[ItemT], str | None]:
    size, token = int(parameters.get("MaxResults") or MAX_PAGE), parameters.get("NextToken")
    if not 1 <= size <= MAX_PAGE:
        message = f"MaxResults must be between 1 and {MAX_PAGE}, not {size}"
        raise AwsFailure("IllegalArgumentException", message)
    try:
        start = int(token, 16) if token else 0
    except ValueError:
        raise AwsFailure("InvalidPaginationTokenException", f"Invalid token '{token}'") from None
    return items[start : start + size], f"{start + size:08x}" if start + size < len(items) else None


def install(sim: Simulation) -> None:
    """Answer Service Quotas, and two control routes.

    `POST quotas {"account": …, "region": …, "code": …, "value": …}`: AWS grants an account another value.
    `GET quotas`: the values that were granted.
    """
    sim.own_services.add("service-quotas")
    behaviours.install(sim)

    @sim.controls("POST", "quotas")
    def grant(values: Mapping[str, Any]) -> Mapping[str, Any]:
        code, value = str(values["code"]), float(values["value"])
        quota = _BY_CODE_ALONE.get(code)
        if quota is None:
            raise ValueError(f"unknown quota code {code!r}; known are {', '.join(sorted(_BY_CODE_ALONE))}")
        if not quota.adjustable:
            raise ValueError(f"AWS changes {quota.name} ({code}) for nobody: it stays {quota.default:g}")
        if value < 0:
            raise ValueError(f"value must be at least 0, not {value:g}")
        region = GLOBAL_REGION if quota.is_global else str(values.get("region", GLOBAL_REGION))
        sim.applied_quotas[(str(values["account"]), region, code)] = value
        return {"account": str(values["account"]), "region": region, "code": code, "value": value}

    @sim.controls("GET", "quotas")
    def granted(_: Mapping[str, Any]) -> Mapping[str, Any]:
        rows = [
            {"account": account, "region": region, "code": code, "value": value}
            for (account, region, code), value in sorted(sim.applied_quotas.items())
        ]
        return {"granted": rows}
