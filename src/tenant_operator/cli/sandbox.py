"""`tenant-operator sandbox`: a real API server and a simulated AWS on this machine, for rehearsals, demos and tests."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from tenant_operator.cli.sandbox_faults import fault, set_command
from tenant_operator.cli.sandbox_folder import command_line, ready, state_dir
from tenant_operator.cli.sandbox_folder import output as with_output
from tenant_operator.sandbox import supervisor
from tenant_operator.sandbox.aws_process import Profile
from tenant_operator.sandbox.binaries import find_binaries
from tenant_operator.sandbox.environment import is_foreign, without_foreign
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.progress import ConsoleProgress
from tenant_operator.sandbox.session import Sandbox
from tenant_operator.sandbox.state_folder import SandboxState, StateFolder


class _SandboxCommands(click.Group):
    """Turns what the sandbox raises into a message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SandboxError as error:
            raise click.ClickException(str(error)) from error


@click.group("sandbox", cls=_SandboxCommands)
def command() -> None:
    """A real API server and a simulated AWS on this machine.

    They listen on loopback only, and nothing they do reaches a real AWS account.
    """


command.add_command(fault)
command.add_command(set_command)


@command.command()
@state_dir
@click.option(
    "--profile",
    type=click.Choice(["fast", "aws"]),
    default="fast",
    show_default=True,
    help="How long things take in the simulated AWS: a moment, or as long as in AWS.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use this existing cluster (its current context) instead of starting one. The CRDs are installed there.",
)
@click.option("--foreground", is_flag=True, help="Stay attached: Ctrl-C stops the sandbox.")
@with_output
def up(folder: StateFolder, profile: Profile, kubeconfig: Path | None, foreground: bool, output: str) -> None:
    """Start a sandbox, and return when it is ready.

    The first time on a machine this fetches or builds etcd and kube-apiserver.
    With a sandbox that runs already, nothing happens.
    """
    progress = ConsoleProgress(sys.stderr)
    if foreground:
        sandbox = Sandbox(folder.path, profile, kubeconfig=kubeconfig, progress=progress)
        supervisor.run(sandbox, when_ready=lambda state: _print_ready(state, folder, output))
        return
    if folder.is_owned():
        state = supervisor.await_ready(folder, progress)
        _check_is_wanted(state, profile, kubeconfig)
    else:
        if kubeconfig is None:
            find_binaries(progress)
        state = supervisor.start_in_background(folder, profile, kubeconfig, progress)
    _print_ready(state, folder, output)


@command.command()
@state_dir
def down(folder: StateFolder) -> None:
    """Stop a sandbox and forget all that is in it. Without one, nothing happens."""
    ran = supervisor.stop(folder)
    click.echo(f"The sandbox in {folder.path} is gone." if ran else f"No sandbox runs in {folder.path}.")


@command.command()
@state_dir
@with_output
def status(folder: StateFolder, output: str) -> None:
    """Show what runs, and where."""
    _print_state(folder.state(), output)


@command.command()
@state_dir
def env(folder: StateFolder) -> None:
    """Print shell commands that lead kubectl, the AWS CLI and the operator to a sandbox."""
    state = ready(folder)
    for name in sorted(name for name in os.environ if is_foreign(name)):
        click.echo(f"unset {name}")
    for name, value in state.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@command.command(context_settings={"ignore_unknown_options": True})
@state_dir
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(folder: StateFolder, arguments: tuple[str, ...]) -> None:
    """Run the sandbox's own kubectl on it, such as `sandbox kubectl get tenancy`."""
    state = ready(folder)
    if not state.kubectl:
        raise SandboxError("kubectl is not on PATH; install it to use it with an existing cluster")
    environment = {**without_foreign(os.environ), **state.environment}
    os.execve(state.kubectl, [state.kubectl, *arguments], environment)  # noqa: S606  # no shell is wanted


@command.command()
@state_dir
@click.argument("url")
@click.option("-X", "--request", "method", help="The method. Default: GET, or POST with data.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header to send.")
@click.option("-d", "--data", help="A body to send.")
@click.option("-i", "--include", is_flag=True, help="Print the answer's status and headers, too.")
@click.option("--private", is_flag=True, help="Ask DNS from inside a VPC, where private zones answer.")
@with_output
def curl(
    folder: StateFolder,
    url: str,
    method: str | None,
    headers: tuple[str, ...],
    data: str | None,
    include: bool,
    private: bool,
    output: str,
) -> None:
    """Send a request as a client would: by DNS, through the load balancer, to a task.

    Whatever status the answer has, the exit code is 0; it is 1 when no answer comes.
    """
    from tenant_operator.sandbox.traffic import single_request

    asked = method or ("GET" if data is None else "POST")
    body = (data or "").encode()
    endpoint = ready(folder).aws_endpoint_url
    try:
        sent = single_request.parse_headers(headers)
        answer = single_request.send(endpoint, asked, url, sent, body, inside=private)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if output == "json":
        click.echo(single_request.as_json(answer))
    else:
        click.echo(single_request.as_text(answer, with_head=include))


