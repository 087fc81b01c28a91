"""`tenant-operator plan`: what would change in AWS, without changing anything."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenant_operator.cli.run import own_namespace

if TYPE_CHECKING:
    from tenant_operator.engine.dry_run.planning import Wish
    from tenant_operator.engine.dry_run.preview import Preview
    from tenant_operator.engine.settings import Settings

NO_CHANGES, FAILED, CHANGES = 0, 1, 2


class _WrongUse(click.UsageError):
    exit_code = FAILED


class _PlanCommand(click.Command):
    """Wrong use ends with 1: in CI, 2 means that there are changes, and nothing else may."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _WrongUse(error.format_message(), error.ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _WrongUse(error.format_message(), error.ctx) from error


@click.command("plan", cls=_PlanCommand, context_settings={"auto_envvar_prefix": "TENANT_OPERATOR"})
@click.option(
    "-f",
    "--filename",
    "filenames",
    multiple=True,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    help="Manifests to plan as if they were applied: a file, a directory, or - for the standard input. Repeatable.",
)
@click.option(
    "--delete",
    "deleted",
    multiple=True,
    metavar="KIND/NAME",
    help="Plan as if this object were deleted, such as tenant/customers/acme or infragroup/group-1. Repeatable.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan to this file as JSON, too (- is the standard output).",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--installation-id",
    envvar="TENANT_OPERATOR_INSTALLATION_ID",
    required=True,
    help="The installation to plan for, as `tenant-operator run` has it.",
)
@click.option(
    "--operator-namespace",
    envvar="TENANT_OPERATOR_NAMESPACE",
    help="As `tenant-operator run` has it. Default: the Pod's own.",
)
@click.option(
    "--drain-seconds", type=click.FloatRange(0), help="As `tenant-operator run` has it; rehearsals only."
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(0),
    default=10.0,
    show_default=True,
    help="As `tenant-operator run` has it; rehearsals only.",
)
@click.option(
    "--api-rate",
    type=click.FloatRange(0.05, 100),
    default=1.0,
    show_default=True,
    help="As `tenant-operator run` has it: times AWS's published rates.",
)
@click.option(
    "-n", "--namespace", help="The namespace of manifests that name none. Default: the kubeconfig's."
)
@click.option(
    "--field-manager",
    default="kubectl",
    show_default=True,
    help="Who applies the manifests on the server's side: argocd-controller with Argo CD, for example.",
)
@click.option("--color/--no-color", default=None, help="Default: with a terminal, unless NO_COLOR is set.")
@click.option("-v", "--verbose", is_flag=True, help="Log what is read.")
def command(
    filenames: tuple[Path, ...],
    deleted: tuple[str, ...],
    out: Path | None,
    output: str,
    installation_id: str,
    operator_namespace: str | None,
    drain_seconds: float | None,
    settle_seconds: float,
    api_rate: float,
    namespace: str | None,
    field_manager: str,
    color: bool | None,
    verbose: bool,
) -> None:
    """Show what would change in AWS, and change nothing.

    The operator's own engine works it out from the custom resources of the cluster (with the manifests of -f applied, and
    the objects of --delete deleted) and from AWS as it is now. Nothing is written, neither to AWS nor to Kubernetes.

    Exit codes: 0 no changes; 2 changes; 1 the plan failed, or is not complete, or wrong use.
    """
    from tenant_operator.engine.dry_run import manifests
    from tenant_operator.engine.dry_run.planning import Wish
    from tenant_operator.engine.settings import Settings

    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(message)s")
    try:
        settings = Settings(
            installation=installation_id,
            operator_namespace=operator_namespace or os.environ.get("POD_NAMESPACE") or own_namespace(),
            drain_seconds=drain_seconds,
            settle_seconds=settle_seconds,
            api_rate=api_rate,
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--installation-id") from error
    context_namespace = _connect()
    try:
        standard_input = sys.stdin.read() if Path("-") in filenames else ""
        declared = manifests.read_manifests(
            filenames, namespace=namespace or context_namespace, standard_input=standard_input
        )
        keys = tuple(manifests.key_from(text) for text in deleted)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if declared.ignored:
        click.echo(f"nothing of this operator, and ignored: {', '.join(declared.ignored)}", err=True)
    found = _preview(settings, Wish(manifests=declared, deleted=keys, field_manager=field_manager))
    _show(found, output, out, _wants_color(color))
    raise SystemExit(FAILED if found.unread else CHANGES if found.steps else NO_CHANGES)


def _connect() -> str:
    """Reach Kubernetes as kubectl would; returns the namespace of the kubeconfig's context."""
    import kubernetes

    from tenant_operator.operator.main import connect_to_kubernetes

    try:
        connect_to_kubernetes()
        _, active = kubernetes.config.list_kube_config_contexts()
        return str(active["context"].get("namespace") or "default")
    except kubernetes.config.ConfigException as error:
        if Path("/var/run/secrets/kubernetes.io/serviceaccount").exists():
            return own_namespace()
        raise click.ClickException(f"no Kubernetes cluster to connect to: {error}; set KUBECONFIG") from error


def _preview(settings: Settings, wish: Wish) -> Preview:
    from tenant_operator.engine.dry_run import planning
    from tenant_operator.engine.dry_run.kubernetes import ManifestRefused
    from tenant_operator.engine.kubernetes import Gone, Refused

    try:
        return asyncio.run(planning.preview(settings, wish))
    except ManifestRefused as refused:
        raise click.ClickException(f"Kubernetes would refuse {refused}") from refused
    except Gone as gone:
        raise click.ClickException(
            "the CRDs are not installed; install them: kubectl apply --server-side -f crds/"
        ) from gone
    except Refused as refused:
        raise click.ClickException(f"Kubernetes cannot be asked: {refused}") from refused


def _show(found: Preview, output: str, out: Path | None, color: bool) -> None:
    from tenant_operator.cli.plan_text import text_of
    from tenant_operator.engine.dry_run.preview import as_json

    document = json.dumps(as_json(found), indent=2, ensure_ascii=False)
    if out is not None and str(out) != "-":
        out.write_text(document + "\n")
    if output == "json" or str(out) == "-":
        click.echo(document)
    else:
        click.echo(text_of(found), color=color)


def _wants_color(asked: bool | None) -> bool:
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
