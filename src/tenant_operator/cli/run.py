"""`tenant-operator run`: the operator itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
ANY_ADDRESS = "0.0.0.0"  # noqa: S104  # a Pod's probes come from the node, so every interface is meant
DEFAULT_HEALTH = f"{ANY_ADDRESS}:8080"


def own_namespace() -> str:
    """The namespace of the Pod that this runs in; `default` elsewhere."""
    return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.exists() else "default"


def _shards(_: click.Context, __: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter("write auto, or a number from 1")
    return int(value)


@click.command("run", context_settings={"auto_envvar_prefix": "TENANT_OPERATOR"})
@click.option(
    "--installation-id",
    envvar="TENANT_OPERATOR_INSTALLATION_ID",
    required=True,
    help="Who owns what is made in AWS: in every tag and every name; must never change. Such as prod-eu.",
)
@click.option(
    "--operator-namespace",
    envvar="TENANT_OPERATOR_NAMESPACE",
    help="The namespace from which tiers without allowedTenants.namespaceSelector take tenants. Default: the Pod's own.",
)
@click.option(
    "--sweep-seconds",
    type=click.FloatRange(5),
    default=300.0,
    show_default=True,
    help="Seconds between two full comparisons with AWS.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    help="How long a load balancer is left alone after its last record is gone. Default: 60 s of DNS and the group's "
    "clientKeepAliveSeconds and idleTimeoutSeconds. Set it short in rehearsals only.",
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="How long a changed listener rule takes to be in force everywhere. Set it short in rehearsals only.",
)
@click.option(
    "--api-rate",
    type=click.FloatRange(0.05, 100),
    default=1.0,
    show_default=True,
    help="Times AWS's published API rates: 0.5 leaves half of them to others in the accounts; above 1 where AWS has raised "
    "them for you, or in rehearsals.",
)
@click.option(
    "--drift-events/--no-drift-events",
    default=False,
    show_default=True,
    help="Learn of changes in AWS within seconds, through EventBridge and SQS, which the operator sets up. It needs "
    "further permissions (docs/drift.md).",
)
@click.option(
    "--shards",
    default="auto",
    show_default=True,
    callback=_shards,
    help="Into how many shards the cells fall that several processes share out. auto: cells that have a tier or an AWS "
    "account in common go together; N: N at most; 1: one process works and the others stand by.",
)
@click.option(
    "--identity",
    help="Who this process is among several, such as the Pod's name. One that starts as one that has ended takes over "
    "at once; no two may run with the same. Default: one of its own.",
)
@click.option(
    "--lease-seconds",
    type=click.FloatRange(2),
    default=10.0,
    show_default=True,
    help="After how many seconds of silence a process counts as lost. Below 10 in rehearsals only.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--health-address",
    default=DEFAULT_HEALTH,
    show_default=True,
    help="Where /healthz and /readyz are answered: HOST:PORT.",
)
@click.pass_context
def command(
    context: click.Context,
    installation_id: str,
    operator_namespace: str | None,
    sweep_seconds: float,
    drain_seconds: float | None,
    settle_seconds: float,
    api_rate: float,
    drift_events: bool,
    shards: int,
    identity: str | None,
    lease_seconds: float,
    log_format: str,
    log_level: str,
    health_address: str,
) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Kubernetes is reached as kubectl would (KUBECONFIG) or with the Pod's service account; AWS as boto3 would
    (AWS_PROFILE, AWS_ENDPOINT_URL, a Pod's role …).
    """
    import kubernetes

    from tenant_operator.engine.leases import IdentityTaken
    from tenant_operator.engine.settings import Settings, own_identity
    from tenant_operator.operator import logs, main, memory

    memory.share_arenas()
    memory.collect_seldom()
    logs.configure(log_format, log_level)
    try:
        settings = Settings(
            installation=installation_id,
            operator_namespace=operator_namespace or os.environ.get("POD_NAMESPACE") or own_namespace(),
            sweep_seconds=sweep_seconds,
            drain_seconds=drain_seconds,
            settle_seconds=settle_seconds,
            api_rate=api_rate,
            drift_events=drift_events,
            shards=shards,
            lease_seconds=lease_seconds,
            identity=identity or own_identity(),
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--installation-id") from error
    host, _, port = health_address.rpartition(":")
    if not port.isdigit():
        raise click.BadParameter("write HOST:PORT, such as 127.0.0.1:8080", param_hint="--health-address")
    given = context.get_parameter_source("health_address")
    required = given is not None and given is not click.core.ParameterSource.DEFAULT
    try:
        main.connect_to_kubernetes()
    except kubernetes.config.ConfigException as error:
        raise click.ClickException(f"no Kubernetes cluster to connect to: {error}; set KUBECONFIG") from error
    address = main.HealthAddress(host=host or ANY_ADDRESS, port=int(port), required=required)
    try:
        asyncio.run(main.run(settings, address))
    except IdentityTaken as error:
        raise click.ClickException(str(error)) from error
