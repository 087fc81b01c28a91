"""A sandbox with an operator on it, and what every measurement does with them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import boto3
import kubernetes
import yaml
from botocore.config import Config

from tenant_operator.sandbox.aws.client import SandboxAWS
from tenant_operator.sandbox.bench.fleet import API_VERSION, NAMESPACE, Manifest
from tenant_operator.sandbox.bench.kubernetes_writes import operator_writes
from tenant_operator.sandbox.bench.process_usage import ProcessUsage
from tenant_operator.sandbox.environment import REGION
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.operator_process import OperatorProcess
from tenant_operator.sandbox.progress import Progress
from tenant_operator.sandbox.session import Sandbox

SWEEP_SECONDS = 300.0
"""The operator's own default."""
_SLICE_SECONDS = 10  # between two looks at whether the operator still runs
_LIST_SECONDS = 2.0
_QUIET_SECONDS = 4.0  # more than the longest debounce of the engine
_QUIET_CPU = 0.1  # of a core: watches that are renewed, the event loop's own timers
_LOOK_SECONDS = 0.5


_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
)


class Calls(NamedTuple):
    """Calls that are counted together."""

    operation: str  # service:Action
    kind: str  # read | write
    code: str  # the error code, or ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment to measure from."""

    at: float
    usage: ProcessUsage
    kubernetes: Counter[str]
    aws: Counter[Calls]


@dataclass(frozen=True, slots=True)
class Cost:
    """What happened since a mark.

    Attributes:
        seconds: of wall time.
        cpu_seconds: the operator's.
        rss_mib: the operator's memory at the end.
        kubernetes_writes: the operator's, by verb and resource.
        aws_reads: by `service:Action`.
        aws_writes: by `service:Action`.
        throttled: calls that a token bucket refused.
    """

    seconds: float
    cpu_seconds: float
    rss_mib: float
    kubernetes_writes: dict[str, int]
    aws_reads: dict[str, int]
    aws_writes: dict[str, int]
    throttled: int