@command.command()
@state_dir
@click.option("--tenant", required=True, metavar="NAMESPACE/NAME", help="Whose task.")
def oom(folder: StateFolder, tenant: str) -> None:
    """Let one task of a tenant run out of memory. ECS starts another one; other tenants do not notice."""
    from tenant_operator.sandbox.traffic.out_of_memory import kill_task

    click.echo(f"killed: {kill_task(ready(folder), tenant)}")


@command.command()
def prepare() -> None:
    """Fetch or build etcd, kube-apiserver and kubectl, and start nothing."""
    binaries = find_binaries(ConsoleProgress(sys.stderr))
    click.echo(f"Kubernetes {binaries.version} from {binaries.source}: {binaries.folder}")


@command.command()
@state_dir
@click.option(
    "--tenants",
    "patterns",
    multiple=True,
    metavar="NAMESPACE/NAME",
    help="Whom requests are sent to: a name or a shell pattern, as often as wanted. Default: all tenants.",
)
@click.option(
    "--rps", type=float, default=20.0, show_default=True, help="Requests a second, over all tenants."
)
@click.option(
    "--seconds", type=float, default=60.0, show_default=True, help="For how long; Ctrl-C ends it early."
)
@click.option(
    "--keep-alive/--new-connections",
    default=True,
    show_default=True,
    help="Connections are kept as long as the load balancers keep them, or each request has one of its own.",
)
@with_output
@click.pass_context
def traffic(
    context: click.Context,
    folder: StateFolder,
    patterns: tuple[str, ...],
    rps: float,
    seconds: float,
    keep_alive: bool,
    output: str,
) -> None:
    """Send requests to tenants as their customers do, and tell which are lost or answered by another tenant.

    A tenant is sent requests from the moment it is Ready until it is being deleted. What its owner asked for is no
    loss: the 503 of a suspended tenant, or an old path after an edit of its routing.
    Exit code 1: a request was lost, or answered by another tenant.
    """
    from rich.console import Console

    from tenant_operator.sandbox.traffic import report
    from tenant_operator.sandbox.traffic.generator import Load
    from tenant_operator.sandbox.traffic.rehearsal import Rehearsal, rehearse

    try:
        load = Load(rps=rps, seconds=seconds)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    told = Console(stderr=True) if output == "json" else Console()
    rehearsal = Rehearsal(load=load, tenants=patterns, keep_alive=keep_alive)
    generator = rehearse(ready(folder), rehearsal, told)
    if output == "json":
        click.echo(json.dumps(report.as_json(generator), indent=2))
    else:
        told.print(report.final(generator))
    if not generator.tally.is_clean:
        context.exit(1)


def _check_is_wanted(state: SandboxState, profile: Profile, kubeconfig: Path | None) -> None:
    uses_existing = not state.kubernetes_version
    wants_another = kubeconfig is not None and str(kubeconfig.expanduser().absolute()) != state.kubeconfig
    if state.profile != profile or uses_existing != (kubeconfig is not None) or wants_another:
        raise SandboxError(
            f"a sandbox with profile {state.profile} and kubeconfig {state.kubeconfig} runs in {state.folder} already; "
            "stop it first, or choose another --state-dir"
        )


def _print_ready(state: SandboxState, folder: StateFolder, output: str) -> None:
    _print_state(state, output)
    if output == "text":
        click.echo(f'\nTo use it from this shell:\n  eval "$({command_line("env", folder)})"')


def _print_state(state: SandboxState, output: str) -> None:
    if output == "json":
        click.echo(state.to_json())
        return
    processes = ", ".join(
        f"{name} {pid}" for name, pid in {"owner": state.owner_pid, **state.pids}.items() if pid
    )
    kubernetes = f"{state.kubernetes_endpoint} (v{state.kubernetes_version}, from {state.binaries})"
    rows = {
        "Sandbox": f"{state.phase}{': ' if state.message else ''}{state.message}",
        "State folder": state.folder,
        "Started": state.started_at,
        "Kubernetes": kubernetes if state.kubernetes_version else state.kubernetes_endpoint,
        "Kubeconfig": state.kubeconfig,
        "kubectl": state.kubectl,
        "AWS": state.aws_endpoint_url
        and f"{state.aws_endpoint_url} (account {state.account}, profile {state.profile})",
        "Processes": processes,
    }
    for name, value in rows.items():
        if value:
            click.echo(f"{name + ':':<14}{value}")
