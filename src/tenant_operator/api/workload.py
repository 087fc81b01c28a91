"""What a tenant's tasks run: the tier's defaults (`TierWorkload`), and what a tenant sets itself (`TenantWorkload`).

Sources: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size and
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tenant_operator.api.constraints import (
    Rule,
    Struct,
    between,
    elements,
    entries,
    length,
    matching,
    one_of,
    rules,
)
from tenant_operator.api.types import Port, SecretArn

FARGATE_SIZES: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        256: (512, 1024, 2048),
        512: tuple(range(1024, 4096 + 1, 1024)),
        1024: tuple(range(2048, 8192 + 1, 1024)),
        2048: tuple(range(4096, 16384 + 1, 1024)),
        4096: tuple(range(8192, 30720 + 1, 1024)),
        8192: tuple(range(16384, 61440 + 1, 4096)),
        16384: tuple(range(32768, 122880 + 1, 8192)),
    }
)
"""CPU units → the amounts of memory (MiB) that Fargate runs with them."""


def fargate_memory_options(cpu: int) -> tuple[int, ...]:
    """The amounts of memory (MiB) that Fargate runs with `cpu` CPU units; none for a size it does not know."""
    return FARGATE_SIZES.get(cpu, ())


def _memory_in_words(options: tuple[int, ...]) -> str:
    steps = {second - first for first, second in pairwise(options)}
    if len(steps) == 1:
        return f"{options[0]} to {options[-1]} in steps of {steps.pop()}"
    return f"{', '.join(map(str, options[:-1]))} or {options[-1]}"


FARGATE_PAIRS = tuple(
    Rule(
        f"!has(self.cpu) || !has(self.memory) || self.cpu != {cpu} || self.memory in {list(memory)}",
        f"with cpu {cpu}, Fargate runs memory {_memory_in_words(memory)} (MiB)",
    )
    for cpu, memory in FARGATE_SIZES.items()
)
VARIABLE_IN_BOTH = Rule(
    "!has(self.environment) || !has(self.secrets) || self.environment.all(name, !(name in self.secrets))",
    "a variable is in both environment and secrets; keep it in one of the two",
)
ROOM_TO_REPLACE = Rule(
    "self.replicas * self.deployment.maximumPercent / 100 > "
    "(self.replicas * self.deployment.minimumHealthyPercent + 99) / 100",
    "with so many replicas, deployment leaves no room to replace a task; "
    "write maximumPercent: 200, or a smaller minimumHealthyPercent",
)
NOT_BOTH_100 = Rule(
    "!has(self.minimumHealthyPercent) || !has(self.maximumPercent) || self.maximumPercent > self.minimumHealthyPercent",
    "minimumHealthyPercent and maximumPercent must not both be 100: no task could ever be replaced; "
    "write maximumPercent 200",
)
TIMEOUT_BELOW_INTERVAL = Rule(
    "!has(self.timeoutSeconds) || !has(self.intervalSeconds) || self.timeoutSeconds < self.intervalSeconds",
    "healthCheck.timeoutSeconds must be less than intervalSeconds; write a shorter timeout or a longer interval",
)
_NAME = Rule(
    "self.all(name, name.size() <= 256 && name.matches('^[A-Za-z_][A-Za-z0-9_.-]*$'))",
    "the name of a variable is letters, digits and _ . -, begins with a letter or _, and has at most 256 characters",
)
_RESERVED = Rule(
    "self.all(name, !(name in ['TENANT_ID', 'TIER_ID', 'REGION']) && !name.startsWith('AWS_') && "
    "!name.startsWith('ECS_'))",
    "TENANT_ID, TIER_ID and REGION are set by the operator, AWS_* and ECS_* by AWS; "
    "choose another name for the variable",
)

Image = Annotated[
    str,
    length(512),
    matching(
        "^[A-Za-z0-9][A-Za-z0-9._/:@-]*$",
        "must be a container image, such as 222222222222.dkr.ecr.us-east-1.amazonaws.com/app:1.4.2",
    ),
]
Words = Annotated[tuple[Annotated[str, length(2048, least=0)], ...], elements(50, kind="atomic")]
Cpu = Annotated[int, one_of(*FARGATE_SIZES)]
Memory = Annotated[int, between(512, 122880)]
Replicas = Annotated[int, between(1, 1000)]
StartupGraceSeconds = Annotated[int, between(0, 86400)]
StopTimeoutSeconds = Annotated[int, between(2, 120)]
DeregistrationDelaySeconds = Annotated[int, between(0, 3600)]
RestartNonce = Annotated[str, length(128, least=0)]
Environment = Annotated[
    Mapping[str, Annotated[str, length(8192, least=0)]],
    entries(100),
    rules(_NAME, _RESERVED),
]
Secrets = Annotated[Mapping[str, SecretArn], entries(50), rules(_NAME, _RESERVED)]
VariableNames = Annotated[tuple[Annotated[str, length(256)], ...], elements(100)]
Provider = Literal["Fargate", "FargateSpot"]
Architecture = Literal["X86_64", "ARM64"]
HealthPath = Annotated[
    str,
    length(1024),
    matching(
        "^/[^ *]*$",
        "the path of a health check begins with a slash and has no blanks or wildcards, such as /healthz",
    ),
]
CheckInterval = Annotated[int, between(5, 300)]
CheckTimeout = Annotated[int, between(2, 120)]
Threshold = Annotated[int, between(2, 10)]
MinimumHealthyPercent = Annotated[int, between(0, 100)]
MaximumPercent = Annotated[int, between(100, 200)]


class Compute(Struct):
    """Where tasks run."""

    provider: Provider = "Fargate"
    """Capacity: Fargate, or FargateSpot, which is cheaper and may be taken away at two minutes' notice."""
    architecture: Architecture = "X86_64"
    """CPU architecture of the image: X86_64 or ARM64."""


