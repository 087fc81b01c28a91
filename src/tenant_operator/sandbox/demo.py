"""The demonstration: two tiers from nothing, an onboarding, a drift repaired, requests to all, and all of it gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tenant_operator.sandbox import demo_requests
from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.operator_process import OperatorProcess
from tenant_operator.sandbox.session import Sandbox

KINDS = ("tiers", "cells", "infragroups", "tenants")
PATIENCE_SECONDS = 240.0
LOOK_SECONDS = 0.5
GUEST = "newcomer"
NAMESPACE = "customers"


@dataclass
class Demo:
    """One run of the demonstration on a sandbox that is up.

    Arguments:
        sandbox: the cluster and the simulated AWS.
        operator: the operator on it, running.
        examples: the folder with the manifests, one folder a tier.
        console: where it is told.
    """

    sandbox: Sandbox
    operator: OperatorProcess
    examples: Path
    console: Console

    def build(self) -> None:
        """Apply the examples, parents and children at once, and watch until everything is Ready."""
        self._title(
            "Two tiers, declared: one shared by its tenants over two accounts, one with a name for each tenant"
        )
        for tier in ("shared", "per-tenant"):
            files = sorted((self.examples / tier).glob("*.yaml"))
            self._kubectl(
                "apply", "--server-side", *(argument for file in files for argument in ("-f", str(file)))
            )
        started = time.monotonic()
        self._watch("everything is Ready", self._all_ready)
        self.console.print(f"[green]everything is Ready after {time.monotonic() - started:.1f} s[/]\n")

    def tables(self) -> None:
        """What `kubectl get tenancy` shows."""
        self._title("kubectl get tenancy -A")
        self.console.print(self._kubectl("get", "tenancy", "-A"), highlight=False, soft_wrap=True)

    def onboard(self) -> None:
        """One more tenant, timed from `kubectl apply` to Ready."""
        self._title(f"A customer signs: kubectl apply of tenant {GUEST}")
        manifest = {
            "apiVersion": "tenant-operator.dev/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": GUEST, "namespace": NAMESPACE},
            "spec": {"tierRef": {"name": "tier-1"}},
        }
        aws = SandboxAWS(self.sandbox.aws_endpoint_url)
        mark = aws.last_call()
        started = time.monotonic()
        self._kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump(manifest))
        self._wait(f"tenant {GUEST} is Ready", lambda: self._is_ready(self._get("tenants", GUEST, NAMESPACE)))
        seconds = time.monotonic() - started
        writes = aws.calls(since=mark, kind="write")
        groups = len(self._get("tenants", GUEST, NAMESPACE)["status"]["placements"])
        self.console.print(
            f"[green]Ready after {seconds:.1f} s[/] in {groups} infra groups, with {len(writes)} writes to AWS "
            f"({len(writes) / groups:.0f} in each: {', '.join(sorted({call['action'] for call in writes}))})\n"
        )

    def drift(self) -> None:
        """Somebody deletes a listener rule by hand; it comes back."""
        self._title("Somebody deletes a tenant's listener rule by hand")
        account, client = self._elb()
        rule = self._rule(client)
        client.delete_rule(RuleArn=rule["RuleArn"])
        self.console.print(f"deleted the rule for {_paths(rule)} in account {account}")
        started = time.monotonic()
        self._wait(
            "the rule is back",
            lambda: any(_paths(r) == _paths(rule) for r in self._rules(client, rule["listener"])),
        )
        self.console.print(f"[green]back after {time.monotonic() - started:.1f} s[/] (with the next sweep)")
        time.sleep(1.0)
        events = self._kubectl("get", "events", "-A", "--field-selector", "reason=DriftRepaired")
        self.console.print(events, highlight=False, soft_wrap=True)

    def requests(self) -> None:
        """Every tenant is asked for under its own URL, and answers itself."""
        self._title("Customers call: by path on the shared tier's name, and on each tenant's own name")
        asked = demo_requests.ask_everybody(
            self.sandbox.aws_endpoint_url, self._objects("tiers"), self._objects("tenants")
        )
        self.console.print(demo_requests.as_text(asked), highlight=False, soft_wrap=True)
        total = sum(found.right for found in asked)
        self.console.print(f"[green]{total} requests, each answered by the right tenant[/]\n")

    def tear_down(self) -> None:
        """Delete everything, parents first, and see that AWS is empty."""
        self._title(
            "Everything is deleted, parents first: kubectl delete tiers,cells,infragroups,tenants --all"
        )
        self._kubectl("delete", "tiers,cells,infragroups", "--all", "--wait=false")
        self._kubectl("delete", "tenants", "--all", "-A", "--wait=false")
        started = time.monotonic()
        self._watch("everything is gone", lambda: not any(self._objects(kind) for kind in KINDS))
        left = self._left_in_aws()
        if left:
            raise SandboxError(f"AWS still holds {', '.join(left)}")
        self.console.print(
            f"[green]gone after {time.monotonic() - started:.1f} s; nothing of it is left in AWS[/]\n"
        )

    # --- looking ----------------------------------------------------------------------------------

    def _all_ready(self) -> bool:
        found = {kind: self._objects(kind) for kind in KINDS}
        ready = all(self._is_ready(obj) for objects in found.values() for obj in objects)
        weighted = all(group["status"].get("weight") for group in found["infragroups"] if "status" in group)
        summed_up = all(
            _is_whole(tier.get("status", {}).get("summary", {}).get("tenants")) for tier in found["tiers"]
        )
        return all(found.values()) and ready and weighted and summed_up

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._kubectl("get", kind, "-A", "-o", "json"))["items"]
        return found

    def _get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._kubectl("get", kind, name, "-n", namespace, "-o", "json"))
        return found

    @staticmethod
    def _is_ready(obj: Mapping[str, Any]) -> bool:
        return _condition(obj).get("status") == "True"

    def _elb(self) -> tuple[str, Any]:
        account = "222222222222"
        environment = self.sandbox.aws_environment()
        config = Config(proxies={})
        url = self.sandbox.aws_endpoint_url
        own = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        sts = own.client("sts", endpoint_url=url, config=config)
        role = f"arn:aws:iam::{account}:role/tenant-operator"
        keys = sts.assume_role(RoleArn=role, RoleSessionName="somebody")["Credentials"]
        session = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            region_name=environment["AWS_REGION"],
        )
        return account, session.client("elbv2", endpoint_url=url, config=config)

    def _rules(self, client: Any, only: str = "") -> list[dict[str, Any]]:
        found = []
        for balancer in client.describe_load_balancers()["LoadBalancers"]:
            for listener in client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])[
                "Listeners"
            ]:
                arn = listener["ListenerArn"]
                if only in ("", arn):
                    rules = client.describe_rules(ListenerArn=arn)["Rules"]
                    found += [{**rule, "listener": arn} for rule in rules if not rule["IsDefault"]]
        return found

    def _rule(self, client: Any) -> dict[str, Any]:
        return next(rule for rule in self._rules(client) if f"/{GUEST}" in _paths(rule))

    def _left_in_aws(self) -> list[str]:
        _, client = self._elb()
        return [b["LoadBalancerName"] for b in client.describe_load_balancers()["LoadBalancers"]] + [
            g["TargetGroupName"] for g in client.describe_target_groups()["TargetGroups"]
        ]

    # --- telling ----------------------------------------------------------------------------------

    def _title(self, text: str) -> None:
        self.console.rule(f"[bold]{text}", align="left")

    def _watch(self, what: str, probe: Callable[[], bool]) -> None:
        """Wait while a table shows how far everything is."""
        with Live(self._picture(), console=self.console, refresh_per_second=4, transient=True) as live:

            def look() -> bool:
                live.update(self._picture())
                return probe()

            self._wait(what, look)

    def _picture(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for column in ("KIND", "NAME", "READY", "REASON", "MESSAGE"):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        for obj in self._everything():
            said = _condition(obj)
            status = said.get("status", "")
            colour = {"True": "green", "False": "yellow"}.get(status, "dim")
            table.add_row(
                obj["kind"], obj["metadata"]["name"], Text(status or "-", style=colour), said.get("reason", ""),
                Text(said.get("message", ""), style="dim"),
            )  # fmt: skip
        return Group(table)

    def _everything(self) -> Iterable[dict[str, Any]]:
        return [obj for kind in KINDS for obj in self._objects(kind)]

    def _wait(self, what: str, probe: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not probe():
            self.operator.check_running()
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"not after {PATIENCE_SECONDS:.0f} s: {what}; the operator's log is {self.operator.log}"
                )
            time.sleep(LOOK_SECONDS)

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:
        result = self.sandbox.kubectl(*arguments, input=input)
        if result.returncode != 0:
            raise SandboxError(f"kubectl {' '.join(arguments[:3])}: {result.stderr.strip()}")
        return result.stdout


def _condition(obj: Mapping[str, Any], type_: str = "Ready") -> Mapping[str, Any]:
    found = obj.get("status", {}).get("conditions") or ()
    return next((condition for condition in found if condition["type"] == type_), {})


def _is_whole(count: str | None) -> bool:
    """Whether a count such as `3/3` is complete."""
    some, _, every = (count or "0/1").partition("/")
    return some == every


def _paths(rule: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        value for c in rule["Conditions"] for value in c.get("PathPatternConfig", {}).get("Values", ())
    )
