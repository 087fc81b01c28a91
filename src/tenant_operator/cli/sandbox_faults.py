"""`tenant-operator sandbox fault` and `sandbox set`: what goes wrong in the simulated AWS, and how long things take."""

from __future__ import annotations

import json
from typing import Any

import click

from tenant_operator.cli.sandbox_folder import output as with_output
from tenant_operator.cli.sandbox_folder import ready, state_dir
from tenant_operator.sandbox.aws.client import ControlError, SandboxAWS
from tenant_operator.sandbox.failure import SandboxError
from tenant_operator.sandbox.state_folder import StateFolder

# As faults.FaultKind has them; importing that takes moto, which takes a second.
KINDS = ("throttle", "error", "deny", "delay", "timeout", "reset-before", "reset-after")
_SWITCHES = {"on": True, "off": False, "true": True, "false": False}


@click.group()
def fault() -> None:
    """Let calls to the simulated AWS go wrong, and show or end what goes wrong."""


@fault.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--account", help="Of these accounts (a shell pattern, as the next three).")
@click.option("--region", help="In these Regions.")
@click.option("--service", help="To these services, by botocore's names: ecs, elbv2, ec2, route53, iam …")
@click.option("--action", help="These actions: 'Create*'.")
@click.option("--access", type=click.Choice(["read", "write"]), help="Only reads, or only writes.")
@click.option("--probability", type=click.FloatRange(0, 1), help="Of each call. Default: 1.")
@click.option("--count", type=click.IntRange(0), help="How many calls are hit; 0 is without end. Default: 0.")
@click.option("--seconds", type=click.FloatRange(0), help="Of a delay or a timeout. Default: 5.")
@click.option("--status", type=click.IntRange(400, 599), help="HTTP status of an error. Default: 500.")
@click.option("--code", help="Code of an error. Default: InternalFailure.")
@state_dir
def add(folder: StateFolder, kind: str, **values: Any) -> None:
    r"""Put a fault in force, and print its number.

    \b
    throttle      the service's own throttling error
    error         a server error
    deny          access denied
    delay         the answer comes late
    timeout       no answer comes, and nothing is done
    reset-before  the connection breaks before anything is done
    reset-after   … after it was done
    """
    given = {name: value for name, value in values.items() if value is not None}
    click.echo(_control(folder).add_fault(kind, **given))


@fault.command("list")
@state_dir
@with_output
def list_faults(folder: StateFolder, output: str) -> None:
    """Show the faults in force, with how many calls each has hit."""
    faults = _control(folder).faults()
    if output == "json":
        click.echo(json.dumps(faults, indent=2))
        return
    for found in faults:
        meant = " ".join(
            f"{name}={found[name]}"
            for name in ("account", "region", "service", "action", "access")
            if found[name] != "*"
        )
        click.echo(f"{found['id']}  {found['kind']}  {meant or 'all calls'}  hits: {found['hits']}")


@fault.command()
@click.argument("number", type=int, required=False)
@state_dir
def clear(folder: StateFolder, number: int | None) -> None:
    """End one fault, or all."""
    click.echo(f"ended: {_control(folder).clear_faults(number)}")


@click.command("set")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@state_dir
def set_command(folder: StateFolder, settings: tuple[str, ...]) -> None:
    """Change how the simulated AWS behaves, and show all settings.

    Durations are in seconds (`staleness=2`: for so long after a write, reads may show what was before it), shares
    between 0 and 1 (`trail_lost=0.1`), switches on or off (`throttles=on`, `reachability=on`), and `profile=aws` takes
    the time that AWS takes.
    """
    control = _control(folder)
    try:
        shown = control.settings(**_changes(settings, control.settings())) if settings else control.settings()
    except ControlError as error:
        raise SandboxError(str(error)) from error
    click.echo(json.dumps(shown, indent=2))


def _changes(settings: tuple[str, ...], present: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for setting in settings:
        name, found, value = setting.partition("=")
        if not found:
            raise click.UsageError(f"{setting!r} is not of the form NAME=VALUE")
        group = next((group for group in ("durations", "imperfections") if name in present[group]), None)
        if group is not None:
            changes.setdefault(group, {})[name] = _number(name, value)
        elif name == "throttles":
            changes[name] = {"enabled": _switch(name, value)}
        elif name == "reachability":
            changes[name] = _switch(name, value)
        elif name == "profile":
            changes[name] = value
        else:
            known = ["profile", "reachability", "throttles", *present["durations"], *present["imperfections"]]
            raise click.UsageError(f"unknown setting {name!r}; known are {', '.join(sorted(known))}")
    return changes


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise click.UsageError(f"{name} must be a number, not {value!r}") from error


def _switch(name: str, value: str) -> bool:
    if value.lower() not in _SWITCHES:
        raise click.UsageError(f"{name} must be on or off, not {value!r}")
    return _SWITCHES[value.lower()]


def _control(folder: StateFolder) -> SandboxAWS:
    return SandboxAWS(ready(folder).aws_endpoint_url)