class HealthCheck(Struct):
    """How the load balancer tells a healthy task."""

    RULES: ClassVar[tuple[Rule, ...]] = (TIMEOUT_BELOW_INTERVAL,)

    path: HealthPath = "/healthz"
    """Path asked for with GET; a healthy task answers 200."""
    interval_seconds: CheckInterval = 15
    """Seconds between two checks, 5–300."""
    timeout_seconds: CheckTimeout = 5
    """Seconds without an answer that make a check fail, 2–120; less than intervalSeconds."""
    healthy_threshold: Threshold = 2
    """Successful checks in a row that make a task healthy, 2–10."""
    unhealthy_threshold: Threshold = 3
    """Failed checks in a row that make a task unhealthy, 2–10."""


class Deployment(Struct):
    """How tasks are replaced. The circuit breaker with rollback is always on."""

    RULES: ClassVar[tuple[Rule, ...]] = (NOT_BOTH_100,)

    minimum_healthy_percent: MinimumHealthyPercent = 100
    """Percentage of replicas that stays up meanwhile (rounded up), 0–100."""
    maximum_percent: MaximumPercent = 200
    """Percentage of replicas that may be there at once (rounded down), 100–200. Not 100 when the minimum is
    100; 200 when replicas is 1 and the minimum is 100."""


class TierWorkload(Struct):
    """What tenants run unless they say otherwise."""

    RULES: ClassVar[tuple[Rule, ...]] = (*FARGATE_PAIRS, VARIABLE_IN_BOTH, ROOM_TO_REPLACE)

    image: Image
    """Container image; with egress None it must come from ECR, through the endpoints."""
    command: Words = ()
    """The container's command (Docker's CMD); empty: the image's own."""
    entry_point: Words = ()
    """The container's entry point; empty: the image's own."""
    compute: Compute = Compute()
    """Where tasks run."""
    cpu: Cpu = 1024
    """CPU units of a task (1024 = 1 vCPU): 256, 512, 1024, 2048, 4096, 8192 or 16384."""
    memory: Memory = 4096
    """Memory of a task in MiB, 512–122880; cpu and memory must be a pair that Fargate runs."""
    port: Port = 8080
    """Port on which the container listens for HTTP, 1–65535."""
    replicas: Replicas = 2
    """Tasks per cluster, 1–1000."""
    health_check: HealthCheck = HealthCheck()
    """How the load balancer tells a healthy task."""
    startup_grace_seconds: StartupGraceSeconds = 300
    """Seconds in which a starting task may fail health checks, 0–86400: the time to load its state."""
    stop_timeout_seconds: StopTimeoutSeconds = 60
    """Seconds between SIGTERM and SIGKILL when a task is stopped, 2–120."""
    deregistration_delay_seconds: DeregistrationDelaySeconds = 300
    """Seconds in which a task that leaves may finish its requests, 0–3600."""
    deployment: Deployment = Deployment()
    """How tasks are replaced."""
    restart_nonce: RestartNonce = ""
    """Change it to restart all tasks, for instance after secrets were rotated; at most 128 characters."""
    environment: Environment = Field(default={})
    """Environment variables, at most 100 of 8,192 characters. TENANT_ID, TIER_ID and REGION are always set;
    these, AWS_* and ECS_* are refused."""
    secrets: Secrets = Field(default={})
    """Environment variable → ARN of a Secrets Manager secret or SSM parameter, at most 50."""


