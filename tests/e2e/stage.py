"""A sandbox with an operator beside it, and the few things that every end-to-end test does with them."""

from __future__ import annotations

import builtins
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import kubernetes
import yaml
from botocore.config import Config

from tenant_operator.api import GROUP, VERSION
from tenant_operator.sandbox import Sandbox
from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.operator_process import OperatorProcess
from tenant_operator.sandbox.traffic import single_request
from tenant_operator.sandbox.traffic.client import Answer

REGION = "us-east-1"
DNS_ACCOUNT, ACCOUNT_A, ACCOUNT_B = "111111111111", "222222222222", "333333333333"
PATIENCE = 120.0
"""How long a test waits for something; it says what was missing, and never compares times."""


class NotYet(AssertionError):
    """Something did not come true in time."""


@dataclass
class Stage:
    """One sandbox, one operator, and clients for both sides."""

    sandbox: Sandbox
    operator: OperatorProcess
    folder: Path
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _customs: Any = None

    # --- Kubernetes -------------------------------------------------------------------------------

    def apply(self, *objects: Mapping[str, Any]) -> str:
        """Apply some objects as a person would; fails when the API server refuses."""
        result = self.try_apply(*objects)
        assert result.returncode == 0, result.stderr
        return str(result.stdout)

    def try_apply(self, *objects: Mapping[str, Any]) -> Any:
        """Apply some objects; what kubectl said."""
        return self.sandbox.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", input=yaml.safe_dump_all(objects)
        )

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl; its output. Fails when it fails."""
        result = self.sandbox.kubectl(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """One custom resource; empty when there is none. By a plain request: tests look often, and kubectl starts slowly."""
        plural = f"{kind.removesuffix('s')}s"
        try:
            if namespace:
                found = self.customs.get_namespaced_custom_object(GROUP, VERSION, namespace, plural, name)
            else:
                found = self.customs.get_cluster_custom_object(GROUP, VERSION, plural, name)
        except kubernetes.client.ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return {}
            raise
        return dict(found)

    def list(self, kind: str) -> builtins.list[dict[str, Any]]:
        """All custom resources of a kind, in all namespaces."""
        plural = f"{kind.removesuffix('s')}s"
        found = self.customs.list_cluster_custom_object(GROUP, VERSION, plural)
        return builtins.list(found["items"])

    @property
    def customs(self) -> Any:
        """The API server's custom resources."""
        if self._customs is None:
            client = kubernetes.config.new_client_from_config(str(self.sandbox.kubeconfig))
            self._customs = kubernetes.client.CustomObjectsApi(client)
        return self._customs

    def condition(self, kind: str, name: str, type_: str, namespace: str = "") -> dict[str, Any]:
        """One condition of an object; empty when there is none."""
        for condition in self.get(kind, name, namespace).get("status", {}).get("conditions", ()):
            if condition["type"] == type_:
                return dict(condition)
        return {}

    def delete(self, *arguments: str) -> None:
        """Delete without waiting."""
        self.kubectl("delete", "--wait=false", "--ignore-not-found", *arguments)

    # --- requests ---------------------------------------------------------------------------------

    def ask(self, url: str, **headers: str) -> Answer:
        """A request to a tenant, as a new client sends it."""
        return single_request.send(self.sandbox.aws_endpoint_url, "GET", url, headers, b"", inside=False)

    def sandbox_command(self, subcommand: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`tenant-operator sandbox <subcommand>` on this sandbox, as a person runs it."""
        command = [sys.executable, "-m", "tenant_operator", "sandbox", subcommand]
        return subprocess.run(
            [*command, "--state-dir", str(self.sandbox.folder.path), *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    # --- waiting ----------------------------------------------------------------------------------

    def wait(self, what: str, probe: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait until a probe gives something true, and return it."""
        deadline = time.monotonic() + patience
        while True:
            found = probe()
            if found:
                return found
            if time.monotonic() > deadline:
                raise NotYet(f"{what}: not after {patience:.0f} s\n{self.picture()}\n{self.log_tail()}")
            self.operator.check_running()
            time.sleep(0.3)

    def ready(self, kind: str, name: str, namespace: str = "") -> bool:
        """Whether an object is Ready, and says so of its present generation."""
        obj = self.get(kind, name, namespace)
        status = obj.get("status", {})
        if status.get("observedGeneration") != obj.get("metadata", {}).get("generation"):
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))

    def await_ready(self, kind: str, *names: str, namespace: str = "") -> None:
        """Wait until some objects are Ready."""
        for name in names:
            self.wait(f"{kind} {name} is Ready", partial(self.ready, kind, name, namespace))

    def await_condition(self, kind: str, name: str, type_: str, reason: str, namespace: str = "") -> str:
        """Wait until a condition has a reason; returns its message."""
        return str(
            self.wait(
                f"{kind} {name} has {type_} {reason}",
                lambda: (
                    (c := self.condition(kind, name, type_, namespace)).get("reason") == reason
                    and (c.get("message") or "-")
                ),
            )
        )

    def await_gone(self, kind: str, *names: str, namespace: str = "") -> None:
        """Wait until some objects are gone."""
        for name in names:
            self.wait(f"{kind} {name} is gone", partial(self._is_gone, kind, name, namespace))

    def _is_gone(self, kind: str, name: str, namespace: str) -> bool:
        return not self.get(kind, name, namespace)

    def picture(self) -> str:
        """What a person would look at, and which spec each status speaks of."""
        versions = ",".join(
            f"{name}:.{path}"
            for name, path in {
                "KIND": "kind",
                "NAME": "metadata.name",
                "GENERATION": "metadata.generation",
                "OBSERVED": "status.observedGeneration",
                "DELETED": "metadata.deletionTimestamp",
            }.items()
        )
        shown = (
            self.sandbox.kubectl("get", "tenancy", "-A", "-o", form).stdout
            for form in ("wide", f"custom-columns={versions}")
        )
        return "\n".join(shown)

    def log_tail(self, lines: int = 40) -> str:
        """The end of the operator's log."""
        return "\n".join(self.operator.log.read_text(errors="replace").splitlines()[-lines:])

    # --- AWS --------------------------------------------------------------------------------------

    @property
    def aws(self) -> SandboxAWS:
        """The simulated AWS's control side."""
        return SandboxAWS(self.sandbox.aws_endpoint_url)

    def client(self, service: str, account: str = ACCOUNT_A, region: str = REGION) -> Any:
        """A person's client in an account (through the role that the operator uses as well)."""
        key = (service, account)
        if key not in self._clients:
            environment = self.sandbox.aws_environment()
            session: Any = boto3.Session(
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
                region_name=region,
            )
            config = Config(retries={"total_max_attempts": 2, "mode": "standard"}, proxies={})
            url = self.sandbox.aws_endpoint_url
            if account != DNS_ACCOUNT:
                sts = session.client("sts", endpoint_url=url, config=config)
                role = f"arn:aws:iam::{account}:role/tenant-operator"
                keys = sts.assume_role(RoleArn=role, RoleSessionName="a-person")["Credentials"]
                session = boto3.Session(
                    aws_access_key_id=keys["AccessKeyId"],
                    aws_secret_access_key=keys["SecretAccessKey"],
                    aws_session_token=keys["SessionToken"],
                    region_name=region,
                )
            self._clients[key] = session.client(service, endpoint_url=url, config=config)
        return self._clients[key]

    def zone(self) -> str:
        """The id of hosted zone example.com."""
        zones = self.client("route53", DNS_ACCOUNT).list_hosted_zones_by_name(DNSName="example.com")[
            "HostedZones"
        ]
        return str(zones[0]["Id"].removeprefix("/hostedzone/"))

    def records(self, suffix: str) -> builtins.list[dict[str, Any]]:
        """The weighted records of names that end so."""
        pages = (
            self.client("route53", DNS_ACCOUNT)
            .get_paginator("list_resource_record_sets")
            .paginate(HostedZoneId=self.zone())
        )
        return [
            r
            for page in pages
            for r in page["ResourceRecordSets"]
            if r["Name"].rstrip(".").endswith(suffix) and "SetIdentifier" in r
        ]

    def rules(self, account: str = ACCOUNT_A) -> builtins.list[dict[str, Any]]:
        """All listener rules of an account that are not default rules."""
        elb = self.client("elbv2", account)
        found = []
        for balancer in elb.describe_load_balancers()["LoadBalancers"]:
            for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
                pages = elb.get_paginator("describe_rules").paginate(ListenerArn=listener["ListenerArn"])
                found += [rule for page in pages for rule in page["Rules"] if not rule["IsDefault"]]
        return found

    def rule_of(self, tenant: str, account: str = ACCOUNT_A) -> dict[str, Any]:
        """The rule that takes a tenant's path; empty when there is none."""
        for rule in self.rules(account):
            for condition in rule["Conditions"]:
                if f"/{tenant}" in condition.get("PathPatternConfig", {}).get("Values", ()):
                    return dict(rule)
        return {}

    def writes_since(self, mark: int) -> builtins.list[dict[str, Any]]:
        """The writes that the operator (or anybody) has made in AWS since a mark."""
        return self.aws.calls(since=mark, kind="write")

    def leftovers(self, accounts: Iterable[str] = (ACCOUNT_A, ACCOUNT_B)) -> builtins.list[str]:
        """Everything in AWS that still carries the operator's ownership tags, or a record of its."""
        found = [f"record {r['Name']} {r['SetIdentifier']}" for r in self.records("example.com")]
        for account in accounts:
            found += [f"{account} {what}" for what in self._owned(account)]
        return found

    def _owned(self, account: str) -> builtins.list[str]:
        ec2, elb, ecs, iam, logs = (self.client(s, account) for s in ("ec2", "elbv2", "ecs", "iam", "logs"))
        mine = [{"Name": "tag-key", "Values": ["tenant-operator.dev/installation"]}]
        found = [v["VpcId"] for v in ec2.describe_vpcs(Filters=mine)["Vpcs"]]
        found += [s["SubnetId"] for s in ec2.describe_subnets(Filters=mine)["Subnets"]]
        found += [g["GroupId"] for g in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]]
        found += [
            e["VpcEndpointId"]
            for e in ec2.describe_vpc_endpoints(Filters=mine)["VpcEndpoints"]
            if e["State"].lower() not in ("deleted", "deleting")
        ]
        found += [b["LoadBalancerName"] for b in elb.describe_load_balancers()["LoadBalancers"]]
        found += [g["TargetGroupName"] for g in elb.describe_target_groups()["TargetGroups"]]
        arns = ecs.list_clusters()["clusterArns"]
        if arns:
            found += [
                c["clusterName"]
                for c in ecs.describe_clusters(clusters=arns)["clusters"]
                if c["status"] == "ACTIVE"
            ]
        found += ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
        found += [r["RoleName"] for r in iam.list_roles()["Roles"] if r["RoleName"].startswith("sandbox-")]
        found += [
            g["logGroupName"]
            for g in logs.describe_log_groups(logGroupNamePrefix="/tenant-operator/")["logGroups"]
        ]
        return found
