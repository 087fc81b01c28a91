"""What a tenant's tasks run: the tier's defaults with the tenant's own fields on top.

Scalars replace, maps merge by key, `environmentUnset` and `secretsUnset` take away. What only the merged result can
show to be wrong is said by `problems`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenant_operator.api.workload import TenantWorkload, TierWorkload, fargate_memory_options
from tenant_operator.desired.resources import TaskDefinition

_OWN = {
    "image", "command", "entry_point", "compute", "cpu", "memory", "port", "stop_timeout_seconds", "restart_nonce",
    "environment", "environment_unset", "secrets", "secrets_unset",
}  # fmt: skip

RESERVED_VARIABLES = frozenset({"TENANT_ID", "TIER_ID", "REGION"})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A merged workload. Units: CPU units (1,024 = 1 vCPU), MiB, seconds, percent."""

    image: str
    command: tuple[str, ...]
    entry_point: tuple[str, ...]
    spot: bool
    architecture: str
    cpu: int
    memory: int
    port: int
    replicas: int
    health_path: str
    health_interval_seconds: int
    health_timeout_seconds: int
    healthy_threshold: int
    unhealthy_threshold: int
    startup_grace_seconds: int
    stop_timeout_seconds: int
    deregistration_delay_seconds: int
    minimum_healthy_percent: int
    maximum_percent: int
    restart_nonce: str
    environment: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, str], ...]

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change whenever tasks must be replaced to run what is declared."""
        return _digest({name: getattr(self, name) for name in _RESTARTING})


_RESTARTING = (
    "image", "command", "entry_point", "spot", "architecture", "cpu", "memory", "port", "stop_timeout_seconds",
    "restart_nonce", "environment", "secrets",
)  # fmt: skip


def merged(tier: TierWorkload, own: TenantWorkload) -> Workload:
    """The tier's workload with the tenant's fields on top."""

    def pick(name: str) -> Any:
        value = getattr(own, name)
        return getattr(tier, name) if value is None else value

    def nested(group: str, name: str) -> Any:
        mine = getattr(own, group)
        value = None if mine is None else getattr(mine, name)
        return getattr(getattr(tier, group), name) if value is None else value

    return Workload(
        image=pick("image"),
        command=tuple(pick("command") or ()),
        entry_point=tuple(pick("entry_point") or ()),
        spot=nested("compute", "provider") == "FargateSpot",
        architecture=nested("compute", "architecture"),
        cpu=pick("cpu"),
        memory=pick("memory"),
        port=pick("port"),
        replicas=pick("replicas"),
        health_path=nested("health_check", "path"),
        health_interval_seconds=nested("health_check", "interval_seconds"),
        health_timeout_seconds=nested("health_check", "timeout_seconds"),
        healthy_threshold=nested("health_check", "healthy_threshold"),
        unhealthy_threshold=nested("health_check", "unhealthy_threshold"),
        startup_grace_seconds=pick("startup_grace_seconds"),
        stop_timeout_seconds=pick("stop_timeout_seconds"),
        deregistration_delay_seconds=pick("deregistration_delay_seconds"),
        minimum_healthy_percent=nested("deployment", "minimum_healthy_percent"),
        maximum_percent=nested("deployment", "maximum_percent"),
        restart_nonce=pick("restart_nonce") or "",
        environment=_merged_map(tier.environment, own.environment, own.environment_unset),
        secrets=_merged_map(tier.secrets, own.secrets, own.secrets_unset),
    )


def own_revision(own: TenantWorkload) -> str:
    """Twelve hexadecimal digits that change whenever a tenant's own fields do, as far as they replace tasks."""
    return _digest(own.model_dump(mode="json", include=_OWN, exclude_none=True))


def as_released(workload: Workload, definition: TaskDefinition, *, spot: bool) -> Workload:
    """The workload with everything that replaces tasks as a live task definition has it.

    It is how a tenant that waits for its turn stays as it is: the old defaults of its tier are written down nowhere
    else. Where the definition is untouched, its revision is the one that was released.
    """
    return dataclasses.replace(
        workload,
        image=definition.image,
        command=definition.command,
        entry_point=definition.entry_point,
        spot=spot,
        architecture=definition.architecture,
        cpu=definition.cpu,
        memory=definition.memory,
        port=definition.port,
        stop_timeout_seconds=definition.stop_timeout_seconds,
        restart_nonce=definition.restart_nonce,
        environment=tuple(
            sorted(entry for entry in definition.environment if entry[0] not in RESERVED_VARIABLES)
        ),
        secrets=tuple(sorted(definition.secrets)),
    )


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _merged_map(
    tier: Mapping[str, str], own: Mapping[str, str] | None, unset: tuple[str, ...] | list[str] | None
) -> tuple[tuple[str, str], ...]:
    result = {**tier, **(own or {})}
    for name in unset or ():
        if name not in (own or {}):
            result.pop(name, None)
    return tuple(sorted(result.items()))


def problems(workload: Workload) -> Iterator[str]:
    """What is wrong with a merged workload, each a sentence that says what to write instead."""
    options = fargate_memory_options(workload.cpu)
    if not options:
        yield f"cpu {workload.cpu} is no size that Fargate runs; use 256, 512, 1024, 2048, 4096, 8192 or 16384"
    elif workload.memory not in options:
        near = min(options, key=lambda option: abs(option - workload.memory))
        yield f"memory {workload.memory} does not go with cpu {workload.cpu} on Fargate; the nearest that does is {near}"
    both = sorted({name for name, _ in workload.environment} & {name for name, _ in workload.secrets})
    if both:
        yield (
            f"{', '.join(both)} is in both environment and secrets once the tier's and the tenant's are merged; "
            "name it in environmentUnset or secretsUnset"
        )
    if workload.health_timeout_seconds >= workload.health_interval_seconds:
        yield (
            f"healthCheck.timeoutSeconds {workload.health_timeout_seconds} must be less than "
            f"intervalSeconds {workload.health_interval_seconds}"
        )
    if workload.minimum_healthy_percent == 100 and workload.maximum_percent == 100:
        yield "deployment 100/100 leaves no room to replace a task; raise maximumPercent or lower minimumHealthyPercent"
    if workload.replicas == 1 and workload.minimum_healthy_percent == 100 and workload.maximum_percent < 200:
        yield "with one replica and minimumHealthyPercent 100, maximumPercent must be 200"