class Rehearsal:
    """A sandbox of its own and an operator on it; as a context manager it is up inside, and gone afterwards.

    Arguments:
        log: the file that takes the operator's log.
        progress: told what is awaited.
    """

    def __init__(self, log: Path, progress: Progress) -> None:
        self.sandbox = Sandbox(progress=progress)
        self.progress = progress
        self._log = log
        self._customs: Any = None

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.start_operator()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.operator.stop()
        finally:
            self.sandbox.stop()

    def start_operator(
        self, sweep_seconds: float = SWEEP_SECONDS, *arguments: str, api_rate: float = 1.0
    ) -> None:
        """Start the operator's process and return once it has listed everything; none may run.

        Arguments:
            sweep_seconds: between two full comparisons with AWS.
            arguments: further ones of `tenant-operator run`.
            api_rate: times AWS's published API rates; above 1 to build a fleet in less time than AWS would allow.

        Raises:
            SandboxError: it does not get ready.
        """
        environment = self.sandbox.operator_environment()
        self.operator = OperatorProcess(
            environment, self._log, sweep_seconds=sweep_seconds, api_rate=api_rate, arguments=arguments
        )
        self.operator.start()

    @property
    def aws(self) -> SandboxAWS:
        """The simulated AWS's control side."""
        return SandboxAWS(self.sandbox.aws_endpoint_url)

    # --- Kubernetes -------------------------------------------------------------------------------

    def apply(self, *objects: Manifest) -> None:
        """Apply some objects as a person would.

        Raises:
            SandboxError: the API server refused.
        """
        self._kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(objects))

    def await_ready(self, kind: str, names: Sequence[str], patience: float) -> None:
        """Wait until some objects are Ready.

        Arguments:
            kind: such as `tenant`.
            names: of a few objects, or of none: then all of the kind are meant.
            patience: seconds until the wait is given up.

        Raises:
            SandboxError: they are not, or the operator has ended.
        """
        deadline = time.monotonic() + patience
        while not (self._wait_for(kind, names) if names else self._all_are_ready(kind)):
            self.operator.check_running()
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"not every {kind} is Ready after {patience:.0f} s; the operator's log is {self.operator.log}"
                )
            self.progress.detail(f"waiting until every {kind} is Ready")

    def _wait_for(self, kind: str, names: Sequence[str]) -> bool:
        where = ("-n", NAMESPACE) if kind == "tenant" else ()
        arguments = ("--for=condition=Ready", f"--timeout={_SLICE_SECONDS}s", kind, *names, *where)
        return self.sandbox.kubectl("wait", *arguments).returncode == 0

    def _all_are_ready(self, kind: str) -> bool:
        """A look after a pause: kubectl wait asks for each object by itself, and so never gets through a thousand."""
        time.sleep(_LIST_SECONDS)
        states = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
        found = self._kubectl("get", kind, "-A", "-o", f"jsonpath={states}").splitlines()
        return bool(found) and all(state == "True" for state in found)

    def status(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """The status of an object.

        Raises:
            SandboxError: there is no such object.
        """
        where = ("-n", namespace) if namespace else ()
        found: dict[str, Any] = json.loads(self._kubectl("get", kind, name, *where, "-o", "json"))["status"]
        return found

    def edit_tenant(self, name: str, spec: Mapping[str, Any]) -> None:
        """Merge something into a tenant's spec, by one request and without kubectl's own start."""
        if self._customs is None:
            client = kubernetes.config.new_client_from_config(str(self.sandbox.kubeconfig))
            self._customs = kubernetes.client.CustomObjectsApi(client)
        group, _, version = API_VERSION.partition("/")
        self._customs.patch_namespaced_custom_object(
            group,
            version,
            NAMESPACE,
            "tenants",
            name,
            {"spec": spec},
            _content_type="application/merge-patch+json",
        )

    def _kubectl(self, *arguments: str, input: str | None = None) -> str:
        result = self.sandbox.kubectl(*arguments, input=input)
        if result.returncode != 0:
            raise SandboxError(f"kubectl {' '.join(arguments[:3])}: {result.stderr.strip()}")
        return result.stdout

    # --- AWS --------------------------------------------------------------------------------------

    def client(self, service: str, account: str, connections: int = 10) -> Any:
        """A boto3 client in a cell's account, as anybody's script would make it; it tries again when throttled."""
        environment = self.sandbox.aws_environment()
        url = self.sandbox.aws_endpoint_url
        config = Config(
            retries={"total_max_attempts": 10, "mode": "standard"},
            proxies={},
            max_pool_connections=connections,
        )
        own = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        sts = own.client("sts", endpoint_url=url, config=config)
        role = f"arn:aws:iam::{account}:role/tenant-operator"
        keys = sts.assume_role(RoleArn=role, RoleSessionName="benchmark")["Credentials"]
        session: Any = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            region_name=REGION,
        )
        return session.client(service, endpoint_url=url, config=config)

    # --- measuring --------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """A moment to measure from: now."""
        return self._mark(ProcessUsage.of(self.operator.pid))

    def mark_of_start(self) -> Mark:
        """The same, when the operator is stopped and about to be started anew."""
        return self._mark(ProcessUsage(cpu_seconds=0.0, rss_mib=0.0, peak_rss_mib=0.0))

    def _mark(self, usage: ProcessUsage) -> Mark:
        return Mark(
            at=time.monotonic(),
            usage=usage,
            kubernetes=operator_writes(self.sandbox),
            aws=self._aws_calls(),
        )

    def cost_since(self, mark: Mark) -> Cost:
        """What the operator has done since a mark. Calls of others must not fall in between."""
        seconds = time.monotonic() - mark.at
        usage = ProcessUsage.of(self.operator.pid)
        made = self._aws_calls() - mark.aws
        return Cost(
            seconds=seconds,
            cpu_seconds=usage.cpu_seconds - mark.usage.cpu_seconds,
            rss_mib=usage.rss_mib,
            kubernetes_writes=dict(operator_writes(self.sandbox) - mark.kubernetes),
            aws_reads=_by_operation(made, "read"),
            aws_writes=_by_operation(made, "write"),
            throttled=sum(count for calls, count in made.items() if calls.code in _THROTTLED),
        )

    def _aws_calls(self) -> Counter[Calls]:
        found: Counter[Calls] = Counter()
        for entry in self.aws.counters():
            found[Calls(f"{entry['service']}:{entry['action']}", entry["kind"], entry["code"])] += entry[
                "count"
            ]
        return found

    def await_quiet(self, patience: float) -> float:
        """Wait until the operator neither calls AWS nor works any more.

        Returns:
            The moment (`time.monotonic`) of the last sign of work.

        Raises:
            SandboxError: it never comes to rest, or has ended.
        """
        deadline = time.monotonic() + patience
        last_work = time.monotonic()
        calls, cpu = self.aws.last_call(), ProcessUsage.of(self.operator.pid).cpu_seconds
        while time.monotonic() - last_work < _QUIET_SECONDS:
            time.sleep(_LOOK_SECONDS)
            self.operator.check_running()
            now, used = self.aws.last_call(), ProcessUsage.of(self.operator.pid).cpu_seconds
            if now != calls or used - cpu > _QUIET_CPU * _LOOK_SECONDS:
                last_work = time.monotonic()
            calls, cpu = now, used
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"the operator has not come to rest after {patience:.0f} s; its log is {self.operator.log}"
                )
        return last_work


def _by_operation(made: Counter[Calls], kind: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for calls, count in made.items():
        if calls.kind == kind:
            found[calls.operation] += count
    return dict(found)


def names_of(manifests: Iterable[Manifest]) -> list[str]:
    """The objects' names."""
    return [str(manifest["metadata"]["name"]) for manifest in manifests]
