"""What a rehearsal starts from: accounts with a role for the operator, a public zone, certificates.

Made through the simulated APIs themselves, with each account's own key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from botocore.config import Config
from botocore.session import Session

from tenant_operator.sandbox.aws.credentials import Credentials
from tenant_operator.sandbox.aws.simulation import OPERATOR_ACCOUNT

OPERATOR_ROLE = "tenant-operator"


@dataclass(frozen=True, slots=True)
class Seed:
    """What to make. Repeating a seed adds what is missing."""

    cell_accounts: tuple[str, ...] = ("222222222222", "333333333333", "444444444444")
    external_id: str = ""  # when set, the roles demand it
    hosted_zone: str = "example.com"
    regions: tuple[str, ...] = ("us-east-1",)  # where every cell account gets a certificate

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Seed:
        """From JSON.

        Raises:
            ValueError: an unknown field.
        """
        known = {entry.name for entry in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown field {min(unknown)!r}; known are {', '.join(sorted(known))}")
        lists = {name: tuple(value) for name, value in values.items() if name in ("cell_accounts", "regions")}
        return cls(**{**values, **lists})


@dataclass(frozen=True, slots=True)
class Seeded:
    """What there is now."""

    hosted_zone_id: str
    role_arns: Mapping[str, str]  # by account
    certificate_arns: Mapping[str, str]  # by "<account>/<Region>"

    def as_json(self) -> dict[str, Any]:
        """For the ready file and the control API."""
        return asdict(self)


class Seeder:
    """Calls the simulated APIs at `endpoint`."""

    def __init__(self, endpoint: str, credentials: Credentials) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._session = Session()

    def plant(self, seed: Seed) -> Seeded:
        """Make what is missing."""
        roles = {account: self._role(account, seed) for account in seed.cell_accounts}
        certificates = {
            f"{account}/{region}": self._certificate(account, region, seed.hosted_zone)
            for account in seed.cell_accounts
            for region in seed.regions
        }
        return Seeded(self._zone(seed.hosted_zone), roles, certificates)

    def _client(self, service: str, account: str, region: str = "us-east-1") -> Any:
        key = self._credentials.issue_user_key(account, f"arn:aws:iam::{account}:root")
        return self._session.create_client(
            service,
            region_name=region,
            endpoint_url=self._endpoint,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def _role(self, account: str, seed: Seed) -> str:
        iam = self._client("iam", account)
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{OPERATOR_ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
        if seed.external_id:
            statement["Condition"] = {"StringEquals": {"sts:ExternalId": seed.external_id}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        try:
            made = iam.create_role(RoleName=OPERATOR_ROLE, AssumeRolePolicyDocument=trust)
        except iam.exceptions.EntityAlreadyExistsException:
            iam.update_assume_role_policy(RoleName=OPERATOR_ROLE, PolicyDocument=trust)
            made = iam.get_role(RoleName=OPERATOR_ROLE)
        return str(made["Role"]["Arn"])

    def _zone(self, name: str) -> str:
        route53 = self._client("route53", OPERATOR_ACCOUNT)
        for zone in route53.list_hosted_zones()["HostedZones"]:
            if zone["Name"].rstrip(".") == name.rstrip("."):
                return _zone_id(zone)
        made = route53.create_hosted_zone(Name=name, CallerReference=f"sandbox-{name}")
        return _zone_id(made["HostedZone"])

    def _certificate(self, account: str, region: str, zone: str) -> str:
        acm = self._client("acm", account, region)
        for summary in acm.list_certificates()["CertificateSummaryList"]:
            if summary["DomainName"] == zone:
                return str(summary["CertificateArn"])
        names: Sequence[str] = [f"*.{zone}", f"*.{region}.{zone}"]
        made = acm.request_certificate(DomainName=zone, SubjectAlternativeNames=names, ValidationMethod="DNS")
        return str(made["CertificateArn"])


def _zone_id(zone: Mapping[str, Any]) -> str:
    return str(zone["Id"]).removeprefix("/hostedzone/")
