"""The endpoint services that AWS itself offers, with what private DNS answers for.

https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html; a choice of it: the services
that workloads on ECS use.
"""

from __future__ import annotations

from dataclasses import dataclass

_SAME_NAME = (
    "acm-pca appconfig appconfigdata application-autoscaling athena autoscaling backup bedrock "
    "bedrock-runtime cloudformation cloudtrail codebuild cognito-idp config data-servicediscovery datasync dms "
    "ebs ec2 ec2messages ecs eks eks-auth elasticache elasticfilesystem elasticloadbalancing email-smtp "
    "events glue grafana kafka kms lambda logs monitoring rds rds-data scheduler secretsmanager "
    "servicediscovery servicequotas sns sqs ssm ssmmessages states sts synthetics tagging textract "
    "transcribe transfer translate wafv2 xray"
)
# Services whose private DNS name is another than <name>.<Region>.amazonaws.com.
_OTHER_NAMES = {
    "ecr.api": "api.ecr",
    "ecr.dkr": "*.dkr.ecr",
    "ecs-agent": "ecs-a",
    "ecs-telemetry": "ecs-t",
    "execute-api": "*.execute-api",
    "kinesis-firehose": "firehose",
    "kinesis-streams": "kinesis",
    "sagemaker.api": "api.sagemaker",
    "sagemaker.runtime": "runtime.sagemaker",
}
_GATEWAYS = ("dynamodb", "s3")  # as gateways and as interfaces
_PRIVATE_NAMES = {name: name for name in [*_SAME_NAME.split(), *_GATEWAYS]} | _OTHER_NAMES


@dataclass(frozen=True, slots=True)
class AwsService:
    """One of AWS's services in one Region."""

    name: str
    private_dns_name: str
    kinds: tuple[str, ...]


def find(name: str, region: str) -> AwsService | None:
    """A service by its full name, such as com.amazonaws.us-east-1.ecr.api."""
    short = name.removeprefix(f"com.amazonaws.{region}.")
    private = _PRIVATE_NAMES.get(short)
    if short == name or private is None:
        return None
    kinds = ("Gateway", "Interface") if short in _GATEWAYS else ("Interface",)
    return AwsService(name, f"{private}.{region}.amazonaws.com", kinds)


def all_of(region: str) -> list[AwsService]:
    """AWS's services of a Region."""
    found = (find(f"com.amazonaws.{region}.{short}", region) for short in sorted(_PRIVATE_NAMES))
    return [service for service in found if service is not None]