class TenantCompute(Struct):
    """Where the tenant's tasks run."""

    provider: Provider | None = None
    """Capacity: Fargate or FargateSpot."""
    architecture: Architecture | None = None
    """CPU architecture of the image: X86_64 or ARM64."""


class TenantHealthCheck(Struct):
    """How the load balancer tells a healthy task of the tenant."""

    RULES: ClassVar[tuple[Rule, ...]] = (TIMEOUT_BELOW_INTERVAL,)

    path: HealthPath | None = None
    """Path asked for with GET; a healthy task answers 200."""
    interval_seconds: CheckInterval | None = None
    """Seconds between two checks, 5–300."""
    timeout_seconds: CheckTimeout | None = None
    """Seconds without an answer that make a check fail, 2–120; less than intervalSeconds."""
    healthy_threshold: Threshold | None = None
    """Successful checks in a row that make a task healthy, 2–10."""
    unhealthy_threshold: Threshold | None = None
    """Failed checks in a row that make a task unhealthy, 2–10."""


class TenantDeployment(Struct):
    """How the tenant's tasks are replaced."""

    RULES: ClassVar[tuple[Rule, ...]] = (NOT_BOTH_100,)

    minimum_healthy_percent: MinimumHealthyPercent | None = None
    """Percentage of replicas that stays up meanwhile (rounded up), 0–100."""
    maximum_percent: MaximumPercent | None = None
    """Percentage of replicas that may be there at once (rounded down), 100–200. Not 100 when the minimum is
    100; 200 when replicas is 1 and the minimum is 100."""


_UNSET_AND_SET = tuple(
    Rule(
        f"!has(self.{field}) || !has(self.{field}Unset) || self.{field}Unset.all(name, !(name in self.{field}))",
        f"a variable is in both {field} and {field}Unset; setting it replaces the tier's, "
        f"so leave it out of {field}Unset",
    )
    for field in ("environment", "secrets")
)


class TenantWorkload(Struct):
    """What the tenant sets itself: scalars replace the tier's, maps are merged by key. Absent: as the tier says."""

    RULES: ClassVar[tuple[Rule, ...]] = (*FARGATE_PAIRS, VARIABLE_IN_BOTH, *_UNSET_AND_SET)

    image: Image | None = None
    """Container image, from one of the tier's allowedTenants.imagePrefixes."""
    command: Words | None = None
    """The container's command (Docker's CMD)."""
    entry_point: Words | None = None
    """The container's entry point."""
    compute: TenantCompute | None = None
    """Where tasks run."""
    cpu: Cpu | None = None
    """CPU units of a task (1024 = 1 vCPU): 256, 512, 1024, 2048, 4096, 8192 or 16384."""
    memory: Memory | None = None
    """Memory of a task in MiB, 512–122880; cpu and memory must be a pair that Fargate runs."""
    port: Port | None = None
    """Port on which the container listens for HTTP, 1–65535."""
    replicas: Replicas | None = None
    """Tasks per cluster, 1–1000."""
    health_check: TenantHealthCheck | None = None
    """How the load balancer tells a healthy task."""
    startup_grace_seconds: StartupGraceSeconds | None = None
    """Seconds in which a starting task may fail health checks, 0–86400."""
    stop_timeout_seconds: StopTimeoutSeconds | None = None
    """Seconds between SIGTERM and SIGKILL when a task is stopped, 2–120."""
    deregistration_delay_seconds: DeregistrationDelaySeconds | None = None
    """Seconds in which a task that leaves may finish its requests, 0–3600."""
    deployment: TenantDeployment | None = None
    """How tasks are replaced."""
    restart_nonce: RestartNonce | None = None
    """Change it to restart the tenant's tasks, for instance after secrets were rotated; at most 128
    characters."""
    environment: Environment | None = None
    """Environment variables on top of the tier's, at most 100 of 8,192 characters. TENANT_ID, TIER_ID,
    REGION, AWS_* and ECS_* are refused."""
    environment_unset: VariableNames | None = None
    """Names of the tier's environment variables that this tenant does without, at most 100."""
    secrets: Secrets | None = None
    """Environment variable → ARN of a secret or parameter, on top of the tier's, at most 50; the ARNs must
    begin with one of the tier's allowedTenants.secretArnPrefixes."""
    secrets_unset: VariableNames | None = None
    """Names of the tier's secrets that this tenant does without, at most 100."""
